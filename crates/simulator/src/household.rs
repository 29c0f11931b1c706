//! A believable household behind the meters: the same for the same seed and time.
//!
//! ```text
//!  appliances (mW by phase) --+                            +--> import, export (mWs, exact)
//!                             +--> net power by phase -----+--> voltage, current, power factor
//!  sun on the roof (mW) ------+                            +--> reactive energy
//!  outdoor temperature --> district heating --> heat, volume          water, gas
//! ```
//!
//! Everything is an integer. Power is a function of seed and second; energies are sums of that power over the seconds
//! that passed, in milliwatt seconds, so that a meter's registers are the exact integral of the power it shows.
use crate::clock;
use crate::random::{pick, smooth};

mod appliance;
mod heat;
mod sun;

pub use heat::HeatFlow;

/// mWs of one Wh; mvars of one varh.
pub const MILLIWATT_SECONDS_PER_WH: u64 = 3_600_000;
/// Longest time, in seconds, that is lived through second by second. After a longer gap (a clock that jumped, a
/// suspended host) the meter counts as having been without current for the rest.
pub const CATCH_UP_MAX_S: i64 = 86_400;

/// An energy register, exact to the milliwatt second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Energy(u64);

impl Energy {
    /// A register that stands at so many Wh (or varh).
    #[must_use]
    pub const fn from_wh(wh: u64) -> Self {
        Self(wh * MILLIWATT_SECONDS_PER_WH)
    }

    /// Whole Wh (or varh), rounded down as a meter does.
    ///
    /// ```
    /// use metergate_simulator::Energy;
    ///
    /// assert_eq!(Energy::from_wh(1_340_436).wh(), 1_340_436);
    /// assert_eq!(Energy::from_wh(35_204).in_parts_of_wh(10_000), 352_040_000);
    /// ```
    #[must_use]
    pub const fn wh(self) -> u64 {
        self.0 / MILLIWATT_SECONDS_PER_WH
    }

    /// The register in parts of a Wh, such as 10 for tenths; rounded down. At most a million parts.
    #[must_use]
    pub const fn in_parts_of_wh(self, parts: u64) -> u64 {
        // Whole Wh and the rest apart: their product with the parts stays within 64 bits.
        self.wh().saturating_mul(parts) + self.0 % MILLIWATT_SECONDS_PER_WH * parts / MILLIWATT_SECONDS_PER_WH
    }

    /// Milliwatt seconds.
    #[must_use]
    pub const fn milliwatt_seconds(self) -> u64 {
        self.0
    }

    /// Adds one second of `mw`; nothing when that is negative.
    fn add_second(&mut self, mw: i64) {
        self.0 = self.0.saturating_add(u64::try_from(mw).unwrap_or(0));
    }
}

/// What one phase does in this second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phase {
    /// Active power in mW: positive from the grid, negative into it. Always load less sun.
    pub power_mw: i64,
    /// What the appliances take, in mW.
    pub load_mw: i64,
    /// What the roof gives, in mW.
    pub sun_mw: i64,
    /// Reactive power in mvar: positive inductive.
    pub reactive_mvar: i64,
    /// Voltage in mV.
    pub voltage_mv: i64,
    /// Current in mA, without sign.
    pub current_ma: i64,
}

/// The energy registers of the electricity meter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Energies {
    /// From the grid: 1.8.0.
    pub import: Energy,
    /// From the grid by tariff, day and night: 1.8.1 and 1.8.2.
    pub import_by_tariff: [Energy; 2],
    /// Into the grid: 2.8.0.
    pub export: Energy,
    /// Into the grid by tariff: 2.8.1 and 2.8.2.
    pub export_by_tariff: [Energy; 2],
    /// Inductive reactive energy: 3.8.0, in mvars.
    pub reactive_import: Energy,
    /// Capacitive reactive energy: 4.8.0, in mvars.
    pub reactive_export: Energy,
}

/// What is metered besides electricity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supplies {
    /// Heat so far.
    pub heat: Energy,
    /// Heating water so far, in l/h times s: 3600 of them are a litre.
    heating_water: u64,
    /// Seconds that the heat meter has worked.
    pub heat_meter_s: u64,
    /// Drinking water in ml.
    pub water_ml: u64,
    /// Gas in ml.
    pub gas_ml: u64,
}

impl Supplies {
    /// Heating water so far in ml, rounded down.
    #[must_use]
    pub const fn heating_water_ml(&self) -> u64 {
        self.heating_water / 18 * 5
    }
}

