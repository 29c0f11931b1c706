//! The page in a browser: the daemon reads a meter on a pseudo-terminal, and Chromium shows what a person would see.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod browser;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/mod.rs"]
mod support;

use browser::{Browser, DEADLINE};
use metergate_simulator::{MeterKind, Simulation};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Pty, simulation, telegrams};
use thirtyfour::prelude::*;

const PASSWORD: &str = "correct horse";

/// The daemon with one meter whose telegrams the test sends.
struct Gateway {
    process: Child,
    meter: Pty,
    simulation: Simulation,
    url: String,
    folder: tempfile::TempDir,
}

impl Gateway {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With further sections in its configuration.
    fn start_with(sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let meter = Pty::open();
        let port = ports::free();
        let text = format!(
            "[default]\nstate_directory = \"state\"\n[default.web]\nlisten = \"127.0.0.1:{port}\"\n\
             [default.meter.haus]\nport = \"{}\"\nprotocol = \"sml\"\n{sections}",
            meter.device.display()
        );
        std::fs::write(folder.path().join("metergate.toml"), text).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_metergate"))
            .arg("run")
            .current_dir(folder.path())
            // The tests' own choice, which would come before that of the file.
            .env_remove("METERGATE_WEB__LISTEN")
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let gateway = Self {
            process,
            meter,
            simulation: simulation(MeterKind::EasyMeterQ3a, Vec::new()),
            url: format!("http://127.0.0.1:{port}"),
            folder,
        };
        let end = Instant::now() + DEADLINE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(gateway.folder.path().join("log")).unwrap();
            assert!(Instant::now() < end, "nobody listens: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        gateway
    }

    /// The meter sends its next telegram.
    fn telegram(&mut self) {
        let bytes = telegrams(&mut self.simulation, 1);
        self.meter.send(&bytes);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends telegrams until the page shows a power.
async fn until_live(gateway: &mut Gateway, browser: &Browser) -> String {
    let end = Instant::now() + DEADLINE;
    loop {
        gateway.telegram();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let text = browser.text("#meter-haus .figure").await;
        if !text.is_empty() {
            return text;
        }
        assert!(Instant::now() < end, "no power is shown:\n{}", browser.text("body").await);
    }
}

#[tokio::test]
async fn row_48_a_value_changes_within_2_s_and_30_s_of_silence_are_a_warning() {
    let mut gateway = Gateway::start();
    let browser = Browser::start(gateway.folder.path(), "en").await;
    browser.driver.goto(&gateway.url).await.unwrap();
    let mut shown = until_live(&mut gateway, &browser).await;
    assert!(shown.ends_with(" W"), "{shown}");
    let mut quickest = DEADLINE;
    for _ in 0..4 {
        // As often as the meter speaks.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let sent = Instant::now();
        gateway.telegram();
        shown = browser.wait_for("#meter-haus .figure", |text| !text.is_empty() && text != shown).await;
        quickest = quickest.min(sent.elapsed());
    }
    assert!(quickest < Duration::from_secs(2), "the quickest of four took {quickest:?}");
    assert!(browser.driver.find(By::Css("#meter-haus.stale")).await.is_err(), "it is fresh");

    // Telegrams every 2 s: the meter counts as silent long before 30 s, and the value as old at 30 s at the latest.
    let silent = browser.wait_for("#meter-haus .verdict", |text| text.contains("have stopped")).await;
    assert!(silent.contains("telegrams came and have stopped"), "{silent}");
    let stale = async { browser.driver.find(By::Css("#meter-haus.stale")).await.is_ok() };
    assert!(stale.await, "what is old is shown as old");
    assert_eq!(browser.text("#meter-haus .now .old").await, "old value");
    browser.close().await;
}

#[tokio::test]
async fn the_first_visit_sets_a_password_by_keyboard_and_the_next_ones_ask_for_it() {
    let mut gateway = Gateway::start();
    let browser = Browser::start(gateway.folder.path(), "de").await;
    browser.driver.goto(&gateway.url).await.unwrap();
    until_live(&mut gateway, &browser).await;
    let notice = browser.text(".notice").await;
    assert!(notice.contains("Noch hat niemand ein Passwort gesetzt"), "{notice}");

    // From the address bar: the skip link, and then what a person would reach.
    browser.driver.goto(format!("{}/welcome", gateway.url)).await.unwrap();
    browser.driver.find(By::Id("password")).await.unwrap().focus().await.unwrap();
    browser.keys(PASSWORD).await;
    browser.keys(Key::Tab + PASSWORD).await;
    browser.keys(Key::Enter).await;
    browser.wait_for("h1", |text| text == "Jetzt").await;
    assert!(browser.driver.find(By::Css(".notice")).await.is_err(), "there is a password now");

    browser.driver.find(By::Css("form[action='/logout'] button")).await.unwrap().click().await.unwrap();
    browser.wait_for("h1", |text| text == "Anmelden").await;
    browser.driver.find(By::Id("password")).await.unwrap().focus().await.unwrap();
    browser.keys("wrong horse".to_owned() + Key::Enter).await;
    let wrong = browser.wait_for("[role=alert]", |text| !text.is_empty()).await;
    assert_eq!(wrong, "Name und Passwort passen nicht zusammen.");
    browser.driver.goto(format!("{}/account", gateway.url)).await.unwrap();
    browser.wait_for("h1", |text| text == "Anmelden").await;
    browser.driver.find(By::Id("password")).await.unwrap().focus().await.unwrap();
    browser.keys(PASSWORD.to_owned() + Key::Enter).await;
    // There, where the visitor wanted to go.
    browser.wait_for("h1", |text| text == "Konto").await;
    browser.driver.find(By::Css("button[value=en]")).await.unwrap().click().await.unwrap();
    browser.wait_for("h1", |text| text == "Account").await;
    browser.close().await;
}

#[tokio::test]
async fn a_phone_of_320_pixels_and_a_browser_without_scripts_show_everything() {
    let mut gateway = Gateway::start();
    for language in ["en", "de"] {
        let browser = Browser::start(gateway.folder.path(), language).await;
        browser.screen(320, 640).await;
        browser.driver.goto(&gateway.url).await.unwrap();
        until_live(&mut gateway, &browser).await;
        browser.driver.find(By::Css("#meter-haus summary")).await.unwrap().click().await.unwrap();
        for path in ["/", "/welcome", "/account", "/state", "/files"] {
            if path != "/" {
                browser.driver.goto(format!("{}{path}", gateway.url)).await.unwrap();
            }
            let width = browser.number("document.documentElement.scrollWidth").await;
            assert!(width <= 320, "{path} in {language} has {width} pixels");
        }
        browser.without_scripts().await;
        browser.driver.goto(&gateway.url).await.unwrap();
        let shown = browser.wait_for("#meter-haus .figure", |text| !text.is_empty()).await;
        assert!(shown.ends_with(" W"), "{shown}");
        browser.close().await;
    }
}

/// What a server sends over a connection that stays open, until it holds what is wanted.
fn read_until(port: u16, path: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n").unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !wanted(&text) {
        let len = stream.read(&mut buffer).unwrap();
        assert!(len > 0, "it ended with {text}");
        text += &String::from_utf8_lossy(&buffer[..len]);
    }
    text
}

#[test]
fn row_46_a_scrape_and_the_live_stream_show_the_same_value() {
    let metrics = ports::free();
    let sections =
        format!("[default.sink.metrics]\nkind = \"prometheus\"\nlisten = \"127.0.0.1:{metrics}\"\n");
    let mut gateway = Gateway::start_with(&sections);
    let end = Instant::now() + DEADLINE;
    let line = loop {
        gateway.telegram();
        std::thread::sleep(Duration::from_millis(500));
        let text = read_until(metrics, "/metrics", |text| text.contains("# EOF"));
        let power = |line: &&str| line.starts_with("metergate_power_watts{") && line.contains("16.7.0");
        if let Some(line) = text.lines().find(power) {
            break line.to_owned();
        }
        assert!(Instant::now() < end, "no power in\n{text}");
    };
    let page: u16 = gateway.url.rsplit_once(':').unwrap().1.parse().unwrap();
    // Who connects is told at once what is there.
    let streamed = read_until(page, "/live/events", |text| text.contains("figure\\\">"));
    let streamed = streamed.split_once("figure\\\">").unwrap().1.split_once(' ').unwrap().0.to_owned();
    // The page says "feeding in" where the metric is below zero.
    let scraped = line.rsplit_once(' ').unwrap().1.trim_start_matches('-');
    assert_eq!(scraped.trim_end_matches('0'), streamed.trim_end_matches('0'), "{line}");
}
