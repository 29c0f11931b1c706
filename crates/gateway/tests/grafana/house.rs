//! A household over the night on which the clocks change, read by the gateway into a database, with the configuration
//! that lies beside the dashboards.
use crate::board;
use crate::http_server::HttpServer;
use crate::ports;
use crate::victoria::Victoria;
use jiff::Timestamp;
use metergate_simulator::clock;
use metergate_wire::{Writer, p1};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Decoding, storing and sending five thousand telegrams takes seconds.
const DEADLINE: Duration = Duration::from_secs(90);

/// 2026-03-27T23:00 in Berlin; the last days are the 28th, the 29th of 23 hours, and the 30th.
const FIRST_S: i64 = 1_774_648_800;
/// 2026-03-31T01:00 in Berlin: the last mark.
pub(crate) const LAST_S: i64 = 1_774_911_600;
/// When it is now: nobody looks at a full hour.
pub(crate) const NOW_S: i64 = LAST_S + 137;
/// 2026-03-29T10:00Z to 12:00Z: the meter counts, and nothing is read.
pub(crate) const GAP_S: std::ops::Range<i64> = 1_774_778_400..1_774_785_600;
/// 2026-03-30T06:00Z: another meter hangs there.
pub(crate) const EXCHANGE_S: i64 = 1_774_850_400;

/// Local midnights: 28th, 29th, 30th, 31st.
pub(crate) const MIDNIGHTS_S: [i64; 4] = [1_774_652_400, 1_774_738_800, 1_774_821_600, 1_774_908_000];

/// The hour in UTC.
fn hour(unix_s: i64) -> i64 {
    unix_s.div_euclid(3600).rem_euclid(24)
}

/// Wh that are drawn in the minute that ends now.
fn drawn(unix_s: i64) -> i64 {
    5 + hour(unix_s - 1)
}

/// Wh that are fed in in the minute that ends now.
fn fed(unix_s: i64) -> i64 {
    if (10..14).contains(&hour(unix_s - 1)) { 4 } else { 0 }
}

/// EUR/MWh, another one each hour.
pub(crate) fn price(unix_s: i64) -> i64 {
    80 + hour(unix_s)
}

/// What every reading must come to: totals of Wh that go on over the exchange, by the time of the telegram.
pub(crate) struct Truth {
    pub(crate) drawn: BTreeMap<i64, i64>,
    pub(crate) fed: BTreeMap<i64, i64>,
}

impl Truth {
    /// Wh between two telegrams.
    pub(crate) fn between(&self, from_s: i64, to_s: i64) -> i64 {
        self.drawn[&to_s] - self.drawn[&from_s]
    }
}

/// A telegram each minute, and what they mean.
fn telegrams() -> (Vec<u8>, Truth) {
    let mut truth = Truth { drawn: BTreeMap::new(), fed: BTreeMap::new() };
    let mut bytes = Vec::new();
    // On the meter, and together.
    let (mut shown, mut total) = ([1_000_000, 5_000], [1_000_000, 5_000]);
    // Some minutes more, so that the last mark is behind us.
    for unix_s in (FIRST_S..=LAST_S + 600).step_by(60) {
        if unix_s == EXCHANGE_S {
            // What flowed in this minute is in no total: nobody has seen it.
            shown = [3_000, 100];
        } else {
            for (counter, step) in [drawn(unix_s), fed(unix_s)].into_iter().enumerate() {
                shown[counter] += step;
                total[counter] += step;
            }
        }
        if GAP_S.contains(&unix_s) {
            continue;
        }
        truth.drawn.insert(unix_s, total[0]);
        truth.fed.insert(unix_s, total[1]);
        let name = if unix_s < EXCHANGE_S { "17070056" } else { "17070057" };
        bytes.extend(telegram(unix_s, name, shown));
    }
    (bytes, truth)
}

