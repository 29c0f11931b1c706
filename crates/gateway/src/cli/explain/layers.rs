//! The layers of a telegram, read again from its bytes for people to see.
//!
//! What counts was decided by `metergate-meter` before; here nothing is decided, and what cannot be read is shown as
//! far as it goes.
use super::{BAD, GOOD};
use crate::harmless::harmless;
use crate::json::Hex;
use metergate_meter::security::Opener;
use metergate_meter::{Protocol, SecurityHeader, Settings};
use metergate_wire::dlms::apdu::{self, DataNotification};
use metergate_wire::dlms::axdr::Value;
use metergate_wire::dlms::ciphering::{self, GeneralGloCiphering, SecurityControl};
use metergate_wire::dlms::gbt;
use metergate_wire::sml::{self, Body, transport};
use metergate_wire::{Scan, hdlc, iec62056_21, kmp, mbus, p1};
use std::fmt::Display;
use std::io::{self, Write};

/// One line about one layer.
#[derive(Debug)]
pub(super) struct Layer {
    depth: usize,
    pub(super) name: &'static str,
    text: String,
}

impl Layer {
    pub(super) fn new(depth: usize, name: &'static str, text: impl Into<String>) -> Self {
        Self { depth, name, text: text.into() }
    }
}

/// The name of the layer that hides the others.
pub(super) const ENVELOPE: &str = "general-glo-ciphering";

/// Writes the layers, their texts under each other.
pub(super) fn write(out: &mut dyn Write, layers: &[Layer]) -> io::Result<()> {
    let width = layers.iter().map(|layer| 2 * layer.depth + layer.name.len()).max().unwrap_or(0);
    for layer in layers {
        let name = format!("{:indent$}{}", "", layer.name, indent = 2 * layer.depth);
        writeln!(out, "  {name:width$}  {}", layer.text)?;
    }
    Ok(())
}

/// The layers of these bytes from the line to the application.
pub(super) fn of(protocol: Protocol, raw: &[u8], settings: &Settings) -> Vec<Layer> {
    let mut layers = Vec::new();
    match protocol {
        Protocol::Sml => over_sml(raw, &mut layers),
        Protocol::DlmsMbus => over_mbus(raw, settings, &mut layers),
        Protocol::DlmsHdlc => over_hdlc(raw, settings, &mut layers),
        Protocol::P1 => over_p1(raw, settings, &mut layers),
        Protocol::Kmp => over_kmp(raw, &mut layers),
        Protocol::Iec62056_21 => over_iec(raw, &mut layers),
    }
    layers
}

/// `checksum 1e ok`.
fn ok(what: impl Display) -> String {
    format!("{what} {GOOD}ok{GOOD:#}")
}

fn wrong(why: impl Display) -> String {
    format!("{BAD}wrong{BAD:#}: {why}")
}

/// Walks the frames in the bytes; `each` tells about one, `None` ends the walk.
fn frames<'a, F, E: Display>(
    raw: &'a [u8],
    name: &'static str,
    layers: &mut Vec<Layer>,
    scan: impl Fn(&'a [u8]) -> Scan<F, E>,
    mut each: impl FnMut(F, usize) -> String,
) {
    let mut rest = raw;
    while !rest.is_empty() {
        let at = raw.len() - rest.len();
        let used = match scan(rest) {
            Scan::Frame { frame, len } => {
                layers.push(Layer::new(0, name, each(frame, len)));
                len
            }
            Scan::Bad { error, len } => {
                layers.push(Layer::new(0, name, format!("{len} bytes at {at}, {}", wrong(error))));
                len
            }
            Scan::Skip(len) => len,
            Scan::NeedMore => {
                layers.push(Layer::new(
                    0,
                    name,
                    format!("{} bytes at {at}, {}", rest.len(), wrong("it has no end")),
                ));
                return;
            }
        };
        rest = rest.get(used.max(1)..).unwrap_or_default();
    }
}

