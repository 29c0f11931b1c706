//! What is measured: one pass is one telegram, from its bytes to all of its values.
use crate::telegrams;
use metergate_wire::sml::{Body, File, transport};
use metergate_wire::{Scan, p1};
use std::hint::black_box;

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
    Row { name: "p1-wire", values: telegrams::p1::LINES, prepare: p1_wire },
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
