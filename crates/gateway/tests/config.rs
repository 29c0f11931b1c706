//! The configuration as people write it: what loads, and what every mistake is told.
#![allow(clippy::unwrap_used, reason = "a test says by failing what went wrong")]
use metergate_gateway::config::{Gateway, IecMode, Place, SinkKind, Source, Surroundings, load_in};
use metergate_meter::{LineSettings, Parity, Protocol};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

const KEY: &str = "36C66639E48A8CA4D6BC8B282A793BBB";

/// A folder with files, a profile, variables.
struct Case {
    folder: tempfile::TempDir,
    profile: String,
    variables: Vec<(String, String)>,
}

impl Case {
    fn new(toml: &str) -> Self {
        let case = Self {
            folder: tempfile::tempdir().unwrap(),
            profile: "default".to_owned(),
            variables: Vec::new(),
        };
        case.with_file("metergate.toml", toml, 0o644)
    }

    fn with_file(self, name: &str, text: &str, mode: u32) -> Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn profile(mut self, name: &str) -> Self {
        name.clone_into(&mut self.profile);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The gateway, or everything that the error prints, without the folder's name and without colour.
    fn load(&self) -> Result<Gateway, String> {
        let variables = self.variables.iter().map(|(name, value)| (name.clone(), value.into())).collect();
        let around = Surroundings { variables, folder: self.folder.path().to_owned() };
        let source = Source { file: None, profile: self.profile.clone() };
        load_in(&source, &around).map_err(|failure| {
            let mut text = anstream::StripStream::new(Vec::new());
            failure.print(&mut text);
            let text = String::from_utf8(text.into_inner()).unwrap();
            text.replace(&format!("{}/", self.folder.path().display()), "")
        })
    }

    fn refused(&self, expected: &str) {
        let error = self.load().map(|_| "it was accepted").unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_ascii_uppercase().contains(&KEY[..8]), "a key stands in: {error}");
    }
}

/// What `toml` is told.
fn refused(toml: &str, expected: &str) {
    Case::new(toml).refused(expected);
}

const HAUS: &str = "[default.meter.haus]\nport = \"/dev/ttyS0\"\n";

/// A meter with one more line, which is line 3.
fn third_line(line: &str, expected: &str) {
    refused(&format!("{HAUS}{line}\n"), expected);
}

#[test]
fn mistakes_at_the_top_are_told_from_profiles() {
    refused(
        "[meter.haus]\nport = \"/dev/ttyS0\"\n",
        "error: metergate.toml:1: meter: section `meter` stands where a profile belongs\n \
         help: write `[default.meter.NAME]`\n",
    );
    refused(
        "[client]\nid = \"t210\"\n",
        "error: metergate.toml:1: client: section `client` stands where a profile belongs\n \
         help: write `[default.meter.NAME]`\n",
    );
    refused(
        "[defualt.meter.haus]\nport = \"/dev/ttyS0\"\n",
        "error: metergate.toml:1: defualt: profile `defualt` is likely a slip\n help: did you mean `default`?\n",
    );
    refused(
        "port = \"/dev/ttyS0\"\n",
        "error: metergate.toml:1: port: expected a profile such as `[default]`, found a text\n \
         help: put `port` below `[default]`, `[default.meter.NAME]` or `[default.sink.NAME]`\n",
    );
    Case::new(&HAUS.replace("default", "t210"))
        .profile("t201")
        .refused("error: metergate.toml: there is no profile `t201`\n help: did you mean `t210`?\n");
    refused(
        &HAUS.replace("default", "t210"),
        "error: metergate.toml:1: profile `default` has no meter\n help: choose another with --profile: t210\n",
    );
}

