//! Configurations of other programs: what is made of them loads, what is lost is said, and no secret is printed.
//!
//! The samples in `import/vzlogger` have the shapes that people show in forums; names, ids and passwords are made up,
//! and every password holds the word `geheim`.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
use metergate_gateway::cli::Outcome;
use metergate_gateway::cli::import::{Args, From, import};
use metergate_gateway::config::{Gateway, IecMode, Place, Source, Surroundings, load_in};
use metergate_meter::{LineSettings, Protocol};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const GUEK: &str = "36C66639E48A8CA4D6BC8B282A793BBB";
const GAK: &str = "D41D8CD98F00B204E9800998ECF8427E";

/// What `settings.toml` of smart-meter-reader holds: three environments over a global one.
const SETTINGS: &str = r#"
[global]
debug_level = "DEBUG"
mqtt_broker = 'mqtt.example'
mqtt_port = 1883

[dummy]
dynaconf_merge = true
[dummy.client]
id = "dummy"
[dummy.sink]
ids = ["homie"]
[dummy.sink.homie]
id = "dummy-smart-meter"
name = "Dummy Device"
device_type = "DummySmartMeter"

[t210]
dynaconf_merge = true
[t210.client]
id = "sagemcom_T210_D_r"
telegram_specification = "V5"
[t210.client.serial]
port = "/dev/ttyS0"
settings = "SERIAL_SETTINGS_V5"
[t210.sink]
ids = ["homie"]
[t210.sink.homie]
id = "electric-smart-meter"
name = "Sagemcom T210-D-r Stromzähler"
device_type = "ElectricSmartMeter"

[kamstrup_403]
dynaconf_merge = true
client.id = "kamstrup_403"
client.serial.port = "/dev/serial/by-id/usb-kamstrup"
sink.ids = ["homie"]
sink.homie = { id = "heat-smart-meter", name = "Kamstrup 403 Fernwärmezähler", device_type = "HeatSmartMeter" }
"#;

/// What came of it: standard output, standard error, and how it ended.
struct Made {
    out: String,
    err: String,
    ended: Result<Outcome, String>,
}

/// A folder with files of other programs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.with_mode(name, content, 0o600)
    }

    fn with_mode(self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    fn make(&self, files: &[&str], output: Option<&str>, force: bool, from: Option<From>) -> Made {
        let args = Args {
            files: files.iter().map(|name| self.path(name)).collect(),
            output: output.map(|name| self.path(name)),
            force,
            from,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let ended = import(&args, &mut out, &mut err).map_err(|failure| failure.to_string());
        let folder = format!("{}/", self.0.path().display());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&folder, "");
        Made { out: text(out), err: text(err), ended: ended.map_err(|error| error.replace(&folder, "")) }
    }

    fn import(&self, files: &[&str]) -> Made {
        self.make(files, None, false, None)
    }

    fn write(&self, files: &[&str], output: &str) -> Made {
        self.make(files, Some(output), false, None)
    }

    /// Loads a configuration as the daemon does.
    fn load(&self, file: &str, profile: &str) -> Gateway {
        let around = Surroundings { variables: Vec::new(), folder: self.0.path().to_owned() };
        let source = Source { file: Some(file.into()), profile: profile.to_owned() };
        load_in(&source, &around).unwrap_or_else(|failure| panic!("{failure}\n{}", self.read(file)))
    }
}

fn sample(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/vzlogger");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn samples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/vzlogger");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Imports a sample of vzlogger and loads what came of it.
fn loaded(name: &str) -> (Gateway, Made) {
    let folder = Folder::new().with("vzlogger.conf", sample(name));
    let made = folder.write(&["vzlogger.conf"], "metergate.toml");
    assert_eq!(made.ended, Ok(Outcome::Done), "{name}: {}", made.err);
    (folder.load("metergate.toml", "default"), made)
}

