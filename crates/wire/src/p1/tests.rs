use std::vec::Vec;

use super::*;
use crate::iec62056_21::IDENTIFICATION_LEN_MAX;

/// A DSMR 5 telegram of our own with every kind of line.
fn sample(crc: bool) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let mut out = Writer::new(&mut buffer);
    let mut telegram = Emitter::begin(&mut out, b"/MTG5\\2METERGATE-1").unwrap();
    telegram.line(b"1-3:0.2.8", &[b"50"]).unwrap();
    telegram.line(b"0-0:1.0.0", &[b"261120081500W"]).unwrap();
    telegram.line(b"0-0:96.1.1", &[b"4D455445523031"]).unwrap();
    telegram.line(b"1-0:1.8.1", &[b"001234.567*kWh"]).unwrap();
    telegram.line(b"1-0:99.97.0", &[b"1", b"0-0:96.7.19", b"180417201458S", b"0000000236*s"]).unwrap();
    telegram.line(b"0-0:96.13.0", &[b""]).unwrap();
    telegram.line(b"0-1:24.2.1", &[b"261120080000W", b"00012.345*m3"]).unwrap();
    telegram.raw_line(b"0-2:24.3.0(261120080000)(00)(60)(1)(0-2:24.2.1)(m3)").unwrap();
    telegram.raw_line(b"(00124.477)").unwrap();
    telegram.line(b"0-3:24.2.1", &[b"632525252525S", b"00000.000"]).unwrap();
    telegram.line(b"1-1:31.4.0", &[b"100*A", b"-063*A"]).unwrap();
    telegram.raw_line(b"1-0:72:32.0(00000)").unwrap();
    if crc { telegram.finish() } else { telegram.finish_without_crc() }.unwrap();
    out.written().to_vec()
}

fn telegram(bytes: &[u8]) -> Telegram<'_> {
    match scan(bytes) {
        Scan::Frame { frame, len } if len == bytes.len() => frame,
        other => panic!("{other:?}"),
    }
}

fn with_line(line: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut out = Writer::new(&mut buffer);
    let mut telegram = Emitter::begin(&mut out, b"/MTG5").unwrap();
    telegram.raw_line(line).unwrap();
    telegram.finish().unwrap();
    out.written().to_vec()
}

fn content_of(line: &[u8]) -> std::string::String {
    let bytes = with_line(line);
    let lines: Vec<_> = telegram(&bytes).lines().collect();
    match lines[..] {
        [Line::Data(line)] => match line.content() {
            Content::Quantity { quantity: Quantity { number, unit }, time } => std::format!(
                "{}e{} {} {}",
                number.mantissa,
                number.exponent,
                str::from_utf8(unit).unwrap(),
                time.map(|time| str::from_utf8(time).unwrap()).unwrap_or("-")
            ),
            Content::Text(text) => std::format!("text {}", str::from_utf8(text).unwrap()),
            Content::List => std::format!("list of {}", line.groups().count()),
        },
        [Line::Unparsed(raw)] => std::format!("unparsed {}", str::from_utf8(raw).unwrap()),
        _ => std::format!("{} lines", lines.len()),
    }
}

#[test]
fn what_is_emitted_is_read_again() {
    let bytes = sample(true);
    let telegram = telegram(&bytes);
    assert_eq!(telegram.identification(), b"/MTG5\\2METERGATE-1");
    assert_eq!(telegram.manufacturer(), b"MTG");
    assert!(telegram.crc().is_some());
    assert_eq!(telegram.lines().count(), 11);
    let Some(Line::Data(gas)) = telegram.lines().nth(7) else { panic!() };
    assert_eq!(gas.address(), "0-2:24.3.0");
    assert_eq!(gas.obis(), [0, 2, 24, 3, 0, 255]);
    assert_eq!(gas.groups().last(), Some(&b"00124.477"[..]));
    assert_eq!(Telegram::parse(&bytes), Ok(telegram));
}

