//! Reads the section of a sink: InfluxDB line protocol over HTTP.
use crate::config::endpoint::{self, EndpointSetup, ProxySetup};
use crate::config::section::Section;
use crate::secret::Secret;
use std::path::Path;

/// Keys of this kind besides those of every sink and of every receiver.
const KEYS: &[&str] = &["version", "database", "org", "bucket", "token", "measurement", "batch"];

/// Settings of InfluxDB line protocol over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfluxSetup {
    /// Where to.
    pub endpoint: EndpointSetup,
    /// By way of a proxy.
    pub proxy: Option<ProxySetup>,
    /// Which interface, and where in it.
    pub target: InfluxTarget,
    /// What lets us in with versions 2 and 3.
    pub token: Option<Secret>,
    /// What the measurement is called.
    pub measurement: String,
    /// Lines in one request at most.
    pub batch: usize,
}

/// An interface of `InfluxDB`, which others offer too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InfluxTarget {
    /// `/write?db=`, with name and password.
    V1 {
        /// The database, or `database/retention-policy` where it has one.
        database: String,
    },
    /// `/api/v2/write?org=&bucket=`, with a token.
    V2 {
        /// The organisation.
        org: String,
        /// The bucket.
        bucket: String,
    },
    /// `/api/v3/write_lp?db=`, with a bearer token.
    V3 {
        /// The database.
        database: String,
    },
}

/// Largest batch: the makers advise 5000 to 10000 lines.
const BATCH_MAX: usize = 5000;

/// Without a setting: 1000 lines of 12 registers are 250 kB.
const BATCH: usize = 1000;

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<InfluxSetup> {
    section.only(&[super::KEYS, endpoint::KEYS, endpoint::PROXY_KEYS, KEYS].concat());
    let endpoint = endpoint::read(section, folder, endpoint::HTTP);
    let proxy = endpoint::proxy(section);
    let target = target(section);
    let token = match &target {
        Some(InfluxTarget::V1 { .. }) => section.secret("token"),
        _ => endpoint::token(section, endpoint.as_ref().filter(|endpoint| endpoint.login.is_none())),
    };
    if endpoint.as_ref().is_some_and(|endpoint| endpoint.path.contains('?')) {
        let help = "`database`, `org` and `bucket` have keys of their own".to_owned();
        section.problem("url", "holds what follows a `?`", help);
    }
    if matches!(target, Some(InfluxTarget::V1 { .. })) {
        if token.is_some() {
            let help = "set `username` and `password`, or `version = 2`".to_owned();
            section.problem("token", "is for versions 2 and 3", help);
        }
    } else if let (Some(target), true) = (&target, section.table.get("username").is_some()) {
        let message = format!("is for version 1, and this is version {}", target.version());
        section.problem("username", message, "set `token`, or `version = 1`".to_owned());
    }
    let measurement = section.text("measurement").map_or("metergate", |found| found.value);
    if measurement.is_empty() || measurement.starts_with(['#', '_']) || measurement.contains(char::is_control)
    {
        let help = "a word such as \"metergate\"; it begins neither with `_` nor with `#`".to_owned();
        section.problem("measurement", "is no name of a measurement", help);
    }
    let batch = section.whole("batch", 1..=BATCH_MAX).unwrap_or(BATCH);
    Some(InfluxSetup {
        endpoint: endpoint?,
        proxy,
        target: target?,
        token,
        measurement: measurement.to_owned(),
        batch,
    })
}

impl InfluxTarget {
    /// 1, 2 or 3.
    #[must_use]
    pub const fn version(&self) -> u8 {
        match self {
            Self::V1 { .. } => 1,
            Self::V2 { .. } => 2,
            Self::V3 { .. } => 3,
        }
    }
}

fn target(section: &Section<'_>) -> Option<InfluxTarget> {
    let has = |key: &str| section.table.get(key).is_some();
    // Whoever names a bucket means version 2; whoever names a database may mean either of the others.
    let version = match section.whole("version", 1..=3u8) {
        Some(version) => version,
        None if has("version") => return None,
        None if has("bucket") || has("org") => 2,
        None if has("database") => 1,
        None => {
            let help = "database = \"meters\" (version 1), or org and bucket (version 2)".to_owned();
            section.problem("", "there is neither `database` nor `bucket`", help);
            return None;
        }
    };
    let (wanted, strange): (&[&str], &[&str]) = match version {
        2 => (&["org", "bucket"], &["database"]),
        _ => (&["database"], &["org", "bucket"]),
    };
    for key in strange.iter().filter(|key| has(key)) {
        section.problem(key, format!("is not for version {version}"), format!("remove `{key}`"));
    }
    for key in wanted.iter().filter(|key| !has(key)) {
        section.problem("", format!("there is no `{key}`"), format!("{key} = \"meters\""));
    }
    let text = |key: &str| section.text(key).map(|found| found.value.to_owned());
    match version {
        1 => Some(InfluxTarget::V1 { database: text("database")? }),
        2 => Some(InfluxTarget::V2 { org: text("org")?, bucket: text("bucket")? }),
        _ => Some(InfluxTarget::V3 { database: text("database")? }),
    }
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for InfluxSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.target {
            InfluxTarget::V1 { database } => write!(f, "InfluxDB 1, database {database}")?,
            InfluxTarget::V2 { org, bucket } => write!(f, "InfluxDB 2, bucket {bucket} of {org}")?,
            InfluxTarget::V3 { database } => write!(f, "InfluxDB 3, database {database}")?,
        }
        write!(f, " at {}{}", self.endpoint, self.endpoint.trust_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::read_lines;

    fn influx(lines: &str) -> Result<InfluxSetup, Vec<String>> {
        let url = if lines.contains("url =") { "" } else { "url = \"http://localhost:8086\"\n" };
        let lines = format!("{url}{lines}");
        read_lines(&lines, |section| read(section, Path::new("")))
    }

    #[test]
    fn the_version_follows_from_what_is_named() {
        for (lines, shown) in [
            ("database = \"m\"", "InfluxDB 1, database m at http://localhost:8086, unencrypted"),
            (
                "org = \"o\"\nbucket = \"b\"\ntoken = \"x\"",
                "InfluxDB 2, bucket b of o at http://localhost:8086, unencrypted",
            ),
            ("version = 3\ndatabase = \"m\"", "InfluxDB 3, database m at http://localhost:8086, unencrypted"),
        ] {
            assert_eq!(influx(lines).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn mistakes_are_told_with_the_key() {
        for (lines, expected) in [
            ("", "sink.x: there is neither `database` nor `bucket`"),
            (
                "url = \"http://localhost/write?db=m\"\ndatabase = \"m\"",
                "sink.x.url: holds what follows a `?`",
            ),
            ("version = 4", "sink.x.version: expected a number of 1 to 3, found 4"),
            ("bucket = \"b\"", "sink.x: there is no `org`"),
            ("version = 1\nbucket = \"b\"\ndatabase = \"m\"", "sink.x.bucket: is not for version 1"),
            ("database = \"m\"\ntoken = \"x\"", "sink.x.token: is for versions 2 and 3"),
            (
                "org = \"o\"\nbucket = \"b\"\nusername = \"me\"",
                "sink.x.username: is for version 1, and this is version 2",
            ),
            ("database = \"m\"\nmeasurement = \"_x\"", "sink.x.measurement: is no name of a measurement"),
        ] {
            assert_eq!(influx(lines).unwrap_err().first().map(String::as_str), Some(expected));
        }
    }
}
