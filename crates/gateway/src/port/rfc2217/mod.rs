//! Serial servers that are told speed and character format: Telnet with COM-PORT-OPTION, RFC 2217, as ser2net offers it.
//!
//! With raw TCP a server keeps the settings of its own configuration. Here a meter in mode C changes its speed, and
//! settings are tried out, as on a port of this machine.
//!
//! Own code: `rfc2217-rs`, the one crate for it, is a server's side and has not been touched since 2022.
mod com_port;
mod telnet;

use super::parity::SoftwareParity;
use super::{Received, character_time, tcp};
use crate::clock::Clock;
use crate::config::PortSetup;
use com_port::{Answered, COM_PORT};
use metergate_meter::LineSettings;
use std::io;
use std::time::Duration;
use telnet::{Command, Scanner, Verb};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// All 256 values are data (RFC 856); without it a server may put a NUL behind each carriage return.
const BINARY: u8 = 0;

/// Nobody waits for a turn (RFC 858).
const SUPPRESS_GO_AHEAD: u8 = 3;

/// Longest wait for a server's answers: it may have to open its device first, and be at the end of a slow network.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What the network may delay is waited for up to here before the speed is changed: a meter in mode C begins at the
/// earliest 200 ms after it was answered, and half of that is left.
const LATENCY_MAX: Duration = Duration::from_millis(100);

/// Most bytes read at once, as a reader takes them.
const READ_LEN: usize = 4096;

/// Most data that waits while answers are awaited: at 115,200 baud a line brings 58 kB in [`ANSWER_TIMEOUT`].
const WAITING_MAX: usize = 64 * 1024;

/// A connection to a serial server.
#[derive(Debug)]
pub struct Rfc2217 {
    stream: TcpStream,
    session: Session,
    raw: Vec<u8>,
    line: LineSettings,
    parity: SoftwareParity,
    clock: Clock,
    /// How long the server took for its latest answers.
    latency: Duration,
    /// When the last sent byte has left the line at the latest known speed.
    busy_until: Duration,
}

impl Rfc2217 {
    /// Connects, agrees on the option and sets the line.
    pub(super) async fn connect(
        host: &str,
        port: u16,
        setup: &PortSetup,
        line: LineSettings,
        clock: Clock,
    ) -> io::Result<Self> {
        let mut connection = Self {
            stream: tcp::connect(host, port).await?,
            session: Session::default(),
            raw: vec![0; READ_LEN],
            line,
            parity: SoftwareParity::needed(line, 8),
            clock,
            latency: Duration::ZERO,
            busy_until: Duration::ZERO,
        };
        connection.session.offer();
        connection.wait_until(Session::has_agreed).await?;
        com_port::set_control(setup.dtr, setup.rts, &mut connection.session.outgoing);
        connection.ask_for(line).await?;
        // What the server had before is of another speed or another client.
        connection.session.data.clear();
        com_port::purge_received(&mut connection.session.outgoing);
        connection.flush().await?;
        Ok(connection)
    }

    pub(super) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        while self.session.data.is_empty() {
            self.exchange().await?;
        }
        let len = self.session.data.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(self.session.data.drain(..len)) {
            *to = from;
        }
        self.parity.received(buffer.get_mut(..len).unwrap_or_default());
        Ok(Received { len, at: self.clock.now(), captured_unix_ms: None })
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        telnet::escape(bytes.iter().map(|&byte| self.parity.sent(byte)), &mut self.session.outgoing);
        self.flush().await?;
        let duration = character_time(self.line) * u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.busy_until = (self.clock.now() + self.latency).max(self.busy_until) + duration;
        Ok(())
    }

    /// Sets the line once what was sent has had the time to leave it: the server would change the speed in the middle
    /// of a character.
    pub(super) async fn set_line(&mut self, line: LineSettings) -> io::Result<()> {
        tokio::time::sleep_until(self.clock.at(self.busy_until)).await;
        self.ask_for(line).await
    }

    async fn ask_for(&mut self, line: LineSettings) -> io::Result<()> {
        self.session.answered = Answered::default();
        com_port::set_line(line, &mut self.session.outgoing);
        let asked = self.clock.now();
        self.wait_until(|session| session.answered.agrees(line).is_some()).await?;
        self.latency = self.clock.now().saturating_sub(asked).min(LATENCY_MAX);
        if let Some(Err(instead)) = self.session.answered.agrees(line) {
            let message = format!("the serial server sets {instead} where {line} was asked for");
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        self.line = line;
        self.parity = SoftwareParity::needed(line, 8);
        Ok(())
    }

    /// Talks to the server until something is true of the session.
    async fn wait_until(&mut self, is_true: impl Fn(&Session) -> bool) -> io::Result<()> {
        let talk = async {
            while !is_true(&self.session) {
                self.exchange().await?;
                if self.session.data.len() > WAITING_MAX {
                    let message = "more bytes come than a serial line can bring";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
            Ok(())
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, talk).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, self.session.missing())),
        }
    }

    /// Sends what is to be said and takes what comes next. Cancelling loses nothing.
    async fn exchange(&mut self) -> io::Result<()> {
        self.flush().await?;
        let len = self.stream.read(&mut self.raw).await?;
        if len == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other side closed it"));
        }
        self.session.take(self.raw.get(..len).unwrap_or_default())
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.session.outgoing.is_empty() {
            let written = self.stream.write(&self.session.outgoing).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.session.outgoing.drain(..written);
        }
        Ok(())
    }
}