/// The meters of a sample: name, place, protocol and line.
fn meters(name: &str) -> Vec<String> {
    let (gateway, _) = loaded(name);
    let show = |meter: &metergate_gateway::config::MeterSetup| {
        let protocol = meter.protocol.map_or("none", Protocol::name);
        let line = meter.port.line.map_or_else(|| "none".to_owned(), |line| line.to_string());
        format!("{} {} {protocol} {line}", meter.name, meter.port.place)
    };
    gateway.meters.iter().map(show).collect()
}

#[test]
fn every_sample_of_vzlogger_loads_or_says_that_there_is_nothing() {
    let names = samples();
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        let folder = Folder::new().with("vzlogger.conf", sample(&name));
        let made = folder.import(&["vzlogger.conf"]);
        if name == "all-off.conf" {
            assert_eq!((made.ended, made.out.as_str()), (Ok(Outcome::Nothing), ""));
            assert!(made.err.starts_with("nothing to convert: "), "{}", made.err);
            continue;
        }
        assert_eq!(made.ended, Ok(Outcome::Done), "{name}: {}", made.err);
        fs::write(folder.path("printed.toml"), &made.out).unwrap();
        let printed = folder.load("printed.toml", "default");
        folder.write(&["vzlogger.conf"], "metergate.toml").ended.unwrap();
        let written = folder.load("metergate.toml", "default");
        assert_eq!(printed.meters.len(), written.meters.len());
        assert!(!written.sinks.is_empty(), "{name}: what the meters say goes somewhere");
    }
}

#[test]
fn meters_have_port_protocol_and_line() {
    assert_eq!(meters("sml-usb.conf"), ["mtr0 /dev/ttyUSB0 sml 9600 8N1"]);
    assert_eq!(
        meters("d0-push.conf"),
        ["mtr0 /dev/serial/by-path/platform-usb-0:1.2:1.0-port0 iec62056-21 9600 7E1"]
    );
    assert_eq!(meters("d0-readout.conf"), ["mtr0 /dev/ttyAMA0 iec62056-21 300 7E1"]);
    assert_eq!(
        meters("remote.conf"),
        [
            "mtr0 tcp://192.168.0.10:7331 sml 9600 8N1",
            "mtr1 /dev/ttyUSB0 sml 9600 8N1",
            "mtr3 tcp://meter.example:2001 iec62056-21 9600 7E1",
            "mtr4 file:/srv/captures/meter.bin sml 9600 8N1",
            "mtr5 /tmp/ttyV0 sml 9600 8N1",
        ]
    );
    assert_eq!(meters("old.conf"), ["mtr0 /dev/ttyS1 sml 9600 8N1", "mtr1 /dev/ttyS2 iec62056-21 9600 7E1"]);
    assert_eq!(meters("loose.conf"), ["mtr0 /dev/ttyUSB2 sml 9600 8N1"], "of two devices the last");
    assert_eq!(meters("p1.conf"), ["mtr0 /dev/ttyUSB0 p1 115200 8N1"]);
    assert_eq!(meters("topic.conf"), ["mtr0 /dev/ttyS0 sml 4800 7O1"]);
    assert_eq!(meters("others.conf"), ["mtr9 /dev/ttyUSB0 sml 9600 8N1"]);
}

#[test]
fn a_meter_that_is_asked_keeps_interval_and_address() {
    let (gateway, _) = loaded("d0-readout.conf");
    assert_eq!(gateway.meters[0].iec.mode, IecMode::Readout);
    assert_eq!(gateway.meters[0].iec.interval, Duration::from_secs(300));
    let (gateway, made) = loaded("d0-address.conf");
    assert_eq!(gateway.meters[0].iec.address.as_deref(), Some("10473"));
    assert_eq!(gateway.meters[1].port.line, Some("2400 7E1".parse().unwrap()));
    assert_eq!(gateway.meters[1].iec.address, None);
    assert!(made.err.contains("vzlogger.conf:5: `pullseq`: is no request"), "{}", made.err);
    let (gateway, _) = loaded("d0-push.conf");
    assert_eq!(gateway.meters[0].iec.mode, IecMode::Push, "nobody asks a meter that speaks by itself");
}