#[test]
fn mistakes_in_a_profile_are_told() {
    refused(
        "[default.metr.haus]\nport = \"/dev/ttyS0\"\n",
        "error: metergate.toml:1: metr: unknown section `metr`\n help: did you mean `meter`?\n\
         error: metergate.toml:1: there is no meter\n help: begin with `[default.meter.NAME]` and its `port`\n",
    );
    refused(
        &format!("[default.cellar]\nport = \"/dev/ttyS1\"\n{HAUS}"),
        "error: metergate.toml:1: cellar: unknown section `cellar`\n help: did you mean `[default.meter.cellar]`?\n",
    );
    refused(
        "[default.meter]\nport = \"/dev/ttyS0\"\n",
        "error: metergate.toml:2: meter.port: expected a meter such as `[default.meter.haus]`, found a text\n \
         help: give the meter a name: `[default.meter.NAME]`\n\
         error: metergate.toml:1: there is no meter\n help: begin with `[default.meter.NAME]` and its `port`\n",
    );
    refused(
        "[default.meter.\"my house\"]\nport = \"/dev/ttyS0\"\n",
        "error: metergate.toml:1: meter.my house: `my house` is no name\n \
         help: names have 1 to 32 letters a-z, digits, `-` and `_`: they go into topics and file names\n",
    );
    refused(
        "[default]\n",
        "error: metergate.toml:1: there is no meter\n help: begin with `[default.meter.NAME]` and its `port`\n",
    );
}

#[test]
fn mistakes_of_a_meter_name_line_key_and_fix() {
    third_line(
        "buad = 2400",
        "error: metergate.toml:3: meter.haus.buad: unknown key `buad` in `meter.haus`\n help: did you mean `baud`?\n",
    );
    third_line(
        &format!("guek = \"{KEY}\""),
        "error: metergate.toml:3: meter.haus.guek: unknown key `guek` in `meter.haus`\n help: did you mean `key`?\n",
    );
    third_line(
        "baud = \"2400\"",
        "error: metergate.toml:3: meter.haus.baud: expected a whole number without quotes, found a text\n",
    );
    third_line(
        "baud = 24",
        "error: metergate.toml:3: meter.haus.baud: expected a number of 50 to 4000000, found 24\n",
    );
    third_line(
        "parity = \"evne\"",
        "error: metergate.toml:3: meter.haus.parity: `evne` is none of its values\n help: did you mean `even`?\n",
    );
    third_line(
        "data_bits = 9",
        "error: metergate.toml:3: meter.haus.data_bits: expected a number of 7 to 8, found 9\n",
    );
    third_line(
        "line = \"9600 8X1\"",
        "error: metergate.toml:3: meter.haus.line: expected speed and format such as 9600 8N1, 2400 8E1 or 300 7E1\n",
    );
    third_line(
        "line = \"9600 8N1\"\nbaud = 300",
        "error: metergate.toml:4: meter.haus.baud: `line` says it already: 9600 8N1\n",
    );
    third_line(
        "rts = \"yes\"",
        "error: metergate.toml:3: meter.haus.rts: expected true or false without quotes, found a text\n",
    );
    third_line(
        "protocol = \"slm\"",
        "error: metergate.toml:3: meter.haus.protocol: there is no protocol `slm`\n help: did you mean `sml`?\n",
    );
    third_line(
        "model = \"kaifa-ma309m-netz-neo\"",
        "error: metergate.toml:3: meter.haus.model: there is no model `kaifa-ma309m-netz-neo`\n \
         help: did you mean `kaifa-ma309m-netz-noe`?\n",
    );
    third_line(
        "model = \"kaifa-ma309m-netz-noe\"\nprotocol = \"sml\"",
        "error: metergate.toml:4: meter.haus.protocol: `kaifa-ma309m-netz-noe` speaks dlms-mbus, not sml\n \
         help: leave `protocol` or `model` out\n",
    );
    third_line(
        "protocol = \"sml\"\nregisters = [60]",
        "error: metergate.toml:4: meter.haus.registers: is for kmp and this meter speaks sml\n help: remove `registers`\n",
    );
    third_line(
        "registers = [\"E1\"]",
        "error: metergate.toml:3: meter.haus.registers: expected register numbers such as [60, 68, 80]\n",
    );
    third_line(
        "interval = \"often\"",
        "error: metergate.toml:3: meter.haus.interval: expected a span of time such as \"60 s\", \"15 min\", \"1 h\" or \"30 d\"\n",
    );
    third_line(
        "address = \"12/34\"",
        "error: metergate.toml:3: meter.haus.address: `12/34` is no device address\n \
         help: an address has at most 32 digits, letters or spaces (IEC 62056-21, 6.3.1)\n",
    );
    third_line(
        "mode = \"poll\"",
        "error: metergate.toml:3: meter.haus.mode: `poll` is none of its values\n help: known are auto, push, readout\n",
    );
}

