//! Gateways that read each other must not read themselves.
//!
//! Each running gateway has a name of its own. Whoever asks sends it, and whoever answers sends the way that the value
//! has come: its own name, then those of the gateways behind it.
//!
//! ```text
//! GET /showLastMeterValue            HTTP/1.1 200 OK
//! X-Metergate-Path: b                X-Metergate-Path: a, c
//! ```
//!
//! A gateway that finds itself in such a list sees its own values. SMGW.Lite devices know nothing of this; for them
//! the address must do ([`asks_itself`]).
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The header with the names, in requests and answers.
pub const HEADER: &str = "X-Metergate-Path";

/// Most gateways in a row: more are a loop that somebody has dressed up.
pub const PATH_LEN_MAX: usize = 16;

/// Longest name; those made here have 36 letters.
const INSTANCE_LEN_MAX: usize = 64;

/// The name of one running gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance(Arc<str>);

impl Instance {
    /// A name of letters, digits and `-`; `None` when it is empty, too long or something else.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_name = (1..=INSTANCE_LEN_MAX).contains(&name.len()) && name.bytes().all(fits);
        is_name.then(|| Self(name.into()))
    }

    /// That of this process, the same as long as it runs.
    #[must_use]
    pub fn of_process() -> Self {
        static NAME: OnceLock<Instance> = OnceLock::new();
        NAME.get_or_init(|| {
            let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid").ok();
            let name = random.and_then(|text| Self::new(text.trim()));
            // Without the kernel's help the time of the start tells processes apart.
            name.unwrap_or_else(|| {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                let name = format!("{}-{}", std::process::id(), since.unwrap_or_default().as_nanos());
                Self(name.into())
            })
        })
        .clone()
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The way that a value has come, the nearest gateway first.
///
/// ```
/// use metergate_gateway::source::loop_guard::{Instance, Path};
///
/// let (a, b) = (Instance::new("a").unwrap(), Instance::new("b").unwrap());
/// let way: Path = "a, c".parse()?;
/// assert!(way.contains(&a) && !way.contains(&b));
/// assert_eq!(way.behind(&b).to_string(), "b, a, c");
/// assert!("a, <script>".parse::<Path>().is_err());
/// # Ok::<(), metergate_gateway::source::loop_guard::PathError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(Vec<Instance>);

impl Path {
    /// True when a value that has come this way is the gateway's own.
    #[must_use]
    pub fn contains(&self, instance: &Instance) -> bool {
        self.0.contains(instance)
    }

    /// The way of the same value as this gateway hands it on.
    #[must_use]
    pub fn behind(&self, instance: &Instance) -> Self {
        Self(std::iter::once(instance).chain(&self.0).take(PATH_LEN_MAX).cloned().collect())
    }

    /// True when no gateway may be added: the next one would not see all of them.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.len() >= PATH_LEN_MAX
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, instance) in self.0.iter().enumerate() {
            write!(f, "{}{instance}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Why a header is no way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// A name is empty, too long, or has other letters.
    Malformed,
    /// There are more names than [`PATH_LEN_MAX`].
    TooLong {
        /// How many.
        found: usize,
    },
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => write!(f, "the header {HEADER} is no list of names"),
            Self::TooLong { found } => {
                write!(f, "the header {HEADER} has {found} names, at most {PATH_LEN_MAX} are followed")
            }
        }
    }
}

impl std::error::Error for PathError {}

impl std::str::FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let found = text.split(',').count();
        if found > PATH_LEN_MAX {
            return Err(PathError::TooLong { found });
        }
        let names = text.split(',').map(|name| Instance::new(name.trim()).ok_or(PathError::Malformed));
        names.collect::<Result<_, _>>().map(Self)
    }
}

/// The way that the values of a source have come last: written by the source, read by whoever hands them on.
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<Mutex<Path>>);

impl Heard {
    /// The way.
    #[must_use]
    pub fn path(&self) -> Path {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, path: Path) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = path;
    }
}

/// True when an address is one at which this gateway answers itself; `is_own` says which addresses this host has.
#[must_use]
pub fn asks_itself(target: SocketAddr, listeners: &[SocketAddr], is_own: impl Fn(IpAddr) -> bool) -> bool {
    let address = target.ip().to_canonical();
    listeners.iter().any(|listener| {
        let answers = listener.ip().to_canonical();
        listener.port() == target.port()
            && (answers == address || answers.is_unspecified() && is_own(address))
    })
}

/// Whether this host has the address: only then a socket can be bound to it.
#[must_use]
pub fn is_own_address(address: IpAddr) -> bool {
    address.is_loopback() || std::net::UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ways_read_their_own_text_back() {
        let own = Instance::of_process();
        assert_eq!(own, Instance::of_process());
        let way: Path = format!("{own},b ,  c-3").parse().unwrap();
        assert_eq!(way.to_string(), format!("{own}, b, c-3"));
        assert_eq!(way.to_string().parse(), Ok(way));
    }

    #[test]
    fn headers_of_no_use_are_refused() {
        for text in ["", ",", "a,,b", "a b", "a;b", "\u{e4}", &"x".repeat(65)] {
            assert_eq!(text.parse::<Path>(), Err(PathError::Malformed), "{text}");
        }
        assert_eq!(["a"; 17].join(",").parse::<Path>(), Err(PathError::TooLong { found: 17 }));
        let full: Path = ["a"; 16].join(",").parse().unwrap();
        assert!(full.is_full());
        assert_eq!(full.behind(&Instance::new("b").unwrap()).to_string().split(',').count(), 16);
    }

    #[test]
    fn an_own_listener_is_recognised_by_its_address() {
        let asks = |target: &str, listeners: &[&str], own: &str| {
            let listeners: Vec<SocketAddr> = listeners.iter().map(|text| text.parse().unwrap()).collect();
            asks_itself(target.parse().unwrap(), &listeners, |ip| ip.to_string() == own)
        };
        assert!(asks("192.168.0.5:80", &["192.168.0.5:80"], ""));
        assert!(asks("192.168.0.5:80", &["0.0.0.0:80"], "192.168.0.5"));
        assert!(asks("192.168.0.5:80", &["[::]:80"], "192.168.0.5"));
        assert!(asks("[::ffff:192.168.0.5]:80", &["192.168.0.5:80"], ""));
        assert!(!asks("192.168.0.5:80", &["192.168.0.5:81", "127.0.0.1:80"], "192.168.0.5"));
        assert!(!asks("192.168.0.9:80", &["0.0.0.0:80"], "192.168.0.5"));
        assert!(is_own_address([127, 0, 0, 1].into()));
        // TEST-NET-3 of RFC 5737 belongs to nobody.
        assert!(!is_own_address([203, 0, 113, 7].into()));
    }
}