#[test]
fn the_output_is_readable() {
    let folder = Folder::new().with("vzlogger.conf", sample("cellar.conf")).with("settings.toml", SETTINGS);
    for (name, file) in [("cellar", "vzlogger.conf"), ("settings", "settings.toml")] {
        let mut command = assert_cmd::Command::cargo_bin("metergate").unwrap();
        let output =
            command.env_clear().current_dir(folder.0.path()).args(["import", file]).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(output.status.code(), Some(0));
        let said = format!("{}\n--- standard error ---\n{}", text(output.stdout), text(output.stderr));
        insta::assert_snapshot!(name, said);
    }
}

#[test]
fn meters_without_a_counterpart_say_so_with_their_line() {
    let (_, made) = loaded("others.conf");
    for (line, protocol) in [
        (3, "exec"),
        (5, "file"),
        (6, "random"),
        (7, "fluksov2"),
        (8, "w1therm"),
        (9, "ocr"),
        (10, "oms"),
        (11, "s0"),
        (12, "modbus"),
    ] {
        let expected = format!("  vzlogger.conf:{line}: the meter: protocol `{protocol}`: ");
        assert!(made.err.contains(&expected), "{expected}\n{}", made.err);
    }
}

#[test]
fn wrong_types_are_told_and_cost_no_more_than_their_key() {
    let (gateway, made) = loaded("wrong-types.conf");
    let names: Vec<&str> = gateway.meters.iter().map(|meter| meter.name.as_str()).collect();
    assert_eq!(names, ["mtr3", "mtr4"], "and nothing that a name in the file injected");
    for expected in [
        ":2: `local`: expected a section, found a text",
        ":3: `mqtt`: expected a section, found a list",
        ":5: expected a meter, found a text",
        ":6: `enabled`: expected true or false, found a text",
        ":7: `protocol`: expected a text, found a whole number",
        ":8: `baudrate`: expected a whole number, found a text",
        ":8: `parity`: is none of 8n1, 7n1, 7e1 and 7o1",
        ":9: `identifier`: `1-0:1.7.ff` is no OBIS code",
        ":10: `baudrate`: 99999999999 is no speed of 50 to 4000000",
        ":11: the meter: `no port` is no port",
    ] {
        assert!(made.err.contains(&format!("vzlogger.conf{expected}\n")), "{expected}\n{}", made.err);
    }
}

