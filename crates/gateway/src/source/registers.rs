//! The registers of sources: their OBIS codes and units.
use metergate_reading::{Address, Number, ObisCode, Register, RegisterBuf, Unit, Value};

/// Ambient temperature (IEC 62056-6-1, environmental parameters).
pub(super) const TEMPERATURE: ObisCode = ObisCode::new(0, 0, 96, 9, 0, 255);
/// Relative humidity, of the same group.
pub(super) const HUMIDITY: ObisCode = ObisCode::new(0, 0, 96, 9, 2, 255);
/// Energy taken.
pub(super) const IMPORT: ObisCode = ObisCode::new(1, 0, 1, 8, 0, 255);
/// Energy given.
pub(super) const EXPORT: ObisCode = ObisCode::new(1, 0, 2, 8, 0, 255);
/// Power taken.
pub(super) const POWER_IMPORT: ObisCode = ObisCode::new(1, 0, 1, 7, 0, 255);
/// Power given.
pub(super) const POWER_EXPORT: ObisCode = ObisCode::new(1, 0, 2, 7, 0, 255);
/// Power taken less power given.
pub(super) const POWER_NET: ObisCode = ObisCode::new(1, 0, 16, 7, 0, 255);

/// A register with a number.
pub(super) fn register(code: ObisCode, number: Number, unit: Option<Unit>) -> RegisterBuf {
    let mut register = Register::new(Address::Obis, Value::Number(number));
    (register.obis, register.unit) = (Some(code), unit);
    register.into()
}
