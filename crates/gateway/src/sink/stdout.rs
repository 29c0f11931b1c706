//! Readings on standard output: for people, or as lines of JSON for programs.
use crate::cli::Format;
use crate::harmless::harmless;
use crate::json::{ErrorLine, Line};
use crate::update::{TelegramBuf, Update, What};
use metergate_reading::{AddressBuf, Reading, RegisterBuf, Trust, ValueBuf};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::fd::AsFd;

/// Writes to standard output.
#[derive(Debug)]
pub(crate) struct Stdout {
    out: std::fs::File,
    format: Format,
}

/// The object of `decode`, and which meter of the configuration it was and when it came.
#[derive(Serialize)]
struct Delivered<'a, L> {
    #[serde(flatten)]
    line: L,
    source: &'a str,
    received: Option<String>,
}

impl Stdout {
    /// Writes to standard output by a descriptor of its own: one that hangs because nobody reads must not hold the
    /// lock that the end of the program needs.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(crate) fn new(format: Format) -> io::Result<Self> {
        let out = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self { out, format })
    }

    /// Writes what an update says, if it says something in this format, in one piece.
    ///
    /// # Errors
    /// What the system says: `BrokenPipe` when the reader is gone.
    pub(crate) fn deliver(&mut self, update: &Update) -> io::Result<()> {
        let text = match self.format {
            Format::Json => json(update)?,
            Format::Text => text(update),
        };
        if !text.is_empty() {
            self.out.write_all(text.as_bytes())?;
        }
        Ok(())
    }
}

fn json(update: &Update) -> io::Result<String> {
    let received = (update.at.trust != Trust::None)
        .then(|| jiff::Timestamp::from_millisecond(update.at.unix_ms).ok().map(|at| format!("{at:.3}")))
        .flatten();
    let source = &*update.meter;
    let line = match (update.telegram(), update.error_line()) {
        (Some(telegram), _) => {
            let line: Line<'_, _> = telegram.line();
            serde_json::to_string(&Delivered { line, source, received })?
        }
        (None, Some(line)) => {
            let line: ErrorLine<'_> = line;
            serde_json::to_string(&Delivered { line, source, received })?
        }
        (None, None) => return Ok(String::new()),
    };
    Ok(line + "\n")
}

fn text(update: &Update) -> String {
    let name = &update.meter;
    match &update.what {
        What::Telegram(telegram) => telegram_text(name, telegram),
        What::Rejected { rejection, .. } => format!(
            "{name}: refused, {}: {rejection} (offset {}, {} bytes)\n",
            rejection.cause.code(),
            rejection.offset,
            rejection.length
        ),
        What::NoAnswer { attempts, echo } => {
            let echo = if *echo { ", the own request came back" } else { "" };
            format!("{name}: no answer to {attempts} requests{echo}\n")
        }
        What::Verdict(verdict) => format!("{name}: {}: {verdict}\n", verdict.code()),
        What::Reading(reading) => reading_text(name, reading),
        What::SourceFailed(why) => format!("{name}: no reading: {why}\n", why = harmless(why)),
        What::SourceLoop(why) => format!("{name}: it reads this gateway: {why}\n", why = harmless(why)),
        What::PortOpened | What::PortLost(_) | What::Protocol { .. } | What::Bytes | What::Ended => {
            String::new()
        }
    }
}

fn telegram_text(name: &str, telegram: &TelegramBuf) -> String {
    let mut text = name.to_owned();
    // Writing to a string does not fail.
    if let Some(time) = telegram.reading.time {
        let _ = write!(text, "  {time}");
    }
    if let Some(meter) = &telegram.reading.meter {
        let _ = write!(text, "  meter {}", harmless(&meter.to_string()));
    }
    for flag in crate::json::flag_names(telegram.flags) {
        let _ = write!(text, "  {flag}");
    }
    text.push('\n');
    push_registers(&mut text, &telegram.reading.registers);
    text
}

/// What a source beside the meters said.
fn reading_text(name: &str, reading: &Reading) -> String {
    let time = reading.time.map(|time| format!("  {time}")).unwrap_or_default();
    let mut text = format!("{name}{time}\n");
    push_registers(&mut text, &reading.registers);
    text
}