#[test]
fn receivers_become_sections_with_all_that_they_need() {
    let text = |name: &str| {
        let folder = Folder::new().with("vzlogger.conf", sample(name));
        folder.import(&["vzlogger.conf"]).out.replace('#', "")
    };
    let mqtt = text("mqtt-tls.conf");
    for line in [
        "[default.sink.mqtt]\nkind = \"mqtt\"\nurl = \"mqtts://broker.example:8883\"\nusername = \"meter\"\n",
        "client_id = \"vzlogger\"\n",
        "prefix = \"vzlogger\"\nper_register = true\n",
        "discovery = \"entity\"\ndiscovery_prefix = \"homeassistant\"\nregisters = [\"1-0:16.7.0\", \"1-0:1.8.0\"]\n",
        "vzlogger.conf:6: `cafile`: is not on this host",
        "vzlogger.conf:7: `certfile` and `keyfile`: are not on this host",
        "vzlogger.conf:9: `keypass`: ",
        "vzlogger.conf:12: `ha_discovery`",
    ] {
        assert!(mqtt.contains(line), "{line}\n{mqtt}");
    }
    let plain = text("two-targets.conf");
    for line in [
        "url = \"mqtt://192.168.0.2:1883\"\nusername = \"u\"\n",
        "prefix = \"home/meter\"\n",
        ":3: `keepalive`: is 5 to 3600 seconds",
        ":3: `qos`: is 0 or 1",
        "discovery = \"off\"\n",
        "url = \"http://one.example/middleware.php\"\n",
        "url = \"https://two.example/middleware.php\"\nusername = \"u\"\n",
    ] {
        assert!(plain.contains(line), "{line}\n{plain}");
    }
    let wrong = text("topic.conf");
    for line in [
        ":2: the sink: ",
        ":2: `topic`: a topic has no empty level, no `+`, `` and `$`",
        ":2: `pass`: does nothing without `user`",
        ":2: `certfile` and `keyfile`: need each other",
        "prefix = \"vzlogger\"\n",
    ] {
        assert!(wrong.contains(line), "{line}\n{wrong}");
    }
    let influx = text("influx-1.conf");
    for lines in [
        "[default.sink.influx]\nkind = \"influx\"\nurl = \"http://localhost:8086\"\nversion = 1\n\
         database = \"house\"\nusername = \"vz\"\nregisters = [\"1-0:1.8.0\", \"1-0:2.8.0\"]\n",
        "[default.sink.influx-2]\nkind = \"influx\"\nurl = \"http://other.example:8086\"\nversion = 1\n\
         database = \"vzlogger\"\nregisters = [\"1-0:16.7.0\"]\n",
    ] {
        assert!(influx.contains(lines), "{lines}\n{influx}");
    }
    let influx = text("influx-2.conf");
    let lines = "url = \"https://influx.example\"\nversion = 2\norg = \"home\"\nbucket = \"meters\"\n\
                 min_interval = \"10 s\"\n";
    assert!(influx.contains(lines), "{influx}");
    let several = text("several.conf");
    for lines in [
        "[default.sink.volkszaehler]\nkind = \"volkszaehler\"\nurl = \"http://127.0.0.1/middleware.php\"\n\
         meters = [\"mtr0\"]\nmin_interval = \"300 s\"\n\n[default.sink.volkszaehler.channels]\n\
         \"a0000000-0000-4000-8000-00000000000c\" = \"1-0:1.8.0\"\n",
        "meters = [\"mtr1\"]\n\n[default.sink.volkszaehler-2.channels]\n\
         \"a0000000-0000-4000-8000-00000000000d\" = \"1-0:1.8.0\"\n",
    ] {
        assert!(several.contains(lines), "{lines}\n{several}");
    }
}

#[test]
fn row_54_an_s5_like_toml_loads_in_all_three_profiles() {
    let secrets = format!("[t210.client]\nguek = \"{GUEK}\"\ngak = \"{GAK}\"\n");
    let folder = Folder::new().with("old/settings.toml", SETTINGS).with("old/.secrets.toml", secrets);
    let made = folder.write(&["old/settings.toml", "old/.secrets.toml"], "metergate.toml");
    assert_eq!(made.ended, Ok(Outcome::Done), "{}", made.err);
    assert_eq!(folder.mode("metergate.secrets.toml"), 0o600);

    let dummy = folder.load("metergate.toml", "dummy");
    assert_eq!(dummy.meters[0].name, "dummy-smart-meter");
    assert_eq!(dummy.meters[0].port.place, Place::Tcp { host: "127.0.0.1".to_owned(), port: 4000 });

    let t210 = folder.load("metergate.toml", "t210");
    let meter = &t210.meters[0];
    assert_eq!(meter.name, "electric-smart-meter");
    assert_eq!(meter.port.place, Place::Serial("/dev/ttyS0".into()));
    assert_eq!((meter.protocol, meter.port.line), (Some(Protocol::P1), Some(LineSettings::M115200_8N1)));
    assert_eq!(meter.model.unwrap().name, "sagemcom-t210-d-r-energienetze-steiermark");
    assert_eq!((&meter.key, &meter.auth_key), (&GUEK.parse().ok(), &GAK.parse().ok()));

    let kamstrup = folder.load("metergate.toml", "kamstrup_403");
    let meter = &kamstrup.meters[0];
    assert_eq!((meter.name.as_str(), meter.protocol), ("heat-smart-meter", Some(Protocol::Kmp)));
    assert_eq!(meter.kmp.registers, [60, 80, 86, 87, 89, 74, 68, 1004]);
    assert_eq!(meter.kmp.interval, Duration::from_secs(3600));

    let text = folder.read("metergate.toml").replace('#', "");
    for lines in [
        "[t210.sink.homie]\nkind = \"homie\"\nurl = \"mqtt://mqtt.example:1883\"\n\
         device = \"electric-smart-meter\"\nname = \"Sagemcom T210-D-r Stromzähler\"\n",
        "device = \"heat-smart-meter\"\nname = \"Kamstrup 403 Fernwärmezähler\"\n",
        "device = \"dummy-smart-meter\"\nname = \"Dummy Device\"\n",
    ] {
        assert!(text.contains(lines), "{lines}\n{text}");
    }
}

