//! What a meter of twelve registers says of a household, with the units and digits of those of Netz Niederösterreich,
//! as rows of the store.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "a part of several tests, which unwrap")]

use metergate_gateway::store::{Column, Row, RowFlags, Shape};
use metergate_reading::{Instant, Trust, Unit};
use metergate_simulator::{Energy, Household};
use std::sync::Arc;

/// How many registers a row has.
pub const REGISTERS: usize = 12;

/// The registers of all rows.
pub fn shape() -> Arc<Shape> {
    let columns: [_; REGISTERS] = [
        ("1-0:1.8.0", Unit::WattHour, 0),
        ("1-0:2.8.0", Unit::WattHour, 0),
        ("1-0:1.7.0", Unit::Watt, 0),
        ("1-0:2.7.0", Unit::Watt, 0),
        ("1-0:32.7.0", Unit::Volt, -1),
        ("1-0:52.7.0", Unit::Volt, -1),
        ("1-0:72.7.0", Unit::Volt, -1),
        ("1-0:31.7.0", Unit::Ampere, -2),
        ("1-0:51.7.0", Unit::Ampere, -2),
        ("1-0:71.7.0", Unit::Ampere, -2),
        ("1-0:13.7.0", Unit::Percent, -1),
        ("1-0:4.8.0", Unit::VarHour, 0),
    ];
    let columns =
        columns.map(|(id, unit, exponent)| Column { id: id.parse().unwrap(), unit: Some(unit), exponent });
    Arc::new(Shape(columns.into()))
}

/// The household at this second of its meter's clock, received so many milliseconds later.
pub fn row(house: &mut Household, second: i64, late_ms: i64, shape: &Arc<Shape>) -> Row {
    house.advance_to(second);
    let (energies, power_w, phases) = (house.energies(), house.power_mw() / 1000, house.phases());
    let wh = |energy: Energy| i64::try_from(energy.wh()).unwrap();
    let [u1, u2, u3] = phases.map(|phase| phase.voltage_mv / 100);
    let [i1, i2, i3] = phases.map(|phase| phase.current_ma / 10);
    let mantissas: [i64; REGISTERS] = [
        wh(energies.import),
        wh(energies.export),
        power_w.max(0),
        (-power_w).max(0),
        u1,
        u2,
        u3,
        i1,
        i2,
        i3,
        house.power_factor_1000(),
        wh(energies.reactive_export),
    ];
    Row {
        seq: 0,
        meter: "house".into(),
        at: Instant { unix_ms: second * 1000 + late_ms, trust: Trust::HostSynchronised },
        meter_clock_s: Some(second),
        flags: RowFlags::default(),
        shape: Arc::clone(shape),
        mantissas: mantissas.into(),
    }
}
