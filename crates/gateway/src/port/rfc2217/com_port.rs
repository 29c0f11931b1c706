//! The option that sets a serial port behind Telnet: COM-PORT-OPTION, RFC 2217.
use super::telnet::say_sub;
use metergate_meter::{LineSettings, Parity};

/// Number of the option.
pub(super) const COM_PORT: u8 = 44;

/// An answer has the number of its question and this.
const ANSWER: u8 = 100;

const SET_BAUDRATE: u8 = 1;
const SET_DATASIZE: u8 = 2;
const SET_PARITY: u8 = 3;
const SET_STOPSIZE: u8 = 4;
const SET_CONTROL: u8 = 5;
const SET_LINESTATE_MASK: u8 = 10;
const SET_MODEMSTATE_MASK: u8 = 11;
const PURGE_DATA: u8 = 12;

/// Values of [`SET_CONTROL`].
const NO_FLOW_CONTROL: u8 = 1;
const DTR_ON: u8 = 8;
const DTR_OFF: u8 = 9;
const RTS_ON: u8 = 11;
const RTS_OFF: u8 = 12;

/// Value of [`PURGE_DATA`]: what the server has received from the line and not yet sent.
const PURGE_RECEIVED: u8 = 1;

/// Asks for everything of a line.
pub(super) fn set_line(line: LineSettings, out: &mut Vec<u8>) {
    say_sub(COM_PORT, &[&[SET_BAUDRATE][..], &line.baud.to_be_bytes()].concat(), out);
    say_sub(COM_PORT, &[SET_DATASIZE, line.data_bits], out);
    say_sub(COM_PORT, &[SET_PARITY, parity_code(line.parity)], out);
    say_sub(COM_PORT, &[SET_STOPSIZE, line.stop_bits], out);
}

/// Asks for no flow control, for levels of DTR and RTS where they are given, and not to be told of changes: nobody
/// looks at them here.
pub(super) fn set_control(dtr: Option<bool>, rts: Option<bool>, out: &mut Vec<u8>) {
    say_sub(COM_PORT, &[SET_CONTROL, NO_FLOW_CONTROL], out);
    if let Some(level) = dtr {
        say_sub(COM_PORT, &[SET_CONTROL, if level { DTR_ON } else { DTR_OFF }], out);
    }
    if let Some(level) = rts {
        say_sub(COM_PORT, &[SET_CONTROL, if level { RTS_ON } else { RTS_OFF }], out);
    }
    say_sub(COM_PORT, &[SET_LINESTATE_MASK, 0], out);
    say_sub(COM_PORT, &[SET_MODEMSTATE_MASK, 0], out);
}

/// Asks the server to forget what it has of the line: it came at another speed, or to somebody else.
pub(super) fn purge_received(out: &mut Vec<u8>) {
    say_sub(COM_PORT, &[PURGE_DATA, PURGE_RECEIVED], out);
}

const fn parity_code(parity: Parity) -> u8 {
    match parity {
        Parity::None => 1,
        Parity::Odd => 2,
        Parity::Even => 3,
    }
}

/// What the server says that its line is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Answered {
    baud: Option<u32>,
    data_bits: Option<u8>,
    parity: Option<u8>,
    stop_bits: Option<u8>,
}

impl Answered {
    /// Notes what a subnegotiation says of the line; anything else is no answer.
    pub(super) fn note(&mut self, content: &[u8]) {
        let Some((&code, value)) = content.split_first() else { return };
        match (code.checked_sub(ANSWER), value) {
            (Some(SET_BAUDRATE), &[a, b, c, d]) => self.baud = Some(u32::from_be_bytes([a, b, c, d])),
            (Some(SET_DATASIZE), &[value]) => self.data_bits = Some(value),
            (Some(SET_PARITY), &[value]) => self.parity = Some(value),
            (Some(SET_STOPSIZE), &[value]) => self.stop_bits = Some(value),
            _ => {}
        }
    }