#[test]
fn secrets_beside_settings_are_found_as_dynaconf_finds_them() {
    let secrets = format!("[T210]\nclient.GUEK = \"{GUEK}\"\n");
    let folder =
        Folder::new().with("old/settings.toml", SETTINGS).with_mode("old/.secrets.toml", secrets, 0o644);
    let made = folder.write(&["old/settings.toml"], "metergate.toml");
    assert!(made.err.contains("note: old/.secrets.toml can be read by everybody on this host: chmod 600"));
    assert_eq!(folder.load("metergate.toml", "t210").meters[0].key, GUEK.parse().ok());
}

#[test]
fn environments_that_are_odd_are_told() {
    let case = |toml: &str| Folder::new().with("settings.toml", toml).import(&["settings.toml"]);
    let made = case("[global]\nmqtt_broker = \"a\"\n");
    assert_eq!(made.ended, Ok(Outcome::Nothing), "no profile, no meter");
    let made = case("[t210.client]\nguek = \"geheim\"\n");
    assert_eq!(made.ended, Ok(Outcome::Nothing));
    assert!(made.err.contains("settings.toml:1: the client: it has no `id`"), "{}", made.err);
    let made = case("[a.client]\nid = \"fritz\"\n[b]\nx = 1\n");
    assert!(made.err.contains(":1: the client `fritz`: is none that smart-meter-reader has"), "{}", made.err);
    assert!(made.err.contains(":3: `b`: an environment without `client`"), "{}", made.err);
    // A profile of this name would be taken for a section.
    let made = case("[client]\nclient.id = \"dummy\"\nsink.ids = [\"homie\", \"csv\", 1]\n");
    assert!(made.out.contains("[profile-client.meter.client]"), "{}", made.out);
    for expected in [
        ":3: the sink: this metergate has no kind `homie`",
        ":3: the sink `csv`: is none that smart-meter-reader has",
        ":3: `ids`: expected names of sinks, found a whole number",
    ] {
        let absent = !made.err.contains(expected);
        // The first goes when the kind arrives; then the broker is missing.
        assert!(!absent || made.err.contains("`mqtt_broker` and `mqtt_port` name no broker"), "{}", made.err);
    }
    let made = case(&SETTINGS.replace("/dev/ttyS0", "COM1").replace("SETTINGS_V5", "SETTINGS_V9"));
    assert!(made.err.contains(":24: the client: `COM1` is no port"), "{}", made.err);
    assert!(made.err.contains(":25: `serial.settings`: `SERIAL_SETTINGS_V9` is not known"), "{}", made.err);
    let made = case(
        &SETTINGS.replace("id = \"sagemcom_T210_D_r\"", "id = \"sagemcom_T210_D_r\"\nguek = \"<geheim>\""),
    );
    assert!(made.err.contains(": `guek`: ") && !made.err.contains("geheim"), "{}", made.err);
}