/// One of a meter with three phases.
fn telegram(unix_s: i64, name: &str, [import, export]: [i64; 2]) -> Vec<u8> {
    let season = if clock::offset_min(unix_s) == 120 { 'S' } else { 'W' };
    let local = Timestamp::from_second(clock::local_s(unix_s)).unwrap();
    let stamp = format!("{}{season}", local.strftime("%y%m%d%H%M%S"));
    let number: String = name.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    });
    let kilo = |number: i64, unit: &str| format!("{:06}.{:03}*{unit}", number / 1000, number % 1000);
    let mut buffer = vec![0; p1::TELEGRAM_LEN_MAX];
    let mut out = Writer::new(&mut buffer);
    let mut telegram = p1::Emitter::begin(&mut out, b"/ISK5\\2M550T-1012").unwrap();
    let mut line = |code: &str, value: &str| telegram.line(code.as_bytes(), &[value.as_bytes()]).unwrap();
    line("0-0:1.0.0", &stamp);
    line("0-0:96.1.1", &number);
    line("1-0:1.8.0", &kilo(import, "kWh"));
    line("1-0:2.8.0", &kilo(export, "kWh"));
    line("1-0:1.7.0", &kilo(drawn(unix_s) * 60, "kW"));
    line("1-0:2.7.0", &kilo(fed(unix_s) * 60, "kW"));
    for (phase, volts) in [(3, "230.1*V"), (5, "231.2*V"), (7, "229.8*V")] {
        line(&format!("1-0:{phase}2.7.0"), volts);
        line(&format!("1-0:{phase}1.7.0"), "001.25*A");
    }
    telegram.finish().unwrap();
    out.written().to_vec()
}

/// Database, log and gateway; what runs ends when dropped.
pub(crate) struct House {
    pub(crate) victoria: Victoria,
    pub(crate) loki: HttpServer,
    pub(crate) truth: Truth,
    gateway: Child,
    _line: ChildStdin,
    folder: tempfile::TempDir,
}

