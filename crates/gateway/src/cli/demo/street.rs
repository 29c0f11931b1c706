//! The five meters of the demonstration: simulated, each on a pseudo-terminal, and the gateway that reads them.
use crate::cli::Failure;
use crate::cli::truth::Truth;
use crate::config::{
    CompatSetup, Gateway, IecMode, IecSetup, KmpSetup, MeterSetup, Place, PortSetup, PriceSetup, StoreConfig,
    TariffSetup,
};
use crate::plausible::Limits;
use metergate_meter::{Key, models};
use metergate_simulator::{
    Control, EXAMPLE_KEYS, MeterKind, Outlet, Pty, Sent, Settings, Simulation, clock, speak, unix_s,
};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// One meter of the street.
#[derive(Debug, Clone, Copy)]
pub(super) struct House {
    /// Its name in the gateway's configuration.
    pub(super) name: &'static str,
    /// What hangs there.
    pub(super) kind: MeterKind,
    /// How it speaks, in a few words.
    pub(super) about: &'static str,
    /// How often it is asked; `None`: it speaks by itself.
    asked_every: Option<Duration>,
    /// After how long it counts as silent: three of its intervals, and a second.
    silent_after: Duration,
    /// The hour and minute at which life in this house begins when the demonstration does. Each house has its own, so
    /// that the screen shows sun, dinner and morning at once, at any time of the host.
    scene: (i64, i64),
}

/// The meters, in the order of the screen.
pub(super) const STREET: [House; 5] = [
    House {
        name: "easymeter",
        kind: MeterKind::EasyMeterQ3a,
        about: "SML, every 2 s",
        asked_every: None,
        silent_after: Duration::from_secs(7),
        scene: (11, 40),
    },
    House {
        name: "kaifa",
        kind: MeterKind::KaifaMa309mNetzNoe,
        about: "M-Bus, encrypted, every 5 s",
        asked_every: None,
        silent_after: Duration::from_secs(16),
        scene: (18, 25),
    },
    House {
        name: "sagemcom",
        kind: MeterKind::SagemcomT210dr,
        about: "P1, encrypted, authenticated, every 10 s",
        asked_every: None,
        silent_after: Duration::from_secs(31),
        scene: (13, 10),
    },
    House {
        name: "multical",
        kind: MeterKind::Multical403,
        about: "KMP, asked every 4 s",
        asked_every: Some(Duration::from_secs(4)),
        silent_after: Duration::from_secs(13),
        scene: (6, 50),
    },
    House {
        name: "iskra",
        kind: MeterKind::Iec62056ModeC,
        about: "IEC 62056-21 mode C, asked every 6 s",
        asked_every: Some(Duration::from_secs(6)),
        silent_after: Duration::from_secs(19),
        scene: (20, 5),
    },
];

/// The day of all scenes, a spring day with sun and heating: 2026-04-12 as days since 1970-01-01. The meters' clocks
/// show the time of the host.
const SCENE_DAY: i64 = 20_555;

impl House {
    /// The model's name as printed on the meter.
    pub(super) fn title(&self) -> &'static str {
        models::find(self.kind.name()).map_or(self.kind.title(), |model| model.title)
    }

    fn settings(&self, seed: u64, now_s: i64) -> Settings {
        let (hour, minute) = self.scene;
        let scene_s = SCENE_DAY * 86_400 + hour * 3600 + minute * 60 - clock::local_s(now_s);
        Settings { scene_s, ..Settings::new(self.kind, seed, now_s) }
    }

    /// What stands in the gateway's configuration about this meter.
    fn set_up(&self, pty: &Pty) -> MeterSetup {
        let [key, auth_key] = EXAMPLE_KEYS.map(|key| self.kind.is_encrypted().then(|| Key::new(key)));
        let interval = self.asked_every.unwrap_or(Duration::from_secs(60));
        MeterSetup {
            name: self.name.to_owned(),
            port: PortSetup {
                place: Place::Serial(pty.path().to_owned()),
                line: Some(self.kind.line()),
                dtr: None,
                rts: None,
                exclusive: true,
                echo: None,
            },
            protocol: Some(self.kind.protocol()),
            model: models::find(self.kind.name()),
            key,
            auth_key,
            layouts: &[],
            // The simulated battery does not run down.
            kmp: KmpSetup { registers: Vec::new(), interval, requests_per_hour: u16::MAX },
            iec: IecSetup { address: None, mode: IecMode::Readout, interval },
            silent_after: Some(self.silent_after),
            record: None,
            serve: None,
            tariff: TariffSetup::default(),
            limits: Limits::default(),
        }
    }
}

