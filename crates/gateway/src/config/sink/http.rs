//! Reads the section of a sink: JSON by HTTP POST.
use crate::config::endpoint::{self, EndpointSetup, ProxySetup};
use crate::config::section::Section;
use crate::config::template::Template;
use crate::secret::Secret;
use std::path::Path;

/// Keys of this kind besides those of every sink and of every receiver.
const KEYS: &[&str] = &["shape", "token", "batch", "template", "content_type", "devid"];

/// Settings of JSON by HTTP POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSetup {
    /// Where to.
    pub endpoint: EndpointSetup,
    /// By way of a proxy.
    pub proxy: Option<ProxySetup>,
    /// What the receiver understands.
    pub shape: HttpShape,
    /// What lets us in: a bearer token, or for ThingsBoard the device's, which becomes part of the address.
    pub token: Option<Secret>,
    /// Entries in one request at most.
    pub batch: usize,
}

/// What a receiver of JSON understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpShape {
    /// Our own: everything there is to know, as a list.
    Metergate,
    /// Telemetry of one ThingsBoard device, with times.
    ThingsBoard,
    /// What `uP_SmartMeter` sends: one flat object of texts for each reading.
    UpSmartmeter {
        /// What its `devid` says; `None`: the meter's name.
        devid: Option<String>,
    },
    /// One request for each entry, made from a template.
    Template(Template),
}

/// Largest batch that may be configured: 1000 entries of 40 registers are 4 MB of JSON.
const BATCH_MAX: usize = 1000;

/// Without a setting: some 400 kB of JSON, below the usual 1 MB of proxies.
const BATCH: usize = 100;

/// Reads them; what is wrong is noted in the section's reading.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<HttpSetup> {
    section.only(&[super::KEYS, endpoint::KEYS, endpoint::PROXY_KEYS, KEYS].concat());
    let endpoint = endpoint::read(section, folder, endpoint::HTTP);
    let proxy = endpoint::proxy(section);
    let token = endpoint::token(section, endpoint.as_ref());
    let shape = shape(section);
    let batch = section.whole("batch", 1..=BATCH_MAX).unwrap_or(BATCH);
    let (endpoint, shape) = (endpoint?, shape?);
    if token.is_none() && section.table.get("token").is_none() && shape == HttpShape::ThingsBoard {
        let help =
            "token = \"...\", the access token of the device, best in metergate.secrets.toml".to_owned();
        section.problem("", "there is no `token`", help);
    }
    Some(HttpSetup { endpoint, proxy, shape, token, batch })
}

#[derive(Clone, Copy, PartialEq)]
enum Word {
    Metergate,
    ThingsBoard,
    UpSmartmeter,
    Template,
}

fn shape(section: &Section<'_>) -> Option<HttpShape> {
    let words = [
        ("metergate", Word::Metergate),
        ("thingsboard", Word::ThingsBoard),
        ("up_smartmeter", Word::UpSmartmeter),
        ("template", Word::Template),
    ];
    let word = match section.table.get("shape") {
        None if section.table.get("template").is_some() => Word::Template,
        None => Word::Metergate,
        Some(_) => section.word("shape", &words)?,
    };
    for (key, of, name) in [
        ("template", Word::Template, "template"),
        ("content_type", Word::Template, "template"),
        ("devid", Word::UpSmartmeter, "up_smartmeter"),
    ] {
        if section.table.get(key).is_some() && word != of {
            section.problem(key, format!("is for `shape = \"{name}\"`"), format!("remove `{key}`"));
        }
    }
    if matches!(word, Word::UpSmartmeter | Word::Template) && section.table.get("batch").is_some() {
        section.problem("batch", "this shape has one reading in a request", "remove `batch`".to_owned());
    }
    match word {
        Word::Metergate => Some(HttpShape::Metergate),
        Word::ThingsBoard => Some(HttpShape::ThingsBoard),
        Word::UpSmartmeter => {
            let devid = section.text("devid").map(|found| found.value.to_owned());
            Some(HttpShape::UpSmartmeter { devid })
        }
        Word::Template => template(section).map(HttpShape::Template),
    }
}

fn template(section: &Section<'_>) -> Option<Template> {
    let example = "template = '{\"power\": {{ value(\"16.7.0\") }}, \"at\": \"{{ time }}\"}'";
    if section.table.get("template").is_none() {
        section.problem("", "there is no `template`", example.to_owned());
    }
    let text = section.text("template")?;
    let content_type = section.text("content_type").map_or("application/json", |found| found.value);
    if content_type.is_empty() || !content_type.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        section.problem("content_type", "is no type of content", "such as \"text/plain\"".to_owned());
    }
    match Template::new(text.value, content_type) {
        Ok(template) => Some(template),
        Err(message) => {
            section.problem("template", message, example.to_owned());
            None
        }
    }
}

/// What it means, for `check-config`: kind, receiver, and what is worth knowing; no secret.
impl std::fmt::Display for HttpSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shape = match &self.shape {
            HttpShape::Metergate => "readings as JSON",
            HttpShape::ThingsBoard => "telemetry of ThingsBoard",
            HttpShape::UpSmartmeter { .. } => "objects of uP_SmartMeter",
            HttpShape::Template(_) => "a template",
        };
        write!(f, "{shape} to {}{}", self.endpoint, self.endpoint.trust_text())?;
        if let Some(proxy) = &self.proxy {
            write!(f, ", by way of {}", proxy.url)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::read_lines;

    fn http(lines: &str) -> Result<HttpSetup, Vec<String>> {
        let lines = format!("url = \"https://a.example\"\n{lines}");
        read_lines(&lines, |section| read(section, Path::new("")))
    }

    #[test]
    fn a_shape_brings_what_it_needs() {
        assert_eq!(http("").unwrap().shape, HttpShape::Metergate);
        let token = Some(Secret::new("x"));
        assert_eq!(http("shape = \"thingsboard\"\ntoken = \"x\"").unwrap().token, token);
        let setup = http("template = '{\"at\":{{ unix_s }}}'").unwrap();
        assert_eq!(setup.to_string(), "a template to https://a.example");
        assert!(matches!(setup.shape, HttpShape::Template(_)));
        let devid = Some("1ESY11 61426155".to_owned());
        let setup = http("shape = \"up_smartmeter\"\ndevid = \"1ESY11 61426155\"").unwrap();
        assert_eq!(setup.shape, HttpShape::UpSmartmeter { devid });
    }

    #[test]
    fn mistakes_are_told_with_the_key() {
        for (lines, expected) in [
            ("shape = \"thingsbord\"", "sink.x.shape: `thingsbord` is none of its values"),
            ("shape = \"thingsboard\"", "sink.x: there is no `token`"),
            ("shape = \"template\"", "sink.x: there is no `template`"),
            ("template = '{{ value( }}'", "sink.x.template: line 1: unexpected `}`"),
            ("devid = \"x\"", "sink.x.devid: is for `shape = \"up_smartmeter\"`"),
            ("batch = 0", "sink.x.batch: expected a number of 1 to 1000, found 0"),
            ("template = \"\"\nbatch = 5", "sink.x.batch: this shape has one reading in a request"),
            (
                "username = \"me\"\ntoken = \"x\"",
                "sink.x.token: stands beside `username`: one of them lets us in",
            ),
            ("tokn = \"x\"", "sink.x.tokn: unknown key `tokn` in `sink.x`"),
        ] {
            assert_eq!(http(lines).unwrap_err().first().map(String::as_str), Some(expected));
        }
    }
}
