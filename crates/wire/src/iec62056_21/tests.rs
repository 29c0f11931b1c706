use std::string::String;
use std::vec::Vec;

use super::*;

/// A mode C readout of our own.
fn sample() -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut out = Writer::new(&mut buffer);
    let mut readout = Emitter::begin(&mut out, b"/MTG5METERGATE").unwrap();
    readout.data_set(b"F.F", &[b"00000000"]).unwrap();
    readout.line_end().unwrap();
    readout.data_set(b"C.1.0", &[b"10020030"]).unwrap();
    readout.data_set(b"0.2.0", &[b"B32"]).unwrap();
    readout.line_end().unwrap();
    readout.data_set(b"1.8.0*01", &[b"0012001.234*kWh"]).unwrap();
    readout.line_end().unwrap();
    readout.data_set(b"1.6.1", &[b"04.512*kW", b"2603091815"]).unwrap();
    readout.line_end().unwrap();
    readout.finish().unwrap();
    out.written().to_vec()
}

fn push() -> Vec<u8> {
    let mut buffer = [0; 128];
    let mut out = Writer::new(&mut buffer);
    let mut readout = Emitter::begin_push(&mut out, b"/MTG3METERGATE").unwrap();
    readout.data_set(b"1-0:1.8.0*255", &[b"00032549.5061662*kWh"]).unwrap();
    readout.line_end().unwrap();
    readout.finish().unwrap();
    out.written().to_vec()
}

fn readout(bytes: &[u8]) -> Readout<'_> {
    match scan(bytes) {
        Scan::Frame { frame, len } if len == bytes.len() => frame,
        other => panic!("{other:?}"),
    }
}

fn describe(data: &[u8]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    DataSets::new(data)
        .map(|item| match item {
            DataItem::Set(set) => {
                let address = text(set.address());
                match set.content() {
                    Content::Quantity { quantity: Quantity { number, unit }, time } => std::format!(
                        "{address} {}e{} {} {}",
                        number.mantissa,
                        number.exponent,
                        text(unit),
                        text(time.unwrap_or(b"-"))
                    ),
                    Content::Text(value) => std::format!("{address} text {}", text(value)),
                    Content::List => std::format!("{address} list of {}", set.groups().count()),
                }
            }
            DataItem::Unparsed(line) => std::format!("unparsed {}", text(line)),
        })
        .collect()
}

#[test]
fn what_is_emitted_is_read_again() {
    let bytes = sample();
    let readout = readout(&bytes);
    assert_eq!(readout.identification().line(), b"/MTG5METERGATE");
    assert!(readout.bcc().is_some());
    assert!(!readout.has_request_echo());
    assert_eq!(
        describe(readout.data),
        [
            "F.F text 00000000",
            "C.1.0 text 10020030",
            "0.2.0 text B32",
            "1.8.0*01 12001234e-3 kWh -",
            "1.6.1 4512e-3 kW 2603091815"
        ]
    );
}

#[test]
fn data_sets_of_heat_meters_need_no_line_ends() {
    assert_eq!(
        describe(
            b"6.8(0029.055*MWh)9.4(088*C&082*C)6.8.1()9.2(&&)\r\n81.7.6(  80*Deg)\n\njunk\n7(1)(2)\r\n(3)0(4"
        ),
        [
            "6.8 29055e-3 MWh -",
            "9.4 88e0 C&082*C -",
            "6.8.1 text ",
            "9.2 text &&",
            "81.7.6 80e0 Deg -",
            "unparsed junk",
            "7 list of 3",
            "unparsed 0(4"
        ]
    );
    assert_eq!(describe(b"(1)\r\n1.8.0(1*kWh)"), ["unparsed (1)", "1.8.0 1e0 kWh -"]);
}

#[test]
fn a_push_ends_with_its_end_mark() {
    let bytes = push();
    let Scan::Frame { frame, len } = scan(&bytes) else { panic!() };
    assert_eq!((frame.bcc(), len), (None, bytes.len()));
    // An EasyMeter of a test suite sends two more lines, which belong to nothing.
    let more = [&bytes[..], b"  25818685\r\n"].concat();
    assert_eq!(scan(&more), Scan::Frame { frame, len });
}

#[test]
fn a_readout_that_lost_its_stx_is_told_from_a_push_by_what_follows() {
    let bytes = b"/LGZ52ZMD120APt.G03\r\nF.F(00000000)\r\n!\r\n";
    assert_eq!(scan(bytes), Scan::NeedMore);
    assert!(matches!(scan_last(bytes), Scan::Frame { len, .. } if len == bytes.len()));
    assert!(matches!(scan(&[&bytes[..], b"/LGZ"].concat()), Scan::Frame { len, .. } if len == bytes.len()));
    let etx = [&bytes[..], b"\x03\x55"].concat();
    let error = Error::MissingStx { at: bytes.len() };
    assert_eq!(scan(&etx), Scan::Bad { error, len: etx.len() });
}

