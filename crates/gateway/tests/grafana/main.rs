//! The folder `packaging/grafana`: what can be said about it without Grafana, by the documents of Grafana and by a real
//! VictoriaMetrics that a real gateway has filled. What Grafana draws of it nobody sees here.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by where it panics"
)]
#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/http_server.rs"]
mod http_server;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/victoria.rs"]
mod victoria;

mod board;
mod house;
mod written;

use board::{Board, Target, word};
use house::{House, LAST_S, MIDNIGHTS_S, NOW_S};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What of a log query stands between braces: labels and what they must be, several apart by `|`.
fn selector(query: &str) -> Vec<(String, Vec<String>)> {
    let inside = query.split_once('{').unwrap().1.split_once('}').unwrap().0;
    inside
        .split(',')
        .map(|matcher| {
            let (label, text) = matcher.split_once('=').unwrap();
            let text = text.trim_start_matches('~').trim_matches('"');
            (label.to_owned(), text.split('|').map(str::to_owned).collect())
        })
        .collect()
}

/// What the reader of the dashboards has chosen at their top.
fn choices(house: &House, board: &Board) -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::new();
    for variable in board.variables() {
        let value = match (word(&variable["type"]), word(&variable["name"])) {
            ("query", name @ ("meter" | "pv")) => {
                let definition = board::substituted(word(&variable["definition"]), &all).unwrap();
                let inside =
                    definition.strip_prefix("label_values(").unwrap().strip_suffix(", meter)").unwrap();
                let times = [(NOW_S - 86_400).to_string(), NOW_S.to_string()];
                let path = [("match[]", inside), ("start", &times[0]), ("end", &times[1])];
                let found = answer(house, &board::ask("label/meter/values", &path));
                let expected = if name == "meter" { "haus" } else { "sun" };
                assert_eq!(found, serde_json::json!([expected]), "{definition}");
                expected.to_owned()
            }
            // As the data source writes several choices.
            ("custom", "severity") => "error|warning|info".to_owned(),
            ("textbox", _) => word(&variable["query"]).to_owned(),
            other => panic!("a variable {other:?}"),
        };
        let name = ["meter", "pv", "zone", "price", "feed_in", "co2", "severity"]
            .into_iter()
            .find(|name| variable["name"] == *name);
        all.insert(name.unwrap(), value);
    }
    all
}

/// What VictoriaMetrics says, which must be no error.
fn answer(house: &House, path: &str) -> Value {
    let text = house.victoria.get(path).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} to {path}"));
    assert_eq!(json["status"], "success", "{text} to {path}");
    match &json["data"]["result"] {
        Value::Null => json["data"].clone(),
        result => result.clone(),
    }
}

/// The rows of a query: labels, time and number of each.
fn rows(house: &House, target: &Target<'_>, choices: &BTreeMap<&str, String>, now_s: i64) -> Vec<Row> {
    let result = answer(house, &target.request(choices, now_s));
    let mut rows = Vec::new();
    for series in result.as_array().unwrap() {
        let pairs = series["values"].as_array().cloned().unwrap_or_else(|| vec![series["value"].clone()]);
        for pair in pairs {
            let number: f64 = word(&pair[1]).parse().unwrap();
            assert!(number.is_finite(), "{}: {series}", target.name);
            rows.push(Row { labels: series["metric"].clone(), at_s: pair[0].as_i64().unwrap(), number });
        }
    }
    rows
}

#[derive(Debug)]
struct Row {
    labels: Value,
    at_s: i64,
    number: f64,
}

/// One panel's query.
struct Panel<'a> {
    house: &'a House,
    boards: &'a [Board],
}

impl Panel<'_> {
    /// The rows of a panel at a time.
    fn rows(&self, name: &str, now_s: i64) -> Vec<Row> {
        let find = |board: &Board| board.targets().any(|target| target.name == name);
        let board = self.boards.iter().find(|board| find(board)).unwrap_or_else(|| panic!("no {name}"));
        let target = board.targets().find(|target| target.name == name).unwrap();
        rows(self.house, &target, &choices(self.house, board), now_s)
    }

    /// The same by one of its labels.
    fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let rows = self.rows(name, NOW_S);
        rows.iter().map(|row| (word(&row.labels[label]).to_owned(), row.number)).collect()
    }
}

