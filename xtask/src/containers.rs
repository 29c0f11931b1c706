//! The step `containers`: what can be said about the image and the add-on of Home Assistant without building them.
//!
//! No daemon of Docker runs where the tests run, so nothing is built here: docs/conformance.md says so. Checked are
//! what goes into the image, the keys of the add-on against those that Home Assistant documents, and what its script
//! makes of its options.
use crate::place::{Place, text};
use crate::shell::{cargo_in, read, run};
use crate::step::Outcome;
use crate::tools::JQ;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

const DOCKERFILE: &str = "packaging/docker/Dockerfile";
const ADDON: &str = "packaging/home-assistant-addon";

/// Keys of `config.yaml` that we use, of those in developers.home-assistant.io/docs/add-ons/configuration.
const KEYS: &[&str] = &[
    "name",
    "version",
    "slug",
    "description",
    "url",
    "arch",
    "startup",
    "boot",
    "stage",
    "uart",
    "udev",
    "gpio",
    "usb",
    "devices",
    "tmpfs",
    "timeout",
    "services",
    "map",
    "options",
    "schema",
    "init",
    "apparmor",
    "environment",
    "image",
    "ports",
    "ports_description",
    "watchdog",
    "ingress",
    "ingress_port",
    "panel_icon",
    "homeassistant",
    "backup",
    "backup_exclude",
    "journald",
    "webui",
];

/// Kinds of values that a schema may name, before `(` and `?`.
const KINDS: &[&str] =
    &["str", "bool", "int", "float", "email", "url", "password", "port", "match", "list", "device"];

/// Checks image and add-on.
pub(crate) fn check(place: &Place) -> Result<Outcome> {
    image(place)?;
    addon(place)?;
    if let Some(why) = JQ.missing() {
        return Ok(Outcome::NotChecked(why));
    }
    script(place)?;
    Ok(Outcome::Passed("not built: no daemon is asked for".to_owned()))
}

/// The sources that the image is made of are there and enough.
fn image(place: &Place) -> Result<()> {
    let text = fs::read_to_string(place.root.join(DOCKERFILE))?;
    let toolchain = format!("FROM rust:{}-", rust_version(place)?);
    ensure!(
        text.contains(&toolchain),
        "{DOCKERFILE} does not build with the workspace's Rust: `{toolchain}`"
    );
    let world = place.target.join("container");
    let _ = fs::remove_dir_all(&world);
    fs::create_dir_all(&world)?;
    let sources = copied(&text);
    let ignored = fs::read_to_string(place.root.join(format!("{DOCKERFILE}.dockerignore")))?;
    for source in &sources {
        ensure!(place.root.join(source).exists(), "{DOCKERFILE} copies `{source}`, which is not there");
        ensure!(
            ignored.lines().any(|line| line == format!("!{source}")),
            "the build does not see `{source}`"
        );
        run(Command::new("cp").arg("--recursive").arg(place.root.join(source)).arg(&world))?;
    }
    // All members of the workspace must be among them, or cargo refuses to begin.
    read(
        cargo_in(place, &["metadata", "--no-deps", "--locked", "--offline", "--format-version", "1"])
            .current_dir(&world),
    )
    .context("what the image is made of is no workspace")?;
    fs::remove_dir_all(&world)?;
    Ok(())
}

/// What `COPY` takes from the checkout.
fn copied(dockerfile: &str) -> Vec<String> {
    let mut sources = Vec::new();
    for line in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some((_, from)) = words.split_last().filter(|_| !line.starts_with("--from")) {
            sources.extend(from.iter().map(|&word| word.to_owned()));
        }
    }
    sources
}

fn addon(place: &Place) -> Result<()> {
    let config = yaml(&place.root.join(ADDON).join("config.yaml"))?;
    for key in keys(&config) {
        ensure!(KEYS.contains(&key.as_str()), "config.yaml: Home Assistant knows no key `{key}`");
    }
    let version = package_version(place)?;
    ensure!(config["version"].as_str() == Some(&version), "config.yaml is not of version {version}");
    let dockerfile = fs::read_to_string(place.root.join(ADDON).join("Dockerfile"))?;
    ensure!(
        dockerfile.contains(&format!("metergate:{version}\n")),
        "the add-on is not made of version {version}"
    );
    for source in copied(&dockerfile) {
        ensure!(
            place.root.join(ADDON).join(&source).exists(),
            "the add-on copies `{source}`, which is not there"
        );
    }
    let mut wrong = Vec::new();
    kinds(&config["schema"], &mut wrong);
    ensure!(wrong.is_empty(), "config.yaml: no kind of value: {}", wrong.join(", "));
    let options = keys(&config["schema"]);
    for key in keys(&config["options"]) {
        ensure!(options.contains(&key), "config.yaml: option `{key}` has no schema");
    }
    for language in ["en", "de"] {
        let words = yaml(&place.root.join(ADDON).join(format!("translations/{language}.yaml")))?;
        ensure!(
            keys(&words["configuration"]) == options,
            "{language}.yaml names other options than config.yaml"
        );
    }
    Ok(())
}

/// Collects what is no kind of value.
fn kinds(schema: &Yaml, wrong: &mut Vec<String>) {
    match schema {
        Yaml::Hash(table) => table.values().for_each(|value| kinds(value, wrong)),
        Yaml::Array(list) => list.iter().for_each(|value| kinds(value, wrong)),
        Yaml::String(kind) => {
            let name = kind.split(['(', '?']).next().unwrap_or_default();
            if !KINDS.contains(&name) {
                wrong.push(kind.clone());
            }
        }
        other => wrong.push(format!("{other:?}")),
    }
}

