//! Mosquitto on a free port of the loopback, and a client beside ours that writes down what arrives.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test uses its part, and unwraps"
)]

use rumqttc_v4::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Nothing here takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(60);

/// A broker; ends when dropped.
pub struct Broker {
    child: Child,
    folder: TempDir,
    pub port: u16,
}

impl Broker {
    /// Without encryption and login.
    pub fn start() -> Self {
        Self::with(&["allow_anonymous true"])
    }

    /// With further lines of its configuration.
    ///
    /// # Panics
    /// When Mosquitto is missing: a test without its peer would prove nothing.
    pub fn with(lines: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // It may have been taken all the same between our look and the broker's start.
        for _ in 0..5 {
            let port = super::ports::free();
            configure(folder.path(), port, lines);
            if let Some(child) = spawn(folder.path(), port) {
                return Self { child, folder, port };
            }
        }
        panic!("mosquitto does not start:\n{}", log(folder.path()));
    }

    /// Anybody who knows this name and password.
    pub fn with_login(name: &str, password: &str) -> Self {
        let passwords = tempfile::NamedTempFile::new().unwrap();
        let status = Command::new(program("mosquitto_passwd"))
            .args(["-b", passwords.path().to_str().unwrap(), name, password])
            .status()
            .expect("mosquitto_passwd comes with mosquitto");
        assert!(status.success());
        let broker =
            Self::with(&["allow_anonymous false", &format!("password_file {}", passwords.path().display())]);
        // It has been read.
        drop(passwords);
        broker
    }

    /// Asks it to end, which saves what it keeps, and waits until it has.
    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it hang: it keeps its connections and answers nothing, until it is killed.
    pub fn freeze(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    }

    /// Starts it again on the same port after [`stop`](Self::stop) or [`kill`](Self::kill).
    pub fn start_again(&mut self) {
        self.child = spawn(self.folder.path(), self.port)
            .unwrap_or_else(|| panic!("mosquitto does not start again:\n{}", log(self.folder.path())));
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        log(self.folder.path())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configure(folder: &Path, port: u16, lines: &[&str]) {
    let mut text = String::new();
    let folder_name = folder.display();
    writeln!(text, "listener {port} 127.0.0.1").unwrap();
    writeln!(text, "persistence true\npersistence_location {folder_name}/").unwrap();
    writeln!(text, "log_dest file {folder_name}/log\nlog_type all").unwrap();
    // As root it would become another user, who may not read the files of a test.
    writeln!(text, "user root\nmax_queued_messages 0").unwrap();
    for line in lines {
        writeln!(text, "{line}").unwrap();
    }
    std::fs::write(folder.join("mosquitto.conf"), text).unwrap();
}

/// A running broker that accepts connections, or `None` when it has ended.
fn spawn(folder: &Path, port: u16) -> Option<Child> {
    let mut child = Command::new(program("mosquitto"))
        .arg("-c")
        .arg(folder.join("mosquitto.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the package mosquitto is needed: sudo apt-get install mosquitto");
    let begun = Instant::now();
    while begun.elapsed() < DEADLINE {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // It has ended, or it never will accept anybody.
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// Debian puts servers where only root looks.
fn program(name: &str) -> String {
    let server = format!("/usr/sbin/{name}");
    if Path::new(&server).exists() { server } else { name.to_owned() }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// A message as a subscriber gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub topic: String,
    pub payload: String,
    /// The broker had kept it: it was published before we came.
    pub kept: bool,
}

/// A subscriber that shares no connection with ours. It connects again by itself and misses nothing that the broker
/// has acknowledged.
pub struct Listener {
    received: Arc<Mutex<Vec<Received>>>,
    news: Arc<Notify>,
    client: AsyncClient,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Subscribes without a login, and waits until the broker says yes.
    pub async fn start(port: u16, filters: &[&str]) -> Self {
        Self::start_with(options(port), filters).await
    }

    /// The same with options of its own, such as a login.
    pub async fn start_with(mut options: MqttOptions, filters: &[&str]) -> Self {
        options.set_clean_session(false).set_keep_alive(5).set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut events) = AsyncClient::builder(options).capacity(64).build();
        let (received, news) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let (shared, tell) = (Arc::clone(&received), Arc::clone(&news));
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let received = Received {
                            topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
                            payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
                            kept: publish.retain,
                        };
                        let mut all = shared.lock().unwrap();
                        // Between broker and subscriber too a message whose acknowledgement was lost comes again,
                        // marked so. What our side sends twice has no such mark.
                        if !(publish.dup && all.contains(&received)) {
                            all.push(received);
                        }
                        tell.notify_one();
                    }
                    Ok(_) => {}
                    // The broker is away: try again, but let others run.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        for filter in filters {
            let notice = client.subscribe_tracked(*filter, QoS::AtLeastOnce).await.unwrap();
            tokio::time::timeout(DEADLINE, notice.wait_completion_async()).await.unwrap().unwrap();
        }
        Self { received, news, client, task }
    }

    /// Publishes something itself, such as the birth message of Home Assistant.
    pub async fn publish(&self, topic: &str, payload: &str, retain: bool) {
        let options = PublishOptions::at_least_once().retain(retain);
        let notice = self.client.publish_tracked(topic, payload, options).await.unwrap();
        tokio::time::timeout(DEADLINE, notice.wait_completion_async()).await.unwrap().unwrap();
    }

    /// Waits until what arrived so far fulfils a condition, and returns all of it.
    ///
    /// # Panics
    /// When it does not within the deadline.
    pub async fn until(&self, what: &str, enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let wait = async {
            loop {
                let all = self.so_far();
                if enough(&all) {
                    return all;
                }
                self.news.notified().await;
            }
        };
        let Ok(all) = tokio::time::timeout(DEADLINE, wait).await else {
            panic!("no {what} within {DEADLINE:?}; arrived: {:#?}", self.so_far());
        };
        all
    }

    /// Waits for a topic to say this.
    pub async fn says(&self, topic: &str, payload: &str) {
        let is_it = |received: &Received| received.topic == topic && received.payload == payload;
        self.until(&format!("{payload} on {topic}"), |all| all.iter().any(is_it)).await;
    }

    /// What arrived so far.
    pub fn so_far(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Forgets what arrived so far.
    pub fn forget(&self) {
        self.received.lock().unwrap().clear();
    }

    /// What the broker has kept for who comes now, by topic; what was removed is missing.
    pub async fn kept(port: u16, filters: &[&str]) -> std::collections::BTreeMap<String, String> {
        let listener = Self::start(port, filters).await;
        // The broker hands over what it kept before anything that comes later.
        let marker = |received: &Received| received.topic == "end/of/kept";
        let subscribed = listener.client.subscribe_tracked("end/of/kept", QoS::AtLeastOnce).await.unwrap();
        subscribed.wait_completion_async().await.unwrap();
        listener.publish("end/of/kept", "now", false).await;
        let all = listener.until("end of what was kept", |all| all.iter().any(marker)).await;
        let kept = all.into_iter().filter(|received| received.kept);
        kept.map(|received| (received.topic, received.payload)).collect()
    }
}

/// A client with a name of its own.
pub fn options(port: u16) -> MqttOptions {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    MqttOptions::new(
        format!("listener-{}-{number}", std::process::id()),
        rumqttc_v4::Broker::tcp("127.0.0.1", port),
    )
}
