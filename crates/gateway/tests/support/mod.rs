//! What several tests of the daemon need: pseudo-terminals, meters as a configuration describes them, a deadline.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses its part, and unwraps"
)]

use metergate_gateway::clock::Clock;
use metergate_gateway::config::{IecSetup, KmpSetup, MeterSetup, Place, PortSetup};
use metergate_gateway::update::Update;
use metergate_gateway::watch::{Heartbeat, Heartbeats, Remedy};
use metergate_meter::{LineSettings, Protocol};
use metergate_simulator::{Fault, MeterKind, Settings, Simulation};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// The master side of a pseudo-terminal: where a meter would be.
pub struct Pty {
    master: File,
    /// The device that a gateway opens.
    pub device: PathBuf,
}

impl Pty {
    pub fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let device = PathBuf::from(ptsname(&master, Vec::new()).unwrap().to_str().unwrap());
        Self { master: File::from(master), device }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.master.write_all(bytes).unwrap();
    }

    /// What the gateway has sent since the last time.
    pub fn heard(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 256];
        let waiting = usize::try_from(rustix::io::ioctl_fionread(&self.master).unwrap()).unwrap();
        let len = self.master.read(&mut bytes[..waiting.min(256)]).unwrap();
        bytes.truncate(len);
        bytes
    }

    /// The speed that the gateway has set.
    pub fn baud(&self) -> u32 {
        rustix::termios::tcgetattr(&self.master).unwrap().input_speed()
    }
}

/// 2026-04-12T09:40:00Z: the sun shines on the simulated household.
pub const NOON: i64 = 1_775_986_800;

/// A simulated meter, the same each time.
pub fn simulation(kind: MeterKind, faults: Vec<Fault>) -> Simulation {
    Simulation::new(Settings { faults, ..Settings::new(kind, 7, NOON) }).unwrap()
}

/// What the meter sends next, so many times.
pub fn telegrams(simulation: &mut Simulation, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        let now = simulation.house().now_s() + 2;
        bytes.extend(simulation.push(now).into_iter().flat_map(|output| output.bytes));
    }
    bytes
}

/// Lets a link point elsewhere in one step, as udev does.
pub fn point_link(link: &Path, to: &Path) {
    let neighbour = link.with_extension("new");
    std::os::unix::fs::symlink(to, &neighbour).unwrap();
    std::fs::rename(&neighbour, link).unwrap();
}

/// A meter on a port, with nothing special.
pub fn meter(name: &str, place: Place, protocol: Option<Protocol>) -> MeterSetup {
    MeterSetup {
        name: name.to_owned(),
        port: PortSetup {
            place,
            line: Some(LineSettings::M9600_8N1),
            dtr: None,
            rts: None,
            exclusive: true,
            echo: None,
        },
        protocol,
        model: None,
        key: None,
        auth_key: None,
        layouts: &[],
        kmp: KmpSetup::default(),
        iec: IecSetup::default(),
        silent_after: None,
        record: None,
        serve: None,
        tariff: metergate_gateway::config::TariffSetup::default(),
        limits: metergate_gateway::plausible::Limits::default(),
    }
}

/// Nothing in these tests takes longer than this unless it is broken.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for an update that satisfies a condition.
///
/// # Panics
/// When it does not come within [`DEADLINE`].
pub async fn wait_for(
    updates: &mut mpsc::Receiver<Update>,
    what: &str,
    mut is_it: impl FnMut(&Update) -> bool,
) {
    let found = async {
        while let Some(update) = updates.recv().await {
            if is_it(&update) {
                return true;
            }
        }
        false
    };
    let found = tokio::time::timeout(DEADLINE, found).await;
    assert!(
        found.unwrap_or_else(|_| panic!("no {what} within {DEADLINE:?}")),
        "the reader ended before {what}"
    );
}

/// Open descriptors of this process.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident memory of this process in bytes.
pub fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

/// A runtime as the daemon has it.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A heartbeat that nobody looks at.
pub fn heartbeat() -> Heartbeat {
    Heartbeats::new(Clock::start()).register("reader", DEADLINE, Remedy::Tell)
}
