//! What systemd is told: ready, how it is doing, and that it lives, as long as it does.
use super::heartbeat::{Heartbeats, Remedy, Stuck};
use crate::event::EventCode;
use sd_notify::NotifyState;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The way to systemd; without one nothing is said and nothing fails.
///
/// What cannot be said is not said again: systemd waits for the next sign of life and starts the gateway anew if none
/// comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notifier {
    /// systemd ends a process that says nothing for this long.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// That of this process: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` of its environment.
    #[must_use]
    pub fn of_process() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled().filter(|time| !time.is_zero()) }
    }

    /// All that must run runs: units that wait for this one may start.
    pub fn ready(&self, status: &str) {
        say(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
    }

    /// How it is doing, in one line for `systemctl status`.
    pub fn status(&self, status: &str) {
        say(&[NotifyState::Status(&one_line(status))]);
    }

    /// It was asked to end, and does.
    pub fn stopping(&self) {
        say(&[NotifyState::Stopping]);
    }

    /// How often systemd wants a sign of life: half of what it waits for.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 2)
    }

    fn alive(&self) {
        say(&[NotifyState::Watchdog]);
    }
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        // Debug: it would come every half minute, and whoever reads it is systemd.
        tracing::debug!("cannot tell systemd: {error}");
    }
}

/// A line end would begin another statement to systemd.
fn one_line(status: &str) -> String {
    status.replace(char::is_control, " ")
}

/// Looks at all tasks, tells who is stuck and who goes on again, and gives systemd its sign of life while all that
/// must go on does.
///
/// It belongs into the loop of the pipeline, so that a loop that hangs is silent by itself.
#[derive(Debug)]
pub struct Supervisor {
    heartbeats: Heartbeats,
    notifier: Notifier,
    alive_at: Option<Duration>,
    stuck: BTreeSet<Arc<str>>,
}

impl Supervisor {
    /// Watches these tasks and speaks over this way.
    #[must_use]
    pub fn new(heartbeats: Heartbeats, notifier: Notifier) -> Self {
        Self { heartbeats, notifier, alive_at: None, stuck: BTreeSet::new() }
    }

    /// To be called once a second, and at least as often as [`Notifier::interval`] says. Gives what is new: code, name
    /// of the task and detail of an event.
    pub fn look(&mut self, now: Duration) -> Vec<(EventCode, Arc<str>, String)> {
        let stuck = self.heartbeats.stuck(now);
        let due = self
            .notifier
            .interval()
            .is_some_and(|interval| self.alive_at.is_none_or(|at| now.saturating_sub(at) >= interval));
        if due && stuck.iter().all(|task| task.remedy == Remedy::Tell) {
            self.notifier.alive();
            self.alive_at = Some(now);
        }
        self.news(&stuck)
    }

