//! The requests of an SMGW.Lite device: their addresses, and what they tell of the device itself.
use metergate_series::smgw_lite::Fields;
use std::fmt::Write as _;
use std::net::IpAddr;

/// The header that carries the token.
pub(super) const TOKEN_HEADER: &str = "X-Auth-Token";

/// What a device tells of itself; what is not known is sent as empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Vitals {
    /// Temperature of the processor in tenths of a degree Celsius.
    pub(super) chip_tenths: Option<i32>,
    /// Memory that is free, in bytes.
    pub(super) free_bytes: Option<u64>,
    /// Minutes since the start.
    pub(super) uptime_min: u64,
    /// The own address on the way to the backend.
    pub(super) address: Option<IpAddr>,
}

/// Where values go: the address of the configuration, with a `/` behind it unless a file stands there.
pub(super) fn values_path(path: &str) -> String {
    if names_a_file(path) { path.to_owned() } else { format!("{path}/") }
}

/// Where the log goes: `log.php` in the same folder.
pub(super) fn log_path(path: &str) -> String {
    let folder =
        if names_a_file(path) { path.rsplit_once('/').map_or("", |(folder, _)| folder) } else { path };
    format!("{folder}/log.php")
}

fn names_a_file(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|last| last.contains('.'))
}

/// The query of a body of values, sent at this second of UTC.
pub(super) fn values_query(id: &str, fields: &Fields, count: usize, unix_s: i64, vitals: &Vitals) -> String {
    let second = unix_s.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut query = format!("ID={id}&chipTemp=");
    if let Some(tenths) = vitals.chip_tenths {
        let sign = if tenths < 0 { "-" } else { "" };
        // Writing to a string does not fail.
        let _ = write!(query, "{sign}{}.{}", tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10);
    }
    let _ = write!(
        query,
        "&uptime={}&time={hour:02}:{minute:02}:{second:02}&fields={fields}&heap=",
        vitals.uptime_min
    );
    if let Some(bytes) = vitals.free_bytes {
        let _ = write!(query, "{bytes}");
    }
    let _ = write!(query, "&transmittedValues={count}&IP={}", last_octet(vitals));
    query
}

/// The query of a body of log slots. What a device tells of its line and its settings has no meaning here.
pub(super) fn log_query(id: &str, vitals: &Vitals) -> String {
    format!("ID={id}&IP={}&serial=&fw=metergate-{}&cfg=", last_octet(vitals), env!("CARGO_PKG_VERSION"))
}

/// The last number of an IPv4 address; the format has no place for another.
fn last_octet(vitals: &Vitals) -> String {
    match vitals.address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.octets()[3].to_string(),
        Some(IpAddr::V6(_)) | None => String::new(),
    }
}

/// Thousandths of a degree from the kernel, as tenths.
pub(super) fn chip_tenths(thermal_zone: &str) -> Option<i32> {
    thermal_zone.trim().parse::<i32>().ok().map(|millidegrees| millidegrees / 100)
}

/// Free memory from the text of `/proc/meminfo`.
pub(super) fn free_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}
