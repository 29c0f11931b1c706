//! Iskraemeco AM550: positional lists of Slovenia, Croatia and Wiener Netze, and units of the Swiss push lists.
//!
//! Voltages are in 0.1 V, currents in 0.01 A. The lists begin with the logical device name, `ISK` and digits.
use super::rows::{BOOL, OCTETS, U16, U32, current, energy, general, plain, power, voltage};
use super::{Layout, Row};
use metergate_reading::{ObisCode, Unit};

const NAME: &str = "iskraemeco-am550";
const STARTS_WITH: &[u8] = b"ISK";
const DEVICE_NAME: Row = plain(0, general(42, 0, 0));

const fn list(elements: u16, tags: &'static [(u16, u8)], rows: &'static [Row]) -> Layout {
    Layout { name: NAME, elements: Some(elements), starts_with: STARTS_WITH, tags, automatic: true, rows }
}

const fn of(c: u8, d: u8, unit: Unit, scale: i8) -> Row {
    Row::of(ObisCode::new(1, 0, c, d, 0, 255), unit, scale)
}

const fn channel_1(c: u8, d: u8, e: u8, unit: Unit) -> Row {
    Row::of(ObisCode::new(1, 1, c, d, e, 255), unit, 0)
}

pub(super) const LAYOUTS: &[Layout] = &[
    // Powers, voltages and currents of three phases.
    list(
        18,
        &[(2, U32)],
        &[
            DEVICE_NAME,
            plain(1, general(96, 1, 3)),
            power(2, 1),
            power(3, 2),
            power(4, 3),
            power(5, 4),
            voltage(6, 32),
            voltage(7, 52),
            voltage(8, 72),
            current(9, 31, -2),
            current(10, 51, -2),
            current(11, 71, -2),
            power(12, 21),
            power(13, 41),
            power(14, 61),
            power(15, 22),
            power(16, 42),
            power(17, 62),
        ],
    ),
    // Energies by tariff; 96.3.10 is the disconnector, 96.14.0 the tariff in force.
    list(
        12,
        &[(2, BOOL)],
        &[
            DEVICE_NAME,
            plain(1, general(96, 1, 3)),
            plain(2, general(96, 3, 10)),
            plain(3, general(96, 14, 0)),
            energy(4, 1, 0),
            energy(5, 1, 1),
            energy(6, 1, 2),
            energy(7, 2, 0),
            energy(8, 2, 1),
            energy(9, 2, 2),
            energy(10, 3, 0),
            energy(11, 4, 0),
        ],
    ),
    // Croatia, three phases.
    list(
        12,
        &[(2, U16)],
        &[
            DEVICE_NAME,
            plain(1, general(96, 1, 2)),
            voltage(2, 32),
            voltage(3, 52),
            voltage(4, 72),
            current(5, 31, -2),
            current(6, 51, -2),
            current(7, 71, -2),
            power(8, 1),
            power(9, 2),
            power(10, 3),
            power(11, 4),
        ],
    ),
    // One phase.
    list(
        10,
        &[(6, U16)],
        &[
            DEVICE_NAME,
            plain(1, general(96, 1, 2)),
            power(2, 1),
            power(3, 2),
            power(4, 3),
            power(5, 4),
            voltage(6, 32),
            current(7, 31, -2),
            power(8, 21),
            power(9, 22),
        ],
    ),
    // Energies by tariff.
    list(
        10,
        &[(6, U32)],
        &[
            DEVICE_NAME,
            plain(1, general(96, 1, 3)),
            energy(2, 1, 1),
            energy(3, 1, 2),
            energy(4, 2, 1),
            energy(5, 2, 2),
            energy(6, 3, 1),
            energy(7, 3, 2),
            energy(8, 4, 1),
            energy(9, 4, 2),
        ],
    ),
    // Wiener Netze, optical interface: the clock, then eight numbers. The clock begins with the year, 07 xx.
    Layout {
        name: "iskraemeco-am550-wiener-netze",
        elements: Some(9),
        starts_with: b"\x07",
        tags: &[(0, OCTETS), (1, U32), (4, U32), (5, U32), (8, U32)],
        automatic: true,
        rows: &[
            plain(0, general(1, 0, 0)),
            energy(1, 1, 0),
            energy(2, 2, 0),
            energy(3, 3, 0),
            energy(4, 4, 0),
            power(5, 1),
            power(6, 2),
            power(7, 3),
            power(8, 4),
        ],
    },
    // Switzerland: the push objects name the values and give no scaler, so only who names the meter gets units.
    Layout {
        name: "iskraemeco-am550-ch",
        elements: None,
        starts_with: b"",
        tags: &[],
        automatic: false,
        rows: &[
            channel_1(1, 7, 0, Unit::Watt),
            channel_1(2, 7, 0, Unit::Watt),
            channel_1(3, 7, 0, Unit::Var),
            channel_1(4, 7, 0, Unit::Var),
            channel_1(1, 8, 0, Unit::WattHour),
            channel_1(1, 8, 1, Unit::WattHour),
            channel_1(1, 8, 2, Unit::WattHour),
            channel_1(2, 8, 0, Unit::WattHour),
            channel_1(2, 8, 1, Unit::WattHour),
            channel_1(2, 8, 2, Unit::WattHour),
            channel_1(3, 8, 0, Unit::VarHour),
            channel_1(4, 8, 0, Unit::VarHour),
            of(32, 7, Unit::Volt, -1),
            of(52, 7, Unit::Volt, -1),
            of(72, 7, Unit::Volt, -1),
            of(31, 7, Unit::Ampere, -2),
            of(51, 7, Unit::Ampere, -2),
            of(71, 7, Unit::Ampere, -2),
        ],
    },
];
