//! The files against what Grafana documents: grafana.com/docs, "Provision Grafana", "Dashboard JSON model" and the pages
//! of the two data sources. A key or a kind that is not in these lists was not looked up.
use crate::board::{self, Board, word};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

const DASHBOARD: &[&str] = &[
    "annotations",
    "description",
    "editable",
    "graphTooltip",
    "links",
    "panels",
    "refresh",
    "schemaVersion",
    "tags",
    "templating",
    "time",
    "timepicker",
    "timezone",
    "title",
    "uid",
    "version",
];

const PANEL: &[&str] = &[
    "collapsed",
    "datasource",
    "description",
    "fieldConfig",
    "gridPos",
    "id",
    "interval",
    "maxDataPoints",
    "options",
    "panels",
    "targets",
    "timeFrom",
    "title",
    "transformations",
    "type",
];

const FIELD: &[&str] =
    &["color", "custom", "decimals", "mappings", "max", "min", "noValue", "thresholds", "unit"];

const TARGET: &[&str] =
    &["datasource", "editorMode", "expr", "format", "instant", "legendFormat", "queryType", "range", "refId"];

const VARIABLE: &[&str] = &[
    "allValue",
    "current",
    "datasource",
    "definition",
    "description",
    "hide",
    "includeAll",
    "label",
    "multi",
    "name",
    "options",
    "query",
    "refresh",
    "regex",
    "skipUrlSync",
    "sort",
    "type",
];

const ANNOTATION: &[&str] =
    &["datasource", "enable", "expr", "hide", "iconColor", "name", "tagKeys", "textFormat", "titleFormat"];

/// Kinds of panels that come with Grafana.
const KINDS: &[&str] = &["barchart", "heatmap", "logs", "row", "stat", "table", "timeseries"];

/// Transformations that come with Grafana.
const TRANSFORMATIONS: &[&str] = &["merge", "organize", "sortBy"];

/// Units that Grafana names, and those that we make with `suffix:`.
const UNITS: &[&str] = &[
    "amp",
    "currencyEUR",
    "massg",
    "none",
    "percentunit",
    "s",
    "suffix: ct/kWh",
    "volt",
    "voltampreact",
    "watt",
    "watth",
];

/// Variables that Grafana defines itself.
const BUILT_IN: &[&str] = &["__interval", "__range", "__range_s", "__rate_interval"];