fn push_registers(text: &mut String, registers: &[RegisterBuf]) {
    for register in registers {
        let name = register.obis.and_then(|obis| obis.name()).unwrap_or_default();
        let line = format!(
            "  {:<16} {:>16} {:<6} {name}",
            address(register),
            value(&register.value),
            unit(register)
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

fn address(register: &RegisterBuf) -> String {
    match (&register.obis, &register.address) {
        (Some(obis), _) => obis.to_string(),
        (None, AddressBuf::Obis) => String::new(),
        (None, AddressBuf::Position(position)) => format!("[{position}]"),
        (None, AddressBuf::Kmp(number)) => format!("register {number}"),
        (None, AddressBuf::Text(text)) => harmless(text).into_owned(),
    }
}

fn unit(register: &RegisterBuf) -> &'static str {
    register.unit.map(metergate_reading::Unit::text).unwrap_or_default()
}

fn value(value: &ValueBuf) -> String {
    match value {
        ValueBuf::Number(number) | ValueBuf::Float(number) => number.to_string(),
        ValueBuf::Octets(bytes) => match printable(bytes) {
            Some(text) => text.to_owned(),
            None => bytes.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
        },
        ValueBuf::Text(text) => harmless(text).into_owned(),
        ValueBuf::DateTime(time) => time.to_string(),
        ValueBuf::Bool(truth) => truth.to_string(),
        ValueBuf::Null => "-".to_owned(),
        ValueBuf::List(values) => {
            let values: Vec<String> = values.iter().map(self::value).collect();
            format!("[{}]", values.join(", "))
        }
    }
}

/// Bytes from a meter go to a terminal only when none of them can move its cursor.
fn printable(bytes: &[u8]) -> Option<&str> {
    let is_text = !bytes.is_empty() && bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    is_text.then(|| str::from_utf8(bytes).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_meter::{Cause, Flags, Protocol, Rejection};
    use metergate_reading::{Address, Instant, Number, Register, Unit, Value};

    fn update(what: What) -> Update {
        let at = Instant { unix_ms: 1_692_199_171_250, trust: Trust::HostSynchronised };
        Update { meter: "haus".into(), at, live: true, bytes: 0, what }
    }

    fn telegram() -> Update {
        let mut power = Register::new(Address::Obis, Value::Number(Number::new(-1485, -1)));
        power.obis = "1-0:16.7.0".parse().ok();
        power.unit = Some(Unit::Watt);
        let secret = Register::new(Address::Position(3), Value::Octets(&[0x1B, 0x5B]));
        let reading = Reading {
            meter: None,
            time: None,
            received: Instant { unix_ms: 0, trust: Trust::None },
            registers: vec![power.into(), secret.into()],
        };
        update(What::Telegram(Box::new(TelegramBuf {
            number: 4,
            offset: 392,
            length: 60,
            protocol: Protocol::Sml,
            identification: None,
            model: None,
            security: None,
            flags: Flags::default(),
            signature: None,
            reading,
        })))
    }

    fn rejection() -> Update {
        let rejection =
            Rejection { offset: 2, length: 3, protocol: Protocol::Sml, cause: Cause::Noise, security: None };
        update(What::Rejected { number: 5, rejection })
    }

    #[test]
    fn text_names_registers_and_keeps_terminals_safe() {
        assert_eq!(
            text(&telegram()),
            "haus\n  1-0:16.7.0*255             -148.5 W      active power, net\n  [3]                          1b5b\n"
        );
        assert_eq!(
            text(&rejection()),
            "haus: refused, noise: bytes that belong to no telegram (offset 2, 3 bytes)\n"
        );
    }

    #[test]
    fn json_is_the_line_of_decode_and_says_whose_and_when() {
        let line = json(&telegram()).unwrap();
        assert!(
            line.starts_with(r#"{"telegram":4,"offset":392,"length":60,"protocol":"sml","meter":{"#),
            "{line}"
        );
        assert!(
            line.ends_with("],\"source\":\"haus\",\"received\":\"2023-08-16T15:19:31.250Z\"}\n"),
            "{line}"
        );
        let line = json(&rejection()).unwrap();
        assert!(line.contains(r#""error":{"layer":"stream","code":"noise""#), "{line}");
        assert_eq!(json(&update(What::PortOpened)).unwrap(), "");
    }
}
