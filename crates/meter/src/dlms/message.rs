//! From joined frames to a telegram: general block transfer, decryption, data-notification.
use super::{Cause, Registers, value};
use crate::layout::Layouts;
use crate::models::Model;
use crate::security::{self, Opener, Unsupported};
use crate::{Event, Flags, Protocol, Rejection, Security, SecurityHeader, Settings, Stream, Telegram};
use core::ops::Range;
use metergate_reading::{MeterId, ObisCode, Value};
use metergate_wire::dlms::apdu::{self, DataNotification};
use metergate_wire::dlms::ciphering::{self, GeneralGloCiphering};
use metergate_wire::dlms::{axdr, gbt, name};

/// What both conversations need beside the stream.
#[derive(Debug)]
pub(super) struct Reader {
    opener: Opener,
    model: Option<&'static Model>,
    layouts: Layouts,
    protocol: Protocol,
}

/// A message of which at least one frame was held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    /// Offset of its first frame in the stream.
    offset: u64,
    /// Offset behind its last frame.
    end: u64,
    /// Blocks of general block transfer so far.
    blocks: gbt::Sequence,
    /// Where the held content of the current block begins; what is before it are the parts of earlier blocks.
    block_at: usize,
}

/// What became of a message when its last frame was held.
pub(super) enum Joined {
    /// A block of general block transfer; more follow.
    MoreBlocks(Message),
    /// The held content is a whole message.
    Whole(Message),
    /// It was refused.
    Refused(Rejection),
}

impl Message {
    /// A message whose first frame stands at `offset`.
    pub(super) fn at(offset: u64) -> Self {
        Self { offset, end: offset, blocks: gbt::Sequence::default(), block_at: 0 }
    }

    /// Notes that a frame was held which ends at offset `end`.
    pub(super) fn extend(&mut self, end: u64) {
        self.end = end;
    }

    /// True when a content that begins like this goes on with this message: the second and later blocks.
    pub(super) fn goes_on_with(&self, content: &[u8]) -> bool {
        !self.blocks.is_at_start()
            && !matches!(content, [gbt::TAG, _, 0, 1, ..])
            && content.first() == Some(&gbt::TAG)
    }

    /// A refusal that covers the message.
    pub(super) fn refuse(&self, protocol: Protocol, cause: crate::Cause) -> Rejection {
        Rejection { offset: self.offset, length: self.end - self.offset, protocol, cause, security: None }
    }

    /// Looks at the held content when the link says that a message has ended there.
    pub(super) fn join<B: AsRef<[u8]> + AsMut<[u8]>>(
        mut self,
        stream: &mut Stream<B>,
        protocol: Protocol,
    ) -> Joined {
        let Some(content) = stream.held().get(self.block_at..) else { return Joined::Whole(self) };
        if content.first() != Some(&gbt::TAG) {
            return Joined::Whole(self);
        }
        let refused = |cause| Joined::Refused(self.refuse(protocol, crate::Cause::Dlms(cause)));
        let block = match gbt::Block::parse(content) {
            Ok(block) => block,
            Err(error) => return refused(Cause::Block(error)),
        };
        let mut blocks = self.blocks;
        if let Err(error) = blocks.accept(&block) {
            return refused(Cause::BlockOrder(error));
        }
        // The data moves forward over the block's header, to stand behind that of the block before.
        let (last, data_len) = (block.last, block.data.len());
        let data_at = stream.held().len() - data_len;
        stream.held_mut().copy_within(data_at.., self.block_at);
        self.block_at += data_len;
        self.blocks = blocks;
        stream.truncate(self.block_at);
        if last { Joined::Whole(self) } else { Joined::MoreBlocks(self) }
    }
}