/// A household: its registers, and what happens in it in this second.
///
/// ```
/// use metergate_simulator::Household;
///
/// let noon = 1_781_600_400; // 2026-06-16T09:00:00Z
/// let mut house = Household::new(7, noon);
/// let before = house.energies().import;
/// house.advance_to(noon + 900);
/// assert!(house.energies().import >= before, "registers never fall");
/// assert_eq!(house.power_mw(), house.phases().iter().map(|phase| phase.power_mw).sum::<i64>());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Household {
    seed: u64,
    now_s: i64,
    /// Added to the time before asking what happens: lets the sun shine at night.
    scene_s: i64,
    phases: [Phase; 3],
    heat_flow: HeatFlow,
    energies: Energies,
    supplies: Supplies,
}

impl Household {
    /// The house of this seed at a second since 1970-01-01T00:00:00Z, with registers that some years have filled.
    #[must_use]
    pub fn new(seed: u64, now_s: i64) -> Self {
        Self::with_scene(seed, now_s, 0)
    }

    /// The same, living `scene_s` seconds later than its clocks say: for demonstrations, which show the sun at night.
    #[must_use]
    pub fn with_scene(seed: u64, now_s: i64, scene_s: i64) -> Self {
        let filled = |subject, from: u64, below| from + pick(seed, subject, 0, below);
        // To the milliwatt second: registers that have worked for years are not round.
        let register = |subject, from: u64, below| {
            Energy(
                Energy::from_wh(filled(subject, from, below)).0
                    + filled(subject + 10, 0, MILLIWATT_SECONDS_PER_WH),
            )
        };
        let part = |whole: Energy, percent: u64| Energy(whole.0 / 100 * percent);
        let (import, export) = (register(100, 2_400_000, 26_000_000), register(101, 900_000, 14_000_000));
        let tariffs = |whole: Energy, percent| {
            let day = part(whole, percent);
            [day, Energy(whole.0 - day.0)]
        };
        let energies = Energies {
            import,
            import_by_tariff: tariffs(import, 67),
            export,
            export_by_tariff: tariffs(export, 96),
            reactive_import: part(import, 4),
            reactive_export: part(import, 31),
        };
        let heat = register(102, 9_000_000, 60_000_000);
        let supplies = Supplies {
            heat,
            // About 35 Wh a litre.
            heating_water: heat.wh() * 3600 / 35,
            heat_meter_s: filled(103, 9_000, 40_000) * 3600,
            water_ml: filled(104, 180_000_000, 900_000_000),
            gas_ml: filled(105, 1_000_000_000, 9_000_000_000),
        };
        let phases = [Phase::default(); 3];
        let heat_flow = heat::flow(seed, now_s);
        let mut house = Self { seed, now_s, scene_s, phases, heat_flow, energies, supplies };
        house.look();
        house
    }

    /// Lives on to a second since 1970-01-01T00:00:00Z. Time that has passed does not come back: an earlier second
    /// changes nothing.
    pub fn advance_to(&mut self, unix_s: i64) {
        if unix_s.saturating_sub(self.now_s) > CATCH_UP_MAX_S {
            self.now_s = unix_s - CATCH_UP_MAX_S;
        }
        while self.now_s < unix_s {
            self.now_s += 1;
            self.look();
            self.count();
        }
    }

    /// Sets what happens in this second.
    fn look(&mut self) {
        let (seed, scene_s) = (self.seed, self.now_s + self.scene_s);
        let load = appliance::load(seed, clock::local_s(scene_s));
        let peak_w = 5_600 + pick(seed, 110, 0, 4_000).cast_signed();
        let sun_mw = sun::power_mw(seed, scene_s, peak_w) / 3;
        let by_phase = load.active_mw.into_iter().zip(load.reactive_mvar).zip(120..);
        for (phase, ((load_mw, load_mvar), subject)) in self.phases.iter_mut().zip(by_phase) {
            let power_mw = load_mw - sun_mw;
            // The inverter's filter is capacitive.
            let reactive_mvar = load_mvar - sun_mw * 3 / 100 - if sun_mw > 0 { 9_000 } else { 0 };
            // The street: slow drift over a quarter of an hour, and a flicker; then 1.1 V a kilowatt of this house.
            let grid_mv = 230_300
                + pick(seed, subject, 0, 2_200).cast_signed()
                + smooth(seed, subject, scene_s, 900) * 3
                + smooth(seed, subject + 5, scene_s, 4) / 2;
            let voltage_mv = grid_mv - power_mw * 11 / 10_000;
            let apparent_mva = apparent(power_mw, reactive_mvar);
            let current_ma = apparent_mva * 1000 / voltage_mv.max(1);
            *phase = Phase { power_mw, load_mw, sun_mw, reactive_mvar, voltage_mv, current_ma };
        }
        self.heat_flow = heat::flow(seed, clock::local_s(scene_s));
    }

