//! IEC 62056-21: readouts with a block check, and a push without one.
use super::{Base, Check, emitted, settings};
use crate::naive;
use metergate_meter::Protocol;
use metergate_wire::iec62056_21::{Emitter, add_parity};

const IDENTIFICATION: &[u8] = b"/MTG5\\2METERGATE";

/// The data block between STX and ETX.
fn data(number: u32) -> Vec<u8> {
    let energy = format!("{:010.3}*kWh", f64::from(number) + 12_345.5);
    let readout = emitted(|out| {
        let mut readout = Emitter::begin_data(out)?;
        let mut line = |address: &str, groups: &[&[u8]]| {
            readout.data_set(address.as_bytes(), groups)?;
            readout.line_end()
        };
        line("F.F", &[b"00000000"])?;
        line("C.1.0", &[b"METERGATE 42"])?;
        line("1-0:1.8.0*255", &[energy.as_bytes()])?;
        line("1.8.0*01", &[b"0012300,000*kWh"])?;
        line("1.6.1", &[b"04.512*kW", b"2603091815"])?;
        line("2.8.0", &[b"-000000.001*kWh"])?;
        line("6.8", &[b"00123.45*GJ"])?;
        line("6.26", &[b"001846.0*m3"])?;
        line("P.01", &[b"2603091815", b"00", b"15", b"1.5", b"kW"])?;
        line("0.2.2", &[b""])?;
        readout.finish()
    })
    .expect("the readout fits");
    readout[1..readout.len() - 2].to_vec()
}

fn base(name: &'static str, parts: Vec<Vec<u8>>, parity: bool) -> Base {
    let head_len = IDENTIFICATION.len() + 2;
    let mut base = Base {
        name,
        protocol: Protocol::Iec62056_21,
        settings: settings(None, None),
        parts,
        seal: Box::new(|parts| {
            let mut block = parts.concat();
            block.push(0x03);
            block.push(naive::check::bcc(&block));
            Some(block)
        }),
        link: Box::new(move |block| {
            let mut line = [IDENTIFICATION, b"\r\n\x02", block].concat();
            if parity {
                add_parity(&mut line);
            }
            Some(line)
        }),
        read: Box::new(move |line| {
            if parity && line.iter().any(|byte| byte.count_ones() % 2 == 1) {
                return None;
            }
            let line: Vec<u8> = line.iter().map(|byte| if parity { byte & 0x7F } else { *byte }).collect();
            naive::iec62056_21::read(&line)
        }),
        check: Check::Bcc7,
        guarded: 0..0,
        tagged: false,
        text: true,
        every_byte_counts: false,
    };
    base.guarded = head_len..base.line().len();
    base
}

fn push(number: u32) -> Base {
    let block = data(number);
    Base {
        name: "push without BCC",
        seal: Box::new(|parts| Some(parts.concat())),
        link: Box::new(|block| Some([IDENTIFICATION, b"\r\n\r\n", block].concat())),
        read: Box::new(naive::iec62056_21::read),
        check: Check::Nothing,
        guarded: 0..0,
        ..base("", vec![block], false)
    }
}

pub(crate) fn all(number: u32) -> Vec<Base> {
    vec![
        base("readout", vec![data(number)], false),
        base("readout, 7E1 in 8 bits", vec![data(number)], true),
        push(number),
    ]
}