#[test]
fn echoes_stand_before_the_data() {
    let bytes = sample();
    let (sign_on, data) = bytes.split_at(16);
    let heard = [b"/?!\r\n", sign_on, b"\x06050\r\n", data].concat();
    let readout = readout(&heard);
    assert!(readout.has_request_echo());
    assert_eq!(readout.data_sets().count(), 5);
    for junk in [&b"\n"[..], b"\x06\r\n", b"\0\0"] {
        let heard = [sign_on, junk, data].concat();
        assert!(matches!(scan(&heard), Scan::Frame { len, .. } if len == heard.len()), "{junk:02X?}");
    }
}

#[test]
fn a_request_alone_is_no_readout() {
    assert_eq!(scan(b"/?!\r\n"), Scan::NeedMore);
    assert_eq!(scan_last(b"/?!\r\n"), Scan::Skip(5));
    assert_eq!(scan(b"/?!\r\n/?12345678!\r\n/MTG5"), Scan::Skip(5));
    assert_eq!(scan(b"/?!\r\nxx/MTG5"), Scan::Skip(5));
    assert_eq!(scan(b"/?!\r\n/?!\r"), Scan::Skip(5));
    assert_eq!(scan(b"/?xx\r\n/MTG5\r\n"), Scan::Skip(6));
    assert_eq!(scan(&[b"/?", &b"0"[..].repeat(40)[..]].concat()), Scan::Skip(42));
    // A sign-on that nobody answered, then another.
    assert_eq!(scan(b"/SIEC2WR5\r\n/SIEC2WR5\r\n"), Scan::Skip(11));
}

#[test]
fn a_readout_whose_end_was_not_kept_has_no_bcc() {
    for end in ["!", "!\n", "!\r\n"] {
        let bytes = std::format!("/ACE0\\3k260V01.18\r\n\x02F.F(00)\r\n1.8.0(000285.4*kWh)\r\n{end}");
        assert_eq!(scan(bytes.as_bytes()), Scan::NeedMore);
        let Scan::Frame { frame, len } = scan_last(bytes.as_bytes()) else { panic!() };
        assert_eq!((frame.bcc(), frame.data_sets().count(), len), (None, 2, bytes.len()));
    }
}

#[test]
fn the_end_mark_may_follow_a_bracket() {
    let mut bytes = b"/SIEC2WR5\r\n\x026.8(0029.055*MWh)0.0(00010213)!\r\n\x03".to_vec();
    bytes.push(checksum::bcc(&bytes[12..]));
    assert_eq!(readout(&bytes).data_sets().count(), 2);
    let mut answer = b"/SIEC2WR5\r\n\x026.8(0029.055*MWh)\x03".to_vec();
    answer.push(checksum::bcc(&answer[12..]));
    let error = Error::Unfinished { at: answer.len() - 2 };
    assert_eq!(
        scan(&answer),
        Scan::Bad { error, len: answer.len() },
        "an answer to a single request is no readout"
    );
}

#[test]
fn a_wrong_bcc_names_both() {
    let mut bytes = sample();
    let expected = readout(&bytes).bcc().unwrap();
    let len = bytes.len();
    bytes[len - 1] ^= 0x01;
    let error = Error::BccMismatch { expected, found: expected ^ 0x01 };
    assert_eq!(scan(&bytes), Scan::Bad { error, len });
}

#[test]
fn a_lost_etx_or_stx_is_refused() {
    let bytes = sample();
    let etx = bytes.len() - 2;
    let mut no_etx = bytes.clone();
    no_etx[etx] = b'x';
    assert_eq!(scan(&no_etx), Scan::Bad { error: Error::MissingEtx { at: etx, found: b'x' }, len: etx });
    let mut no_stx = bytes.clone();
    no_stx[16] = b'x';
    assert_eq!(scan(&no_stx), Scan::Bad { error: Error::MissingStx { at: etx }, len: bytes.len() });
}

#[test]
fn values_beyond_64_bits_and_bytes_beyond_seven_bits_are_refused() {
    let large = b"/ESY5Q\r\n\r\n1.8.0(99999999999999999999*kWh)\r\n!\r\n";
    assert_eq!(scan_last(large), Scan::Bad { error: Error::NumberTooLarge { at: 10 }, len: large.len() });
    let parity = b"/ESY5Q\r\n\r\n1.8.0(1\xB2*kWh)\r\n!\r\n";
    assert_eq!(
        scan_last(parity),
        Scan::Bad { error: Error::NoText { at: 17, found: 0xB2 }, len: parity.len() }
    );
}