#[test]
fn mistakes_about_ports_are_told_with_the_port_that_was_meant() {
    let port = |typed: &str, expected: &str| {
        refused(
            &format!("[default.meter.haus]\nport = {typed}\n"),
            &format!("error: metergate.toml:{expected}\n"),
        );
    };
    refused(
        "[default.meter.haus]\nbaud = 300\n",
        "error: metergate.toml:1: meter.haus: there is no `port`\n \
         help: port = \"/dev/serial/by-id/...\", \"tcp://host:port\", \"rfc2217://host:port\", \"stdin\" or \"file:PATH\"\n",
    );
    port("3000", "2: meter.haus.port: expected a text in quotes, found a whole number");
    port(
        "\"ttyUSB0\"",
        "2: meter.haus.port: `ttyUSB0` is no port\n help: port = \"/dev/ttyUSB0\", or better its link in /dev/serial/by-id",
    );
    port(
        "\"tcp://cellar\"",
        "2: meter.haus.port: `tcp://cellar` is no address\n \
         help: port = \"tcp://192.168.0.10:3000\", with the port number that ser2net listens on",
    );
    port(
        "\"cellar:3000\"",
        "2: meter.haus.port: `cellar:3000` is no port\n help: port = \"tcp://cellar:3000\"",
    );
    port(
        "\"socket://cellar:3000\"",
        "2: meter.haus.port: there are no ports of the kind `socket`\n \
         help: raw TCP is `port = \"tcp://cellar:3000\"`",
    );
    port(
        "\"telnet://cellar:3000\"",
        "2: meter.haus.port: there are no ports of the kind `telnet`\n \
         help: Telnet that sets the line (RFC 2217) is `port = \"rfc2217://cellar:3000\"`",
    );
    port(
        "\"rfc2217://cellar\"",
        "2: meter.haus.port: `rfc2217://cellar` is no address\n \
         help: port = \"rfc2217://192.168.0.10:3000\", with the port number that ser2net listens on",
    );
    port(
        "\"capture.bin\"",
        "2: meter.haus.port: `capture.bin` is no port\n help: captured bytes: port = \"file:capture.bin\"",
    );
    refused(
        "[default.meter.haus]\nport = \"tcp://cellar:3000\"\nrts = true\n",
        "error: metergate.toml:3: meter.haus.rts: needs a serial port, and the port is tcp://cellar:3000\n help: remove `rts`\n",
    );
    refused(
        "[default.meter.haus]\nport = \"tcp://localhost:7000\"\nserve = \"tcp://127.0.0.1:7000\"\n",
        "error: metergate.toml:2: meter.haus.port: tcp://localhost:7000 is where `serve` of meter `haus` is\n \
         help: the port is where the meter is\n",
    );
    refused(
        "[default.meter.haus]\nport = \"/dev/ttyS0\"\nserve = 7000\n",
        "error: metergate.toml:3: meter.haus.serve: expected a text in quotes, found a whole number\n",
    );
    refused(
        "[default.meter.haus]\nport = \"/dev/ttyS0\"\nserve = \"tcp://cellar:7000\"\n",
        "error: metergate.toml:3: meter.haus.serve: `tcp://cellar:7000` is no address of this host with a port\n \
         help: serve = \"tcp://127.0.0.1:7000\", or \"tcp://0.0.0.0:7000\" for the whole network\n",
    );
    refused(
        &format!("{HAUS}\n{}", HAUS.replace("haus", "garage")),
        "error: metergate.toml:5: meter.garage.port: /dev/ttyS0 is read by meter `haus` already\n \
         help: each meter has a port of its own\n",
    );
}

