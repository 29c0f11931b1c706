use std::vec::Vec;

use super::*;

const fn register(number: u16, unit: u8, sign_exponent: u8, mantissa: &[u8]) -> Register<'_> {
    Register { number, unit, sign_exponent, mantissa }
}

/// Registers of our own in which every byte that must be escaped occurs.
const REGISTERS: [Register<'_>; 4] = [
    register(60, 3, 0x43, &[0x00, 0x00, 0x6F, 0x0D]),
    register(86, 37, 0x42, &[0x1B, 0x40]),
    register(1024, 22, 0xC1, &[0x80, 0x06]),
    register(1003, 48, 0x00, &[0x00, 0x04, 0x0F, 0x5E]),
];

fn answer(command: Command, data: &[u8]) -> Vec<u8> {
    let mut buffer = [0; FRAME_LEN_MAX];
    let mut out = Writer::new(&mut buffer);
    emit_answer(&mut out, command, data).unwrap();
    out.written().to_vec()
}

fn sample() -> Vec<u8> {
    let mut data = [0; 200];
    let mut list = Writer::new(&mut data);
    for register in REGISTERS {
        register.emit(&mut list).unwrap();
    }
    answer(Command::GetRegister, list.written())
}

/// Calls `read` with the message of an answer that fills `bytes`.
fn with_answer<T>(bytes: &[u8], read: impl FnOnce(Message<'_>) -> T) -> T {
    let mut frame = bytes.to_vec();
    let message = Message::parse(&mut frame).unwrap();
    assert_eq!(scan(bytes), Scan::Frame { frame: Frame::Answer(message.command), len: bytes.len() });
    read(message)
}

#[test]
fn what_is_emitted_is_read_again() {
    let bytes = sample();
    assert!(bytes[1..bytes.len() - 1].iter().all(|&byte| byte == ESCAPE || !is_escaped(byte)));
    with_answer(&bytes, |message| {
        assert_eq!((message.address, message.command), (ADDRESS_METER, Command::GetRegister));
        assert_eq!(message.registers().unwrap().collect::<Vec<_>>(), REGISTERS);
    });
}

#[test]
fn sign_and_exponent_share_a_byte() {
    let [energy, temperature, negative, date] = REGISTERS;
    assert_eq!((energy.value(), energy.exponent()), (Ok(28_429), -3));
    assert_eq!((temperature.value(), temperature.exponent()), (Ok(6976), -2));
    assert_eq!((negative.value(), negative.exponent()), (Ok(-32_774), -1));
    assert_eq!((date.value(), date.mantissa), (Err(NoValue::NoNumber), &[0x00, 0x04, 0x0F, 0x5E][..]));
    assert_eq!(register(128, 22, 0x11, &[1]).exponent(), 17, "the example of the protocol document");
}

#[test]
fn a_mantissa_beyond_64_bits_is_no_value() {
    assert_eq!(register(1, 2, 0x80, &[0x7F, 255, 255, 255, 255, 255, 255, 255]).value(), Ok(-i64::MAX));
    assert_eq!(register(1, 2, 0, &[0x80, 0, 0, 0, 0, 0, 0, 0]).value(), Err(NoValue::TooLarge));
    assert_eq!(register(1, 2, 0, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).value(), Ok(1));
    assert_eq!(register(1, 2, 0, &[]).value(), Ok(0));
}

#[test]
fn the_example_of_the_protocol_document_is_read() {
    // KMP protocol 6.2.4: register 128, kW, 195912.04 x 10^19, its number escaped.
    let bytes = b"\x40\x3F\x10\x00\x1B\x7F\x16\x04\x11\x01\x2A\xF0\x24\x63\x03\x0D";
    with_answer(bytes, |message| {
        let registers: Vec<_> = message.registers().unwrap().collect();
        assert_eq!(registers, [register(128, 22, 0x11, &[0x01, 0x2A, 0xF0, 0x24])]);
    });
}

#[test]
fn the_echo_of_a_request_is_a_frame_of_its_own() {
    let mut buffer = [0; 64];
    let mut out = Writer::new(&mut buffer);
    emit_get_register(&mut out, &[60, 80, 86, 87, 89, 74, 68, 1004, 9999]).unwrap();
    let request = out.written();
    assert_eq!(
        scan(request),
        Scan::Frame { frame: Frame::Request(Command::GetRegister), len: request.len() }
    );
    let mut plain = request.to_vec();
    let message = Message::parse(&mut plain).unwrap();
    assert_eq!(message.data[..3], [8, 0, 60]);
    assert_eq!(message.data.len(), 17, "the ninth number is left out");
    let heard = [request, &sample()].concat();
    assert_eq!(scan(&heard), Scan::Frame { frame: Frame::Request(Command::GetRegister), len: request.len() });
}

#[test]
fn type_and_serial_number_have_four_bytes() {
    let serial = answer(Command::GetSerialNumber, &[0x04, 0x83, 0xDA, 0x69]);
    assert_eq!(with_answer(&serial, |message| message.serial_number()), Some(75_749_993));
    let kind = answer(Command::GetType, &[0x0B, 0x01, 0x07, 0x01]);
    assert_eq!(with_answer(&kind, |message| message.meter_type()), Some((0x0B01, 0x0701)));
    let short = answer(Command::GetType, &[0x0B, 0x01, 0x07]);
    assert_eq!(with_answer(&short, |message| message.meter_type()), None);
    let mut buffer = [0; 16];
    let mut out = Writer::new(&mut buffer);
    emit_request(&mut out, Command::GetType).unwrap();
    assert!(matches!(scan(out.written()), Scan::Frame { frame: Frame::Request(Command::GetType), .. }));
}

#[test]
fn an_answer_without_registers_is_an_empty_list() {
    let bytes = answer(Command::GetRegister, &[]);
    assert_eq!(with_answer(&bytes, |message| message.registers().unwrap().count()), 0);
}

#[test]
fn registers_that_do_not_fill_the_data_are_refused() {
    for (data, at) in [
        (&[0x00, 0x3C, 0x03, 0x04, 0x43, 0x00, 0x00, 0x6F][..], 0),
        (&[0x00, 0x3C, 0x03, 0x01, 0x43, 0x05, 0x00], 6),
        (&[0x00, 0x3C, 0x03, 0x11, 0x43], 0),
    ] {
        let bytes = answer(Command::GetRegister, data);
        let error = with_answer(&bytes, |message| message.registers().err());
        assert_eq!(error, Some(RegisterError::Truncated { at }));
    }
}

#[test]
fn only_a_whole_frame_is_read_in_place() {
    let mut bytes = sample();
    let len = bytes.len();
    assert_eq!(Message::parse(&mut bytes[..len - 1]), Err(Error::Unfinished { at: len - 1 }));
    assert_eq!(Message::parse(&mut []), Err(Error::Unfinished { at: 0 }));
    assert_eq!(Message::parse(&mut [0x40, 0x1B, 0x00, 0x0D]), Err(Error::Escape { at: 2, found: 0x00 }));
}

#[test]
fn noise_is_skipped_to_the_next_start() {
    assert_eq!(scan(b"\x00\xFF\x40\x3F"), Scan::Skip(2));
    assert_eq!(scan(b"\x00\xFF"), Scan::Skip(2));
    assert_eq!(scan(b"\x06\x40"), Scan::Frame { frame: Frame::Ack, len: 1 });
    assert_eq!(scan(b""), Scan::NeedMore);
}

#[test]
fn damaged_frames_say_why() {
    let bad = |bytes: &[u8]| match scan(bytes) {
        Scan::Bad { error, len } => (error, len),
        other => panic!("{other:?}"),
    };
    assert_eq!(bad(b"\x40\x3F\x10\x00\x40\x3F"), (Error::Unfinished { at: 4 }, 4));
    assert_eq!(bad(b"\x40\x3F\x1B\x10\x0D"), (Error::Escape { at: 3, found: 0x10 }, 5));
    assert_eq!(bad(b"\x40\x3F\x1B\x0D"), (Error::Escape { at: 3, found: STOP }, 4));
    assert_eq!(bad(b"\x40\x3F\x10\x00\x0D"), (Error::TooShort { found: 3 }, 5));
    assert_eq!(bad(b"\x40\x0D"), (Error::TooShort { found: 0 }, 2));
    let mut long = std::vec![0x40];
    long.resize(FRAME_LEN_MAX - 1, 0);
    assert_eq!(scan(&long), Scan::NeedMore);
    long.push(0);
    assert_eq!(bad(&long), (Error::TooLong, FRAME_LEN_MAX));
    long[CONTENT_LEN_MAX + 20] = STOP;
    assert_eq!(bad(&long), (Error::TooLong, CONTENT_LEN_MAX + 21));
}

#[test]
fn no_prefix_is_accepted_and_every_answer_is_final() {
    let bytes = sample();
    let stream = [&bytes[..], &bytes[..]].concat();
    for len in 0..bytes.len() {
        assert_eq!(scan(&stream[..len]), Scan::NeedMore, "{len}");
    }
    assert_eq!(scan(&stream), scan(&bytes));
}

#[test]
fn no_flipped_bit_passes_the_crc() {
    let bytes = sample();
    for at in 1..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(!matches!(scan(&damaged), Scan::Frame { .. }), "{at} {bit}");
        }
    }
}