/// The meters at work.
#[derive(Debug)]
pub(super) struct Meters {
    running: Vec<Running>,
}

/// One meter at work.
#[derive(Debug)]
struct Running {
    name: &'static str,
    control: Arc<Control>,
    thread: JoinHandle<io::Result<()>>,
}

impl Meters {
    /// Starts all of them, and gives the gateway's configuration for them.
    pub(super) fn start(seed: u64, truth: Option<Truth>) -> Result<(Self, Gateway), Failure> {
        let truth = Arc::new(Mutex::new(truth));
        let now_s = unix_s();
        let (mut running, mut meters) = (Vec::new(), Vec::new());
        for (number, house) in STREET.into_iter().enumerate() {
            let pty = Pty::open(house.kind.line(), None)
                .map_err(|error| Failure::new(format!("cannot open a pseudo-terminal: {error}")))?;
            meters.push(house.set_up(&pty));
            // Every house is another one.
            let settings = house.settings(seed.wrapping_mul(16).wrapping_add(number as u64), now_s);
            let mut simulation =
                Simulation::new(settings).map_err(|error| Failure::new(error.to_string()))?;
            let control = Arc::new(Control::default());
            let (its_control, its_truth) = (Arc::clone(&control), Arc::clone(&truth));
            let body = move || {
                let mut note = |sent: &Sent| {
                    let mut truth = its_truth.lock().unwrap_or_else(PoisonError::into_inner);
                    truth.as_mut().map_or(Ok(()), |truth| truth.note(sent, Some(house.name)))
                };
                speak(&mut simulation, &mut Outlet::Pty(pty), &its_control, None, &mut note)
            };
            let thread = std::thread::Builder::new().name(house.name.to_owned()).spawn(body)?;
            running.push(Running { name: house.name, control, thread });
        }
        let gateway = Gateway {
            profile: "demo".to_owned(),
            state_directory: None,
            store: StoreConfig::default(),
            price: PriceSetup::default(),
            web: None,
            meters,
            sinks: Vec::new(),
            sources: Vec::new(),
            compat: CompatSetup::default(),
        };
        Ok((Self { running }, gateway))
    }

    /// What silences the meter with this name.
    pub(super) fn control(&self, name: &str) -> Option<Arc<Control>> {
        self.running.iter().find(|meter| meter.name == name).map(|meter| Arc::clone(&meter.control))
    }

    /// Ends all of them and tells the first error.
    pub(super) fn stop(self) -> io::Result<()> {
        self.running.iter().for_each(|meter| meter.control.stop());
        let mut result = Ok(());
        for meter in self.running {
            let ended =
                meter.thread.join().unwrap_or_else(|_| Err(io::Error::other("a simulated meter panicked")));
            result = result.and(ended);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_house_has_a_model_of_the_table() {
        for house in STREET {
            assert!(models::find(house.kind.name()).is_some(), "{}", house.name);
            let interval = house.kind.interval().or(house.asked_every).unwrap();
            assert!(house.silent_after > interval * 3);
        }
    }

    #[test]
    fn the_scene_is_the_same_at_any_time_of_the_host() {
        for now_s in [1_700_000_000, 1_750_000_000] {
            let settings = STREET[0].settings(1, now_s);
            assert_eq!((clock::local_s(now_s) + settings.scene_s).rem_euclid(86_400), 11 * 3600 + 40 * 60);
        }
    }
}