#[test]
fn mistakes_in_keys_are_told_without_the_key() {
    third_line(
        "key = \"36C66639E48A8CA4\"",
        "error: metergate.toml:3: meter.haus.key: a key has 32 hexadecimal digits, found 16\n \
         help: keys are 16 bytes in hexadecimal digits; spaces, colons and 0x are allowed\n",
    );
    third_line(
        "key = \"36C66639E48A8CA4D6BC8B282A793BBX\"",
        "error: metergate.toml:3: meter.haus.key: character 31 of the key is no hexadecimal digit\n \
         help: keys are 16 bytes in hexadecimal digits; spaces, colons and 0x are allowed\n",
    );
    third_line(
        "key = 36",
        "error: metergate.toml:3: meter.haus.key: expected a key in quotes, found a whole number\n \
         help: key = \"00112233445566778899AABBCCDDEEFF\", in quotes\n",
    );
    third_line(
        &format!("auth_key = \"{KEY}\""),
        "error: metergate.toml:3: meter.haus.auth_key: does nothing without `key`\n \
         help: `key` opens the telegrams (GUEK), `auth_key` only checks their tag (GAK)\n",
    );
    third_line(
        &format!("key = {KEY}"),
        "error: metergate.toml:3: no TOML: invalid float, expected nothing\n \
         help: texts stand in quotes: key = \"00112233...\", port = \"/dev/ttyUSB0\"\n",
    );
}

#[test]
fn mistakes_of_a_sink_are_told() {
    let sink =
        |lines: &str, expected: &str| refused(&format!("{HAUS}[default.sink.out]\n{lines}\n"), expected);
    sink(
        "",
        "error: metergate.toml:3: sink.out: there is no `kind`\n help: kind = \"stdout\", \"csv\", \"mqtt\", \"homie\", \"http\", \"graphite\", \"influx\", \"prometheus\", \"smgw_lite\", \"volkszaehler\", \"loki\" or \"thingsboard\"\n",
    );
    sink(
        "kind = \"cvs\"",
        "error: metergate.toml:4: sink.out.kind: `cvs` is none of its values\n help: did you mean `csv`?\n",
    );
    sink(
        "kind = \"csv\"",
        "error: metergate.toml:3: sink.out: there is no `directory`\n help: directory = \"/var/lib/metergate/csv\"\n",
    );
    sink(
        "kind = \"stdout\"\nformat = \"xml\"",
        "error: metergate.toml:5: sink.out.format: `xml` is none of its values\n help: known are text, json\n",
    );
    sink(
        "kind = \"stdout\"\ndirectory = \"/tmp\"",
        "error: metergate.toml:5: sink.out.directory: unknown key `directory` in `sink.out`\n \
         help: known are kind, meters, registers, rename, units, min_interval, change, refresh, as_printed, derived, streams, from, paused, format\n",
    );
    sink(
        "kind = \"stdout\"\nmeters = [\"huas\"]",
        "error: metergate.toml:5: sink.out.meters: there is no meter `huas`; did you mean `haus`?\n",
    );
    sink(
        "kind = \"stdout\"\nregisters = [\"power\"]",
        "error: metergate.toml:5: sink.out.registers: `power` is no OBIS code or pattern such as 1-0:1.8.0, 16.7.0 or *-*:1.8.*\n",
    );
}