fn yaml(file: &Path) -> Result<Yaml> {
    let name = file.display();
    let mut documents = YamlLoader::load_from_str(&fs::read_to_string(file)?)
        .with_context(|| format!("{name} is no YAML"))?;
    ensure!(documents.len() == 1, "{name} holds {} documents", documents.len());
    documents.pop().with_context(|| format!("{name} is empty"))
}

/// The keys of a table, in their order; none when it is no table.
fn keys(yaml: &Yaml) -> Vec<String> {
    let table = yaml.as_hash().into_iter().flatten();
    table.filter_map(|(key, _)| Some(key.as_str()?.to_owned())).collect()
}

/// The options of [`script`]: values that a shell would take apart, if it could.
const OPTIONS: &str = r#"{
  "meters": [
    { "name": "house", "device": "/dev/ttyUSB0", "model": "kaifa-ma309m-netz-noe",
      "key": "36 C6 66 39 E4 8A 8C A4 D6 BC 8B 28 2A 79 3B BB" },
    { "name": "heating", "address": "tcp://192.168.0.10:3000", "protocol": "kmp" }
  ],
  "home_assistant": true, "log": "telegrams"
}"#;

/// What the supervisor says about the broker.
const BROKER: &str = r#"{"result":"ok","data":{"host":"core-mosquitto","port":1883,"ssl":false,
  "username":"addons","password":"a'b $(c) \"d\""}}"#;

/// Drops its own options, then shows what metergate would see, and what metergate makes of it.
const SETPRIV: &str = r#"while [ "${1#-}" != "$1" ]; do shift; done
echo "$@"
env -0 | grep -z '^METERGATE_\|_DIRECTORY=' | tr '\0' '\n'
exec "$PROGRAM" check-config"#;

/// Runs the script of the add-on, with programs of our own in place of those that need root or the supervisor.
fn script(place: &Place) -> Result<()> {
    let folder = place.target.join("addon");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("options.json"), OPTIONS)?;
    fs::write(folder.join("broker.json"), BROKER)?;
    let programs = [("install", "exit 0"), ("curl", "cat \"${0%/*}/broker.json\""), ("setpriv", SETPRIV)];
    for (name, body) in programs {
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\n{body}\n"))?;
        run(Command::new("chmod").arg("+x").arg(file))?;
    }
    run(&mut cargo_in(place, &["build", "--quiet", "--package", "metergate-gateway"]))?;
    let said = start(place, &folder, "options.json")?;
    for line in [
        "metergate run -vv",
        "METERGATE_METER__HOUSE__PORT=/dev/ttyUSB0",
        "METERGATE_METER__HOUSE__KEY=36 C6 66 39 E4 8A 8C A4 D6 BC 8B 28 2A 79 3B BB",
        "METERGATE_METER__HEATING__PORT=tcp://192.168.0.10:3000",
        "METERGATE_METER__HEATING__PROTOCOL=kmp",
        "METERGATE_SINK__HOMEASSISTANT__URL=mqtt://core-mosquitto:1883",
        "METERGATE_SINK__HOMEASSISTANT__PASSWORD=a'b $(c) \"d\"",
        "STATE_DIRECTORY=/data/metergate",
        "ok: 2 meters, 2 sinks",
    ] {
        ensure!(said.lines().any(|said| said == line), "run.sh does not say `{line}`:\n{said}");
    }
    ensure!(!said.contains("HEATING__KEY"), "run.sh makes an empty key of none:\n{said}");
    // A name that would end the variable's name must not reach the shell.
    fs::write(
        folder.join("bad.json"),
        r#"{"meters":[{"name":"a=1; touch evil; b","device":"/dev/ttyUSB0"}]}"#,
    )?;
    ensure!(start(place, &folder, "bad.json").is_err(), "run.sh takes any name for a meter");
    Ok(())
}

fn start(place: &Place, folder: &Path, options: &str) -> Result<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    read(
        Command::new("sh")
            .arg(place.root.join(ADDON).join("run.sh"))
            .arg(folder.join(options))
            .arg(folder.join("no.toml"))
            // Where no other configuration lies about.
            .current_dir(folder)
            .env("PROGRAM", place.target.join("debug/metergate"))
            .env("PATH", format!("{}:{path}", folder.display())),
    )
}

fn package_version(place: &Place) -> Result<String> {
    let gateway = place.packages().iter().find(|package| package["name"] == "metergate-gateway");
    Ok(text(&gateway.context("the gateway is a package")?["version"]))
}

fn rust_version(place: &Place) -> Result<String> {
    let gateway = place.packages().iter().find(|package| package["name"] == "metergate-gateway");
    Ok(text(&gateway.context("the gateway is a package")?["rust_version"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_add_on_says_only_what_home_assistant_documents() {
        addon(&Place::find().expect("tests run in the workspace")).expect("the add-on is right");
    }

    #[test]
    fn a_kind_of_value_that_nobody_knows_is_found() {
        let schema =
            YamlLoader::load_from_str("a: str?\nb:\n  - c: match(^x$)\n    d: text\n").expect("YAML");
        let mut wrong = Vec::new();
        kinds(&schema[0], &mut wrong);
        assert_eq!(wrong, ["text"]);
    }

    #[test]
    fn sources_of_a_dockerfile_are_those_of_the_checkout() {
        let text = "COPY a b ./\nCOPY --from=build /made /\nRUN x\nCOPY c /d\n";
        assert_eq!(copied(text), ["a", "b", "c"]);
    }
}