    fn news(&mut self, stuck: &[Stuck]) -> Vec<(EventCode, Arc<str>, String)> {
        let mut news = Vec::new();
        let names: BTreeSet<Arc<str>> = stuck.iter().map(|task| Arc::clone(&task.name)).collect();
        for name in self.stuck.difference(&names) {
            news.push((EventCode::Unstuck, Arc::clone(name), String::new()));
        }
        for task in stuck.iter().filter(|task| !self.stuck.contains(&task.name)) {
            let then = match task.remedy {
                Remedy::Restart if self.notifier.watchdog.is_some() => "; systemd starts the gateway anew",
                Remedy::Restart => "; the gateway should be started anew",
                Remedy::Tell => "; the others go on",
            };
            let detail = format!("no sign of life for {} s{then}", task.silence.as_secs());
            news.push((EventCode::Stuck, Arc::clone(&task.name), detail));
        }
        self.stuck = names;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;
    use std::time::Instant;

    /// Half a second for a whole one, so that the test is quick.
    const WATCHDOG: Duration = Duration::from_millis(500);

    /// The gateway's side of the test below, in a process of its own: only there the environment can be set.
    #[test]
    #[ignore = "started by the_service_manager_is_told"]
    fn child() {
        let heartbeats = Heartbeats::new(Clock::start());
        let pipeline = heartbeats.register("pipeline", WATCHDOG, Remedy::Restart);
        let sink = heartbeats.register("sink broker", Duration::ZERO, Remedy::Tell);
        let notifier = Notifier::of_process();
        let clock = Clock::start();
        let mut supervisor = Supervisor::new(heartbeats, notifier.clone());
        notifier.ready("3 meters\n4 sinks");
        let mut events = Vec::new();
        // Two and a half seconds: the pipeline goes on for one of them.
        while clock.now() < WATCHDOG * 5 {
            if clock.now() < WATCHDOG * 2 {
                pipeline.beat();
            }
            events.extend(supervisor.look(clock.now()).into_iter().map(|(code, name, _)| (code, name)));
            std::thread::sleep(WATCHDOG / 50);
        }
        assert_eq!(
            events,
            [(EventCode::Stuck, "sink broker".into()), (EventCode::Stuck, "pipeline".into())],
            "a stuck sink is told and stops nothing"
        );
        notifier.stopping();
        drop((pipeline, sink));
    }

    #[test]
    fn systemd_is_told_ready_alive_and_stopping_and_nothing_while_the_pipeline_is_stuck() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "watch::notify::tests::child", "--ignored"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
            .env_remove("WATCHDOG_PID")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut heard = Vec::new();
        let started = Instant::now();
        while heard.last().is_none_or(|(_, text)| text != "STOPPING=1\n") {
            let mut buffer = [0; 256];
            let len = socket.recv(&mut buffer).unwrap();
            heard.push((started.elapsed(), String::from_utf8(buffer[..len].to_vec()).unwrap()));
        }
        assert!({ child }.wait().unwrap().success());
        assert_eq!(heard[0].1, "READY=1\nSTATUS=3 meters 4 sinks\n");
        let alive = &heard[1..heard.len() - 1];
        assert!(alive.iter().all(|(_, text)| text == "WATCHDOG=1\n"), "{heard:?}");
        // It beats for two times of the watchdog and is stuck one later: 12 half times, fewer on a busy machine.
        assert!((2..=7).contains(&alive.len()), "{heard:?}");
        let silence = heard[heard.len() - 1].0 - alive[alive.len() - 1].0;
        assert!(silence > WATCHDOG, "two times long nothing came: {heard:?}");
    }

    #[test]
    fn without_systemd_nothing_is_said_and_nothing_fails() {
        // Neither cargo nor nextest is a service manager.
        assert_eq!(Notifier { watchdog: None }.interval(), None);
        let heartbeats = Heartbeats::new(Clock::start());
        let _pipeline = heartbeats.register("pipeline", Duration::from_secs(60), Remedy::Restart);
        let mut supervisor = Supervisor::new(heartbeats, Notifier { watchdog: None });
        assert_eq!(supervisor.look(Duration::from_secs(1)), []);
        assert_eq!(supervisor.alive_at, None);
        let news = supervisor.look(Duration::from_secs(100));
        assert_eq!(news.len(), 1);
        assert_eq!(supervisor.look(Duration::from_secs(101)), [], "told once");
    }

    #[test]
    fn a_task_that_goes_on_again_is_told_and_systemd_hears_of_it() {
        let heartbeats = Heartbeats::new(Clock::start());
        let writer = heartbeats.register("store", Duration::from_secs(3600), Remedy::Restart);
        let mut supervisor = Supervisor::new(heartbeats, Notifier { watchdog: Some(WATCHDOG) });
        let later = Duration::from_secs(4000);
        let stuck = supervisor.look(later).remove(0);
        assert_eq!((stuck.0, &*stuck.1), (EventCode::Stuck, "store"));
        assert!(stuck.2.contains("systemd starts the gateway anew"), "{}", stuck.2);
        assert_eq!(supervisor.alive_at, None);
        writer.rest();
        assert_eq!(supervisor.look(later)[0].0, EventCode::Unstuck);
        assert_eq!(supervisor.alive_at, Some(later));
    }

    #[test]
    fn a_line_end_in_the_status_cannot_say_more_than_the_status() {
        assert_eq!(one_line("ok\nMAINPID=1"), "ok MAINPID=1");
    }
}