#[test]
fn mistakes_of_the_file_itself_are_told() {
    refused(
        &format!("{HAUS}{HAUS}"),
        "error: metergate.toml:3: no TOML: duplicate key\n \
         help: each key and each section stands once; put the lines of one section together\n",
    );
    let case = Case::new("");
    fs::write(case.folder.path().join("metergate.toml"), b"[default]\n# K\xFCche\n").unwrap();
    case.refused(
        "error: metergate.toml:2: no text in UTF-8\n \
         help: save the file as UTF-8; an umlaut in another encoding is the usual reason\n",
    );
    let source = Source::file("absent.toml");
    let around = Surroundings { variables: Vec::new(), folder: case.folder.path().to_owned() };
    let failure = load_in(&source, &around).unwrap_err();
    assert!(
        failure.message().ends_with("absent.toml: cannot be read: No such file or directory"),
        "{failure}"
    );
    assert_eq!(
        failure.help(),
        Some("`metergate detect` finds meters and prints a configuration to begin with")
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    refused(
        "[default.meter.haus]\nport = \"ttyS0\"\nbaud = 1\n[default.sink.out]\nkind = \"csw\"\n",
        "error: metergate.toml:2: meter.haus.port: `ttyS0` is no port\n \
         help: port = \"/dev/ttyS0\", or better its link in /dev/serial/by-id\n\
         error: metergate.toml:3: meter.haus.baud: expected a number of 50 to 4000000, found 1\n\
         error: metergate.toml:5: sink.out.kind: `csw` is none of its values\n help: did you mean `csv`?\n",
    );
}

#[test]
fn secrets_that_others_can_read_are_refused() {
    let secrets = format!("[default.meter.haus]\nkey = \"{KEY}\"\n");
    let case = Case::new(HAUS).with_file("metergate.secrets.toml", &secrets, 0o644);
    case.refused(
        "error: metergate.secrets.toml: refused, since others can read it (mode 644)\n help: chmod 600 metergate.secrets.toml\n",
    );
    let case = case.with_file("metergate.secrets.toml", &secrets, 0o600);
    assert_eq!(case.load().unwrap().meters[0].key, Some(KEY.parse().unwrap()));
}

#[test]
fn a_wrong_line_in_secrets_is_named_and_not_shown() {
    let case = Case::new(HAUS);
    let case = case.with_file(".secrets.toml", &format!("[default.meter.haus]\nkey = \"{KEY}\n"), 0o600);
    case.refused(
        "error: .secrets.toml:2: no TOML: invalid basic string, expected `\"`\n \
         help: texts stand in quotes: key = \"00112233...\", port = \"/dev/ttyUSB0\"\n",
    );
}

#[test]
fn mistakes_in_variables_are_told_by_their_name() {
    Case::new(HAUS).variable("METERGATE_METR__HAUS__KEY", KEY).refused(
        "error: environment variable METERGATE_METR__HAUS__KEY: metr: unknown section `metr`\n help: did you mean `meter`?\n",
    );
    Case::new(HAUS).variable("METERGATE_METER__HAUS__BAUD", "fast").refused(
        "error: environment variable METERGATE_METER__HAUS__BAUD: meter.haus.baud: \
         expected a whole number without quotes, found a text\n",
    );
    Case::new(HAUS).variable("METERGATE_METER__HAUS__KEY", &KEY[..30]).refused(
        "error: environment variable METERGATE_METER__HAUS__KEY: meter.haus.key: \
         a key has 32 hexadecimal digits, found 30\n \
         help: keys are 16 bytes in hexadecimal digits; spaces, colons and 0x are allowed\n",
    );
}

#[test]
fn layers_lie_over_each_other_in_their_order() {
    let line = |profile: &str, baud: u32| format!("[{profile}.meter.haus]\nbaud = {baud}\n");
    let baud = |case: &Case| case.load().unwrap().meters[0].port.line.unwrap().baud;
    let case =
        Case::new(&format!("{HAUS}baud = 300\n[default]\nstate_directory = \"state\"\n")).profile("t210");
    let case = case.with_file("metergate.secrets.toml", "[t210]\n", 0o600);
    assert_eq!(baud(&case), 300);
    let file = format!("{HAUS}baud = 300\n{}[default]\nstate_directory = \"state\"\n", line("t210", 600));
    let case = case.with_file("metergate.toml", &file, 0o644);
    assert_eq!(baud(&case), 600);
    let case = case.with_file("metergate.secrets.toml", &line("default", 1200), 0o600);
    assert_eq!(baud(&case), 1200);
    let secrets = line("default", 1200) + &line("t210", 2400);
    let case = case.with_file("metergate.secrets.toml", &secrets, 0o600);
    assert_eq!(baud(&case), 2400);
    let case = case.with_file("state/settings.toml", &line("default", 4800), 0o600);
    assert_eq!(baud(&case), 4800);
    let case = case.with_file("credentials/meter.haus.baud", "9600\n", 0o600);
    let case = case.with_file("credentials/someone-elses", "x", 0o600);
    let credentials = case.folder.path().join("credentials").display().to_string();
    let case = case.variable("CREDENTIALS_DIRECTORY", &credentials);
    assert_eq!(baud(&case), 9600);
    let case = case.variable("METERGATE_METER__HAUS__BAUD", "19200");
    assert_eq!(baud(&case), 19200);
    assert_eq!(
        case.load().unwrap().meters[0].port.place,
        Place::Serial("/dev/ttyS0".into()),
        "the rest stays"
    );
}

#[test]
fn profiles_of_three_meters_load_as_in_the_reference_system() {
    let toml = r#"
        [default.sink.screen]
        kind = "stdout"

        [dummy.meter.electric-smart-meter]
        port = "tcp://localhost:4000"
        protocol = "p1"

        [t210.meter.electric-smart-meter]
        port = "/dev/ttyAMA0"
        model = "sagemcom-t210-d-r-energienetze-steiermark"
        rts = true

        [t210.sink.archive]
        kind = "csv"
        directory = "csv"
        utc_column = true
        decimal = "point"
        registers = ["1-0:1.8.0", "16.7.0"]
        min_interval = "10 s"

        [kamstrup_403.meter.heat-smart-meter]
        port = "/dev/ttyUSB1"
        protocol = "kmp"
        registers = [60, 80, 86, 87, 89, 74, 68, 1004]
        interval = "1 h"
        requests_per_hour = 4
    "#;
    let secrets = format!("[t210.meter.electric-smart-meter]\nkey = \"{KEY}\"\nauth_key = \"0x{KEY}\"\n");
    let case = || Case::new(toml).with_file(".secrets.toml", &secrets, 0o600);

    let dummy = case().profile("dummy").load().unwrap();
    assert_eq!(dummy.meters[0].port.place, Place::Tcp { host: "localhost".to_owned(), port: 4000 });
    assert_eq!(dummy.sinks.len(), 1);

    let t210 = case().profile("t210").load().unwrap();
    assert_eq!(t210.meters.len(), 1);
    let meter = &t210.meters[0];
    assert_eq!((meter.protocol, meter.port.line), (Some(Protocol::P1), Some(LineSettings::M115200_8N1)));
    assert_eq!((meter.port.rts, meter.port.dtr, meter.port.exclusive), (Some(true), None, true));
    assert_eq!((&meter.key, &meter.auth_key), (&KEY.parse().ok(), &KEY.parse().ok()));
    let names: Vec<&str> = t210.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["screen", "archive"], "the default profile lies below");
    let SinkKind::Csv(csv) = &t210.sinks[1].kind else { panic!("the second sink is a csv") };
    assert!(csv.utc_column && !csv.decimal_comma && csv.directory.ends_with("csv"));
    assert_eq!(t210.sinks[1].selection.min_interval, Some(Duration::from_secs(10)));
    assert!(t210.sinks[1].selection.wants_register("1-0:16.7.0".parse().ok()));

    let heat = case().profile("kamstrup_403").load().unwrap();
    let meter = &heat.meters[0];
    assert_eq!(meter.kmp.registers, [60, 80, 86, 87, 89, 74, 68, 1004]);
    assert_eq!((meter.kmp.interval, meter.kmp.requests_per_hour), (Duration::from_secs(3600), 4));
    assert_eq!(meter.port.line, Some(LineSettings::M1200_8N2));
}