#[test]
fn an_end_that_never_comes_is_given_up() {
    let mut bytes = b"/MTG5\r\n\x02".to_vec();
    bytes.resize(READOUT_LEN_MAX - 1, b'x');
    assert_eq!(scan(&bytes), Scan::NeedMore);
    bytes.push(b'x');
    let answer = Scan::Bad { error: Error::TooLong, len: READOUT_LEN_MAX };
    assert_eq!(scan(&bytes), answer);
    bytes.extend_from_slice(&sample());
    assert_eq!(scan(&bytes), answer);
}

#[test]
fn a_new_message_ends_the_unfinished_one() {
    let bytes = sample();
    let cut = [&bytes[..60], b"\r\n", &bytes[..]].concat();
    assert_eq!(scan(&cut), Scan::Bad { error: Error::Unfinished { at: 62 }, len: 62 });
}

#[test]
fn two_broken_readouts_whose_losses_cancel_out_do_not_pass_the_bcc_of_the_third() {
    let whole = sample();
    // Each broke off in the same value, and what they leave of it differs by two equal characters.
    let at = whole.iter().position(|&byte| byte == b'(').unwrap();
    let stream = [&whole[..at + 6], &whole[..at + 4], &whole].concat();
    let error = Error::Unfinished { at: 0 };
    let Scan::Bad { error: found, len } = scan(&stream) else { panic!("accepted") };
    assert_eq!(core::mem::discriminant(&found), core::mem::discriminant(&error));
    assert!(len <= at + 6 + whole.len(), "the search goes on before the whole one");
}

#[test]
fn every_answer_is_final() {
    for bytes in [sample(), push(), [b"/?!\r\n", &sample()[..]].concat()] {
        let stream = [&bytes[..], &bytes[..]].concat();
        let whole = scan(&stream);
        assert!(matches!(whole, Scan::Frame { len, .. } if len == bytes.len()), "{whole:?}");
        for len in 0..stream.len() {
            let answer = scan(&stream[..len]);
            assert!(answer == Scan::NeedMore || answer == whole, "{len} {answer:?}");
            if len < bytes.len() {
                assert_eq!(answer, Scan::NeedMore, "{len}");
            }
        }
    }
}

#[test]
fn no_flipped_bit_passes_the_bcc() {
    let bytes = sample();
    // The identification line is outside of the block check.
    for at in 15..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            // The parity bit of the BCC itself, and line ends before the STX carry nothing.
            let passes = matches!(scan(&damaged), Scan::Frame { .. });
            let harmless = at == 15 && damaged[at] != 0x02 || at + 1 == bytes.len() && bit == 7;
            assert_eq!(passes, harmless, "{at} {bit}");
        }
    }
}

#[test]
fn a_character_that_has_become_an_etx_does_not_end_the_readout() {
    let whole = b"/LGZ5ZMD\r\n\x021.8.0(001846.0*kWh)\r\n2.8.0(000000.0*kWh)\r\n!\r\n\x03";
    let mut whole = whole.to_vec();
    whole.push(checksum::bcc(&whole[11..]));
    assert!(matches!(scan(&whole), Scan::Frame { .. }));
    // Up to the `!`.
    for at in 11..whole.len() - 4 {
        let mut damaged = whole.clone();
        damaged[at] = ETX;
        // The worst case: the character behind it is the right BCC.
        damaged[at + 1] = checksum::bcc(&damaged[11..=at]);
        for len in at + 2..=damaged.len() {
            assert!(!matches!(scan_last(&damaged[..len]), Scan::Frame { .. }), "{at}");
        }
    }
}

#[test]
fn a_readout_without_bcc_and_without_data_is_refused() {
    let bytes = b"/ABC5\r\n\r\nnothing of use\r\n!\r\n";
    assert_eq!(scan(bytes), Scan::Bad { error: Error::NoData, len: bytes.len() });
    let bytes = b"/ABC5\r\n\r\n0.0()\r\n!\r\n";
    assert!(matches!(scan(bytes), Scan::Frame { .. }));
}

#[test]
fn two_pushes_that_lost_what_was_between_them_are_not_one() {
    let whole = b"/ESY5Q3DA1004\r\n\r\n1-0:1.8.0*255(00032549.506*kWh)\r\n0.0(1)\r\n!\r\n";
    for kept in 17..whole.len() {
        let joined = [&whole[..kept], &whole[..]].concat();
        match scan(&joined) {
            Scan::Bad { .. } | Scan::Skip(_) => {}
            Scan::Frame { len, .. } => assert!(len <= kept, "{kept}: {len}"),
            other => panic!("{kept}: {other:?}"),
        }
    }
}