fn over_sml(raw: &[u8], layers: &mut Vec<Layer>) {
    let mut files = Vec::new();
    frames(raw, "SML transport", layers, transport::scan, |frame, len| {
        let mut body = frame.body().to_vec();
        if frame.has_escapes() {
            let len = transport::unescape_in_place(&mut body);
            body.truncate(len);
        }
        files.push((body, frame.padding(), frame.crc()));
        let crc = match frame.crc() {
            sml::Crc::X25 => "CRC-16/X-25",
            sml::Crc::Kermit => "CRC-16/Kermit",
        };
        let escapes = if frame.has_escapes() { ", with escapes" } else { "" };
        format!("version 1, {len} bytes, padding {}{escapes}, {}", frame.padding(), ok(crc))
    });
    for (body, padding, crc) in &files {
        match sml::File::new_checked(body, *padding, *crc) {
            Err(error) => layers.push(Layer::new(1, "SML file", wrong(error))),
            Ok(file) => layers
                .extend(file.messages().map(|message| Layer::new(1, "message", sml_body(&message.body)))),
        }
    }
}

fn sml_body(body: &Body<'_>) -> String {
    let text = match body {
        Body::OpenResponse(open) => format!("OpenResponse, server {}", Hex(open.server_id)),
        Body::CloseResponse { .. } => "CloseResponse".to_owned(),
        Body::GetListResponse(list) => {
            format!("GetListResponse, server {}, {} entries", Hex(list.server_id), list.entries.count())
        }
        Body::GetProfilePackResponse(pack) => {
            format!("GetProfilePackResponse, server {}", Hex(pack.server_id))
        }
        Body::GetProfileListResponse(list) => {
            format!("GetProfileListResponse, server {}", Hex(list.server_id))
        }
        Body::AttentionResponse(attention) => {
            format!("AttentionResponse {}, server {}", Hex(attention.attention_no), Hex(attention.server_id))
        }
        Body::Other { tag, bytes } => format!("content {tag:04x}, {} bytes", bytes.len()),
    };
    format!("{text}, {}", ok("CRC"))
}

fn over_mbus(raw: &[u8], settings: &Settings, layers: &mut Vec<Layer>) {
    let mut joined = Vec::new();
    frames(raw, "M-Bus long frame", layers, mbus::scan, |frame, len| {
        joined.extend_from_slice(frame.data);
        let segment = match frame.segment() {
            None => format!("CI {:02x}", frame.ci),
            Some(segment) if segment.last => format!("segment {}, the last", segment.number),
            Some(segment) => format!("segment {}", segment.number),
        };
        format!(
            "{len} bytes, C {:02x}, A {:02x}, {segment}, {}",
            frame.control,
            frame.address,
            ok("checksum")
        )
    });
    apdu(&joined, settings, layers);
}

fn over_hdlc(raw: &[u8], settings: &Settings, layers: &mut Vec<Layer>) {
    let mut joined = Vec::new();
    let mut blocks = Vec::new();
    frames(raw, "HDLC frame", layers, hdlc::scan, |frame, len| {
        let information = hdlc::without_llc(frame.information).unwrap_or(frame.information);
        match gbt::Block::parse(information) {
            Ok(block) => {
                joined.extend_from_slice(block.data);
                let last = if block.last { ", the last" } else { "" };
                blocks.push(Layer::new(
                    1,
                    "block transfer",
                    format!("block {}{last}, {} bytes", block.number, block.data.len()),
                ));
            }
            Err(_) => joined.extend_from_slice(information),
        }
        let more = if frame.segmented { ", more segments follow" } else { "" };
        let (from, to) = (Hex(frame.source.bytes()), Hex(frame.destination.bytes()));
        format!(
            "{len} bytes, from {from} to {to}, control {:02x}{more}, {}",
            frame.control,
            ok("HCS and FCS")
        )
    });
    layers.append(&mut blocks);
    apdu(&joined, settings, layers);
}

/// The application layer of DLMS: an envelope, or a notification.
fn apdu(bytes: &[u8], settings: &Settings, layers: &mut Vec<Layer>) {
    match bytes.first() {
        None => {}
        Some(&ciphering::TAG) => match GeneralGloCiphering::parse(bytes) {
            Err(error) => layers.push(Layer::new(0, ENVELOPE, wrong(error))),
            Ok(sealed) => {
                if let Some(plain) = opened(&sealed, settings, layers) {
                    notification(&plain, layers);
                }
            }
        },
        Some(_) => notification(bytes, layers),
    }
}