#[test]
fn a_gateway_can_be_described_by_variables_alone() {
    let case = Case::new("")
        .variable("METERGATE_METER__HAUS__PORT", "tcp://[::1]:3000")
        .variable("METERGATE_METER__HAUS__KEY", "36 C6 66 39 E4 8A 8C A4 D6 BC 8B 28 2A 79 3B BB")
        .variable("METERGATE_METER__HAUS__ECHO", "true")
        .variable("METERGATE_METER__HAUS__PARITY", "even")
        .variable("METERGATE_METER__HAUS__MODE", "readout")
        .variable("METERGATE_METER__HAUS__ADDRESS", "12345678")
        .variable("METERGATE_SINK__OUT__KIND", "stdout")
        .variable("METERGATE_SINK__OUT__REGISTERS", "1.8.0, 2.8.0")
        .variable("METERGATE_PROFILE", "default");
    fs::remove_file(case.folder.path().join("metergate.toml")).unwrap();
    let gateway = case.load().unwrap();
    let meter = &gateway.meters[0];
    assert_eq!(meter.port.place, Place::Tcp { host: "::1".to_owned(), port: 3000 });
    assert_eq!(meter.key, Some(KEY.parse().unwrap()));
    assert_eq!(meter.port.echo, Some(true));
    assert_eq!(meter.port.line.unwrap().parity, Parity::Even);
    assert_eq!((meter.iec.mode, meter.iec.address.as_deref()), (IecMode::Readout, Some("12345678")));
    assert!(!gateway.sinks[0].selection.wants_register("1-0:16.7.0".parse().ok()));
}

