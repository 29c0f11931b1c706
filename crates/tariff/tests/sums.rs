//! Sums over slots are the difference of the register, exactly, over ten years in three zones.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
use jiff::civil::date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};
use metergate_reading::Number;
use metergate_tariff::price::cost;
use metergate_tariff::{
    Grid, LocalSlot, Mark, MarkValue, Rule, Schedule, Weekday, Weekdays, between_boundaries, slots,
    time_of_use,
};
use proptest::prelude::*;

const ZONES: [&str; 3] = ["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"];

const GRID: Grid = Grid::QUARTER_HOUR;

/// What one quarter hour brings: so many Wh, the exponent in which the meter then shows its counter, and whether the
/// value arrives.
fn quarter() -> impl Strategy<Value = (i64, i16, bool)> {
    (0i64..5_000, prop_oneof![Just(-4i16), Just(-1), Just(0)], prop::bool::weighted(0.9))
}

fn midnight(days: i64, zone: &TimeZone) -> i64 {
    let day = date(2020, 1, 1).checked_add(Span::new().days(days)).unwrap();
    day.to_zoned(zone.clone()).unwrap().timestamp().as_second()
}

/// A day of ten years; every second time one in which a clock is changed.
fn first_day() -> impl Strategy<Value = i64> {
    let changed = |zone: &TimeZone, days: i64| midnight(days + 1, zone) - midnight(days, zone) != 86_400;
    let zones = ZONES.map(|name| TimeZoneDatabase::bundled().get(name).unwrap());
    let changes: Vec<i64> = (0..3653).filter(|&days| zones.iter().any(|zone| changed(zone, days))).collect();
    assert_eq!(changes.len(), 40, "twenty in Berlin, twenty in St. John's");
    prop_oneof![0i64..3653, prop::sample::select(changes)]
}

fn local(zone: &TimeZone) -> impl Fn(Mark) -> LocalSlot {
    |mark| {
        let local = Timestamp::from_second(mark.unix_s()).unwrap().to_zoned(zone.clone());
        let weekday = Weekday::ALL[usize::try_from(local.weekday().to_monday_zero_offset()).unwrap()];
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap();
        LocalSlot { weekday, minute }
    }
}

/// The sum of numbers in 0.0001 units.
fn sum(numbers: impl IntoIterator<Item = Number>) -> i64 {
    numbers.into_iter().map(|number| number.at_exponent(-4).unwrap()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_sum_of_slots_is_the_difference_of_the_register(
        zone in 0usize..3,
        first_day in first_day(),
        start in 0i64..400_000_000,
        quarters in prop::collection::vec(quarter(), 288..300),
        day_from in 0u16..48, day_quarters in 1u16..48,
    ) {
        let zone = TimeZoneDatabase::bundled().get(ZONES[zone]).unwrap();
        let mut mark = GRID.mark(midnight(first_day, &zone)).unwrap();
        let mut counter = start;
        let (mut values, mut all) = (Vec::new(), Vec::new());
        for (used, exponent, there) in quarters {
            let shown = Number::new(counter, 0).at_exponent(exponent).unwrap();
            let value = Number::with_exponent(shown, exponent).unwrap();
            all.push(MarkValue { mark, value });
            if there {
                values.push(MarkValue { mark, value });
            }
            mark = GRID.next(mark);
            counter += used;
        }
        let difference = |values: &[MarkValue]| match values {
            [first, .., last] => sum([last.value]) - sum([first.value]),
            _ => 0,
        };

        let between: Vec<_> = slots(values.iter().copied()).map(Result::unwrap).collect();
        prop_assert_eq!(sum(between.iter().map(|slot| slot.amount)), difference(&values));
        prop_assert!(between.windows(2).all(|pair| pair[0].to == pair[1].from));

        let rules = [
            Rule {
                weekdays: Weekdays::WORKDAYS,
                from_minute: day_from * 15,
                to_minute: (day_from + day_quarters) * 15,
                tariff: 1,
            },
            Rule { weekdays: Weekdays::WEEKEND, from_minute: 0, to_minute: 1440, tariff: 3 },
        ];
        let schedule = Schedule::new(&rules, 2).unwrap();
        let registers = time_of_use(GRID, values.iter().copied(), &schedule, local(&zone)).unwrap();
        let parts = (1..=8).filter_map(|tariff| registers.tariff(tariff)).chain(registers.unassigned);
        prop_assert_eq!(sum(parts), difference(&values));
        prop_assert_eq!(sum(registers.total), difference(&values));
        // A second reckoning, slot by slot.
        for tariff in 1..=3 {
            let in_tariff = between.iter().filter(|slot| {
                slot.length_s() == 900 && schedule.tariff(local(&zone)(slot.from)) == tariff
            });
            prop_assert_eq!(sum(registers.tariff(tariff)), sum(in_tariff.map(|slot| slot.amount)));
        }

        // Every Wh is priced or said to be unpriced.
        let price = Number::new(3, -1);
        let cost =
            cost(values.iter().copied(), |slot| (slot.length_s() == 900).then_some(price)).unwrap();
        prop_assert_eq!(sum(cost.priced.into_iter().chain(cost.unpriced)), difference(&values));
        prop_assert_eq!(sum(cost.unpriced), sum(registers.unassigned));

        // Local days of 92, 96 or 100 quarter hours add up too.
        let last_s = all.last().unwrap().mark.unix_s();
        let midnights = (first_day..).map(|day| midnight(day, &zone));
        let days: Vec<i64> = midnights.take_while(|&day| day <= last_s).collect();
        let in_days = all.iter().filter(|value| value.mark.unix_s() <= *days.last().unwrap());
        let whole: Vec<MarkValue> = in_days.copied().collect();
        let daily = between_boundaries(&days, &all).map(|span| span.amount.unwrap());
        prop_assert_eq!(sum(daily), difference(&whole));
    }
}