fn notification(bytes: &[u8], layers: &mut Vec<Layer>) {
    const NAME: &str = "data-notification";
    match DataNotification::parse(bytes) {
        Err(apdu::Error::Tag { found }) => {
            layers.push(Layer::new(0, "APDU", format!("tag {found:02x}, {} bytes", bytes.len())));
        }
        Err(error) => layers.push(Layer::new(0, NAME, wrong(error))),
        Ok(notification) => {
            let id = notification.long_invoke_id & 0x00FF_FFFF;
            let body = match notification.body.value() {
                Value::Structure(items) => format!("structure of {}", elements(items.len())),
                Value::Array(items) => format!("array of {}", elements(items.len())),
                _ => "one value".to_owned(),
            };
            let date = if notification.date_time.is_some() { ", with date and time" } else { "" };
            layers.push(Layer::new(0, NAME, format!("{} bytes, invoke id {id}{date}, {body}", bytes.len())));
        }
    }
}

fn elements(count: usize) -> String {
    format!("{count} element{}", if count == 1 { "" } else { "s" })
}

/// Shows an envelope and opens it, if there is a key.
fn opened(sealed: &GeneralGloCiphering<'_>, settings: &Settings, layers: &mut Vec<Layer>) -> Option<Vec<u8>> {
    let header =
        SecurityHeader::new(sealed.system_title, sealed.security_control.0, sealed.invocation_counter);
    let text = format!("{}, {} bytes of content", envelope(&header), sealed.ciphertext.len());
    layers.push(Layer::new(0, ENVELOPE, text));
    let mut plain = sealed.ciphertext.to_vec();
    Opener::new(settings).open(header, &mut plain, sealed.tag).is_ok().then_some(plain)
}

/// The header of an envelope in words.
pub(super) fn envelope(header: &SecurityHeader) -> String {
    let control = SecurityControl(header.security_control);
    let letters = header.system_title().get(..3).and_then(crate::json::printable);
    let maker = letters.map(|letters| format!(" ({letters})")).unwrap_or_default();
    let what = match (control.is_encrypted(), control.is_authenticated()) {
        (true, true) => "encrypted and authenticated",
        (true, false) => "encrypted",
        (false, true) => "authenticated",
        (false, false) => "plain",
    };
    format!(
        "system title {}{maker}, control {:02x}: {what}, invocation counter {}",
        Hex(header.system_title()),
        header.security_control,
        header.invocation_counter
    )
}

fn over_p1(raw: &[u8], settings: &Settings, layers: &mut Vec<Layer>) {
    let mut plain = None;
    if raw.first() == Some(&ciphering::TAG) {
        if let Scan::Frame { frame, .. } = ciphering::scan(raw) {
            plain = opened(&frame, settings, layers);
        }
        if plain.is_none() {
            return;
        }
    }
    frames(plain.as_deref().unwrap_or(raw), "P1 telegram", layers, p1::scan_last, |telegram, len| {
        let crc =
            telegram.crc().map_or_else(|| "without CRC".to_owned(), |crc| ok(format!("CRC-16 {crc:04X}")));
        format!("{len} bytes, {}, {crc}", harmless(&String::from_utf8_lossy(telegram.identification())))
    });
}

fn over_kmp(raw: &[u8], layers: &mut Vec<Layer>) {
    frames(raw, "KMP frame", layers, kmp::scan, |frame, len| match frame {
        kmp::Frame::Request(command) => {
            format!("{len} bytes, request {command:?}, {}", ok("CRC"))
        }
        kmp::Frame::Answer(command) => {
            format!("{len} bytes, answer to {command:?}, {}", ok("CRC"))
        }
        kmp::Frame::Ack => "acknowledged".to_owned(),
    });
}

fn over_iec(raw: &[u8], layers: &mut Vec<Layer>) {
    frames(raw, "IEC 62056-21 readout", layers, iec62056_21::scan_last, |readout, len| {
        let id = readout.identification();
        let bcc = readout.bcc().map_or_else(|| "without BCC".to_owned(), |bcc| ok(format!("BCC {bcc:02x}")));
        let echo = if readout.has_request_echo() { ", with an echo of the request" } else { "" };
        format!(
            "{len} bytes, {}, {}{echo}, {bcc}",
            mode(id.mode()),
            harmless(&String::from_utf8_lossy(id.text()))
        )
    });
}

/// What the identification says about the way to the readout.
fn mode(mode: iec62056_21::Mode) -> String {
    match mode {
        iec62056_21::Mode::A => "mode A".to_owned(),
        iec62056_21::Mode::B { baud } => format!("mode B at {baud} baud"),
        iec62056_21::Mode::C { baud, .. } => format!("mode C at {baud} baud"),
    }
}