#[test]
fn no_secret_is_printed_and_only_the_secrets_file_holds_one() {
    for name in samples() {
        let text = sample(&name);
        let folder = Folder::new().with("vzlogger.conf", &text);
        // Cut anywhere, it is still somebody's file; whatever is said of it must not hold a password.
        for end in (0..text.len()).step_by(23).chain([text.len()]) {
            let Some(cut) = text.get(..end) else { continue };
            for closed in [cut.to_owned(), format!("{cut}\"}}]}}]}}"), format!("{cut}}}]}}")] {
                fs::write(folder.path("vzlogger.conf"), closed).unwrap();
                let made = folder.import(&["vzlogger.conf"]);
                let said = format!("{}{}{:?}", made.out, made.err, made.ended);
                assert!(!said.contains("geheim"), "{name} cut at {end}: {said}");
            }
        }
        fs::write(folder.path("vzlogger.conf"), &text).unwrap();
        let made = folder.write(&["vzlogger.conf"], "metergate.toml");
        if made.ended != Ok(Outcome::Done) {
            continue;
        }
        assert!(!folder.read("metergate.toml").contains("geheim"), "{name}");
        if folder.path("metergate.secrets.toml").exists() {
            assert_eq!(folder.mode("metergate.secrets.toml"), 0o600);
            assert!(folder.read("metergate.secrets.toml").contains("geheim"), "{name}");
        }
    }
}

#[test]
fn passwords_in_addresses_are_parted_from_them() {
    let folder = Folder::new().with("vzlogger.conf", sample("cellar.conf"));
    folder.write(&["vzlogger.conf"], "metergate.toml").ended.unwrap();
    let text = folder.read("metergate.toml");
    assert!(
        text.contains("url = \"http://localhost/middleware.php\"") && text.contains("username = \"anna\"")
    );
    let secrets = folder.read("metergate.secrets.toml");
    for name in ["mqtt", "volkszaehler", "influx"] {
        assert!(secrets.contains(&format!("[default.sink.{name}]\n")), "{secrets}");
    }
}

#[test]
fn nothing_is_overwritten_without_force() {
    let secrets = format!("[t210.client]\nguek = \"{GUEK}\"\n");
    let folder = Folder::new().with("old/settings.toml", SETTINGS).with("old/.secrets.toml", secrets);
    let folder = folder.with_mode("metergate.secrets.toml", "# mine\n", 0o644);
    let made = folder.write(&["old/settings.toml"], "metergate.toml");
    let refused = "metergate.secrets.toml is there already (`--force` overwrites it)";
    assert_eq!(made.ended, Err(refused.to_owned()));
    assert!(!folder.path("metergate.toml").exists(), "not one without the other");
    assert_eq!(folder.read("metergate.secrets.toml"), "# mine\n");

    let folder = folder.with("metergate.toml", "# mine too\n");
    let made = folder.write(&["old/settings.toml"], "metergate.toml");
    assert_eq!(made.ended, Err("metergate.toml is there already (`--force` overwrites it)".to_owned()));
    let made = folder.make(&["old/settings.toml"], Some("metergate.toml"), true, None);
    assert_eq!(made.ended, Ok(Outcome::Done));
    assert_eq!(folder.mode("metergate.secrets.toml"), 0o600, "also where others could read the old one");
    assert_eq!(folder.load("metergate.toml", "t210").meters[0].key, GUEK.parse().ok());
}

#[test]
fn what_was_read_is_never_written_to_nor_mixed_with() {
    let folder =
        Folder::new().with("settings.toml", SETTINGS).with(".secrets.toml", "[t210.client]\ngak = \"x\"\n");
    let made = folder.make(&["settings.toml"], Some("settings.toml"), true, None);
    assert!(made.ended.is_err_and(|error| error.starts_with("settings.toml is what was read")));
    assert_eq!(folder.read("settings.toml"), SETTINGS);
    let made = folder.write(&["settings.toml"], "metergate.toml");
    assert!(made.ended.is_err_and(|error| error.contains("write into another folder")));
    assert!(!folder.path("metergate.toml").exists());
}

