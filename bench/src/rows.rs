//! What is measured: one pass is one telegram, from its bytes to all of its values.
use crate::telegrams;
use metergate_meter::{Conversation, CounterPolicy, Event, Key, Settings, dlms, sml};
use metergate_wire::sml::{Body, File, transport};
use metergate_wire::{Scan, p1};
use std::hint::black_box;
use std::time::Duration;

/// What a microcontroller gives a conversation.
const BUFFER_LEN: usize = 2048;

/// One measured way from bytes to values.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name on the command line of the bench and in the table of gates.
    pub name: &'static str,
    /// Values in the telegram: what a pass must return.
    pub values: usize,
    /// Makes the telegram, and everything else that stands before the first byte arrives.
    pub prepare: fn() -> Box<dyn FnMut() -> usize>,
}

/// All rows.
pub const ROWS: &[Row] = &[
    Row { name: "sml-wire", values: telegrams::sml::VALUES, prepare: sml_wire },
    Row { name: "sml-meter", values: telegrams::sml::VALUES, prepare: sml_meter },
    Row { name: "p1-wire", values: telegrams::p1::LINES, prepare: p1_wire },
    Row { name: "p1-meter", values: telegrams::p1::LINES, prepare: p1_meter },
    Row { name: "p1-authenticated", values: telegrams::p1::LINES, prepare: p1_authenticated },
    Row { name: "mbus-encrypted", values: telegrams::dlms::VALUES, prepare: mbus_encrypted },
    Row { name: "mbus-authenticated", values: telegrams::dlms::VALUES, prepare: mbus_authenticated },
];

/// Framing, both checksums and all values of an SML telegram.
fn sml_wire() -> Box<dyn FnMut() -> usize> {
    let telegram = telegrams::sml::telegram();
    Box::new(move || {
        let Scan::Frame { frame, .. } = transport::scan(black_box(&telegram)) else { return 0 };
        let Ok(file) = File::new_checked(frame.body(), frame.padding(), frame.crc()) else { return 0 };
        let mut values = 0;
        for message in file.messages() {
            if let Body::GetListResponse(list) = message.body {
                for entry in list.entries {
                    black_box(entry);
                    values += 1;
                }
            }
        }
        values
    })
}

/// Framing, checksum and all lines of a P1 telegram, each with its OBIS code and its quantity, text or list.
fn p1_wire() -> Box<dyn FnMut() -> usize> {
    let telegram = telegrams::p1::telegram();
    Box::new(move || {
        let Scan::Frame { frame, .. } = p1::scan(black_box(&telegram)) else { return 0 };
        let mut values = 0;
        for line in frame.lines() {
            if let p1::Line::Data(line) = line {
                black_box(line.obis());
                black_box(&line.content());
                values += 1;
            }
        }
        values
    })
}

/// The same from received bytes to the registers of an event.
fn sml_meter() -> Box<dyn FnMut() -> usize> {
    converse(sml::Sml::new(settings(), [0; BUFFER_LEN]), telegrams::sml::telegram())
}

/// The same from received bytes to the registers of an event.
fn p1_meter() -> Box<dyn FnMut() -> usize> {
    converse(metergate_meter::p1::P1::new(settings(), [0; BUFFER_LEN]), telegrams::p1::telegram())
}

/// The same, sealed with a tag.
fn p1_authenticated() -> Box<dyn FnMut() -> usize> {
    let telegram = telegrams::dlms::sealed(&telegrams::p1::telegram(), telegrams::dlms::AUTHENTICATED);
    converse(metergate_meter::p1::P1::new(settings(), [0; BUFFER_LEN]), telegram)
}

/// Two M-Bus frames, the envelope opened, and all registers.
fn mbus_encrypted() -> Box<dyn FnMut() -> usize> {
    mbus(telegrams::dlms::ENCRYPTED)
}

/// The same with a tag.
fn mbus_authenticated() -> Box<dyn FnMut() -> usize> {
    mbus(telegrams::dlms::AUTHENTICATED)
}

fn mbus(security_control: u8) -> Box<dyn FnMut() -> usize> {
    let apdu = telegrams::dlms::sealed(&telegrams::dlms::notification(), security_control);
    converse(dlms::Mbus::new(settings(), [0; BUFFER_LEN]), telegrams::dlms::over_mbus(&apdu))
}

fn settings() -> Settings {
    Settings {
        key: Some(Key::new(telegrams::dlms::KEY)),
        auth_key: Some(Key::new(telegrams::dlms::AUTH_KEY)),
        // Each pass sends the same counter again.
        counters: CounterPolicy::Flag,
        ..Settings::default()
    }
}

/// A conversation that has begun takes one telegram and hands out its registers.
fn converse(mut meter: impl Conversation + 'static, telegram: Vec<u8>) -> Box<dyn FnMut() -> usize> {
    Box::new(move || {
        let mut values = 0;
        if meter.handle_input(black_box(&telegram), Duration::ZERO) < telegram.len() {
            return 0;
        }
        while let Some(event) = meter.poll() {
            if let Event::Telegram(telegram) = event {
                for register in telegram.registers {
                    black_box(&register);
                    values += 1;
                }
            }
        }
        values
    })
}
