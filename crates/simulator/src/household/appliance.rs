//! What runs in the house: every appliance is a function of seed and time, so that any second can be asked for.
use crate::random::{pick, smooth};

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3600;
const DAY_S: i64 = 86_400;

/// Load of the three phases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Active power by phase in mW, never negative.
    pub(super) active_mw: [i64; 3],
    /// Reactive power by phase in mvar, positive when inductive.
    pub(super) reactive_mvar: [i64; 3],
}

impl Load {
    /// Adds an appliance of `watts` on one phase with `var_percent` of reactive power (negative: capacitive).
    fn add(&mut self, phase: usize, watts: i64, var_percent: i64) {
        if let (Some(active), Some(reactive)) =
            (self.active_mw.get_mut(phase), self.reactive_mvar.get_mut(phase))
        {
            *active += watts * 1000;
            *reactive += watts * 10 * var_percent;
        }
    }

    /// Adds an appliance that loads all phases alike.
    fn add_three_phase(&mut self, watts: i64, var_percent: i64) {
        for phase in 0..3 {
            self.add(phase, watts / 3, var_percent);
        }
    }
}

/// One second in one house.
#[derive(Debug, Clone, Copy)]
struct Moment {
    seed: u64,
    /// Local seconds.
    at: i64,
    day: i64,
    of_day: i64,
}

impl Moment {
    fn pick(self, subject: u64, below: u64) -> i64 {
        pick(self.seed, subject, self.day, below).cast_signed()
    }

    /// The same for the house as such, on every day.
    fn trait_of_house(self, subject: u64, below: u64) -> i64 {
        pick(self.seed, subject, 0, below).cast_signed()
    }

    fn is_weekend(self) -> bool {
        // Day 0 was a Thursday.
        matches!((self.day + 4).rem_euclid(7), 0 | 6)
    }

    /// Seconds since `start_s` of this day, if that was less than `len_s` ago.
    fn since(self, start_s: i64, len_s: i64) -> Option<i64> {
        let since = self.of_day - start_s;
        (0..len_s).contains(&since).then_some(since)
    }
}

/// The load of a house at a local second.
pub(super) fn load(seed: u64, local_s: i64) -> Load {
    let moment =
        Moment { seed, at: local_s, day: local_s.div_euclid(DAY_S), of_day: local_s.rem_euclid(DAY_S) };
    let mut load = Load::default();
    base(moment, &mut load);
    cold(moment, &mut load);
    evening(moment, &mut load);
    kitchen(moment, &mut load);
    laundry(moment, &mut load);
    heat_pump(moment, &mut load);
    car(moment, &mut load);
    load
}

/// Router, standby, circulation pump; power supplies are capacitive.
fn base(moment: Moment, load: &mut Load) {
    for (phase, subject) in [(0, 10), (1, 11), (2, 12)] {
        let watts =
            18 + moment.trait_of_house(subject, 30) + smooth(moment.seed, subject, moment.at, 7) * 6 / 1000;
        load.add(phase, watts, -35);
    }
    // The last digits are never quiet.
    for (phase, subject) in [13, 14, 15].into_iter().enumerate() {
        if let Some(active) = load.active_mw.get_mut(phase) {
            *active += pick(moment.seed, subject, moment.at, 1400).cast_signed();
        }
    }
}

/// Fridge and freezer: compressors that come and go.
fn cold(moment: Moment, load: &mut Load) {
    for (subject, phase, watts) in [(20, 1, 78), (21, 2, 96)] {
        let period_s = 2400 + moment.trait_of_house(subject, 1200);
        let in_period = (moment.at + moment.trait_of_house(subject + 2, 3600)).rem_euclid(period_s);
        match in_period {
            // The motor draws a multiple while it starts.
            0..=1 => load.add(phase, watts * 5, 60),
            on if on < period_s * 38 / 100 => load.add(phase, watts - on * 14 / period_s, 55),
            _ => {}
        }
    }
}

/// Lights, television and computers in the morning and the evening.
fn evening(moment: Moment, load: &mut Load) {
    let slot = moment.at.div_euclid(20 * MINUTE_S);
    let some = |subject, below| pick(moment.seed, subject, slot, below).cast_signed();
    let (lights, screens) = match moment.of_day / 1800 {
        // Half hours of the day: 6:00 to 8:00, 17:00 to 23:00, and the time between.
        12..16 => (60 + some(30, 90), some(31, 60)),
        34..46 => (90 + some(30, 140), 90 + some(31, 160)),
        16..34 => (some(30, 25), if moment.is_weekend() { some(31, 160) } else { some(31, 70) }),
        _ => (some(30, 8), 0),
    };
    load.add(0, lights, -20);
    load.add(2, screens, -28);
}

