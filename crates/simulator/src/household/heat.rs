//! The district heating of the house, as its heat meter sees it.
use super::appliance::outdoor_decidegrees;
use crate::random::{pick, smooth};

const DAY_S: i64 = 86_400;

/// What the heat meter measures in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeatFlow {
    /// Temperature of the flow pipe in hundredths of a degree Celsius.
    pub flow_centidegrees: i64,
    /// Temperature of the return pipe in hundredths of a degree Celsius, below the flow.
    pub return_centidegrees: i64,
    /// Water in l/h, 0 when the valve is shut.
    pub litres_per_hour: i64,
    /// Heat in mW: water times temperature difference times 1.163 Wh/(l K).
    pub power_mw: i64,
}

pub(super) fn flow(seed: u64, local_s: i64) -> HeatFlow {
    let (day, of_day) = (local_s.div_euclid(DAY_S), local_s.rem_euclid(DAY_S));
    let cold = (190 - outdoor_decidegrees(seed, local_s)).max(0);
    // At night the house may cool; in the morning it is heated up again.
    let setback = match of_day / 3600 {
        0..5 => 45,
        5..8 => 135,
        _ => 100,
    };
    let breath = 900 + smooth(seed, 90, local_s, 600) * 200 / 1000;
    let heating_w = cold * 42 * setback / 100 * breath / 1000;
    let showers =
        [6 * 3600 + 1800, 7 * 3600, 18 * 3600, 21 * 3600].into_iter().zip(91..).any(|(start, subject)| {
            let start = start + pick(seed, subject, day, 2400).cast_signed();
            (start..start + 540).contains(&of_day) && pick(seed, subject + 10, day, 3) > 0
        });
    // The hot water tank loads once a day; a shower takes heat at once.
    let tank = (13 * 3600..13 * 3600 + 2100).contains(&of_day);
    let wanted_w = heating_w + if showers { 11_500 } else { 0 } + if tank { 6_000 } else { 0 };
    let flow_centidegrees = 6_650 + cold * 6 + smooth(seed, 95, local_s, 900) * 180 / 1000;
    let spread = 2_300 + cold * 3 - smooth(seed, 96, local_s, 240) * 260 / 1000;
    let litres_per_hour = wanted_w * 100_000 / (1_163 * spread);
    HeatFlow {
        flow_centidegrees,
        return_centidegrees: flow_centidegrees - spread,
        litres_per_hour,
        power_mw: litres_per_hour * spread * 1_163 / 100,
    }
}