#[test]
fn names_of_variables_find_meters_in_any_case() {
    let toml = HAUS.replace("haus", "Haus-2");
    let case = Case::new(&toml).variable("METERGATE_METER__HAUS_2__KEY", KEY);
    let gateway = case.load().unwrap();
    assert_eq!((gateway.meters.len(), gateway.meters[0].name.as_str()), (1, "Haus-2"));
    assert!(gateway.meters[0].key.is_some());
}

#[test]
fn files_named_in_the_configuration_lie_beside_it() {
    let toml = "[default.meter.haus]\nport = \"file:a/capture.bin\"\n[default.sink.out]\nkind = \"csv\"\ndirectory = \"csv\"\n";
    let case = Case::new(toml);
    let gateway = case.load().unwrap();
    assert_eq!(gateway.meters[0].port.place, Place::File(case.folder.path().join("a/capture.bin")));
    let SinkKind::Csv(csv) = &gateway.sinks[0].kind else { panic!("it is a csv") };
    assert_eq!(csv.directory, case.folder.path().join(Path::new("csv")));
}

#[test]
fn a_gateway_prints_no_key() {
    let gateway = Case::new(&format!("{HAUS}key = \"{KEY}\"\n")).load().unwrap();
    let printed = format!("{gateway:?}").to_ascii_uppercase();
    assert!(printed.contains("KEY(..)"));
    assert!(!printed.contains(&KEY[..8]), "{printed}");
}

