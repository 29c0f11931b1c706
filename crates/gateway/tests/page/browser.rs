//! Chromium without a window, driven as a person would.
use crate::ports;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use thirtyfour::TypingData;
use thirtyfour::prelude::*;

/// Nothing takes longer unless it is broken; a browser starts in a second on an idle machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What keeps it from looking for hosts of its maker, and lets it run as root.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with a profile of its own; ends when dropped.
pub(crate) struct Browser {
    process: Child,
    pub(crate) driver: WebDriver,
}

impl Browser {
    /// Starts one whose person reads this language, in a folder of its own.
    ///
    /// # Panics
    /// When the programs are missing: a test without them would prove nothing.
    pub(crate) async fn start(folder: &Path, language: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let port = ports::free();
        let log = File::create(folder.join(format!("driver-{language}.log"))).unwrap();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("the package chromium-driver is needed: sudo apt-get install chromium-driver");
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in ARGUMENTS {
            capabilities.add_arg(argument).unwrap();
        }
        capabilities.add_arg(&format!("--accept-lang={language}")).unwrap();
        let profile = folder.join(format!("profile-{language}"));
        capabilities.add_arg(&format!("--user-data-dir={}", profile.display())).unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let end = Instant::now() + DEADLINE;
        let driver = loop {
            match WebDriver::new(&url, capabilities.clone()).await {
                Ok(driver) => break driver,
                Err(error) => assert!(Instant::now() < end, "the browser does not start: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        Self { process, driver }
    }

    /// The text of an element; empty while there is none.
    pub(crate) async fn text(&self, css: &str) -> String {
        // The page may just be replacing it.
        match self.driver.find(By::Css(css)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until the text of an element is what a test wants, and returns it.
    pub(crate) async fn wait_for(&self, css: &str, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let text = self.text(css).await;
            if wanted(&text) {
                return text;
            }
            assert!(Instant::now() < end, "`{css}` says {text:?} on\n{}", self.text("body").await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Types into the field that has the focus, or presses keys.
    pub(crate) async fn keys(&self, text: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(text.into()).perform().await.unwrap();
    }

    /// A number that the page computes.
    pub(crate) async fn number(&self, script: &str) -> i64 {
        let value = self.driver.execute(format!("return {script}"), Vec::new()).await.unwrap();
        value.json().as_i64().unwrap_or_else(|| panic!("{script} is {:?}", value.json()))
    }

    /// As if a person had switched scripts off.
    pub(crate) async fn without_scripts(&self) {
        let value = serde_json::json!({ "value": true });
        self.driver.cdp().send_raw("Emulation.setScriptExecutionDisabled", value).await.unwrap();
    }

    /// A screen of so many pixels.
    pub(crate) async fn screen(&self, width: u32, height: u32) {
        let value =
            serde_json::json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": true });
        self.driver.cdp().send_raw("Emulation.setDeviceMetricsOverride", value).await.unwrap();
    }

    /// Closes it.
    pub(crate) async fn close(mut self) {
        let _ = self.driver.clone().quit().await;
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A test that failed leaves the browser to its driver, which ends it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
