//! Row 33: one synthetic month, and the same figures by hand.
//!
//! The month is March 2024 in Berlin: 31 days, 21 of them workdays (the 1st is a Friday), 10 of a weekend, of which
//! Sunday the 31st has no hour from 2 to 3. The household uses 250 Wh in a quarter hour from 6 to 22 o'clock of
//! workdays and 50 Wh in all others.
//!
//! | | quarter hours | Wh |
//! |---|---|---|
//! | all | 31 x 96 - 4 = 2972 | 417,400 |
//! | workdays, 6 to 22 | 21 x 64 = 1344 | x 250 = 336,000 |
//! | the others | 2972 - 1344 = 1628 | x 50 = 81,400 |
//! | a workday | 64 + 32 | 16,000 + 1,600 = 17,600 |
//! | a day of a weekend | 96 | 4,800 |
//! | Sunday the 31st | 92 | 4,600 |
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
use jiff::civil::{Date, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};
use metergate_reading::Number;
use metergate_tariff::derived::{Counted, annual_estimate, power, rounded};
use metergate_tariff::price::{PricePeriod, Prices, cost, read_prices};
use metergate_tariff::{
    Grid, LocalSlot, Mark, MarkValue, Rule, Schedule, Slot, Weekday, Weekdays, at_boundaries,
    between_boundaries, slots, time_of_use,
};
use std::fmt::Write as _;

/// What the counter shows at the start of the month, in 0.1 Wh.
const START: i64 = 123_456_789;

const GRID: Grid = Grid::QUARTER_HOUR;

fn berlin() -> TimeZone {
    TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap()
}

fn local(mark: Mark) -> Zoned {
    Timestamp::from_second(mark.unix_s()).unwrap().to_zoned(berlin())
}

fn local_slot(mark: Mark) -> LocalSlot {
    let local = local(mark);
    let weekday = Weekday::ALL[usize::try_from(local.weekday().to_monday_zero_offset()).unwrap()];
    let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap();
    LocalSlot { weekday, minute }
}

fn midnight(day: Date) -> i64 {
    day.to_zoned(berlin()).unwrap().timestamp().as_second()
}

/// The 32 midnights of the month.
fn midnights() -> Vec<i64> {
    (0..32).map(|days| midnight(date(2024, 3, 1) + jiff::Span::new().days(days))).collect()
}

/// The counter at each quarter hour of the month, both ends included.
fn month() -> Vec<MarkValue> {
    let days = midnights();
    let (mut unix_s, end_s) = (days[0], days[31]);
    let mut tenths = START;
    let mut values = Vec::new();
    while unix_s <= end_s {
        let mark = GRID.mark(unix_s).unwrap();
        values.push(MarkValue { mark, value: Number::new(tenths, -1) });
        let now = local(mark);
        let workday = now.weekday().to_monday_zero_offset() < 5;
        tenths += if workday && (6..22).contains(&now.hour()) { 2_500 } else { 500 };
        unix_s += 900;
    }
    values
}

fn wh(number: Option<Number>) -> i64 {
    number.unwrap().at_exponent(0).unwrap()
}

fn price(text: &str) -> Number {
    text.parse().unwrap()
}

fn money(number: Option<Number>) -> String {
    rounded(number.unwrap(), -3).unwrap().to_string()
}

const HIGH: [Rule; 1] =
    [Rule { weekdays: Weekdays::WORKDAYS, from_minute: 6 * 60, to_minute: 22 * 60, tariff: 1 }];

#[test]
fn row_33_days_and_month_are_those_of_the_hand_calculation() {
    let (values, days) = (month(), midnights());
    assert_eq!(values.len(), 2972 + 1);
    let amounts: Vec<i64> = between_boundaries(&days, &values).map(|span| span.amount).map(wh).collect();
    assert_eq!(amounts[..4], [17_600, 4_800, 4_800, 17_600], "Friday to Monday");
    assert_eq!(amounts[30], 4_600);
    assert_eq!(amounts.iter().filter(|&&amount| amount == 17_600).count(), 21);
    assert_eq!(amounts.iter().filter(|&&amount| amount == 4_800).count(), 9);
    assert_eq!(amounts.iter().sum::<i64>(), 417_400);
    // Like TAF 1: the register at the start of each month, and nothing between.
    let starts: Vec<_> = at_boundaries(&[days[0], days[31]], &values).map(|b| b.value.unwrap()).collect();
    assert_eq!(starts, [Number::new(123_456_789, -1), Number::new(123_456_789 + 4_174_000, -1)]);
}

