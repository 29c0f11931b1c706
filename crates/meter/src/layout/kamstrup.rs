//! Kamstrup Omnipower and 684x with HAN module: OBIS codes and bare numbers.
//!
//! Source: Kamstrup, HAN-NVE interface description 5512-2075: V, 0.01 A, W, 0.01 kWh; power factors in 0.01.
use super::{Layout, Row};
use metergate_reading::{ObisCode, Unit};

const fn code(c: u8, d: u8) -> ObisCode {
    ObisCode::new(1, 1, c, d, 0, 255)
}

const fn energy(c: u8) -> Row {
    Row::of(code(c, 8), if matches!(c, 3 | 4) { Unit::VarHour } else { Unit::WattHour }, 1)
}

const fn power(c: u8) -> Row {
    Row::of(code(c, 7), if matches!(c, 3 | 4) { Unit::Var } else { Unit::Watt }, 0)
}

const fn current(c: u8) -> Row {
    Row::of(code(c, 7), Unit::Ampere, -2)
}

const fn voltage(c: u8) -> Row {
    Row::of(code(c, 7), Unit::Volt, 0)
}

const fn factor(c: u8) -> Row {
    Row { position: None, obis: code(c, 7), unit: None, scale: -2 }
}

pub(super) const LAYOUTS: &[Layout] = &[Layout {
    name: "kamstrup-v0001",
    elements: None,
    starts_with: b"Kamstrup_V0001",
    tags: &[],
    automatic: true,
    rows: &[
        Row::at(0, ObisCode::new(1, 1, 0, 2, 129, 255), None, 0),
        energy(1),
        energy(2),
        energy(3),
        energy(4),
        energy(21),
        energy(22),
        energy(41),
        energy(42),
        energy(61),
        energy(62),
        power(1),
        power(2),
        power(3),
        power(4),
        power(21),
        power(22),
        power(41),
        power(42),
        power(61),
        power(62),
        current(31),
        current(51),
        current(71),
        voltage(32),
        voltage(52),
        voltage(72),
        factor(13),
        factor(33),
        factor(53),
        factor(73),
    ],
}];