#[test]
fn each_kind_of_line_is_told_apart() {
    for (line, expected) in [
        (&b"1-0:1.8.1(000576.239*kWh)"[..], "576239e-3 kWh -"),
        (b"1-0:1.8.0(009053098*Wh)", "9053098e0 Wh -"),
        (b"1-0:1.8.1*255(000576,239*kWh)", "576239e-3 kWh -"),
        (b"1-0:31.7.0.255(001*A)", "1e0 A -"),
        (b"1-3:0.2.8(50)", "text 50"),
        (b"0-0:96.13.0()", "text "),
        (b"0-0:1.0.0(190320181403W)", "text 190320181403W"),
        (b"0-1:24.2.1(101209112500W)(12785.123*m3)", "12785123e-3 m3 101209112500W"),
        (b"1-0:1.6.0(200509134558S)(02.589*kW)", "2589e-3 kW 200509134558S"),
        (b"0-1:24.3.0(120517020000)(08)(60)(1)(0-1:24.2.1)(m3)\r\n(00124.477)", "124477e-3 m3 120517020000"),
        (b"0-1:24.3.0(120517020000)(08)(60)(1)(0-1:24.2.1)(m3)\n(00124.477)", "124477e-3 m3 120517020000"),
        (b"0-1:24.3.0(120517020000)(08)(60)(2)(0-1:24.2.1)(m3)(00124.477)(00124.478)", "list of 8"),
        (b"0-2:24.2.1(632525252525S)(00000.000)", "text 00000.000"),
        (b"1-1:31.4.0(100*A)(-063*A)", "list of 2"),
        (b"1-0:99.97.0(0)(0-0:96.7.19)", "list of 2"),
        (b"0-0:98.1.0(12)", "list of 1"),
        (b"1-0:72:32.0(00000)", "unparsed 1-0:72:32.0(00000)"),
        (b"1-0:1.8.256(1*kWh)", "unparsed 1-0:1.8.256(1*kWh)"),
        (b"1-0:1.8(1*kWh)", "unparsed 1-0:1.8(1*kWh)"),
        (b"1-0:1.8.1(1*kWh", "unparsed 1-0:1.8.1(1*kWh"),
        (b"1-0:1.8.1(1*kWh)x", "unparsed 1-0:1.8.1(1*kWh)x"),
        (b"1-0:1.8.1", "unparsed 1-0:1.8.1"),
        (b"***NO CARRIER***", "unparsed ***NO CARRIER***"),
    ] {
        assert_eq!(content_of(line), expected, "{}", std::string::String::from_utf8_lossy(line));
    }
}

#[test]
fn feed_in_as_a_negative_number_keeps_its_sign() {
    assert_eq!(content_of(b"1-0:16.7.0(-00.482*kW)"), "-482e-3 kW -");
}

#[test]
fn a_value_beyond_64_bits_refuses_the_telegram() {
    for (line, at) in [
        (&b"1-0:1.8.1(99999999999999999999*kWh)"[..], 9),
        (b"1-0:1.8.0(9999999999999999999*A)", 9),
        (b"0-1:24.3.0(120517020000)(08)(60)(1)(0-1:24.2.1)(m3)\r\n(9999999999999999999)", 62),
        (b"1-0:99.97.0(1)(0-0:96.7.19)(180417201458S)(99999999999999999999*s)", 9),
    ] {
        let bytes = with_line(line);
        // The first line begins after `/MTG5`, CR LF, CR LF.
        let error = Error::NumberTooLarge { at };
        assert_eq!(scan(&bytes), Scan::Bad { error, len: bytes.len() });
    }
    // An identifier of the same length is a text.
    assert_eq!(content_of(b"0-0:96.1.1(99999999999999999999999)"), "text 99999999999999999999999");
}

#[test]
fn the_crc_may_have_one_to_four_digits() {
    // CRC 0B9F and its like are sent without leading zeros by some meters.
    for serial in 0..10_000_u32 {
        let mut bytes = with_line(std::format!("0-0:96.1.1({serial})").as_bytes());
        let mark = bytes.len() - 7;
        if bytes[mark + 1] != b'0' {
            continue;
        }
        let zeros = bytes[mark + 1..].iter().take_while(|&&byte| byte == b'0').count();
        bytes.drain(mark + 1..mark + 1 + zeros);
        assert!(telegram(&bytes).crc().is_some());
        bytes[mark + 1..].make_ascii_lowercase();
        assert!(telegram(&bytes).crc().is_some());
    }
}

#[test]
fn anything_but_digits_or_a_line_end_after_the_mark_is_refused() {
    let bytes = sample(true);
    let (text, _) = bytes.split_at(bytes.len() - 6);
    for (tail, at, found) in
        [(&b"x\r\n"[..], 0, b'x'), (b"12345\r\n", 4, b'5'), (b"1234x", 4, b'x'), (b"12 ", 2, b' ')]
    {
        let bytes = [text, tail].concat();
        let at = text.len() + at;
        assert_eq!(scan(&bytes), Scan::Bad { error: Error::EndMark { at, found }, len: at });
    }
}