#[test]
fn files_of_nobody_are_refused() {
    let refused = |content: &[u8], expected: &str| {
        let folder = Folder::new().with("f", content);
        let made = folder.import(&["f"]);
        let error = made.ended.map(|outcome| format!("{outcome:?}")).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(made.out, "");
    };
    refused(b"", "f: TOML without the `client` of smart-meter-reader");
    refused(b"hello world", "f: neither JSON nor TOML");
    refused(b"{\"a\": 1}", "f: JSON without the `meters` of vzlogger");
    refused(b"{ \"meters\": [\n{ \"pass\": \"geheim\" ", "f:");
    refused(b"[default.meter.a]\nport = \"stdin\"\n", "f: is a configuration of metergate already");
    refused(b"/* never closed", "f: neither JSON nor TOML");
    refused(&[0xFF, 0xFE, 0x00, 0x80], "f: neither JSON nor TOML");
    refused("[".repeat(500_000).as_bytes(), "f: neither JSON nor TOML");
    refused(
        format!("{{\"meters\": {}", "[".repeat(500_000)).as_bytes(),
        "f:1: no JSON: Maximum nesting depth",
    );
    refused(&vec![b' '; 1024 * 1024 + 1], "f: longer than 1 MiB");
    let folder = Folder::new();
    assert!(folder.import(&["absent"]).ended.is_err_and(|error| error.starts_with("cannot read absent: ")));
    assert!(folder.import(&[""]).ended.is_err(), "a folder is no file");
}

#[test]
fn the_program_can_be_named() {
    let folder = Folder::new().with("f", "{}").with("g", SETTINGS);
    assert_eq!(folder.make(&["f"], None, false, Some(From::Vzlogger)).ended, Ok(Outcome::Nothing));
    assert!(folder.make(&["g"], None, false, Some(From::Vzlogger)).ended.is_err());
    assert_eq!(folder.make(&["g"], None, false, Some(From::SmartMeterReader)).ended, Ok(Outcome::Done));
    assert!(folder.make(&["f"], None, false, Some(From::SmartMeterReader)).ended.is_err());
}

#[test]
fn a_file_of_another_time_is_read_with_its_umlauts() {
    // Comments in Latin-1 and a byte order mark are older than UTF-8 in this corner of the world.
    let mut bytes = b"\xEF\xBB\xBF// Z\xE4hler im Keller\n".to_vec();
    bytes.extend(sample("sml-usb.conf").bytes());
    let made = Folder::new().with("vzlogger.conf", bytes).import(&["vzlogger.conf"]);
    assert_eq!(made.ended, Ok(Outcome::Done));
    assert!(made.err.contains("note: vzlogger.conf is not UTF-8"), "{}", made.err);
}

#[test]
fn a_file_full_of_meters_ends_soon() {
    let meters: Vec<String> = (0..9000)
        .map(|number| {
            format!(
                "{{\"enabled\":true,\"protocol\":\"sml\",\"device\":\"/dev/a{number}\",\"channels\":\
                 [{{\"api\":\"null\",\"identifier\":\"{}.8.0\"}}]}}",
                number % 250
            )
        })
        .collect();
    let text = format!("{{\"meters\":[{}]}}", meters.join(","));
    assert!(text.len() < 1024 * 1024, "{}", text.len());
    let folder = Folder::new().with("vzlogger.conf", text);
    let made = folder.import(&["vzlogger.conf"]);
    assert_eq!(made.ended, Ok(Outcome::Done));
    assert_eq!(made.out.matches("\nport = ").count(), 9000);
}

#[test]
fn two_files_become_one_configuration() {
    let folder =
        Folder::new().with("a.conf", sample("sml-usb.conf")).with("b.conf", sample("d0-readout.conf"));
    let made = folder.write(&["a.conf", "b.conf"], "metergate.toml");
    assert_eq!(made.ended, Ok(Outcome::Done));
    let gateway = folder.load("metergate.toml", "default");
    let names: Vec<&str> = gateway.meters.iter().map(|meter| meter.name.as_str()).collect();
    assert_eq!(names, ["mtr0", "mtr0-2"]);
    let meters: Vec<_> =
        gateway.sinks.iter().map(|sink| (&*sink.name, sink.selection.meters.concat())).collect();
    let expected = [("volkszaehler", "mtr0".to_owned()), ("volkszaehler-2", "mtr0-2".to_owned())];
    assert_eq!(meters, expected, "each channel gets the registers of its own meter");
}