#[test]
fn every_key_stands_on_the_page_about_the_configuration() {
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md")).unwrap();
    // The list of keys that are known stands in what an unknown one is told.
    for toml in [
        format!("{HAUS}zzzzzzzz = 1\n"),
        format!("{HAUS}[default.sink.out]\nkind = \"stdout\"\nzzzzzzzz = 1\n"),
        format!("{HAUS}[default.sink.out]\nkind = \"csv\"\ndirectory = \"x\"\nzzzzzzzz = 1\n"),
        format!("{HAUS}[default]\nzzzzzzzz = 1\n"),
        format!("{HAUS}[default.store]\nzzzzzzzz = 1\n"),
        format!("{HAUS}[default.web]\nzzzzzzzz = 1\n"),
    ] {
        let error = Case::new(&toml).load().unwrap_err();
        let known = error.split_once("known are ").unwrap().1.trim();
        let sections = ["meter", "sink", "source", "compat", "store", "price", "co2", "web"];
        for key in known.split(", ").filter(|key| !sections.contains(key)) {
            assert!(page.contains(&format!("`{key}`")), "`{key}` does not stand in docs/configuration.md");
        }
    }
}

#[test]
fn the_page_about_compatible_pages_has_their_keys_and_examples_that_load() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compat.md")).unwrap();
    for section in ["vzlogger", "smgw_lite"] {
        let error =
            Case::new(&format!("{HAUS}[default.compat.{section}]\nzzzzzzzz = 1\n")).load().unwrap_err();
        let known = error.split_once("known are ").unwrap().1.lines().next().unwrap();
        for key in known.split(", ") {
            assert!(page.contains(&format!("`{key}`")), "`{key}` does not stand in docs/compat.md");
        }
    }
    let examples: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert_eq!(examples.len(), 4);
    for example in examples {
        let meter = if example.contains("[default.meter.haus]") { "" } else { HAUS };
        Case::new(&format!("{meter}{example}")).load().unwrap_or_else(|error| panic!("{example}: {error}"));
    }
}

#[test]
fn the_first_example_of_each_page_loads() {
    for page in ["README.md", "docs/configuration.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
        let text = fs::read_to_string(path).unwrap();
        let example = text.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0;
        let gateway = Case::new(example).load().unwrap_or_else(|error| panic!("{page}: {error}"));
        assert_eq!(gateway.sinks.len(), 2, "{page}");
    }
}

#[test]
fn the_five_set_ups_of_the_readme_load() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    let section = readme.split_once("## Five set-ups").unwrap().1.split_once("\n## ").unwrap().0;
    let examples: Vec<&str> =
        section.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert_eq!(examples.len(), 5);
    for example in examples {
        for profile in ["default", "t210", "kamstrup_403"] {
            if !example.contains(&format!("[{profile}.meter")) {
                continue;
            }
            let gateway = Case::new(example)
                .profile(profile)
                .load()
                .unwrap_or_else(|error| panic!("{error}\n{example}"));
            assert_eq!(gateway.meters.len(), 1, "{example}");
            assert!(!gateway.sinks.is_empty(), "{example}");
        }
    }
}

#[test]
fn a_key_in_a_file_that_everybody_reads_is_noted() {
    let explained = |mode: u32| {
        let case = Case::new("").with_file("metergate.toml", &format!("{HAUS}key = \"{KEY}\"\n"), mode);
        let around = Surroundings { variables: Vec::new(), folder: case.folder.path().to_owned() };
        let source = Source { file: None, profile: "default".to_owned() };
        let mut out = anstream::StripStream::new(Vec::new());
        metergate_gateway::cli::check_config::explain(&source, &around, &mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    };
    let note = "metergate.toml:3: meter.haus.key: stands in a file that everybody on this host can read\n      \
                move it to `metergate.secrets.toml` beside it, with chmod 600\n";
    assert!(explained(0o644).contains(note), "{}", explained(0o644));
    assert!(!explained(0o640).contains("everybody"), "{}", explained(0o640));
    // What is missing is worth a note too: nothing is delivered, and counters are not kept.
    assert!(explained(0o640).contains("sink: there is none: what the meters say goes nowhere"));
    assert!(explained(0o640).contains("state_directory: there is none: invocation counters are forgotten"));
}
