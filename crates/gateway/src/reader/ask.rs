//! Meters that speak only when they are asked, and how they are asked.
use crate::config::{IecMode, MeterSetup, Place};
use metergate_meter::iec62056_21::{self, Iec62056_21};
use metergate_meter::kmp::{self, Kmp};
use metergate_meter::{LineSettings, Meter, Protocol, Settings};
use std::time::Duration;

/// What a Kamstrup meter is asked when the configuration does not say: energy, volume, flow, power, the temperatures
/// and their difference, and the hours. One request holds eight registers.
const KMP_REGISTERS: [u16; 8] = [60, 68, 74, 80, 86, 87, 89, 1004];

/// A conversation that asks, and how often it does; `None` for a meter that is only listened to.
///
/// `signs_on`: an IEC 62056-21 meter is not waited for.
pub(super) fn asking(
    protocol: Protocol,
    setup: &MeterSetup,
    settings: &Settings,
    signs_on: bool,
    buffer_len: usize,
) -> Option<(Meter<Vec<u8>>, Duration)> {
    if matches!(setup.port.place, Place::Stdin | Place::File(_)) {
        return None;
    }
    match protocol {
        Protocol::Kmp => {
            let meter = Kmp::asking(settings.clone(), kmp_plan(setup)?, vec![0; buffer_len]);
            Some((Meter::Kmp(meter), setup.kmp.interval))
        }
        Protocol::Iec62056_21 if signs_on => {
            let meter = Iec62056_21::asking(settings.clone(), iec_plan(setup)?, vec![0; buffer_len]);
            Some((Meter::Iec62056_21(meter), setup.iec.interval))
        }
        _ => None,
    }
}

/// Whether to sign on to an IEC 62056-21 meter at once: 300 baud is the speed of those that wait for it.
pub(super) fn signs_on(setup: &MeterSetup, line: Option<LineSettings>) -> bool {
    match setup.iec.mode {
        IecMode::Readout => true,
        IecMode::Push => false,
        IecMode::Auto => line.is_none_or(|line| line.baud == LineSettings::M300_7E1.baud),
    }
}

/// How a Kamstrup meter is asked; `None` when more registers are wanted than a plan holds.
fn kmp_plan(setup: &MeterSetup) -> Option<kmp::Plan> {
    let wanted = Some(&setup.kmp.registers[..]).filter(|registers| !registers.is_empty());
    let plan = kmp::Plan::new(wanted.unwrap_or(&KMP_REGISTERS), setup.kmp.interval);
    if plan.is_none() {
        tracing::error!("meter `{}`: too many registers; it is only listened to", setup.name);
    }
    let plan = plan?;
    // A meter that may be asked more often than every two minutes runs on mains and needs no budget.
    Some(match u8::try_from(setup.kmp.requests_per_hour) {
        Ok(requests @ 1..=30) => plan.with_requests_per_hour(requests),
        _ => plan,
    })
}

/// How an IEC 62056-21 meter is read out; `None` for an address that the configuration refuses.
fn iec_plan(setup: &MeterSetup) -> Option<iec62056_21::Plan> {
    let plan = iec62056_21::Plan::new(setup.iec.interval);
    // Sign-on is at 300 baud, unless the configuration or the model says otherwise for this meter.
    let plan = match setup.port.line {
        Some(line) => plan.with_line(line),
        None => plan,
    };
    match &setup.iec.address {
        Some(address) => plan.with_address(address),
        None => Some(plan),
    }
}
