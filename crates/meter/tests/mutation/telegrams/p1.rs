//! P1: with and without CRC, encrypted with a tag, encrypted without.
use super::dlms::Envelope;
use super::{Base, Check, CipherSuite, decrypt, emitted, settings};
use crate::damage::Bits;
use crate::naive;
use metergate_meter::Protocol;
use metergate_wire::p1::Emitter;

/// The text from `/` to the line before the `!`, with every kind of line.
fn text(number: u32) -> Vec<u8> {
    let energy = format!("{:06}.{:03}*kWh", 1234 + number / 1000, number % 1000);
    let mut text = emitted(|out| {
        let mut telegram = Emitter::begin(out, b"/MTG5\\2METERGATE-1")?;
        telegram.line(b"1-3:0.2.8", &[b"50"])?;
        telegram.line(b"0-0:1.0.0", &[b"261120081500W"])?;
        telegram.line(b"0-0:96.1.1", &[b"4D455445523031"])?;
        telegram.line(b"1-0:1.8.1", &[energy.as_bytes()])?;
        telegram.line(b"1-0:1.8.2", &[b"000000.000*kWh"])?;
        telegram.line(b"1-0:2.8.1", &[b"000012345*Wh"])?;
        telegram.line(b"1-0:1.7.0", &[b"00.123*kW"])?;
        telegram.line(b"1-0:32.7.0", &[b"230.1*V"])?;
        telegram.line(b"1-0:31.7.0", &[b"001*A"])?;
        telegram.line(b"1-0:99.97.0", &[b"1", b"0-0:96.7.19", b"180417201458S", b"0000000236*s"])?;
        telegram.line(b"0-0:96.13.0", &[b""])?;
        telegram.line(b"0-1:24.1.0", &[b"003"])?;
        telegram.line(b"0-1:24.2.1", &[b"261120080000W", b"00012.345*m3"])?;
        telegram.raw_line(b"0-2:24.3.0(261120080000)(00)(60)(1)(0-2:24.2.1)(m3)")?;
        telegram.raw_line(b"(00124.477)")?;
        telegram.line(b"0-3:24.2.1", &[b"632525252525S", b"00000.000"])?;
        telegram.line(b"1-1:31.4.0", &[b"100*A", b"-063*A"])?;
        telegram.raw_line(b"1-0:72:32.0(00000)")?;
        telegram.line(b"1-0:1.6.0", &[b"261101174500W", b"04.329*kW"])?;
        telegram.finish_without_crc()
    })
    .expect("the text fits");
    text.truncate(text.len() - 3);
    text
}

/// The text with `!`, CRC and line end.
fn with_crc(parts: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut text = parts.concat();
    text.push(b'!');
    let crc = naive::check::arc(&text);
    text.extend(format!("{crc:04X}\r\n").bytes());
    Some(text)
}

fn plain(name: &'static str, number: u32) -> Base {
    let mut base = Base {
        name,
        protocol: Protocol::P1,
        settings: settings(None, None),
        parts: vec![text(number)],
        seal: Box::new(with_crc),
        link: Box::new(|text| Some(text.to_vec())),
        read: Box::new(naive::p1::read),
        check: Check::Crc16(Bits::LowFirst),
        guarded: 0..0,
        tagged: false,
        text: true,
        // A CRC may be written in small letters, a line end with one character.
        every_byte_counts: false,
    };
    base.guarded = 0..base.line().len() - 2;
    base
}

fn encrypted(name: &'static str, number: u32, suite: CipherSuite) -> Base {
    let envelope = Envelope { suite, counter: 5726 + number };
    let tagged = suite.has_tag();
    Base {
        settings: suite.settings(),
        seal: Box::new(move |parts| envelope.seal(&with_crc(parts)?)),
        read: Box::new(|line| naive::p1::read(&decrypt(line)?)),
        // The CRC is inside the envelope, whose own fields it does not guard.
        guarded: 0..0,
        tagged,
        ..plain(name, number)
    }
}

pub(crate) fn all(number: u32) -> Vec<Base> {
    let without_crc = Base {
        seal: Box::new(|parts| Some([&parts.concat()[..], b"!\r\n"].concat())),
        check: Check::Nothing,
        guarded: 0..0,
        ..plain("without CRC", number)
    };
    vec![
        plain("with CRC", number),
        without_crc,
        encrypted("encrypted, tag", number, CipherSuite::Both),
        encrypted("encrypted, no tag", number, CipherSuite::EncryptionOnly),
    ]
}
