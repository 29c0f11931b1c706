//! Landis+Gyr E360, E450 and E570 in Switzerland: OBIS codes and bare numbers whose scale differs by type.
//!
//! The telegrams do not tell the types apart, so these tables are used only where a model names them.
use super::{Layout, Row};
use metergate_reading::{ObisCode, Unit};

const fn of(b: u8, c: u8, d: u8, e: u8, unit: Unit, scale: i8) -> Row {
    Row::of(ObisCode::new(1, b, c, d, e, 255), unit, scale)
}

/// Energies and powers, then what the three types scale differently.
const fn layout(name: &'static str, rows: &'static [Row]) -> Layout {
    Layout { name, elements: None, starts_with: b"", tags: &[], automatic: false, rows }
}

pub(super) const LAYOUTS: &[Layout] = &[
    layout("landis-gyr-e450", &rows(0, -2)),
    layout("landis-gyr-e360", &rows(-1, -2)),
    layout("landis-gyr-e570", &rows(0, 0)),
];

const fn rows(volt: i8, ampere: i8) -> [Row; 31] {
    use Unit::{Ampere, Var, VarHour, Volt, Watt, WattHour};
    [
        of(0, 1, 7, 0, Watt, 0),
        of(0, 2, 7, 0, Watt, 0),
        of(0, 3, 7, 0, Var, 0),
        of(0, 4, 7, 0, Var, 0),
        of(0, 1, 8, 0, WattHour, 0),
        of(0, 1, 8, 1, WattHour, 0),
        of(0, 1, 8, 2, WattHour, 0),
        of(0, 2, 8, 0, WattHour, 0),
        of(0, 2, 8, 1, WattHour, 0),
        of(0, 2, 8, 2, WattHour, 0),
        of(0, 3, 8, 0, VarHour, 0),
        of(0, 3, 8, 1, VarHour, 0),
        of(0, 3, 8, 2, VarHour, 0),
        of(0, 4, 8, 0, VarHour, 0),
        of(0, 4, 8, 1, VarHour, 0),
        of(0, 4, 8, 2, VarHour, 0),
        of(1, 1, 8, 0, WattHour, 0),
        of(1, 2, 8, 0, WattHour, 0),
        of(1, 3, 8, 0, VarHour, 0),
        of(1, 4, 8, 0, VarHour, 0),
        of(1, 5, 8, 0, VarHour, 0),
        of(1, 6, 8, 0, VarHour, 0),
        of(1, 7, 8, 0, VarHour, 0),
        of(1, 8, 8, 0, VarHour, 0),
        of(0, 32, 7, 0, Volt, volt),
        of(0, 52, 7, 0, Volt, volt),
        of(0, 72, 7, 0, Volt, volt),
        of(0, 31, 7, 0, Ampere, ampere),
        of(0, 51, 7, 0, Ampere, ampere),
        of(0, 71, 7, 0, Ampere, ampere),
        Row { position: None, obis: ObisCode::new(1, 0, 13, 7, 0, 255), unit: None, scale: -3 },
    ]
}
