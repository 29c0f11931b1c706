//! Frames of the Kamstrup Meter Protocol.
use crate::law;
use metergate_bench::telegrams::kmp as telegrams;
use metergate_wire::kmp::{self, Command, Frame, Message};
use metergate_wire::{Scan, Writer};

/// Bytes of an optical head.
pub(crate) fn stream(bytes: &[u8]) -> usize {
    walk(bytes);
    law::frames(bytes, |bytes| kmp::scan(bytes).into())
}

/// What an answer holds, to which marks and checksum are added.
pub(crate) fn answer(bytes: &[u8]) -> usize {
    let mut buffer = [0; 1024];
    let mut out = Writer::new(&mut buffer);
    if kmp::emit_answer(&mut out, Command::GetRegister, bytes).is_err() {
        return 0;
    }
    walk(out.written())
}

pub(crate) fn answer_seeds() -> Vec<Vec<u8>> {
    vec![telegrams::registers()]
}

/// Reads the answer at the start of `bytes`, and counts its registers.
fn walk(bytes: &[u8]) -> usize {
    let Scan::Frame { frame: Frame::Answer(_), len } = kmp::scan(bytes) else { return 0 };
    let mut frame = bytes[..len].to_vec();
    let answer = Message::parse(&mut frame).expect("the scanner found it right");
    let _ = (answer.meter_type(), answer.serial_number());
    let Ok(registers) = answer.registers() else { return 0 };
    let mut count = 0;
    for register in registers {
        let _ = (register.value(), register.exponent());
        let mut buffer = [0; 512];
        register.emit(&mut Writer::new(&mut buffer)).expect("a register is shorter than its frame");
        count += 1;
    }
    count
}