#[track_caller]
fn assert_near(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() < 1e-6 * expected.abs().max(1.0),
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn row_70_every_query_of_every_dashboard_returns_rows_that_are_right() {
    let mut house = House::start();
    house.wait_for("event of the exchange", |house| {
        house.loki.requests().iter().any(|request| request.body.contains("meter.exchanged"))
    });
    let boards = board::all();
    every_query_returns_rows(&house, &boards);
    every_log_query_finds_what_the_sink_pushes(&house, &boards);
    let panel = Panel { house: &house, boards: &boards };
    days_are_local_and_go_on_over_exchange_and_gap(&panel);
    profiles_and_spot_cost_are_those_of_quarter_hours(&panel);
    nothing_is_drawn_over_a_gap(&panel);
}

fn every_query_returns_rows(house: &House, boards: &[Board]) {
    let now_s = Timestamp::now().as_second();
    let mut live = BTreeSet::new();
    for board in boards {
        let choices = choices(house, board);
        for target in board.targets().filter(Target::is_metrics) {
            if !rows(house, &target, &choices, NOW_S).is_empty() {
                continue;
            }
            // The page of metrics knows the present alone.
            assert!(!rows(house, &target, &choices, now_s).is_empty(), "{} has no rows", target.name);
            live.insert(target.name);
        }
    }
    let expected = [
        "troubleshooting.json: Meters A",
        "troubleshooting.json: Meters that are down A",
        "troubleshooting.json: What the meters are A",
    ];
    assert_eq!(live.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

/// Loki itself is not asked: the labels of the pushed streams must be those that the queries look for, and their lines
/// must have the fields that the queries show.
fn every_log_query_finds_what_the_sink_pushes(house: &House, boards: &[Board]) {
    let mut pushed = Vec::new();
    for request in house.loki.requests() {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        for stream in body["streams"].as_array().unwrap() {
            let mut fields = stream["stream"].as_object().unwrap().clone();
            for value in stream["values"].as_array().unwrap() {
                let line: Value = serde_json::from_str(word(&value[1])).unwrap();
                fields.extend(line.as_object().unwrap().clone());
            }
            pushed.push(fields);
        }
    }
    let mut asked = 0;
    for board in boards {
        let choices = choices(house, board);
        let targets = board.targets().filter(|target| !target.is_metrics());
        let queries: Vec<String> = targets
            .map(|target| word(&target.target["expr"]).to_owned())
            .chain(board.annotations().iter().map(|annotation| word(&annotation["expr"]).to_owned()))
            .collect();
        for query in queries {
            let mut choices = choices.clone();
            choices.insert("__range", "86400s".to_owned());
            let query = board::substituted(&query, &choices).unwrap();
            let wanted = selector(&query);
            let fits = |fields: &&serde_json::Map<String, Value>| {
                wanted.iter().all(|(label, values)| {
                    fields.get(label).is_some_and(|found| values.iter().any(|value| found == value))
                })
            };
            let found: Vec<_> = pushed.iter().filter(fits).collect();
            assert!(!found.is_empty(), "{query} finds nothing in {pushed:?}");
            for field in query.split("{{.").skip(1).map(|rest| rest.split_once("}}").unwrap().0) {
                assert!(found.iter().any(|fields| fields.contains_key(field)), "{query}: no {field}");
            }
            asked += 1;
        }
    }
    assert_eq!(asked, boards.len() + 3);
}

fn days_are_local_and_go_on_over_exchange_and_gap(panel: &Panel<'_>) {
    let truth = &panel.house.truth;
    let [first, second, third, fourth] = MIDNIGHTS_S;
    assert_eq!([second - first, third - second], [24 * 3600, 23 * 3600], "the 29th has 23 hours");
    let drawn = panel.by("readings.json: Consumption and feed-in by day A", "day");
    let fed = panel.by("readings.json: Consumption and feed-in by day B", "day");
    let cost = panel.by("readings.json: Cost by day A", "day");
    for (day, from_s, to_s) in
        [("2026-03-28", first, second), ("2026-03-29", second, third), ("2026-03-30", third, fourth)]
    {
        let wh = f64::from(i32::try_from(truth.between(from_s, to_s)).unwrap());
        assert_near(drawn[day], wh, day);
        assert_near(cost[day], wh / 1000.0 * 0.32, day);
        let wh = f64::from(i32::try_from(truth.fed[&to_s] - truth.fed[&from_s]).unwrap());
        assert_near(fed[day], wh, day);
    }
    let report = panel.house.report(&["--by", "day", "--from", "2026-03-28", "--to", "2026-03-31"]);
    assert_eq!(report.len(), 4, "three days and their total: {report:?}");
    for day in &report[..3] {
        let kwh: f64 = word(&day["consumption"]["amount"]).parse().unwrap();
        assert_near(drawn[&word(&day["from"])[..10]], kwh * 1000.0, "what the report says");
    }
    let whole = f64::from(i32::try_from(truth.between(first - 3600, LAST_S)).unwrap());
    assert_near(drawn.values().sum(), whole, "all days together");
    let month = panel.by("readings.json: Consumption and feed-in by month A", "month");
    assert_near(month["2026-03"], whole, "the month");
}

fn profiles_and_spot_cost_are_those_of_quarter_hours(panel: &Panel<'_>) {
    let truth = &panel.house.truth;
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let (mut sums, mut costs) = (BTreeMap::new(), BTreeMap::<String, f64>::new());
    for (&to_s, &total) in truth.drawn.iter().filter(|(at_s, _)| **at_s <= LAST_S && *at_s % 900 == 0) {
        let Some(before) = truth.drawn.get(&(to_s - 900)) else { continue };
        let wh = f64::from(i32::try_from(total - before).unwrap());
        let local = zone.to_datetime(Timestamp::from_second(to_s - 900).unwrap());
        let (sum, count) = sums.entry(format!("{:02}", local.hour())).or_insert((0.0, 0.0));
        *sum += wh * 4.0;
        *count += 1.0;
        let price = f64::from(i32::try_from(house::price(to_s - 1)).unwrap()) / 1000.0;
        *costs.entry(local.date().to_string()).or_default() += wh / 1000.0 * price;
    }
    let profile = panel.by("profile.json: Hour profile A", "hour");
    assert_eq!(profile.len(), 24);
    for (hour, (sum, count)) in sums {
        assert_near(profile[&hour], sum / count, &hour);
    }
    // The column of the 30th of the map of hours and days.
    let map = panel.rows("profile.json: Energy by hour and day A", NOW_S);
    let column: Vec<&Row> = map.iter().filter(|row| row.at_s == MIDNIGHTS_S[2]).collect();
    assert_eq!(column.len(), 24);
    for row in column {
        let begin_s = MIDNIGHTS_S[2] + 3600 * word(&row.labels["hour"]).parse::<i64>().unwrap();
        let wh = f64::from(i32::try_from(truth.between(begin_s, begin_s + 3600)).unwrap());
        assert_near(row.number, wh, "a cell of the map");
    }
    let found = panel.by("readings.json: Cost by day at the spot price A", "day");
    assert_eq!(found.len(), costs.len());
    for (day, cost) in costs {
        assert_near(found[&day], cost, &day);
    }
}

fn nothing_is_drawn_over_a_gap(panel: &Panel<'_>) {
    let now_s = MIDNIGHTS_S[2];
    let gap = house::GAP_S;
    for (name, slack_s) in [
        // A step looks back for its average, 100 s at this range.
        ("home.json: Power A", 100),
        ("phases.json: Voltage A", 100),
        ("readings.json: Drawn power, as read A", 620),
        ("readings.json: Drawn power, 15 min A", 0),
        ("readings.json: Drawn power, 60 min A", 0),
        ("phases.json: Energy by hour A", 0),
    ] {
        let rows = panel.rows(name, now_s);
        let inside = |row: &&Row| (gap.start + slack_s..gap.end).contains(&row.at_s);
        assert_eq!(rows.iter().find(inside).map(|row| row.at_s), None, "{name}");
        assert!(rows.iter().any(|row| row.at_s < gap.start), "{name} has nothing before the gap");
        assert!(rows.iter().any(|row| row.at_s > gap.end), "{name} has nothing after the gap");
    }
    // The hour before the gap has no end, and the two in it no beginning.
    let hours = panel.rows("phases.json: Energy by hour A", now_s);
    let missing = [gap.start - 3600, gap.start, gap.start + 3600];
    assert!(hours.iter().all(|row| !missing.contains(&row.at_s)), "{hours:?}");
}

#[test]
fn a_variable_that_nobody_defines_is_found_and_a_group_of_a_pattern_is_none() {
    let known = BTreeMap::from([("meter", "haus".to_owned())]);
    assert_eq!(board::substituted("a{m=\"$meter\"} 0$1", &known).unwrap(), "a{m=\"haus\"} 0$1");
    assert_eq!(board::substituted("a[$__rate]", &known).unwrap_err(), "__rate");
}
