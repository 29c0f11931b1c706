//! Telnet (RFC 854) as a stream of bytes: what is data, and what is said between the two ends.

/// Interpret as command; as data it is doubled.
const IAC: u8 = 0xFF;
const SB: u8 = 0xFA;
const SE: u8 = 0xF0;

/// What one end says about an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Will,
    Wont,
    Do,
    Dont,
}

impl Verb {
    const fn code(self) -> u8 {
        match self {
            Self::Will => 0xFB,
            Self::Wont => 0xFC,
            Self::Do => 0xFD,
            Self::Dont => 0xFE,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        Some(match code {
            0xFB => Self::Will,
            0xFC => Self::Wont,
            0xFD => Self::Do,
            0xFE => Self::Dont,
            _ => return None,
        })
    }
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// About an option.
    Option(Verb, u8),
    /// Within an option: its number and what follows, undoubled.
    Sub(Vec<u8>),
}

/// Longest subnegotiation that is kept. Those of RFC 2217 have 6 bytes; the longest that are known are names of
/// servers (SIGNATURE) of some 60. Of a longer one the rest is dropped.
const SUB_LEN_MAX: usize = 256;

/// Takes a stream apart.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    sub: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Data,
    Command,
    Option(Verb),
    Sub,
    SubCommand,
}

impl Scanner {
    /// Takes one byte; data goes to `data`. `Some` when a command is complete.
    pub(super) fn take(&mut self, byte: u8, data: &mut Vec<u8>) -> Option<Command> {
        match (self.state, byte) {
            (State::Data, IAC) => self.state = State::Command,
            (State::Data, _) => data.push(byte),
            (State::Command, IAC) => {
                data.push(IAC);
                self.state = State::Data;
            }
            (State::Command, SB) => {
                self.sub.clear();
                self.state = State::Sub;
            }
            // Without an option: a pause, a break, "are you there". A meter has no use for them.
            (State::Command, _) => self.state = Verb::of(byte).map_or(State::Data, State::Option),
            (State::Option(verb), option) => {
                self.state = State::Data;
                return Some(Command::Option(verb, option));
            }
            (State::Sub, IAC) => self.state = State::SubCommand,
            (State::Sub, _) => self.keep(byte),
            (State::SubCommand, SE) => {
                self.state = State::Data;
                return Some(Command::Sub(std::mem::take(&mut self.sub)));
            }
            // Doubled, or a command where none belongs: then what was begun is left.
            (State::SubCommand, IAC) => {
                self.keep(IAC);
                self.state = State::Sub;
            }
            (State::SubCommand, _) => {
                self.state = State::Command;
                return self.take(byte, data);
            }
        }
        None
    }

    fn keep(&mut self, byte: u8) {
        if self.sub.len() < SUB_LEN_MAX {
            self.sub.push(byte);
        }
    }
}

/// Data as it goes over the line.
pub(super) fn escape(data: impl IntoIterator<Item = u8>, out: &mut Vec<u8>) {
    for byte in data {
        out.push(byte);
        if byte == IAC {
            out.push(IAC);
        }
    }
}

/// Says something about an option.
pub(super) fn say(verb: Verb, option: u8, out: &mut Vec<u8>) {
    out.extend([IAC, verb.code(), option]);
}

/// Says something within an option.
pub(super) fn say_sub(option: u8, content: &[u8], out: &mut Vec<u8>) {
    out.extend([IAC, SB, option]);
    escape(content.iter().copied(), out);
    out.extend([IAC, SE]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(bytes: &[u8]) -> (Vec<u8>, Vec<Command>) {
        let (mut scanner, mut data, mut commands) = (Scanner::default(), Vec::new(), Vec::new());
        for &byte in bytes {
            commands.extend(scanner.take(byte, &mut data));
        }
        (data, commands)
    }

    #[test]
    fn data_and_commands_come_apart() {
        let (data, commands) =
            scan(b"a\xff\xffb\xff\xfb\x03c\xff\xfa\x2c\x65\x00\xff\xff\x01\xff\xf0d\xff\xf1e\r");
        assert_eq!(data, b"a\xffbcde\r");
        let expected = [Command::Option(Verb::Will, 3), Command::Sub(vec![0x2c, 0x65, 0, 0xff, 1])];
        assert_eq!(commands, expected);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (mut out, all): (Vec<u8>, Vec<u8>) = (Vec::new(), (0..=255).collect());
        escape(all.iter().copied(), &mut out);
        assert_eq!(out.len(), 257);
        say(Verb::Dont, 1, &mut out);
        say_sub(44, &all[200..], &mut out);
        let (data, commands) = scan(&out);
        assert_eq!(data, all);
        let sub = [&[44], &all[200..]].concat();
        assert_eq!(commands, [Command::Option(Verb::Dont, 1), Command::Sub(sub)]);
    }

    #[test]
    fn garbage_is_bounded_and_the_stream_goes_on() {
        // A subnegotiation that never ends, then one that is broken off by another.
        let mut bytes = b"\xff\xfa".to_vec();
        bytes.extend([7; 10_000]);
        bytes.extend(b"\xff\xf0x\xff\xfa\x2c\x01\xff\xfa\x2c\x02\xff\xf0y");
        let (data, commands) = scan(&bytes);
        assert_eq!(data, b"xy");
        assert_eq!(commands, [Command::Sub(vec![7; SUB_LEN_MAX]), Command::Sub(vec![44, 2])]);
    }
}
