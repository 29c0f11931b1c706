//! DLMS: frames of M-Bus and HDLC, envelopes, and what is in them.
use crate::law;
use metergate_bench::telegrams::dlms as telegrams;
use metergate_wire::dlms::apdu::DataNotification;
use metergate_wire::dlms::axdr::{Data, Value};
use metergate_wire::dlms::ciphering::{self, GeneralGloCiphering};
use metergate_wire::dlms::{emit, gbt};
use metergate_wire::{Scan, Writer, hdlc, mbus};

/// Bytes of an M-Bus line.
pub(crate) fn mbus_stream(bytes: &[u8]) -> usize {
    let frames = law::frames(bytes, |bytes| mbus::scan(bytes).into());
    if let Scan::Frame { frame, .. } = mbus::scan(bytes) {
        let mut buffer = [0; 512];
        let mut out = Writer::new(&mut buffer);
        frame.emit(&mut out).expect("a frame fits its own length");
        assert!(matches!(mbus::scan(out.written()), Scan::Frame { frame: again, .. } if again == frame));
    }
    frames
}

pub(crate) fn mbus_seeds() -> Vec<Vec<u8>> {
    seals().map(|apdu| telegrams::over_mbus(&apdu)).collect()
}

/// Bytes of an HDLC line.
pub(crate) fn hdlc_stream(bytes: &[u8]) -> usize {
    law::frames(bytes, |bytes| hdlc::scan_after_flag(bytes).into());
    if let Scan::Frame { frame, .. } = hdlc::scan(bytes) {
        let _ = hdlc::without_llc(frame.information);
    }
    law::frames(bytes, |bytes| hdlc::scan(bytes).into())
}

pub(crate) fn hdlc_seeds() -> Vec<Vec<u8>> {
    seals().map(|apdu| telegrams::over_hdlc(&apdu)).collect()
}

/// General-glo-ciphering without a frame around it, as P1 ports send it, and blocks of a transfer.
pub(crate) fn ciphering_stream(bytes: &[u8]) -> usize {
    let mut accepted = law::frames(bytes, |bytes| ciphering::scan(bytes).into());
    if let Ok(message) = GeneralGloCiphering::parse(bytes) {
        let mut buffer = [0; 8192];
        let mut out = Writer::new(&mut buffer);
        message.emit(&mut out).expect("a message fits its own length");
        assert_eq!(GeneralGloCiphering::parse(out.written()), Ok(message));
    }
    if let Ok(block) = gbt::Block::parse(bytes) {
        let mut buffer = [0; 8192];
        let mut out = Writer::new(&mut buffer);
        block.emit(&mut out).expect("a block fits its own length");
        assert_eq!(gbt::Block::parse(out.written()), Ok(block));
        accepted += 1;
    }
    accepted
}

pub(crate) fn ciphering_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = seals().take(2).collect();
    for block in gbt::blocks(&telegrams::notification(), 128) {
        let mut buffer = [0; 256];
        let mut out = Writer::new(&mut buffer);
        block.emit(&mut out).expect("128 bytes and a head");
        seeds.push(out.written().to_vec());
    }
    seeds
}

/// A plain data-notification: reads all of it, and writes its value again.
pub(crate) fn notification(bytes: &[u8]) -> usize {
    let Ok(notification) = DataNotification::parse(bytes) else { return 0 };
    let value = notification.body.value();
    let spelt = text(&value, 0);
    let mut buffer = [0; 16_384];
    let mut out = Writer::new(&mut buffer);
    emit::value(&mut out, value).expect("the shortest forms are not longer than what was sent");
    let again = Data::validate(out.written()).expect("what we write can be read");
    assert_eq!(text(&again.value(), 0), spelt);
    1
}

/// A value as text. Lists are spelt out, since the same one may be sent in several forms.
fn text(value: &Value<'_>, depth: usize) -> String {
    assert!(depth < 64, "depth is bounded");
    match *value {
        Value::Array(items) | Value::Structure(items) => {
            format!("{:?}", items.map(|item| text(&item, depth + 1)).collect::<Vec<_>>())
        }
        ref other => format!("{other:?}"),
    }
}

fn seals() -> impl Iterator<Item = Vec<u8>> {
    let plain = telegrams::notification();
    let sealed =
        [telegrams::ENCRYPTED, telegrams::AUTHENTICATED].map(|control| telegrams::sealed(&plain, control));
    sealed.into_iter().chain([plain])
}
