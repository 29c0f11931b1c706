//! `metergate report` from the store to what is printed, against figures made by hand.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests unwrap")]
use clap::Parser as _;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use metergate_gateway::cli::{Cli, Failure, execute};
use metergate_gateway::plausible::{Epoch, EpochCause};
use metergate_gateway::store::{
    Column, Mark, Measured, Quality, Row, RowFlags, Shape, Store, StoreSetup, UseCase,
};
use metergate_reading::{Instant, Number, Trust, Unit};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const ZONE: &str = "Europe/Vienna";

/// A state directory with a store, and a configuration.
struct Place {
    folder: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let setup = StoreSetup::new(folder.path().join("metergate.db"));
        let (store, _) = Store::open(&setup).unwrap();
        Self { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Keeps what the meter `haus` showed at these marks: tenths of a Wh that were used and fed in.
    fn keep(&self, values: impl IntoIterator<Item = (i64, [i64; 2])>) {
        let column = |id: &str| Column { id: id.parse().unwrap(), unit: Some(Unit::WattHour), exponent: -1 };
        let shape = Arc::new(Shape([column("1-0:1.8.0"), column("1-0:2.8.0")].into()));
        for (mark_s, mantissas) in values {
            self.store.measured(Measured {
                seq: 0,
                case: UseCase::Taf7LoadProfile,
                mark: Mark::from_unix_s(mark_s),
                quality: Quality::Exact,
                clock_doubtful: false,
                row: Row {
                    seq: 0,
                    meter: "haus".into(),
                    at: Instant { unix_ms: mark_s * 1000 + 50, trust: Trust::HostSynchronised },
                    meter_clock_s: None,
                    flags: RowFlags::default(),
                    shape: Arc::clone(&shape),
                    mantissas: mantissas.into(),
                },
            });
        }
        assert!(self.store.flush_blocking(Duration::from_secs(60)));
    }

    /// What `metergate report haus` prints with these lines in the configuration.
    fn report(&self, prices: &str, args: &[&str]) -> Result<String, Failure> {
        let config = self.path("metergate.toml");
        let text = format!(
            "[default]\nstate_directory = \".\"\n[default.meter.haus]\nport = \"stdin\"\n\
             [default.sink.screen]\nkind = \"stdout\"\n[default.price]\nzone = \"{ZONE}\"\n{prices}\n"
        );
        std::fs::write(&config, text).unwrap();
        let config = config.to_str().unwrap();
        let cli = ["metergate", "report", "haus", "--config", config].into_iter().chain(args.iter().copied());
        let mut out = Vec::new();
        execute(&Cli::try_parse_from(cli).unwrap(), &mut out)?;
        Ok(anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string())
    }

    fn json(&self, prices: &str, args: &[&str]) -> Vec<Value> {
        let args: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
        let out = self.report(prices, &args).unwrap();
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn start(day: Date) -> i64 {
    day.to_zoned(TimeZone::get(ZONE).unwrap()).unwrap().timestamp().as_second()
}

/// The hour of the local clock.
fn hour(mark_s: i64) -> i8 {
    TimeZone::get(ZONE).unwrap().to_datetime(jiff::Timestamp::from_second(mark_s).unwrap()).hour()
}

/// The marks of these days, and the one after them.
fn marks(from: Date, to: Date) -> impl Iterator<Item = i64> {
    (start(from)..=start(to)).step_by(900)
}

/// January 2025 of a household: 100 Wh in each quarter hour from 6 to 22, 50 Wh in each of the night, and 250 Wh fed
/// in from 11 to 13. That are 8 kWh and 2 kWh a day, 248 kWh and 62 kWh in the month.
fn january() -> Vec<(i64, [i64; 2])> {
    let mut counters = [123_456_789, 500_000];
    let mut all = Vec::new();
    for mark_s in marks(date(2025, 1, 1), date(2025, 2, 1)) {
        all.push((mark_s, counters));
        counters[0] += if (6..22).contains(&hour(mark_s)) { 1000 } else { 500 };
        counters[1] += if (11..13).contains(&hour(mark_s)) { 2500 } else { 0 };
    }
    all
}

const JANUARY: &[&str] = &["--by", "month", "--from", "2025-01", "--to", "2025-02"];

#[test]
fn row_33_a_month_of_a_household_equals_the_calculation_by_hand() {
    let place = Place::new();
    place.keep(january());
    // 248 kWh x 0.32 = 79.36; 62 kWh x 0.08 = 4.96; 79.36 + 12.00 - 4.96 = 86.40; 248 x 363 g = 90.024 kg.
    let fixed =
        "fixed = \"0.32\"\nfeed_in = \"0.08\"\nbase_per_month = \"12.00\"\n[default.co2]\nfixed = \"363\"";
    let good = json!({ "exact": 2976, "late": 0, "substituted": 0, "missing": 0 });
    assert_eq!(
        place.json(fixed, JANUARY),
        [json!({
            "meter": "haus", "by": "month",
            "from": "2025-01-01T00:00:00+01:00", "to": "2025-02-01T00:00:00+01:00",
            "consumption": {
                "register": "1-0:1.8.0*255", "amount": "248.0000", "unit": "kWh", "money": "79.360000",
                "without_price": null, "co2_g": "90024.0000", "without_co2": null,
                "quarter_hours": good, "problem": null
            },
            "feed_in": {
                "register": "1-0:2.8.0*255", "amount": "62.0000", "unit": "kWh", "money": "4.960000",
                "without_price": null, "co2_g": null, "without_co2": null, "quarter_hours": good, "problem": null
            },
            "base": "12.00", "to_pay": "86.400000", "currency": "EUR", "annual_estimate": null
        })]
    );
    // 198.4 kWh by day x 0.34 = 67.456 and 49.6 kWh by night x 0.27 = 13.392.
    let by_hour =
        "time_of_use = [{ from = \"06:00\", to = \"22:00\", price = \"0.34\" }, { price = \"0.27\" }]";
    assert_eq!(place.json(by_hour, JANUARY)[0]["consumption"]["money"], "80.848000");
    // Even hours at 0.30 and odd ones at 0.20: 1.60 by day and 0.40 by night, 62.00 in the month.
    let mut file = "start;end;price\n".to_owned();
    for mark_s in marks(date(2025, 1, 1), date(2025, 2, 1)).take(2976) {
        let price = if hour(mark_s) % 2 == 0 { "0.30" } else { "0,20" };
        writeln!(file, "{mark_s};{};{price}", mark_s + 900).unwrap();
    }
    std::fs::write(place.path("prices.csv"), file).unwrap();
    assert_eq!(place.json("file = \"prices.csv\"", JANUARY)[0]["consumption"]["money"], "62.000000");
    // 248 kWh in 31 days are 2920 kWh in 365.
    let year = place.json(fixed, &["--by", "year", "--from", "2025", "--to", "2026"]);
    assert_eq!(year[0]["annual_estimate"], "2920.0");
    assert_eq!(
        (&year[0]["base"], &year[0]["to_pay"]),
        (&json!("12.00"), &json!("86.400000")),
        "of one month"
    );
    // A day is 8 kWh, and 31 of them are the month.
    let days = place.json(fixed, &["--by", "day", "--from", "2025-01", "--to", "2025-02"]);
    let amounts: Vec<&Value> = days.iter().map(|day| &day["consumption"]["amount"]).collect();
    assert_eq!((amounts.len(), amounts[0], amounts[30]), (32, &json!("8.0000"), &json!("8.0000")));
    assert_eq!((&days[31]["by"], amounts[31]), (&json!("total"), &json!("248.0000")));
}

#[test]
fn row_26_registers_of_a_month_and_of_tariffs_are_read_from_the_quarter_hours() {
    let place = Place::new();
    place.keep(january());
    let by_hour =
        "time_of_use = [{ from = \"06:00\", to = \"22:00\", price = \"0.34\" }, { price = \"0.27\" }]";
    let args: Vec<&str> = JANUARY.iter().copied().chain(["--registers"]).collect();
    let lines = place.json(by_hour, &args);
    assert_eq!(
        lines[0],
        json!({
            "meter": "haus", "register": "1-0:1.8.0*255", "unit": "kWh", "by": "month",
            "from": "2025-01-01T00:00:00+01:00", "to": "2025-02-01T00:00:00+01:00",
            "begins": { "value": "12345.6789", "total": "12345.6789", "quality": "exact" },
            "ends": { "value": "12593.6789", "total": "12593.6789", "quality": "exact" },
            "tariffs": [
                { "tariff": 1, "price": "0.34", "amount": "198.4000" },
                { "tariff": 2, "price": "0.27", "amount": "49.6000" }
            ],
            "no_tariff": null, "counted": "248.0000", "problem": null
        })
    );
    // Fed in from 11 to 13 only.
    let fed_in = &lines[1]["tariffs"];
    assert_eq!((&fed_in[0]["amount"], &fed_in[1]["amount"]), (&json!("62.0000"), &json!("0.0000")));
    let table = place.report(by_hour, &args).unwrap();
    assert!(
        table.starts_with(
            "haus: register 1-0:1.8.0*255 by month, Europe/Vienna\n\
             month    begins kWh    ends kWh  tariff 1 kWh  tariff 2 kWh  counted kWh  readings\n\
             2025-01  12345.6789  12593.6789      198.4000       49.6000     248.0000  exact, exact\n\
             tariff 1: 0.34 EUR a kWh\ntariff 2: 0.27 EUR a kWh\n"
        ),
        "{table}"
    );
    let day: Vec<&str> = ["--by", "quarter-hour", "--registers"].to_vec();
    assert!(place.report(by_hour, &day).unwrap_err().to_string().contains("days, months or years"));
}

#[test]
fn a_missing_mark_is_no_register_and_what_was_counted_across_it_is_in_no_tariff() {
    let place = Place::new();
    // Without the first mark of the month, and without the one at 06:00 of its first day.
    let all = january();
    place.keep(all.into_iter().enumerate().filter(|(n, _)| ![0, 24].contains(n)).map(|(_, one)| one));
    let by_hour =
        "time_of_use = [{ from = \"06:00\", to = \"22:00\", price = \"0.34\" }, { price = \"0.27\" }]";
    let args: Vec<&str> = JANUARY.iter().copied().chain(["--registers", "--register", "1-0:1.8.0"]).collect();
    let lines = place.json(by_hour, &args);
    assert_eq!((lines.len(), &lines[0]["begins"]), (1, &Value::Null));
    // 50 Wh of the night and 100 Wh of the day lie across the mark at 06:00; the first 50 Wh are in no value.
    assert_eq!((&lines[0]["no_tariff"], &lines[0]["counted"]), (&json!("0.1500"), &json!("247.9500")));
    let table = place.report(by_hour, &args).unwrap();
    assert!(table.contains("missing, exact; 0.1500 kWh in no tariff"), "{table}");
    let without = place.report("fixed = \"1\"", &args).unwrap();
    assert!(without.contains("There is no table of tariffs"), "{without}");
    assert!(!without.contains("in no tariff"), "{without}");
}

#[test]
fn row_26_the_use_cases_are_listed_with_what_is_done_and_why_others_are_not() {
    let list = |format: &str| {
        let cli = ["metergate", "report", "--use-cases", "--format", format];
        let mut out = Vec::new();
        execute(&Cli::try_parse_from(cli).unwrap(), &mut out).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    };
    let cases: Vec<Value> = list("json").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), UseCase::ALL.len());
    let offered = |code: &str| cases.iter().find(|case| case["use_case"] == code).unwrap()["offered"].clone();
    for (code, wanted) in
        [("taf1", "on_demand"), ("taf2", "on_demand"), ("taf7", "full"), ("taf9", "no"), ("boot", "full")]
    {
        assert_eq!(offered(code), wanted, "{code}");
    }
    let table = list("text");
    assert!(table.contains("TAF 7   load profile of meter readings"), "{table}");
    assert!(table.contains("Nothing is switched."), "{table}");
}

#[test]
fn row_33_days_of_a_clock_change_have_92_and_100_quarter_hours() {
    let place = Place::new();
    for (from, to, quarters) in [
        (date(2025, 3, 29), date(2025, 4, 1), [96, 92, 96]),
        (date(2025, 10, 25), date(2025, 10, 28), [96, 100, 96]),
    ] {
        place.keep(marks(from, to).map(|mark_s| (mark_s, [mark_s / 90, 0])));
        let (from, to) = (from.to_string(), to.to_string());
        let days = place.json("fixed = \"1\"", &["--by", "day", "--from", &from, "--to", &to]);
        for (day, quarters) in days.iter().zip(quarters) {
            let count = json!({ "exact": quarters, "late": 0, "substituted": 0, "missing": 0 });
            assert_eq!(day["consumption"]["quarter_hours"], count);
            // 1 Wh in each.
            assert_eq!(day["consumption"]["amount"], format!("0.{quarters:0>3}0").as_str());
        }
    }
    // The hour that comes twice has lines of its own.
    let quarters =
        place.report("", &["--by", "quarter-hour", "--from", "2025-10-26", "--to", "2025-10-27"]).unwrap();
    assert_eq!(quarters.matches("2025-10-26 02:15+02:00").count(), 1);
    assert_eq!(quarters.matches("2025-10-26 02:15+01:00").count(), 1);
}

#[test]
fn a_month_goes_on_over_an_exchange_of_the_meter() {
    let place = Place::new();
    let all = january();
    let (swap_s, last) = all[1500];
    // The new meter begins at 0.3 Wh and 0, and counts on from there.
    let new = |counters: [i64; 2]| [counters[0] - last[0] + 3, counters[1] - last[1]];
    place.keep(
        all.iter()
            .map(|&(mark_s, counters)| (mark_s, if mark_s < swap_s { counters } else { new(counters) })),
    );
    // Nobody has said that it was exchanged: a counter that falls has no amount, and none is made up.
    let unknown = place.report("fixed = \"0.32\"", JANUARY).unwrap();
    assert!(unknown.contains("the counter fell at 2025-01-16"), "{unknown}");
    assert!(unknown.contains("metergate epochs haus"), "{unknown}");
    place.store.epoch(Epoch {
        id: 0,
        meter: "haus".into(),
        from_ms: swap_s * 1000,
        identity: None,
        cause: EpochCause::Exchanged,
        offsets: vec![
            ("1-0:1.8.0".parse().unwrap(), Number::new(last[0] - 3, -1)),
            ("1-0:2.8.0".parse().unwrap(), Number::new(last[1], -1)),
        ],
        undone: false,
    });
    assert!(place.store.flush_blocking(Duration::from_secs(60)));
    let month = &place.json("fixed = \"0.32\"\nfeed_in = \"0.08\"", JANUARY)[0];
    assert_eq!(month["consumption"]["amount"], "248.0000");
    assert_eq!((&month["to_pay"], &month["feed_in"]["amount"]), (&json!("74.400000"), &json!("62.0000")));
}

#[test]
fn missing_hours_are_shown_and_priced_only_when_one_price_holds_over_all_of_them() {
    let place = Place::new();
    // The gateway was off on the 10th from 5 to 7 (two prices), on the 12th from 10 to 12 (one price), and over the
    // midnight before the 20th.
    let day = |day| start(date(2025, 1, day));
    let gaps = [
        (day(10) + 5 * 3600, day(10) + 7 * 3600),
        (day(12) + 10 * 3600, day(12) + 12 * 3600),
        (day(20) - 1800, day(20) + 1800),
    ];
    let off = |mark_s: i64| gaps.iter().any(|&(from, to)| from < mark_s && mark_s < to);
    place.keep(january().into_iter().filter(|&(mark_s, _)| !off(mark_s)));
    let by_hour =
        "time_of_use = [{ from = \"06:00\", to = \"22:00\", price = \"0.34\" }, { price = \"0.27\" }]";
    let month = &place.json(by_hour, JANUARY)[0];
    let used = &month["consumption"];
    assert_eq!(used["amount"], "248.0000", "a gap within takes nothing away");
    assert_eq!(used["quarter_hours"], json!({ "exact": 2959, "late": 0, "substituted": 0, "missing": 17 }));
    // From 5 to 7: 4 x 50 Wh and 4 x 100 Wh. 80.848 - 0.2 x 0.27 - 0.4 x 0.34 = 80.658.
    assert_eq!((&used["without_price"], &used["money"]), (&json!("0.6000"), &json!("80.658000")));
    assert_eq!(month["to_pay"], Value::Null, "as long as some has no price");
    let text = place.report(by_hour, &["--by", "day", "--from", "2025-01-10", "--to", "2025-01-21"]).unwrap();
    assert!(
        text.contains(
            "2025-01-10    8.0000      2.42      2.0000  89, 7 missing, 0.6000 kWh without a price\n"
        ),
        "{text}"
    );
    assert!(text.contains("2025-01-12    8.0000      2.61      2.0000  89, 7 missing\n"), "{text}");
    assert!(
        text.contains(
            "0.2000 kWh were used across missing quarter hours between one day and the next: they are in"
        ),
        "{text}"
    );
    // A time before everything is missing as a whole.
    let days = place.json("", &["--by", "day", "--from", "2024-12-31", "--to", "2025-01-02"]);
    assert_eq!(days[0]["consumption"]["amount"], Value::Null);
    assert_eq!(days[0]["consumption"]["quarter_hours"]["missing"], 96);
}

#[test]
fn people_read_a_table_and_programs_exact_decimals() {
    let place = Place::new();
    place.keep(january());
    let all =
        "fixed = \"0.32\"\nfeed_in = \"0.08\"\nbase_per_month = \"12.00\"\n[default.co2]\nfixed = \"363\"";
    let expected = "\
haus: 1-0:1.8.0*255 and 1-0:2.8.0*255 by month, Europe/Vienna
month    used kWh  cost EUR  base EUR  fed in kWh  earned EUR  to pay EUR  CO2 kg  quarter hours
2025-01  248.0000     79.36     12.00     62.0000        4.96       86.40   90.02  2976
2025-02         -         -         -           -           -           -       -  1, 2687 missing
total    248.0000     79.36     12.00     62.0000        4.96       86.40   90.02  2977, 2687 missing
";
    let found = place.report(all, &["--from", "2025", "--to", "2025-03"]).unwrap();
    assert_eq!(found, expected, "\n{found}");
    let csv = place.report(all, &["--from", "2025", "--to", "2025-02", "--format", "csv"]).unwrap();
    assert_eq!(
        csv.lines().nth(1).unwrap(),
        "haus,month,2025-01-01T00:00:00+01:00,2025-02-01T00:00:00+01:00,248.0000,kWh,79.360000,,90024.0000,\
         2976,0,0,0,62.0000,kWh,4.960000,12.00,86.400000,EUR,"
    );
    assert_eq!(
        csv.lines().next().unwrap().split(',').count(),
        csv.lines().nth(1).unwrap().split(',').count()
    );
}

#[test]
fn mistakes_in_prices_and_arguments_say_where_they_are() {
    let place = Place::new();
    place.keep(january());
    let wrong = |prices: &str, args: &[&str]| place.report(prices, args).unwrap_err().to_string();
    std::fs::write(place.path("prices.csv"), "start;end;price\n0;900;0.3\n900;1800;dear\n").unwrap();
    let path = place.path("prices.csv");
    let message = wrong("file = \"prices.csv\"", JANUARY);
    let expected =
        format!("{}:3: expected a price for each kWh such as 0.2987 or -0,01, found `dear`", path.display());
    assert!(message.starts_with(&expected), "{message}");
    let message = wrong("[default.co2]\nfile = \"absent.csv\"", JANUARY);
    assert!(message.contains("absent.csv: No such file"), "{message}");
    let message = wrong("fixed = 0.32", JANUARY);
    assert!(message.contains("metergate.toml:9: price.fixed: expected a text in quotes"), "{message}");
    let message = wrong("", &["--from", "2025-02", "--to", "2025-01"]);
    assert!(message.contains("found 2025-02-01 to 2025-01-01"), "{message}");
    let message = wrong("", &["--register", "1-0:3.8.0", "--from", "2025", "--to", "2026"]);
    assert!(message.starts_with("`haus` has no quarter hours of 1-0:3.8.0*255 in this time"), "{message}");
    let message = wrong("", &["--by", "quarter-hour", "--from", "2020", "--to", "2025"]);
    assert!(message.contains("too many for one report"), "{message}");
    let message = wrong("", &["--from", "9000"]);
    assert!(message.contains("begins before it ends"), "{message}");
    let absent = Cli::try_parse_from(["metergate", "report", "--store", "/absent.db"]).unwrap();
    let message = execute(&absent, &mut Vec::new()).unwrap_err().to_string();
    assert!(message.contains("there is no store here") && message.contains("`--store FILE`"), "{message}");
}

#[test]
fn a_register_of_what_is_fed_in_is_earned_and_not_paid() {
    let place = Place::new();
    place.keep(january());
    let args: Vec<&str> = JANUARY.iter().copied().chain(["--register", "1-0:2.8.0"]).collect();
    let month = &place.json("fixed = \"0.32\"\nfeed_in = \"0.08\"", &args)[0];
    assert_eq!(month["consumption"], Value::Null);
    assert_eq!((&month["feed_in"]["money"], &month["to_pay"]), (&json!("4.960000"), &Value::Null));
}