/// What both ends have said.
#[derive(Debug, Default)]
struct Session {
    scanner: Scanner,
    /// From the line, not yet received.
    data: Vec<u8>,
    /// To the server, not yet sent. An answer is no longer than what it answers, and is sent before more is read.
    outgoing: Vec<u8>,
    answered: Answered,
    /// The server sets its line for us.
    sets_line: bool,
    /// The server sends all 256 values as they are, and takes them.
    sends_binary: bool,
    takes_binary: bool,
    /// The server's own offer of COM-PORT-OPTION was accepted; once is enough.
    accepted: bool,
}

impl Session {
    /// Says first what is wanted, so that every answer is final and nobody asks twice.
    fn offer(&mut self) {
        for (verb, option) in [
            (Verb::Will, BINARY),
            (Verb::Do, BINARY),
            (Verb::Will, SUPPRESS_GO_AHEAD),
            (Verb::Do, SUPPRESS_GO_AHEAD),
            (Verb::Will, COM_PORT),
        ] {
            telnet::say(verb, option, &mut self.outgoing);
        }
    }

    const fn has_agreed(&self) -> bool {
        self.sets_line && self.sends_binary && self.takes_binary
    }

    /// What was waited for in vain.
    const fn missing(&self) -> &'static str {
        if !self.sets_line {
            "no answer to COM-PORT-OPTION (RFC 2217) within 5 s; a server of raw bytes is `tcp://`"
        } else if !self.has_agreed() {
            "no answer to BINARY (RFC 856) within 5 s"
        } else {
            "no answer to the line settings within 5 s"
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        for &byte in bytes {
            match self.scanner.take(byte, &mut self.data) {
                Some(Command::Option(verb, option)) => self.option(verb, option)?,
                Some(Command::Sub(content)) => {
                    if let Some((&COM_PORT, answer)) = content.split_first() {
                        self.answered.note(answer);
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    fn option(&mut self, verb: Verb, option: u8) -> io::Result<()> {
        match (verb, option) {
            (Verb::Do, COM_PORT) => self.sets_line = true,
            (Verb::Dont, COM_PORT) => {
                return refused("COM-PORT-OPTION (RFC 2217); a server of raw bytes is `tcp://`");
            }
            (Verb::Do, BINARY) => self.takes_binary = true,
            (Verb::Will, BINARY) => self.sends_binary = true,
            (Verb::Dont | Verb::Wont, BINARY) => {
                return refused("BINARY (RFC 856), and without it bytes would be changed on the way");
            }
            // Some servers offer it as well. The right answer costs nothing.
            (Verb::Will, COM_PORT) if !self.accepted => {
                self.accepted = true;
                telnet::say(Verb::Do, option, &mut self.outgoing);
            }
            (Verb::Will | Verb::Do, COM_PORT | SUPPRESS_GO_AHEAD) | (Verb::Wont | Verb::Dont, _) => {}
            (Verb::Will, _) => telnet::say(Verb::Dont, option, &mut self.outgoing),
            (Verb::Do, _) => telnet::say(Verb::Wont, option, &mut self.outgoing),
        }
        Ok(())
    }
}

fn refused(what: &str) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("the serial server refuses {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_agreed_on_and_others_refused() {
        let mut session = Session::default();
        session.offer();
        session.outgoing.clear();
        // As ser2net answers: DO and WILL of what was offered, and ECHO.
        session.take(b"\xff\xfb\x03\xff\xfd\x03\xff\xfb\x01\xff\xfd\x00\xff\xfb\x00\xff\xfd\x2c").unwrap();
        assert!(session.has_agreed());
        assert_eq!(session.outgoing, b"\xff\xfe\x01", "no echo, and no answer to an answer");
        session.outgoing.clear();
        session.take(b"\xff\xfd\x18\xff\xfb\x2c\xff\xfb\x2c\xff\xfc\x05").unwrap();
        assert_eq!(session.outgoing, b"\xff\xfc\x18\xff\xfd\x2c");
    }

    #[test]
    fn what_cannot_be_done_without_is_an_error_when_it_is_refused() {
        let told = |bytes: &[u8]| Session::default().take(bytes).unwrap_err().to_string();
        assert!(told(b"\xff\xfe\x2c").contains("refuses COM-PORT-OPTION (RFC 2217)"));
        assert!(told(b"\xff\xfe\x00").contains("refuses BINARY"));
        assert!(told(b"\xff\xfc\x00").contains("refuses BINARY"));
        Session::default().take(b"\xff\xfe\x03\xff\xfc\x03").unwrap();
    }

    #[test]
    fn an_answer_is_no_longer_than_its_question() {
        let mut session = Session::default();
        let questions: Vec<u8> = (0..=255).flat_map(|option| [0xff, 0xfd, option]).collect();
        let _ = session.take(&questions);
        assert!(session.outgoing.len() <= questions.len());
    }
}
