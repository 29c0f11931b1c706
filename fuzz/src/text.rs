//! Text telegrams: P1 and IEC 62056-21.
use crate::law;
use metergate_bench::telegrams;
use metergate_wire::iec62056_21::{self, DataItem};
use metergate_wire::p1::{self, Line};
use metergate_wire::{Scan, Writer};

/// Bytes of a P1 port.
pub(crate) fn p1_stream(bytes: &[u8]) -> usize {
    if let Scan::Frame { frame, .. } = p1::scan_last(bytes) {
        walk(&frame);
    }
    if let Scan::Frame { frame, .. } = p1::scan(bytes) {
        walk(&frame);
    }
    law::frames(bytes, |bytes| p1::scan(bytes).into())
}

/// The lines of a telegram, each ended by a line feed, to which identification and checksum are added.
pub(crate) fn p1_lines(bytes: &[u8]) -> usize {
    let mut buffer = [0; p1::TELEGRAM_LEN_MAX];
    let mut out = Writer::new(&mut buffer);
    let mut emit = || {
        let mut telegram = p1::Emitter::begin(&mut out, b"/MTG5METERGATE-1012")?;
        for line in bytes.split(|&byte| byte == b'\n') {
            telegram.raw_line(line)?;
        }
        telegram.finish()
    };
    if emit().is_err() {
        return 0;
    }
    match p1::scan(out.written()) {
        Scan::Frame { frame, .. } => walk(&frame),
        _ => 0,
    }
}

pub(crate) fn p1_lines_seeds() -> Vec<Vec<u8>> {
    let telegram = String::from_utf8(telegrams::p1::telegram()).expect("a P1 telegram is text");
    let lines: Vec<&str> = telegram.lines().filter(|line| line.contains('(')).collect();
    vec![lines.join("\n").into_bytes()]
}

fn walk(telegram: &p1::Telegram<'_>) -> usize {
    let mut lines = 0;
    for line in telegram.lines() {
        if let Line::Data(line) = line {
            let _ = (line.obis(), line.address(), line.content(), line.groups().count());
            lines += 1;
        }
    }
    lines
}

/// Bytes of an optical head.
pub(crate) fn readout_stream(bytes: &[u8]) -> usize {
    for scan in [iec62056_21::scan(bytes), iec62056_21::scan_last(bytes)] {
        if let Scan::Frame { frame, .. } = scan {
            walk_readout(&frame);
        }
    }
    law::frames(bytes, |bytes| iec62056_21::scan(bytes).into())
}

/// The inside of a data block, to which identification and check character are added.
pub(crate) fn readout_block(bytes: &[u8]) -> usize {
    let mut buffer = [0; 8192];
    let mut out = Writer::new(&mut buffer);
    let mut emit = || {
        let mut readout = iec62056_21::Emitter::begin(&mut out, b"/MTG5METERGATE-1012")?;
        readout.data_set(bytes, &[])?;
        readout.finish()
    };
    if emit().is_err() {
        return 0;
    }
    match iec62056_21::scan(out.written()) {
        Scan::Frame { frame, .. } => walk_readout(&frame),
        _ => 0,
    }
}

pub(crate) fn readout_block_seeds() -> Vec<Vec<u8>> {
    let telegram = telegrams::iec62056_21::telegram();
    let start = telegram.iter().position(|&byte| byte == 0x02).map_or(0, |at| at + 1);
    let end = telegram.iter().position(|&byte| byte == b'!').unwrap_or(telegram.len());
    vec![telegram[start..end].to_vec()]
}

fn walk_readout(readout: &iec62056_21::Readout<'_>) -> usize {
    let mut sets = 0;
    for item in readout.data_sets() {
        if let DataItem::Set(set) = item {
            let _ = (set.address(), set.content(), set.groups().count());
            sets += 1;
        }
    }
    sets
}