#[test]
fn row_33_hours_of_the_day_are_those_of_the_hand_calculation() {
    let mut hours = [0; 24];
    for slot in slots(month()) {
        let slot = slot.unwrap();
        hours[usize::try_from(local(slot.from).hour()).unwrap()] += wh(Some(slot.amount));
    }
    // 7 to 8: 21 x 4 x 250 + 10 x 4 x 50. 23 to 24: 31 x 4 x 50. 2 to 3: the 31st has none.
    assert_eq!((hours[7], hours[23], hours[2]), (23_000, 6_200, 6_000));
    assert_eq!(hours.iter().sum::<i64>(), 417_400);
}

#[test]
fn row_33_tariff_registers_are_those_of_the_hand_calculation() {
    let schedule = Schedule::new(&HIGH, 2).unwrap();
    let registers = time_of_use(GRID, month(), &schedule, local_slot).unwrap();
    assert_eq!(wh(registers.tariff(1)), 336_000);
    assert_eq!(wh(registers.tariff(2)), 81_400);
    assert_eq!(wh(registers.total), 417_400);
    assert_eq!(registers.unassigned, None);
}

#[test]
fn row_33_cost_and_co2_are_those_of_the_hand_calculation() {
    // 417.4 kWh x 0.30.
    let fixed = cost(month(), |_| Some(price("0.30"))).unwrap();
    assert_eq!((money(fixed.amount), fixed.unpriced), ("125.220".to_owned(), None));
    // 336 kWh x 0.32 + 81.4 kWh x 0.24 = 107.52 + 19.536.
    let schedule = Schedule::new(&HIGH, 2).unwrap();
    let by_time = |slot: &Slot| {
        (slot.length_s() == 900).then(|| match schedule.tariff(local_slot(slot.from)) {
            1 => price("0.32"),
            _ => price("0.24"),
        })
    };
    assert_eq!(money(cost(month(), by_time).unwrap().amount), "127.056");
    // 417.4 kWh x 380 g.
    assert_eq!(money(cost(month(), |_| Some(price("380"))).unwrap().amount), "158612.000");
}

#[test]
fn row_33_cost_with_15_minute_prices_is_that_of_the_hand_calculation() {
    // 0.20 before noon, 0.40 after, and no prices for the 31st.
    let days = midnights();
    let mut file = "start;end;price\n".to_owned();
    for unix_s in (days[0]..days[30]).step_by(900) {
        let local = |unix_s| local(GRID.mark(unix_s).unwrap());
        let price = if local(unix_s).hour() < 12 { "0,20" } else { "0,40" };
        let time = |unix_s| local(unix_s).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        writeln!(file, "{};{};{price}", time(unix_s), time(unix_s + 900)).unwrap();
    }
    let periods: Vec<PricePeriod> = read_prices(&file).collect::<Result<_, _>>().unwrap();
    assert_eq!(periods.len(), 30 * 96);
    let prices = Prices::new(&periods).unwrap();
    let cost = cost(month(), |slot| prices.of(slot)).unwrap();
    // A workday has 24 x 250 + 24 x 50 = 7,200 Wh before noon and 40 x 250 + 8 x 50 = 10,400 Wh after it; a day of a
    // weekend 2,400 and 2,400; nine of those have prices.
    // 21 x (7.2 x 0.20 + 10.4 x 0.40) + 9 x (2.4 x 0.20 + 2.4 x 0.40) = 117.60 + 12.96.
    assert_eq!(money(cost.amount), "130.560");
    assert_eq!((wh(cost.priced), wh(cost.unpriced)), (412_800, 4_600));
}

#[test]
fn row_33_power_and_a_years_estimate_are_those_of_the_hand_calculation() {
    let values = month();
    let counted = |value: &MarkValue| Counted { unix_ms: value.mark.unix_s() * 1000, value: value.value };
    // Friday the 1st: 50 Wh in the quarter hour from midnight are 200 W, 250 Wh from 6 o'clock are 1000 W.
    assert_eq!(power(counted(&values[0]), counted(&values[1]), 0), Some(Number::new(200, 0)));
    assert_eq!(power(counted(&values[24]), counted(&values[25]), 0), Some(Number::new(1000, 0)));
    // 743 hours: 417,400 x 8760 / 743 = 4,921,162.85 Wh.
    let year = annual_estimate(counted(&values[0]), counted(&values[2972]), 0);
    assert_eq!(year, Some(Number::new(4_921_163, 0)));
}
