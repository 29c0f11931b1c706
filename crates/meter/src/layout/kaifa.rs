//! Kaifa MA105H2E, MA304H3E and MA304T4E in Norway and Sweden (KFM_001): lists without OBIS codes.
//!
//! Source: the OBIS list of Norsk Elektroteknisk Komité for the HAN port, Kaifa edition (KFM_001).
use super::rows::{U32, current, energy, general, plain, power, voltage};
use super::{Layout, Row};
use metergate_reading::ObisCode;

const NAME: &str = "kaifa-kfm-001";
const STARTS_WITH: &[u8] = b"KFM_001";

const LIST_VERSION: Row = plain(0, ObisCode::new(1, 1, 0, 2, 129, 255));
const METER_NUMBER: Row = plain(1, general(96, 1, 0));
const METER_TYPE: Row = plain(2, general(96, 1, 7));

const fn list(elements: u16, rows: &'static [Row]) -> Layout {
    Layout {
        name: NAME,
        elements: Some(elements),
        starts_with: STARTS_WITH,
        tags: &[],
        automatic: true,
        rows,
    }
}

pub(super) const LAYOUTS: &[Layout] = &[
    // Every 2 s: the import power alone.
    Layout {
        name: NAME,
        elements: Some(1),
        starts_with: b"",
        tags: &[(0, U32)],
        automatic: true,
        rows: &[power(0, 1)],
    },
    // Every 10 s, one phase; currents in mA.
    list(
        9,
        &[
            LIST_VERSION,
            METER_NUMBER,
            METER_TYPE,
            power(3, 1),
            power(4, 2),
            power(5, 3),
            power(6, 4),
            current(7, 31, -3),
            voltage(8, 32),
        ],
    ),
    // Every 10 s, three phases.
    list(
        13,
        &[
            LIST_VERSION,
            METER_NUMBER,
            METER_TYPE,
            power(3, 1),
            power(4, 2),
            power(5, 3),
            power(6, 4),
            current(7, 31, -3),
            current(8, 51, -3),
            current(9, 71, -3),
            voltage(10, 32),
            voltage(11, 52),
            voltage(12, 72),
        ],
    ),
    // Every hour, one phase.
    list(
        14,
        &[
            LIST_VERSION,
            METER_NUMBER,
            METER_TYPE,
            power(3, 1),
            power(4, 2),
            power(5, 3),
            power(6, 4),
            current(7, 31, -3),
            voltage(8, 32),
            plain(9, general(1, 0, 0)),
            energy(10, 1, 0),
            energy(11, 2, 0),
            energy(12, 3, 0),
            energy(13, 4, 0),
        ],
    ),
    // Every hour, three phases.
    list(
        18,
        &[
            LIST_VERSION,
            METER_NUMBER,
            METER_TYPE,
            power(3, 1),
            power(4, 2),
            power(5, 3),
            power(6, 4),
            current(7, 31, -3),
            current(8, 51, -3),
            current(9, 71, -3),
            voltage(10, 32),
            voltage(11, 52),
            voltage(12, 72),
            plain(13, general(1, 0, 0)),
            energy(14, 1, 0),
            energy(15, 2, 0),
            energy(16, 3, 0),
            energy(17, 4, 0),
        ],
    ),
];
