//! SML: frames, files and messages.
use crate::law;
use metergate_bench::telegrams;
use metergate_wire::sml::{Body, Crc, File, Head, Message, Value, message, salvage, transport};
use metergate_wire::{Scan, Writer};

/// Bytes of a line: frames, and what is inside those whose checksum is right.
pub(crate) fn stream(bytes: &[u8]) -> usize {
    law::frames(bytes, |bytes| transport::scan(bytes).into());
    let (mut rest, mut accepted) = (bytes, 0);
    loop {
        let step = match transport::scan(rest) {
            Scan::Frame { frame, len } => {
                let mut body = frame.body().to_vec();
                let len_unescaped = transport::unescape_in_place(&mut body);
                let body = &body[..len_unescaped];
                accepted +=
                    usize::from(File::new_checked(body, frame.padding(), frame.crc()).is_ok_and(walk));
                len
            }
            Scan::Skip(len) => len,
            Scan::Bad { .. } => 1,
            Scan::NeedMore => return accepted,
        };
        rest = &rest[step..];
        for salvaged in salvage(&rest[..rest.len().min(512)], Crc::X25) {
            salvaged.list.entries.into_iter().for_each(drop);
        }
    }
}

/// The body of one message: tag and content as they stand behind `72`, put into a file with right checksums.
pub(crate) fn body(bytes: &[u8]) -> usize {
    let Some((&[high, low], content)) = bytes.split_first_chunk::<2>() else { return 0 };
    let mut buffer = [0; 8192];
    let mut out = Writer::new(&mut buffer);
    let head = Head { transaction_id: &[1], group_no: 0, abort_on_error: 0 };
    let tag = u16::from_be_bytes([high, low]).into();
    if message::emit(&mut out, Crc::X25, &head, tag, |out| out.put(content)).is_err() {
        return 0;
    }
    usize::from(File::new_checked(out.written(), 0, Crc::X25).is_ok_and(walk))
}

pub(crate) fn body_seeds() -> Vec<Vec<u8>> {
    let telegram = telegrams::sml::telegram();
    let Scan::Frame { frame, .. } = transport::scan(&telegram) else { return Vec::new() };
    let Ok(file) = File::new_checked(frame.body(), frame.padding(), frame.crc()) else { return Vec::new() };
    let seed = |message: Message<'_>| {
        let mut buffer = [0; 1024];
        let mut out = Writer::new(&mut buffer);
        message.body.emit(&mut out).expect("a body is shorter than its telegram");
        let tag = u16::try_from(message.body.tag()).expect("tags have two bytes").to_be_bytes();
        [&tag, out.written()].concat()
    };
    file.messages().map(seed).collect()
}

/// Reads everything in a file, and writes it again: what we write reads the same.
fn walk(file: File<'_>) -> bool {
    for message in file.messages() {
        let mut buffer = [0; 16_384];
        let mut out = Writer::new(&mut buffer);
        message.emit(&mut out, Crc::X25).expect("short forms are never longer than what was sent");
        let again = File::new_checked(out.written(), 0, Crc::X25).expect("what we write can be read");
        let again = again.messages().next().expect("one message was written");
        assert_eq!(again.head, message.head);
        let (Body::GetListResponse(list), Body::GetListResponse(again)) = (message.body, again.body) else {
            continue;
        };
        assert_eq!(
            list.entries.into_iter().count(),
            list.entries.len(),
            "what was checked is read to its end"
        );
        assert_eq!(again.entries.len(), list.entries.len());
        for (entry, again) in list.entries.into_iter().zip(again.entries) {
            assert_eq!(
                (again.obj_name, again.unit, again.scaler),
                (entry.obj_name, entry.unit, entry.scaler)
            );
            assert_eq!(text(&again.value), text(&entry.value));
        }
    }
    true
}

/// A value as text. Lists are spelt out, since the same one may be sent in several forms.
fn text(value: &Value<'_>) -> String {
    match value {
        Value::List(values) => {
            format!("{:?}", values.into_iter().map(|value| text(&value)).collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}