impl Reader {
    pub(super) fn new(settings: &Settings, protocol: Protocol) -> Self {
        let layout = settings.model.and_then(|model| model.layout);
        Self {
            opener: Opener::new(settings),
            model: settings.model,
            layouts: Layouts::new(settings.layouts, layout),
            protocol,
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Opens and reads the whole message that is held.
    pub(super) fn read<'a, B: AsRef<[u8]> + AsMut<[u8]>>(
        &mut self,
        stream: &'a mut Stream<B>,
        message: &Message,
    ) -> Event<'a> {
        let refuse = |cause, security| {
            let rejection = message.refuse(self.protocol, crate::Cause::Dlms(cause));
            Event::Rejected(Rejection { security, ..rejection })
        };
        let mut envelope = None;
        let mut opened = None;
        let mut plain = 0..stream.held().len();
        match stream.held().first() {
            Some(&ciphering::TAG) => {
                let (header, content, tag) = match take_apart(stream.held()) {
                    Ok(parts) => parts,
                    Err(error) => return refuse(Cause::Ciphering(error), None),
                };
                plain = content.clone();
                let content = stream.held_mut().get_mut(content).unwrap_or_default();
                match self.opener.open(header, content, tag.as_ref()) {
                    Ok(right) => opened = Some(right),
                    Err(error) => return refuse(Cause::Security(error), Some(header)),
                }
                envelope = Some(header);
            }
            Some(&tag) => {
                if let Some(name) = name(tag).filter(|name| is_protected(name)) {
                    let error = security::Error::Unsupported(Unsupported::Apdu(name));
                    return refuse(Cause::Security(error), None);
                }
            }
            None => {}
        }
        let notification = match DataNotification::parse(stream.held().get(plain).unwrap_or_default()) {
            Ok(notification) => notification,
            Err(error) => {
                let key = opened.and_then(|opened| opened.bad_plaintext()).filter(|_| !is_readable(&error));
                return refuse(key.map_or(Cause::Notification(error), Cause::Security), envelope);
            }
        };
        let (security, flags) = match opened.map(|opened| self.opener.accept(opened)) {
            None => (None, Flags::default()),
            Some(Ok((security, flags))) => (Some(security), flags),
            Some(Err(error)) => return refuse(Cause::Security(error), envelope),
        };
        Event::Telegram(self.telegram(message, notification, security, flags))
    }

    fn telegram<'a>(
        &self,
        message: &Message,
        notification: DataNotification<'a>,
        security: Option<Security>,
        flags: Flags,
    ) -> Telegram<'a> {
        let registers = Registers::new(notification.body, &self.layouts);
        let mut time = notification.date_time.and_then(value::date_time);
        let mut meter = security.and_then(|security| MeterId::system_title(security.header.system_title()));
        // Only what the envelope and the header do not tell is looked for in the list.
        if time.is_none() || meter.is_none() {
            let mut device_name = None;
            for register in registers.clone() {
                match (register.obis, register.value) {
                    (Some(CLOCK), Value::DateTime(clock)) => time = time.or(Some(clock)),
                    (Some(obis), Value::Octets(text)) if NUMBERS.contains(&obis) => {
                        meter = meter.or_else(|| serial(text));
                    }
                    (Some(DEVICE_NAME), Value::Octets(text)) => device_name = serial(text),
                    _ => {}
                }
            }
            meter = meter.or(device_name);
        }
        Telegram {
            offset: message.offset,
            length: message.end - message.offset,
            protocol: self.protocol,
            meter,
            identification: None,
            model: self.model,
            time,
            security,
            flags,
            signature: None,
            registers: crate::Registers::Dlms(registers),
        }
    }
}

/// The meter's clock.
const CLOCK: ObisCode = ObisCode::new(0, 0, 1, 0, 0, 255);
/// COSEM logical device name: letters of the maker and a serial number.
const DEVICE_NAME: ObisCode = ObisCode::new(0, 0, 42, 0, 0, 255);
/// Codes under which meters send the number that is printed on them; the last three are Kamstrup's and Siemens's.
const NUMBERS: [ObisCode; 5] = [
    ObisCode::new(0, 0, 96, 1, 0, 255),
    ObisCode::new(0, 0, 96, 1, 1, 255),
    ObisCode::new(1, 1, 0, 0, 5, 255),
    ObisCode::new(1, 1, 96, 1, 1, 255),
    ObisCode::new(0, 6, 25, 9, 0, 255),
];

fn serial(text: &[u8]) -> Option<MeterId> {
    let text = str::from_utf8(text).ok()?;
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        MeterId::serial(text)
    } else {
        None
    }
}

/// True for an error that a wrong key cannot have made: the structure is right to the last byte but for a limit.
fn is_readable(error: &apdu::Error) -> bool {
    matches!(error, apdu::Error::Body(axdr::Error::TooLarge { .. }))
}

fn is_protected(name: &str) -> bool {
    name.starts_with("glo-")
        || name.starts_with("ded-")
        || matches!(name, "general-ded-ciphering" | "general-ciphering" | "general-signing")
}

type Parts = (SecurityHeader, Range<usize>, Option<[u8; ciphering::AUTHENTICATION_TAG_LEN]>);

/// Header, place of the content, and tag of an encrypted message.
fn take_apart(message: &[u8]) -> Result<Parts, ciphering::Error> {
    let parsed = GeneralGloCiphering::parse(message)?;
    let header =
        SecurityHeader::new(parsed.system_title, parsed.security_control.0, parsed.invocation_counter);
    let end = message.len() - parsed.tag.map_or(0, |tag| tag.len());
    Ok((header, end - parsed.ciphertext.len()..end, parsed.tag.copied()))
}