#[track_caller]
fn assert_keys(object: &Map<String, Value>, known: &[&str], what: &str) {
    for key in object.keys() {
        assert!(known.contains(&key.as_str()), "{what}: {key}");
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object"))
}

/// A file of YAML that is one document.
fn yaml(name: &str) -> Yaml {
    YamlLoader::load_from_str(&board::text(name)).unwrap_or_else(|error| panic!("{name}: {error}")).remove(0)
}

fn assert_yaml_keys(node: &Yaml, known: &[&str], what: &str) {
    for key in node.as_hash().unwrap_or_else(|| panic!("{what} is no map")).keys() {
        assert!(known.contains(&key.as_str().unwrap()), "{what}: {key:?}");
    }
}

/// Kind of each data source by its uid.
fn data_sources() -> BTreeMap<String, String> {
    let file = yaml("provisioning/datasources/metergate.yaml");
    let text = |node: &Yaml| node.as_str().unwrap().to_owned();
    let all = file["datasources"].as_vec().unwrap();
    all.iter().map(|source| (text(&source["uid"]), text(&source["type"]))).collect()
}

#[test]
fn row_70_the_provisioning_has_documented_keys_and_finds_the_dashboards() {
    let sources = yaml("provisioning/datasources/metergate.yaml");
    assert_yaml_keys(&sources, &["apiVersion", "datasources"], "data sources");
    assert_eq!(sources["apiVersion"].as_i64(), Some(1));
    for source in sources["datasources"].as_vec().unwrap() {
        let keys = ["access", "editable", "isDefault", "jsonData", "name", "type", "uid", "url"];
        assert_yaml_keys(source, &keys, "a data source");
        let known: &[&str] = match source["type"].as_str().unwrap() {
            "prometheus" => &["httpMethod", "timeInterval"],
            "loki" => &["maxLines"],
            other => panic!("{other} is no data source of ours"),
        };
        assert_yaml_keys(&source["jsonData"], known, "jsonData");
        assert_eq!(source["access"].as_str(), Some("proxy"));
        assert!(source["url"].as_str().unwrap().starts_with("http://localhost:"));
    }
    let file = yaml("provisioning/dashboards/metergate.yaml");
    assert_yaml_keys(&file, &["apiVersion", "providers"], "dashboards");
    assert_eq!(file["apiVersion"].as_i64(), Some(1));
    let [provider] = file["providers"].as_vec().unwrap().as_slice() else { panic!("one provider") };
    let keys = [
        "allowUiUpdates",
        "disableDeletion",
        "folder",
        "folderUid",
        "name",
        "options",
        "orgId",
        "type",
        "updateIntervalSeconds",
    ];
    assert_yaml_keys(provider, &keys, "the provider");
    assert_eq!(provider["type"].as_str(), Some("file"));
    assert_yaml_keys(&provider["options"], &["path"], "options");

    // What Docker puts there is what the files say, and every file that it takes exists.
    let path = provider["options"]["path"].as_str().unwrap();
    let compose = yaml("compose.yaml");
    let mut mounts = BTreeMap::new();
    for (_, service) in compose["services"].as_hash().unwrap() {
        let keys = ["command", "environment", "image", "network_mode", "restart", "volumes"];
        assert_yaml_keys(service, &keys, "a service");
        let version = service["image"].as_str().unwrap().split_once(':').unwrap().1;
        assert!(version.contains(|c: char| c.is_ascii_digit()), "{version} is no version");
        for volume in service["volumes"].as_vec().unwrap() {
            let volume = volume.as_str().unwrap();
            if let Some((from, to)) = volume.strip_prefix("./").and_then(|rest| rest.split_once(':')) {
                assert!(board::folder().join(from).exists(), "{from}");
                mounts.insert(to.trim_end_matches(":ro").to_owned(), from.to_owned());
            }
        }
    }
    assert_eq!(mounts[path], "dashboards");
    assert_eq!(mounts["/etc/grafana/provisioning"], "provisioning");
    let home = compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        .as_str()
        .unwrap();
    assert_eq!(home, format!("{path}/home.json"));
    assert_yaml_keys(&yaml("scrape.yaml"), &["scrape_configs"], "the scrape file");
}

#[test]
fn row_70_the_configuration_beside_the_dashboards_is_accepted() {
    let checked = Command::new(env!("CARGO_BIN_EXE_metergate"))
        .args(["check-config", "--config"])
        .arg(board::folder().join("metergate.toml"))
        .env_remove("METERGATE_CONFIG")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(checked.status.success(), "{}{}", text(&checked.stdout), text(&checked.stderr));
    for name in ["haus", "sun", "spot", "history", "metrics", "log"] {
        assert!(text(&checked.stdout).contains(name), "{name} is not in {}", text(&checked.stdout));
    }
    let page = std::fs::read_to_string(board::folder().join("../../docs/grafana.md")).unwrap();
    let lines = board::text("metergate.toml");
    let sinks = lines.split_once("[default.sink.history]").unwrap().1;
    for line in sinks.lines().filter(|line| line.contains(" = ")) {
        assert!(page.contains(line), "docs/grafana.md has another configuration: {line}");
    }
}

#[test]
fn row_70_every_dashboard_is_written_as_grafana_documents() {
    let sources = data_sources();
    let mut uids = BTreeSet::new();
    let boards = board::all();
    for board in &boards {
        let (file, json) = (&board.file, &board.json);
        assert_keys(object(json), DASHBOARD, file);
        // Grafana numbers a dashboard that has no `id` itself; its address hangs on the uid, of 40 characters at most.
        let uid = word(&json["uid"]);
        assert_eq!(uid, format!("metergate-{}", file.strip_suffix(".json").unwrap()));
        assert!(uid.len() <= 40 && uids.insert(uid), "{file}: {uid}");
        assert_eq!(json["schemaVersion"], 39, "{file}: that of Grafana 11, which newer ones read");
        assert!(json["tags"].as_array().unwrap().contains(&"metergate".into()), "{file}");
        for key in ["title", "description", "timezone", "refresh"] {
            assert!(!word(&json[key]).is_empty(), "{file}: {key}");
        }
        let text = json.to_string();
        assert!(!text.contains("://") && !text.contains("localhost"), "{file} has an address");
        panels_are_apart(board);
        for panel in board.panels().iter().filter(|panel| panel["type"] != "row") {
            panel_is_documented(panel, &sources, file);
        }
        for annotation in board.annotations() {
            assert_keys(object(annotation), ANNOTATION, file);
            assert_source(&annotation["datasource"], &sources, file);
        }
        assert!(!board.annotations().is_empty(), "{file}: nothing tells when the meter was exchanged");
        variables_are_defined_and_used(board, &sources);
    }
    assert_eq!(boards.len(), 5);
}

fn assert_source(reference: &Value, sources: &BTreeMap<String, String>, what: &str) {
    assert_keys(object(reference), &["type", "uid"], what);
    let kind = sources.get(word(&reference["uid"])).unwrap_or_else(|| panic!("{what}: {reference}"));
    assert_eq!(word(&reference["type"]), kind, "{what}");
}

/// Ids are unique, and on the grid of 24 columns no panel lies on another.
fn panels_are_apart(board: &Board) {
    let mut ids = BTreeSet::new();
    let mut taken = BTreeMap::new();
    for panel in board.panels() {
        let name = format!("{}: {}", board.file, word(&panel["title"]));
        assert!(!word(&panel["title"]).is_empty(), "{name}");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: its id is another's");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("w") > 0 && at("h") > 0 && at("x") + at("w") <= 24, "{name} is beyond the grid");
        for cell in
            (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            if let Some(other) = taken.insert(cell, name.clone()) {
                panic!("{name} lies on {other}");
            }
        }
        if panel["type"] == "row" {
            assert_eq!(panel["collapsed"], false, "{name}");
            assert_eq!(
                panel["panels"],
                serde_json::json!([]),
                "{name}: what is in an open row stands after it"
            );
        }
    }
}

fn panel_is_documented(panel: &Value, sources: &BTreeMap<String, String>, file: &str) {
    let name = format!("{file}: {}", word(&panel["title"]));
    assert_keys(object(panel), PANEL, &name);
    let kind = word(&panel["type"]);
    assert!(KINDS.contains(&kind), "{name}: {kind}");
    assert_source(&panel["datasource"], sources, &name);
    let field = &panel["fieldConfig"]["defaults"];
    assert_keys(object(field), FIELD, &name);
    if let Some(unit) = field["unit"].as_str() {
        assert!(UNITS.contains(&unit), "{name}: {unit}");
    } else {
        assert!(["heatmap", "logs", "table"].contains(&kind), "{name} has no unit");
    }
    if let Some(steps) = field["thresholds"]["steps"].as_array() {
        assert_eq!(steps[0]["value"], Value::Null, "{name}: the first threshold has no value");
        let values: Vec<f64> = steps[1..].iter().map(|step| step["value"].as_f64().unwrap()).collect();
        assert!(values.is_sorted(), "{name}: {values:?}");
    }
    if kind == "timeseries" {
        assert_eq!(field["custom"]["spanNulls"], false, "{name} draws over gaps");
    }
    let targets = panel["targets"].as_array().unwrap();
    let mut letters = BTreeSet::new();
    for target in targets {
        assert_keys(object(target), TARGET, &name);
        assert_source(&target["datasource"], sources, &name);
        assert!(letters.insert(word(&target["refId"])), "{name}: two queries have one letter");
        assert!(target["instant"] != target["range"] || target["queryType"].is_string(), "{name}");
    }
    for transformation in panel["transformations"].as_array().into_iter().flatten() {
        assert!(TRANSFORMATIONS.contains(&word(&transformation["id"])), "{name}: {transformation}");
        // A table of one query calls its numbers Value, of several Value #A and so on.
        for from in transformation["options"]["renameByName"].as_object().into_iter().flat_map(Map::keys) {
            let letter = from.strip_prefix("Value #");
            let is_loki = panel["datasource"]["type"] == "loki";
            assert!(is_loki || letter.is_some() == (targets.len() > 1), "{name}: {from}");
            assert!(letter.is_none_or(|letter| letters.contains(letter)), "{name}: {from}");
        }
    }
    if kind == "barchart" {
        let x = word(&panel["options"]["xField"]);
        let query = word(&targets[0]["expr"]);
        assert!(query.contains(x), "{name}: no label {x}");
    }
}

fn variables_are_defined_and_used(board: &Board, sources: &BTreeMap<String, String>) {
    let file = &board.file;
    let mut known = BTreeMap::new();
    for variable in board.variables() {
        assert_keys(object(variable), VARIABLE, file);
        if variable["type"] == "query" {
            assert_source(&variable["datasource"], sources, file);
            // What is asked for may name what stands before it.
            board::substituted(word(&variable["definition"]), &known).unwrap();
            assert_eq!(variable["definition"], variable["query"]["query"], "{file}");
        }
        let name = word(&variable["name"]);
        assert!(known.insert(name, String::new()).is_none(), "{file}: {name} twice");
        let used = board.panels().iter().any(|panel| panel.to_string().contains(&format!("${name}")));
        assert!(used, "{file}: nothing uses {name}");
    }
    known.extend(BUILT_IN.iter().map(|name| (*name, String::new())));
    let queries = board.targets().map(|target| word(&target.target["expr"]).to_owned());
    let queries = queries.chain(board.annotations().iter().map(|mark| word(&mark["expr"]).to_owned()));
    for query in queries {
        if let Err(name) = board::substituted(&query, &known) {
            panic!("{file}: nobody defines {name} in {query}");
        }
    }
}