#[test]
fn a_wrong_crc_names_both() {
    let mut bytes = sample(true);
    let len = bytes.len();
    let right = telegram(&bytes).crc().unwrap();
    bytes[len - 6..len - 2].copy_from_slice(if right == 0x1234 { b"4321" } else { b"1234" });
    match scan(&bytes) {
        Scan::Bad { error: Error::CrcMismatch { expected, found: 0x1234 }, len: claimed } => {
            assert_eq!((expected, claimed), (right, len));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_telegram_ends_the_unfinished_one() {
    let bytes = sample(true);
    let cut = [&bytes[..100], b"\r\n", &bytes[..]].concat();
    assert_eq!(scan(&cut), Scan::Bad { error: Error::Unfinished { at: 102 }, len: 102 });
    telegram(&cut[102..]);
}

#[test]
fn a_slash_within_a_line_is_text() {
    assert_eq!(content_of(b"0-0:96.13.0(test-/-test!)"), "text test-/-test!");
}

#[test]
fn noise_is_skipped_to_the_next_slash() {
    assert_eq!(scan(b"000.1*kWh)\r\n/ISk5"), Scan::Skip(12));
    assert_eq!(scan(b"000.1*kWh)"), Scan::Skip(10));
    assert_eq!(scan(b"/?!\r\n/ISk5"), Scan::Skip(5));
    assert_eq!(scan(b"/IS"), Scan::NeedMore);
    assert_eq!(scan_last(b"/IS"), Scan::Skip(3));
    assert_eq!(scan(&[b'/'; 3]), Scan::Skip(1));
    let endless = [b"/ISK".as_slice(), &[b'x'; IDENTIFICATION_LEN_MAX]].concat();
    assert_eq!(scan(&endless), Scan::Skip(endless.len()));
}

#[test]
fn an_end_mark_that_never_comes_is_given_up() {
    let mut bytes = b"/ISk5\r\n".to_vec();
    bytes.resize(TELEGRAM_LEN_MAX, b'x');
    assert_eq!(scan(&bytes), Scan::NeedMore);
    bytes.push(b'x');
    assert_eq!(scan(&bytes), Scan::Bad { error: Error::TooLong, len: TELEGRAM_LEN_MAX });
}

#[test]
fn a_parity_bit_in_a_telegram_without_crc_is_refused() {
    let mut bytes = sample(false);
    telegram(&bytes);
    bytes[40] |= 0x80;
    let found = bytes[40];
    assert_eq!(scan(&bytes), Scan::Bad { error: Error::NoText { at: 40, found }, len: bytes.len() });
}

#[test]
fn a_telegram_without_crc_and_without_data_is_refused() {
    for bytes in [&b"/ABC5\r\n!\r\n"[..], b"/ABC5\r\n\r\nnothing of use\r\n!\r\n"] {
        assert_eq!(scan(bytes), Scan::Bad { error: Error::NoData, len: bytes.len() });
    }
    let crc = checksum::arc(b"/ABC5\r\n!");
    let with_crc = std::format!("/ABC5\r\n!{crc:04X}\r\n");
    assert!(matches!(scan(with_crc.as_bytes()), Scan::Frame { .. }), "what the CRC says is there is there");
}

#[test]
fn a_bare_mark_at_the_end_is_whole_only_for_versions_without_crc() {
    let old = b"/KMP5 ZABF001\r\n\r\n1-0:1.8.1(00001.001*kWh)\r\n!";
    assert_eq!(scan(old), Scan::NeedMore);
    assert!(matches!(scan_last(old), Scan::Frame { len, .. } if len == old.len()));
    // The same telegram with a version line sends a CRC, which is cut off here.
    let cut = b"/KMP5 ZABF001\r\n\r\n1-3:0.2.8(42)\r\n!";
    assert_eq!(scan_last(cut), Scan::Bad { error: Error::Unfinished { at: cut.len() }, len: cut.len() });
    // A DSMR 4.2 meter without CRC exists: with its line end the telegram is whole.
    assert!(matches!(scan(&[&cut[..], b"\r\n"].concat()), Scan::Frame { .. }));
}

#[test]
fn plain_text_must_be_one_telegram() {
    let mut bytes = sample(true);
    assert!(Telegram::parse(&bytes[..bytes.len() - 2]).is_ok(), "the last line end may lack");
    assert_eq!(Telegram::parse(&bytes[1..]), Err(Error::NoIdentification));
    assert_eq!(Telegram::parse(&bytes[..50]), Err(Error::Unfinished { at: 50 }));
    let at = bytes.len();
    bytes.extend_from_slice(b"\0");
    assert_eq!(Telegram::parse(&bytes), Err(Error::Trailing { at }));
}

#[test]
fn no_prefix_is_accepted_and_every_answer_is_final() {
    for bytes in [sample(true), sample(false)] {
        let bytes = [&bytes[..], &bytes[..]].concat();
        let end = bytes.len() / 2;
        for len in 0..end {
            assert_eq!(scan(&bytes[..len]), Scan::NeedMore, "{len}");
            // Only the line end may lack.
            let whole = matches!(scan_last(&bytes[..len]), Scan::Frame { .. });
            assert_eq!(whole, len >= end - 2 && bytes[end - 3] != b'!' || len == end - 1, "{len}");
        }
        assert!(matches!(scan(&bytes), Scan::Frame { len, .. } if len == end));
        assert_eq!(scan(&bytes), scan(&bytes[..end]));
    }
}

#[test]
fn no_flipped_bit_passes_the_crc() {
    let bytes = sample(true);
    for at in 0..bytes.len() - 2 {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            // 0x20 turns a digit of the CRC into lower case, which means the same.
            if at > bytes.len() - 7 && bit == 5 && damaged[at].is_ascii_hexdigit() {
                continue;
            }
            assert!(!matches!(scan(&damaged), Scan::Frame { .. }), "{at} {bit}");
        }
    }
}

#[test]
fn two_telegrams_without_crc_that_lost_what_was_between_them_are_not_one() {
    let whole = sample(false);
    let next = telegram(&whole).identification().len();
    for kept in next + 4..whole.len() {
        let joined = [&whole[..kept], &whole[..]].concat();
        match scan(&joined) {
            Scan::Bad { .. } => {}
            Scan::Frame { len, .. } => assert!(len <= kept, "{kept}: {len}"),
            other => panic!("{kept}: {other:?}"),
        }
    }
}
