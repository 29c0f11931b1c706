//! What the gateway tells about itself: events, alerts about meters, and the sign of life for the service manager.
use crate::clock::Clock;
use crate::config::Gateway;
use crate::event::{Event, EventCode, EventLog, Happened};
use crate::status::Status;
use crate::update::What;
use crate::watch::{Alarm, Heartbeat, Heartbeats, Notifier, Remedy, Supervisor, patience};
use metergate_meter::Protocol;
use metergate_reading::{Instant, Trust};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// The pipeline turns at least once a second; a system that swaps may take longer.
const PIPELINE_PATIENCE: Duration = Duration::from_secs(30);

/// Tells what happens, rate-limited, and looks at everything once a second.
#[derive(Debug)]
pub(super) struct Telling {
    clock: Clock,
    log: EventLog,
    alarms: Vec<(Arc<str>, Alarm)>,
    notifier: Notifier,
    supervisor: Supervisor,
    pipeline: Heartbeat,
    synchronised: Option<bool>,
    /// Ports and sources that were lost and are not back yet.
    lost: HashSet<Arc<str>>,
}

impl Telling {
    pub(super) fn new(gateway: &Gateway, heartbeats: &Heartbeats, clock: Clock) -> Self {
        let alarm = |patience| Alarm::new(patience, clock.now());
        let alarms = gateway.meters.iter().map(|meter| {
            let protocol = meter.protocol.or_else(|| meter.model.map(|model| model.protocol));
            (Arc::from(meter.name.as_str()), alarm(patience(meter, protocol)))
        });
        let notifier = Notifier::of_process();
        Self {
            clock,
            log: EventLog::default(),
            alarms: alarms.collect(),
            supervisor: Supervisor::new(heartbeats.clone(), notifier.clone()),
            notifier,
            pipeline: heartbeats.register("pipeline", PIPELINE_PATIENCE, Remedy::Restart),
            synchronised: None,
            lost: HashSet::new(),
        }
    }

    /// Everything has begun.
    pub(super) fn ready(&self, meters: usize, sinks: usize) {
        self.notifier.ready(&format!("{meters} meters and sources, {sinks} sinks"));
    }

    /// It was asked to end.
    pub(super) fn stopping(&self) {
        self.notifier.stopping();
    }

    /// Takes what happened, and gives what of it the store is to keep now.
    pub(super) fn tell(&mut self, event: Event) -> Vec<Event> {
        let Event { at, code, about, detail, .. } = event;
        self.log.tell(Happened { at, code, about, detail }, self.clock.now())
    }

    /// Counts of what was held back and is due.
    pub(super) fn due(&mut self) -> Vec<Event> {
        self.log.due(self.clock.now())
    }

    /// All counts, at the end.
    pub(super) fn finish(&mut self) -> Vec<Event> {
        self.log.finish(self.clock.now())
    }

    /// Looks at everything, once a second: what is new.
    pub(super) fn look(
        &mut self,
        status: &Status,
        at: Instant,
    ) -> Vec<(EventCode, Option<Arc<str>>, String)> {
        self.pipeline.beat();
        let now = self.clock.now();
        let mut news = Vec::new();
        for (name, alarm) in &mut self.alarms {
            // A file that has been read to its end is not silent.
            let Some(meter) = status.meters.get(&**name).filter(|meter| !meter.ended) else { continue };
            if let Some(alert) = alarm.look(now, meter.bytes, meter.telegrams) {
                news.push((alert.code(), Some(Arc::clone(name)), format!("{alert}; {}", meter.message)));
            }
        }
        let tasks = self.supervisor.look(now);
        news.extend(tasks.into_iter().map(|(code, name, detail)| (code, Some(name), detail)));
        let synchronised = at.trust == Trust::HostSynchronised;
        match self.synchronised.replace(synchronised) {
            Some(before) if before == synchronised => {}
            // At the start only what is wrong is worth a word.
            None if synchronised => {}
            _ if synchronised => news.push((EventCode::ClockSynchronised, None, String::new())),
            _ => news.push((EventCode::ClockUnsynchronised, None, String::new())),
        }
        news
    }

    /// The event that an update is by itself, if it is one. A port that opens is one after it was lost, and a reading
    /// of a source after it failed.
    pub(super) fn event_of(&mut self, name: &Arc<str>, what: &What) -> Option<(EventCode, String)> {
        match what {
            What::PortLost(_) | What::SourceFailed(_) | What::SourceLoop(_) => {
                self.lost.insert(Arc::clone(name));
            }
            What::PortOpened | What::Reading(_) if !self.lost.remove(name) => return None,
            _ => {}
        }
        event_of(what)
    }
}

fn event_of(what: &What) -> Option<(EventCode, String)> {
    Some(match what {
        What::Rejected { rejection, .. } => (EventCode::Refused, rejection.to_string()),
        What::NoAnswer { attempts, .. } => (EventCode::NoAnswer, format!("asked {attempts} times")),
        What::PortOpened => (EventCode::PortOpened, String::new()),
        What::PortLost(why) => (EventCode::PortLost, why.clone()),
        What::Protocol { found, .. } => (
            match found.protocol {
                Protocol::Sml => EventCode::RecognisedSml,
                Protocol::Iec62056_21 => EventCode::RecognisedIec,
                _ => EventCode::Recognised,
            },
            format!("{} at {}", found.protocol, found.line),
        ),
        What::SourceFailed(why) => (EventCode::SourceFailing, why.clone()),
        What::SourceLoop(why) => (EventCode::SourceLoop, why.clone()),
        What::Reading(_) => (EventCode::SourceRecovered, String::new()),
        What::Telegram(_) | What::Verdict(_) | What::Bytes | What::Ended => return None,
    })
}