/// Kettle, coffee, lunch, dinner, dishwasher.
fn kitchen(moment: Moment, load: &mut Load) {
    let breakfast = if moment.is_weekend() { 8 * HOUR_S } else { 6 * HOUR_S + 30 * MINUTE_S };
    for (subject, start, watts) in [
        (40, breakfast, 2000),
        (41, 10 * HOUR_S, 1350),
        (42, 14 * HOUR_S + 30 * MINUTE_S, 1350),
        (43, 20 * HOUR_S, 2000),
    ] {
        let start = start + moment.pick(subject, 3000);
        if moment.since(start, 150 + moment.pick(subject + 10, 60)).is_some() {
            load.add(0, watts, 0);
        }
    }
    let dinner = 17 * HOUR_S + 45 * MINUTE_S + moment.pick(44, 4500);
    cook(moment, load, dinner, 45 * MINUTE_S + moment.pick(45, 1500));
    if moment.is_weekend() || moment.pick(46, 3) == 0 {
        cook(moment, load, 11 * HOUR_S + 30 * MINUTE_S + moment.pick(47, 2400), 35 * MINUTE_S);
    }
    if moment.pick(48, 10) < 7
        && let Some(since) = moment.since(19 * HOUR_S + 40 * MINUTE_S + moment.pick(49, 4000), 95 * MINUTE_S)
    {
        // Two heating phases, rinsing between them.
        let heats = matches!(since / MINUTE_S, 8..24 | 62..76);
        load.add(1, if heats { 1980 } else { 45 }, if heats { 1 } else { 40 });
    }
}

/// Oven on phase 2, two hob plates on phases 2 and 3; each by a thermostat.
fn cook(moment: Moment, load: &mut Load, start_s: i64, len_s: i64) {
    let Some(since) = moment.since(start_s, len_s) else { return };
    let oven_heats = since < 9 * MINUTE_S || since % 140 < 52;
    load.add(1, if oven_heats { 2350 } else { 65 }, 0);
    if since > 6 * MINUTE_S && since % 24 < 15 {
        load.add(2, 1750, 0);
    }
    if since > 14 * MINUTE_S && since % 31 < 11 {
        load.add(1, 1150, 0);
    }
}

/// Washing machine: heating, drum, spinning.
fn laundry(moment: Moment, load: &mut Load) {
    if moment.pick(50, 10) >= 5 {
        return;
    }
    let start = 9 * HOUR_S + 20 * MINUTE_S + moment.pick(51, 6 * 3600);
    let Some(since) = moment.since(start, 105 * MINUTE_S) else { return };
    match since / MINUTE_S {
        4..22 => load.add(0, 2080, 2),
        94..104 => load.add(0, 320 + since % 60 * 4, 45),
        // The drum turns for 12 s and rests for 5.
        _ if since % 17 < 12 => load.add(0, 165, 60),
        _ => load.add(0, 9, -60),
    }
}

/// Outdoor temperature in tenths of a degree: the season, the hour, and the weather of some days.
pub(super) fn outdoor_decidegrees(seed: u64, local_s: i64) -> i64 {
    let day = local_s.div_euclid(DAY_S);
    let season = super::sine_1000((day - 110) * 360_000 / 365);
    let hour = super::sine_1000((local_s.rem_euclid(DAY_S) - 9 * HOUR_S) * 360_000 / DAY_S);
    95 + season * 95 / 1000 + hour * 38 / 1000 + (smooth(seed, 60, local_s, 3 * DAY_S) - 500) * 100 / 1000
}

/// A modulating heat pump: the colder, the longer and stronger it runs; and hot water after noon.
fn heat_pump(moment: Moment, load: &mut Load) {
    let cold = 180 - outdoor_decidegrees(moment.seed, moment.at);
    let period_s = 3000 + moment.trait_of_house(62, 900);
    let in_period = (moment.at + moment.trait_of_house(63, 3000)).rem_euclid(period_s);
    let on_s = (cold * period_s / 190).clamp(0, period_s);
    let hot_water = moment.since(13 * HOUR_S + moment.pick(64, 1800), 38 * MINUTE_S);
    let watts = match hot_water {
        Some(since) => 1700 + since * 500 / (38 * MINUTE_S),
        None if in_period < on_s && cold > 15 => {
            // The inverter starts slowly and ends softly.
            let full = 650 + cold * 8;
            full.min(350 + in_period * 4).min(350 + (on_s - in_period) * 10)
        }
        None => 24,
    };
    load.add_three_phase(watts, 12);
}

/// The car charges on three phases in some nights, and at times over noon.
fn car(moment: Moment, load: &mut Load) {
    let night = moment.pick(70, 10) < 6;
    let noon = moment.pick(71, 10) < 3;
    let len_s = 70 * MINUTE_S + moment.pick(72, 5400);
    let (start, amperes) = if noon {
        (12 * HOUR_S + 40 * MINUTE_S + moment.pick(73, 1800), 8)
    } else if night {
        (22 * HOUR_S - moment.pick(73, 1800), 16)
    } else {
        return;
    };
    if let Some(since) = moment.since(start, len_s) {
        // The current climbs in the first seconds and falls when the battery is nearly full.
        let amperes = (since / 4).min(amperes).min(6 + (len_s - since) / 90);
        load.add_three_phase(amperes * 3 * 229, -4);
    }
}