    /// Whether the line is as it was asked for; `None` while answers are missing.
    ///
    /// 8N1 in place of seven bits and a parity is the same bits on the line, and the parity is checked here.
    ///
    /// # Errors
    /// What it is instead, in words.
    pub(super) fn agrees(&self, asked: LineSettings) -> Option<Result<(), String>> {
        let (baud, data_bits, parity, stop_bits) =
            (self.baud?, self.data_bits?, self.parity?, self.stop_bits?);
        let format = (data_bits, parity, stop_bits);
        let wanted = (asked.data_bits, parity_code(asked.parity), asked.stop_bits);
        let is_same = baud == asked.baud
            && (format == wanted
                || (asked.data_bits == 7
                    && asked.parity != Parity::None
                    && format == (8, 1, asked.stop_bits)));
        Some(if is_same { Ok(()) } else { Err(shown(baud, data_bits, parity, stop_bits)) })
    }
}

/// As line settings are written; what is none is shown as a number.
fn shown(baud: u32, data_bits: u8, parity: u8, stop_bits: u8) -> String {
    let letter = match parity {
        1 => "N".to_owned(),
        2 => "O".to_owned(),
        3 => "E".to_owned(),
        other => format!("<parity {other}>"),
    };
    format!("{baud} {data_bits}{letter}{stop_bits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(answers: &[&[u8]]) -> Answered {
        let mut answered = Answered::default();
        answers.iter().for_each(|answer| answered.note(answer));
        answered
    }

    #[test]
    fn a_line_is_asked_for_in_four_questions() {
        let mut out = Vec::new();
        set_line(LineSettings::M300_7E1, &mut out);
        assert_eq!(
            out,
            b"\xff\xfa\x2c\x01\x00\x00\x01\x2c\xff\xf0\xff\xfa\x2c\x02\x07\xff\xf0\
              \xff\xfa\x2c\x03\x03\xff\xf0\xff\xfa\x2c\x04\x01\xff\xf0"
        );
    }

    #[test]
    fn levels_are_set_only_where_they_are_given() {
        let mut out = Vec::new();
        set_control(Some(true), Some(false), &mut out);
        assert!(
            out.starts_with(b"\xff\xfa\x2c\x05\x01\xff\xf0\xff\xfa\x2c\x05\x08\xff\xf0\xff\xfa\x2c\x05\x0c")
        );
        out.clear();
        set_control(None, None, &mut out);
        assert_eq!(
            out,
            b"\xff\xfa\x2c\x05\x01\xff\xf0\xff\xfa\x2c\x0a\x00\xff\xf0\xff\xfa\x2c\x0b\x00\xff\xf0"
        );
    }

    #[test]
    fn answers_agree_or_say_what_the_line_is_instead() {
        let (rate, format): (&[u8], [&[u8]; 3]) = (&[101, 0, 0, 1, 44], [&[102, 7], &[103, 3], &[104, 1]]);
        let line = LineSettings::M300_7E1;
        let all = |rate: &'static [u8], format: [&'static [u8]; 3]| {
            answered(&[rate, format[0], format[1], format[2]]).agrees(line)
        };
        assert_eq!(answered(&[rate, format[0]]).agrees(line), None, "two answers are missing");
        assert_eq!(all(rate, format), Some(Ok(())));
        assert_eq!(all(rate, [&[102, 8], &[103, 1], &[104, 1]]), Some(Ok(())), "parity in software");
        assert_eq!(all(rate, [&[102, 8], &[103, 3], &[104, 1]]), Some(Err("300 8E1".to_owned())));
        assert_eq!(all(&[101, 0, 0, 0x25, 0x80], format), Some(Err("9600 7E1".to_owned())));
        assert_eq!(all(rate, [&[102, 7], &[103, 9], &[104, 2]]), Some(Err("300 7<parity 9>2".to_owned())));
        // No answers: a question, a length that is none, nothing.
        assert_eq!(answered(&[&[1, 0, 0, 1, 44], &[101, 1], &[]]), Answered::default());
    }
}