    /// Counts this second.
    fn count(&mut self) {
        let (power_mw, reactive_mvar) = (self.power_mw(), self.reactive_mvar());
        let day = self.is_day_tariff();
        let tariff = usize::from(!day);
        let energies = &mut self.energies;
        energies.import.add_second(power_mw);
        energies.export.add_second(-power_mw);
        if let Some(register) = energies.import_by_tariff.get_mut(tariff) {
            register.add_second(power_mw);
        }
        if let Some(register) = energies.export_by_tariff.get_mut(tariff) {
            register.add_second(-power_mw);
        }
        energies.reactive_import.add_second(reactive_mvar);
        energies.reactive_export.add_second(-reactive_mvar);
        self.supplies.heat.add_second(self.heat_flow.power_mw);
        self.supplies.heating_water += u64::try_from(self.heat_flow.litres_per_hour).unwrap_or(0);
        self.supplies.heat_meter_s += 1;
        let scene_s = self.now_s + self.scene_s;
        // A tap is open for half a minute now and then; a shower takes 9 l a minute for some minutes.
        let awake = (6..23).contains(&(clock::local_s(scene_s).rem_euclid(86_400) / 3600));
        let tap = pick(self.seed, 130, scene_s.div_euclid(35), 40) == 0;
        if awake && tap {
            self.supplies.water_ml += 110 + pick(self.seed, 131, scene_s, 60);
        }
        let burner = pick(self.seed, 132, scene_s.div_euclid(400), 4) == 0;
        if burner {
            self.supplies.gas_ml += 380 + pick(self.seed, 133, scene_s.div_euclid(400), 160);
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z, as the meters' clocks show them.
    #[must_use]
    pub const fn now_s(&self) -> i64 {
        self.now_s
    }

    /// The three phases.
    #[must_use]
    pub const fn phases(&self) -> &[Phase; 3] {
        &self.phases
    }

    /// Net power in mW: positive from the grid, negative into it. A meter counts one or the other, never both.
    #[must_use]
    pub fn power_mw(&self) -> i64 {
        self.phases.iter().map(|phase| phase.power_mw).sum()
    }

    /// Net reactive power in mvar: positive inductive.
    #[must_use]
    pub fn reactive_mvar(&self) -> i64 {
        self.phases.iter().map(|phase| phase.reactive_mvar).sum()
    }

    /// Power factor of all phases together in thousandths, 0 to 1000.
    #[must_use]
    pub fn power_factor_1000(&self) -> i64 {
        let power_mw = self.power_mw();
        match apparent(power_mw, self.reactive_mvar()) {
            0 => 1000,
            apparent_mva => (power_mw.abs() * 1000 / apparent_mva).min(1000),
        }
    }

    /// Frequency of the grid in mHz.
    #[must_use]
    pub fn frequency_mhz(&self) -> i64 {
        // The same for all houses: seed 0.
        49_970 + smooth(0, 140, self.now_s, 30) * 60 / 1000
    }

    /// True between 6:00 and 22:00 of the meter's clock.
    #[must_use]
    pub fn is_day_tariff(&self) -> bool {
        (6..22).contains(&(clock::local_s(self.now_s).rem_euclid(86_400) / 3600))
    }

    /// The energy registers.
    #[must_use]
    pub const fn energies(&self) -> &Energies {
        &self.energies
    }

    /// The registers that a fault changes: a reset to zero, another meter in the same place.
    pub const fn energies_mut(&mut self) -> &mut Energies {
        &mut self.energies
    }

    /// What is metered besides electricity.
    #[must_use]
    pub const fn supplies(&self) -> &Supplies {
        &self.supplies
    }

    /// The district heating in this second.
    #[must_use]
    pub const fn heat_flow(&self) -> HeatFlow {
        self.heat_flow
    }
}

/// Apparent power of an active and a reactive one, rounded down.
fn apparent(active: i64, reactive: i64) -> i64 {
    let square = |n: i64| n.unsigned_abs().saturating_mul(n.unsigned_abs());
    i64::try_from(square(active).saturating_add(square(reactive)).isqrt()).unwrap_or(i64::MAX)
}

/// Sine of an angle in thousandths of a degree, times 1000; within 2 of the true value (Bhaskara's approximation).
pub(crate) fn sine_1000(millidegrees: i64) -> i64 {
    let angle = millidegrees.rem_euclid(360_000);
    let half = angle.rem_euclid(180_000) / 10;
    let product = half * (18_000 - half);
    // 4x(180 - x) / (40500 - x(180 - x)), x in hundredths of a degree.
    let sine = 4 * product * 1000 / (405_000_000 - product);
    if angle < 180_000 { sine } else { -sine }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-04-12T00:00:00Z.
    const START: i64 = 1_775_952_000;

    /// Watches a house every second of a day.
    fn live(seed: u64, days: i64, mut watch: impl FnMut(&Household, &Household)) {
        let mut house = Household::new(seed, START);
        for at in START + 1..=START + days * 86_400 {
            let before = house.clone();
            house.advance_to(at);
            watch(&before, &house);
        }
    }

    #[test]
    fn energies_are_the_integral_of_power_and_never_both_ways_at_once() {
        for seed in [1, 2, 77] {
            live(seed, 1, |before, after| {
                let (old, new, power) = (before.energies(), after.energies(), after.power_mw());
                let gained = |new: Energy, old: Energy| {
                    i64::try_from(new.milliwatt_seconds() - old.milliwatt_seconds()).unwrap()
                };
                let (import, export) = (gained(new.import, old.import), gained(new.export, old.export));
                assert_eq!(import - export, power);
                assert!(import == 0 || export == 0);
                let tariffs: i64 =
                    (0..2).map(|i| gained(new.import_by_tariff[i], old.import_by_tariff[i])).sum();
                assert_eq!(tariffs, import);
                let reactive = gained(new.reactive_import, old.reactive_import)
                    - gained(new.reactive_export, old.reactive_export);
                assert_eq!(reactive, after.reactive_mvar());
                assert_eq!(gained(after.supplies().heat, before.supplies().heat), after.heat_flow().power_mw,);
                assert!(after.supplies().water_ml >= before.supplies().water_ml);
                assert!(after.supplies().heating_water_ml() >= before.supplies().heating_water_ml());
            });
        }
    }

    #[test]
    fn each_phase_balances_and_keeps_within_what_a_house_can_do() {
        for seed in [1, 5] {
            live(seed, 1, |_, house| {
                for phase in house.phases() {
                    assert_eq!(phase.power_mw, phase.load_mw - phase.sun_mw);
                    assert!(phase.load_mw > 0 && phase.sun_mw >= 0);
                    assert!((207_000..253_000).contains(&phase.voltage_mv), "{phase:?}: outside EN 50160");
                    let apparent_mva = phase.current_ma * phase.voltage_mv / 1000;
                    assert!(apparent_mva + phase.voltage_mv >= phase.power_mw.abs(), "{phase:?}");
                }
                assert!((0..=1000).contains(&house.power_factor_1000()));
                assert!((49_900..50_100).contains(&house.frequency_mhz()));
                let heat = house.heat_flow();
                assert!(heat.return_centidegrees < heat.flow_centidegrees);
                assert!(heat.litres_per_hour >= 0 && heat.power_mw >= 0);
            });
        }
    }

    #[test]
    fn a_heavy_load_pulls_the_voltage_down() {
        let phase = |power_mw: i64| {
            let mut lowest = i64::MAX;
            live(9, 2, |_, house| {
                for phase in house.phases() {
                    if phase.power_mw > power_mw {
                        lowest = lowest.min(phase.voltage_mv);
                    }
                }
            });
            lowest
        };
        assert!(phase(3_000_000) < 231_000);
    }

    #[test]
    fn a_sunny_house_feeds_in_at_noon_and_takes_at_night() {
        // Some of these seeds have a clear day.
        let at = |seed, hour: i64| Household::new(seed, START + hour * 3600).power_mw();
        assert!((1..10).any(|seed| at(seed, 10) < -2_000_000));
        assert!((1..10).all(|seed| at(seed, 1) > 0));
    }

    #[test]
    fn the_same_seed_and_time_give_the_same_house_in_any_steps() {
        let (mut fine, mut coarse) = (Household::new(4, START), Household::new(4, START));
        for at in START..START + 3_000 {
            fine.advance_to(at);
        }
        coarse.advance_to(START + 1_234);
        coarse.advance_to(START + 100);
        coarse.advance_to(START + 2_999);
        assert_eq!(fine, coarse);
        assert_ne!(Household::new(5, START).energies(), fine.energies(), "another seed is another house");
    }

    #[test]
    fn a_day_costs_what_a_day_costs() {
        for seed in 1..8 {
            let mut house = Household::new(seed, START);
            let before = *house.energies();
            house.advance_to(START + 86_400);
            let wh = house.energies().import.wh() - before.import.wh();
            assert!((2_000..60_000).contains(&wh), "seed {seed}: {wh} Wh a day");
        }
    }

    #[test]
    fn a_clock_that_jumps_by_years_is_not_lived_through() {
        let mut house = Household::new(1, START);
        house.advance_to(START + 20 * 365 * 86_400);
        assert_eq!(house.now_s(), START + 20 * 365 * 86_400);
        house.advance_to(i64::MIN);
        assert_eq!(house.now_s(), START + 20 * 365 * 86_400);
    }

    #[test]
    fn the_sine_is_close_enough() {
        for (angle, sine) in [(0, 0), (30, 500), (45, 707), (90, 1000), (150, 500), (210, -500), (270, -1000)]
        {
            assert!((sine_1000(angle * 1000) - sine).abs() <= 2, "{angle}: {}", sine_1000(angle * 1000));
        }
        assert_eq!(sine_1000(-90_000), -1000);
    }
}
