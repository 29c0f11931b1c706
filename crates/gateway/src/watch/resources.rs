//! What the process takes of the machine.
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// What the process takes of the machine, for status, metrics and the page. What the system does not tell is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Resources {
    /// Time since the start.
    pub uptime_s: u64,
    /// Memory in use, in bytes.
    pub resident_bytes: Option<u64>,
    /// The most that it ever was.
    pub resident_max_bytes: Option<u64>,
    /// Time of the processor since the start, in milliseconds of one core.
    pub cpu_ms: u64,
    /// Open files, sockets and ports.
    pub descriptors: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// What the process made the system read from disks or cards since the start.
    pub disk_read_bytes: Option<u64>,
    /// What the process made the system write to disks or cards since the start: it is what wears a card.
    pub disk_written_bytes: Option<u64>,
    /// Temperature of the processor in thousandths of a degree Celsius.
    pub cpu_temperature_mc: Option<i64>,
}

impl Resources {
    /// Those of this process; `uptime` is the time since its start.
    #[must_use]
    pub fn of_process(uptime: Duration) -> Self {
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let cpu_ms = cpu.tv_sec.saturating_mul(1000).saturating_add(cpu.tv_nsec / 1_000_000);
        Self {
            uptime_s: uptime.as_secs(),
            cpu_ms: u64::try_from(cpu_ms).unwrap_or_default(),
            ..Self::read(Path::new("/proc/self"), Path::new("/sys/class/thermal"))
        }
    }

    /// What stands in files.
    fn read(process: &Path, thermal: &Path) -> Self {
        let text = |name| std::fs::read_to_string(process.join(name)).unwrap_or_default();
        let (status, io) = (text("status"), text("io"));
        // Of the list itself one is open while it is counted.
        let descriptors = std::fs::read_dir(process.join("fd")).ok().map(|entries| entries.count());
        Self {
            resident_bytes: kibibytes(&status, "VmRSS"),
            resident_max_bytes: kibibytes(&status, "VmHWM"),
            descriptors: descriptors.and_then(|count| u64::try_from(count).ok()?.checked_sub(1)),
            threads: number(&status, "Threads"),
            disk_read_bytes: number(&io, "read_bytes"),
            disk_written_bytes: number(&io, "write_bytes"),
            cpu_temperature_mc: cpu_temperature(thermal),
            ..Self::default()
        }
    }
}

/// `Threads: 5`, with a tab between.
fn number(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `VmRSS: 13836 kB`, which are 1024 bytes each.
fn kibibytes(text: &str, key: &str) -> Option<u64> {
    number(text, key)?.checked_mul(1024)
}

/// Sensors that measure the processor: those of Raspberry Pi and most boards, and of Intel; not a disk's or battery's.
const CPU_SENSORS: [&str; 4] = ["cpu", "soc", "x86_pkg_temp", "coretemp"];

/// What a processor that runs can have. Boards without a sensor say -274 or 255 degrees.
const PLAUSIBLE_MC: std::ops::RangeInclusive<i64> = -55_000..=150_000;

fn cpu_temperature(thermal: &Path) -> Option<i64> {
    let mut zones: Vec<_> = std::fs::read_dir(thermal).ok()?.flatten().map(|entry| entry.path()).collect();
    zones.sort();
    zones.iter().find_map(|zone| {
        let kind = std::fs::read_to_string(zone.join("type")).ok()?;
        CPU_SENSORS.iter().find(|sensor| kind.starts_with(**sensor))?;
        let text = std::fs::read_to_string(zone.join("temp")).ok()?;
        text.trim().parse().ok().filter(|temperature| PLAUSIBLE_MC.contains(temperature))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory_time_and_descriptors() {
        let before = Resources::of_process(Duration::from_millis(2500));
        assert_eq!(before.uptime_s, 2);
        let resident = before.resident_bytes.unwrap();
        assert!(resident > 100_000 && Some(resident) <= before.resident_max_bytes);
        assert!(before.threads.unwrap() >= 1);
        // Other tests of this process open files meanwhile, so only more than three can be said.
        assert!(before.descriptors.unwrap() >= 3);
    }

    #[test]
    fn an_open_file_is_counted_and_the_list_itself_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("fd")).unwrap();
        for descriptor in 0..7 {
            std::fs::write(folder.path().join("fd").join(descriptor.to_string()), "").unwrap();
        }
        let resources = Resources::read(folder.path(), folder.path());
        assert_eq!(resources.descriptors, Some(6));
    }

    #[test]
    fn what_the_kernel_writes_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let status = "Name:\tmetergate\nVmHWM:\t   14000 kB\nVmRSS:\t   13836 kB\nThreads:\t5\n";
        std::fs::write(folder.path().join("status"), status).unwrap();
        let io = "rchar: 9\nread_bytes: 0\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n";
        std::fs::write(folder.path().join("io"), io).unwrap();
        for (zone, kind, temperature) in
            [("0", "acpitz", "27800"), ("1", "cpu-thermal", "48312"), ("2", "soc", "50000")]
        {
            let zone = folder.path().join(format!("thermal_zone{zone}"));
            std::fs::create_dir(&zone).unwrap();
            std::fs::write(zone.join("type"), format!("{kind}\n")).unwrap();
            std::fs::write(zone.join("temp"), format!("{temperature}\n")).unwrap();
        }
        let resources = Resources::read(folder.path(), folder.path());
        assert_eq!(resources.resident_bytes, Some(13_836 * 1024));
        assert_eq!((resources.threads, resources.disk_written_bytes), (Some(5), Some(4096)));
        assert_eq!(resources.disk_read_bytes, Some(0), "a zero that was read is a zero");
        assert_eq!(resources.cpu_temperature_mc, Some(48_312));
    }

    #[test]
    fn what_is_not_there_or_impossible_is_absent_not_zero() {
        let folder = tempfile::tempdir().unwrap();
        let zone = folder.path().join("thermal_zone0");
        std::fs::create_dir(&zone).unwrap();
        std::fs::write(zone.join("type"), "cpu-thermal\n").unwrap();
        std::fs::write(zone.join("temp"), "-274000\n").unwrap();
        std::fs::write(folder.path().join("status"), "VmRSS: much kB\nThreads:\n").unwrap();
        assert_eq!(Resources::read(folder.path(), folder.path()), Resources::default());
    }
}