impl House {
    /// Starts all of it, and returns when the whole history is in the database.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let page = ports::free();
        let scrape = board::text("scrape.yaml");
        let scrape = replaced(&scrape, "127.0.0.1:9469", &format!("127.0.0.1:{page}"));
        let scrape = replaced(&scrape, "scrape_interval: 15s", "scrape_interval: 1s");
        fs::write(folder.path().join("scrape.yaml"), scrape).unwrap();
        let options = [
            format!("-promscrape.config={}", folder.path().join("scrape.yaml").display()),
            "-search.latencyOffset=0s".to_owned(),
        ];
        let victoria = Victoria::start(folder.path(), &options);
        let loki = HttpServer::saying(None, "204 No Content");
        let devices = HttpServer::start(
            None,
            Box::new(|request| {
                let body = if request.line.contains("/report") {
                    r#"{"power":512.5,"energy_since_boot":12345.5,"temperature":21.25,"relay":true}"#
                } else {
                    r#"{"object":"list","data":[{"start_timestamp":1,"marketprice":93.92,"unit":"Eur/MWh"}]}"#
                };
                ("200 OK".to_owned(), body.to_owned())
            }),
        );
        let (bytes, truth) = telegrams();
        fs::create_dir(folder.path().join("state")).unwrap();
        let mut config = board::text("metergate.toml");
        for (is, becomes) in [
            ("\"/var/lib/metergate\"", "\"state\"".to_owned()),
            ("\"/dev/serial/by-id/usb-head\"", "\"stdin\"".to_owned()),
            ("http://192.168.0.20", format!("http://127.0.0.1:{}", devices.port)),
            ("https://api.awattar.de", format!("http://127.0.0.1:{}", devices.port)),
            ("http://localhost:8428", format!("http://127.0.0.1:{}", victoria.port)),
            ("127.0.0.1:9469", format!("127.0.0.1:{page}")),
            ("http://localhost:3100", format!("http://127.0.0.1:{}", loki.port)),
        ] {
            config = replaced(&config, is, &becomes);
        }
        // Detail need not wait a minute for the disk.
        config.push_str("\n[default.store]\ncommit_interval = \"1 s\"\n");
        config.push_str("[default.price]\nzone = \"Europe/Berlin\"\nfixed = \"0.32\"\n");
        fs::write(folder.path().join("metergate.toml"), config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut gateway = command(folder.path(), &["run"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        // The line stays open: a meter whose line ends is not read any more.
        let mut line = gateway.stdin.take().unwrap();
        line.write_all(&bytes).unwrap();
        let mut house = Self { victoria, loki, truth, gateway, folder, _line: line };
        house.wait_for("history", |house| {
            let query = r#"{__name__="metergate_1-0:1.8.0",meter="haus",case="taf7"}[2s] offset -1s"#;
            let query = format!("last_over_time({query})");
            let time = LAST_S.to_string();
            let path = board::ask("query", &[("query", &query), ("time", &time), ("nocache", "1")]);
            house.victoria.get(&path).is_some_and(|answer| answer.contains("\"haus\""))
        });
        house
            .wait_for("page of the gateway", |house| !house.victoria.series("metergate_meter_up").is_empty());
        house.wait_for("price", |house| house.readings("metergate_spot_price", "spot") == 1);
        house.wait_for("sun", |house| house.readings("metergate_1-0:2.7.0", "sun") == 1);
        house.fill();
        house
    }

    /// Price and sun of the days before, which nobody can ask for any more, under the names that the gateway has just
    /// used; and the power factor, for which P1 has no line.
    fn fill(&self) {
        let mut lines = String::new();
        for unix_s in (FIRST_S..=LAST_S + 600).step_by(60) {
            let power = if (8..16).contains(&hour(unix_s)) { 500 } else { 0 };
            let _ = writeln!(lines, "metergate,meter=sun 1-0:2.7.0={power} {unix_s}100");
            let _ = writeln!(lines, "metergate,meter=haus 1-0:13.7.0=0.968 {unix_s}000");
            let _ = writeln!(lines, "metergate,meter=spot spot_price={} {unix_s}100", price(unix_s));
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.victoria.port)).unwrap();
        let head = format!(
            "POST /write?db=metergate&precision=ms HTTP/1.0\r\nContent-Length: {}\r\n\r\n",
            lines.len()
        );
        stream.write_all(format!("{head}{lines}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 204 "), "{answer}");
        assert_eq!(self.readings("metergate_1-0:2.7.0", "sun"), 1, "the gateway calls it otherwise");
        assert_eq!(self.readings("metergate_spot_price", "spot"), 1, "the gateway calls it otherwise");
    }

    /// How many series the readings of a register are.
    fn readings(&self, name: &str, meter: &str) -> usize {
        let all = self.victoria.series(name);
        let is_it = |labels: &serde_json::Map<String, Value>| {
            labels["meter"] == meter && !labels.contains_key("case")
        };
        all.iter().filter(|series| is_it(&series.labels)).count()
    }

    /// What `metergate report haus` says, an object each line.
    pub(crate) fn report(&self, args: &[&str]) -> Vec<Value> {
        let args = [&["report", "haus", "--format", "json"], args].concat();
        let said = command(self.folder.path(), &args).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let text = String::from_utf8(said.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn wait_for(&mut self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !is_there(self) {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(self.gateway.try_wait().unwrap().is_none(), "the gateway ended: {}", log());
            assert!(Instant::now() < end, "no {what}: {}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

/// The program with the configuration in a folder.
fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metergate"));
    command
        .args(args)
        .args(["--config", "metergate.toml"])
        .current_dir(folder)
        .env_remove("METERGATE_CONFIG")
        .env_remove("NOTIFY_SOCKET")
        .env("RUNTIME_DIRECTORY", folder.join("run"));
    command
}

/// A text in which something stands exactly once, with something else there.
fn replaced(text: &str, is: &str, becomes: &str) -> String {
    assert_eq!(text.matches(is).count(), 1, "{is} in {text}");
    text.replace(is, becomes)
}
