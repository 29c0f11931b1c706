//! The dashboards as Grafana reads them, and their queries as Grafana sends them.
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where everything for Grafana lies.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../packaging/grafana")
}

/// A file of that folder.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// One dashboard.
pub(crate) struct Board {
    pub(crate) file: String,
    pub(crate) json: Value,
}

/// All dashboards, in the order of their names.
pub(crate) fn all() -> Vec<Board> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder().join("dashboards")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            let json = serde_json::from_str(&std::fs::read_to_string(path).unwrap())
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            Board { file, json }
        })
        .collect()
}

/// One query of a panel.
pub(crate) struct Target<'a> {
    /// Dashboard, panel and letter, for the person who reads a failure.
    pub(crate) name: String,
    pub(crate) panel: &'a Value,
    pub(crate) target: &'a Value,
    /// What the time range begins with, as the panel or else the dashboard says.
    from: &'a str,
}

impl Board {
    pub(crate) fn panels(&self) -> &Vec<Value> {
        self.json["panels"].as_array().unwrap()
    }

    pub(crate) fn variables(&self) -> &Vec<Value> {
        self.json["templating"]["list"].as_array().unwrap()
    }

    pub(crate) fn annotations(&self) -> &Vec<Value> {
        self.json["annotations"]["list"].as_array().unwrap()
    }

    /// Every query of every panel.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target<'_>> {
        let of_panel = |panel: &Value| panel["targets"].as_array().map_or(0, Vec::len);
        self.panels().iter().flat_map(move |panel| {
            (0..of_panel(panel)).map(move |nth| {
                let target = &panel["targets"][nth];
                Target {
                    name: format!("{}: {} {}", self.file, word(&panel["title"]), word(&target["refId"])),
                    panel,
                    target,
                    from: panel["timeFrom"].as_str().unwrap_or_else(|| word(&self.json["time"]["from"])),
                }
            })
        })
    }
}

pub(crate) fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

impl Target<'_> {
    pub(crate) fn is_metrics(&self) -> bool {
        self.target["datasource"]["type"] == "prometheus"
    }

    /// Path and query of the request that Grafana makes of it, when `now_s` is now.
    ///
    /// The step is the range by the number of points, a thousand unless the panel says, and at least what panel and
    /// data source say. The range begins at a multiple of the step by the clock of the dashboard.
    pub(crate) fn request(&self, variables: &BTreeMap<&str, String>, now_s: i64) -> String {
        let range = now_s - begin_s(self.from, now_s);
        let least = self.panel["interval"].as_str().map_or(15, seconds);
        let points = self.panel["maxDataPoints"].as_i64().unwrap_or(1000);
        let step = (range / points).max(least);
        let mut all = variables.clone();
        all.insert("__range", format!("{range}s"));
        all.insert("__range_s", range.to_string());
        all.insert("__interval", format!("{step}s"));
        // `timeInterval` of the data source is 15 s.
        all.insert("__rate_interval", format!("{}s", (step + 15).max(60)));
        let query = substituted(word(&self.target["expr"]), &all).unwrap();
        if self.target["instant"] == true {
            return ask("query", &[("query", &query), ("time", &now_s.to_string())]);
        }
        let offset = i64::from(berlin(now_s).offset().seconds());
        let begin = (now_s - range + offset).div_euclid(step) * step - offset;
        let times = [begin.to_string(), now_s.to_string(), step.to_string()];
        ask(
            "query_range",
            &[("query", &query), ("start", &times[0]), ("end", &times[1]), ("step", &times[2])],
        )
    }
}

/// A path of the interface of Prometheus.
pub(crate) fn ask(what: &str, pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("/api/v1/{what}?{query}")
}

/// The clock of who looks at the dashboard.
fn berlin(unix_s: i64) -> Zoned {
    Timestamp::from_second(unix_s).unwrap().to_zoned(TimeZone::get("Europe/Berlin").unwrap())
}

/// When a range begins: `now-24h`, or `now/d` for what is over of the day.
fn begin_s(from: &str, now_s: i64) -> i64 {
    let now = berlin(now_s);
    let begin = match from {
        "now/d" => now.start_of_day().unwrap(),
        "now/M" => now.first_of_month().unwrap().start_of_day().unwrap(),
        _ => now.checked_sub(seconds(from.strip_prefix("now-").unwrap()).seconds()).unwrap(),
    };
    begin.timestamp().as_second()
}

/// `15m` and the like.
fn seconds(span: &str) -> i64 {
    let (number, unit) = span.split_at(span.len() - 1);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "y" => 31_536_000,
        _ => panic!("{span} is no span of time"),
    };
    number.parse::<i64>().unwrap() * unit
}

/// A text with `$name` replaced. `$1` is no variable but a group of a pattern and stays.
///
/// # Errors
/// The first name that nobody defines.
pub(crate) fn substituted(text: &str, variables: &BTreeMap<&str, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        match variables.get(name) {
            Some(value) => out.push_str(value),
            None if name.parse::<u8>().is_ok() => out.extend(["$", name]),
            None => return Err(name.to_owned()),
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}
