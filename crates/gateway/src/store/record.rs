//! What the queue holds, as the spool writes it: everything that was put into the store and is not committed.
use super::names;
use super::varint::{Bytes, Packer};
use super::{Mark, Measured, Remark, Row, RowFlags, Shape};
use crate::config::Stream;
use crate::event::{Event, EventCode};
use crate::plausible::{Epoch, EpochCause, Held, HeldReason, Judgement};
use metergate_reading::{Instant, Number, RegisterId, Unit};
use std::sync::Arc;

/// Whose row it is and which registers it has; a file of the spool says it once.
pub(super) type Form = (Arc<str>, Arc<Shape>);

/// One thing of the spool.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    /// The next form.
    Form(Form),
    Row(Row),
    /// A row without a time, with its number among those, and the boot since which its time counts.
    Undated(i64, Arc<str>, Row),
    Measured(Measured),
    Event(Event),
    Held(Held),
    Judge(i64, Judgement),
    Epoch(Epoch),
    /// An epoch that takes the place of what was known of it.
    ReplaceEpoch(Epoch),
    UndoEpoch(i64),
    Remark(Remark),
    Cursor(Arc<str>, Stream, u64),
}

impl Record {
    /// The bytes of a form.
    pub(super) fn pack_form(packer: &mut Packer, form: &Form) {
        packer.byte(0);
        packer.text(&form.0);
        packer.text(&names::shape_text(&form.1));
    }

    pub(super) fn pack_row(packer: &mut Packer, row: &Row, form: u64) {
        packer.byte(1);
        put_row(packer, row, form);
    }

    pub(super) fn pack_undated(packer: &mut Packer, id: i64, boot: &str, row: &Row, form: u64) {
        packer.byte(2);
        packer.signed(id);
        packer.text(boot);
        put_row(packer, row, form);
    }

    pub(super) fn pack_measured(packer: &mut Packer, measured: &Measured, form: u64) {
        packer.byte(3);
        packer.number(measured.seq);
        packer.text(measured.case.code());
        packer.signed(measured.mark.unix_s());
        packer.text(measured.quality.name());
        packer.byte(u8::from(measured.clock_doubtful));
        put_row(packer, &measured.row, form);
    }

    pub(super) fn pack_event(packer: &mut Packer, event: &Event) {
        packer.byte(4);
        packer.number(event.seq);
        put_instant(packer, event.at);
        packer.text(event.code.text());
        packer.option(event.about.as_deref(), Packer::text);
        packer.text(&event.detail);
        packer.number(event.count.into());
    }

    pub(super) fn pack_held(packer: &mut Packer, held: &Held) {
        packer.byte(12);
        packer.signed(held.id);
        packer.text(&held.meter);
        put_instant(packer, held.at);
        packer.text(&held.register.to_string());
        put_number(packer, held.number);
        packer.option(held.unit.map(Unit::text), Packer::text);
        packer.text(names::name_of(&HeldReason::NAMES, held.reason));
        packer.text(&held.detail);
        packer.text(names::name_of(&Judgement::NAMES, held.judgement));
        packer.option(held.identity.as_deref(), Packer::text);
    }

    pub(super) fn pack_judge(packer: &mut Packer, held: i64, judgement: Judgement) {
        packer.byte(6);
        packer.signed(held);
        packer.text(names::name_of(&Judgement::NAMES, judgement));
    }

    pub(super) fn pack_epoch(packer: &mut Packer, epoch: &Epoch, replaces: bool) {
        packer.byte(if replaces { 11 } else { 7 });
        packer.signed(epoch.id);
        packer.text(&epoch.meter);
        packer.signed(epoch.from_ms);
        packer.option(epoch.identity.as_deref(), Packer::text);
        packer.text(names::name_of(&EpochCause::NAMES, epoch.cause));
        packer.number(epoch.offsets.len() as u64);
        for (register, offset) in &epoch.offsets {
            packer.text(&register.to_string());
            put_number(packer, *offset);
        }
        packer.byte(u8::from(epoch.undone));
    }

    pub(super) fn pack_undo_epoch(packer: &mut Packer, epoch: i64) {
        packer.byte(8);
        packer.signed(epoch);
    }

    pub(super) fn pack_remark(packer: &mut Packer, remark: &Remark) {
        packer.byte(9);
        packer.text(&remark.meter);
        packer.text(&remark.id.to_string());
        put_instant(packer, remark.since);
        packer.text(&remark.value);
    }

    pub(super) fn pack_cursor(packer: &mut Packer, sink: &str, stream: Stream, seq: u64) {
        packer.byte(10);
        packer.text(sink);
        packer.text(stream.text());
        packer.number(seq);
    }

    /// The record of these bytes, all of them; `forms` are those that the file has told before.
    pub(super) fn unpack(bytes: &[u8], forms: &[Form]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let bytes = &mut bytes;
        let record = match bytes.byte()? {
            0 => {
                let meter = bytes.text()?.into();
                Self::Form((meter, Arc::new(names::shape(bytes.text()?)?)))
            }
            1 => Self::Row(row(bytes, forms)?),
            2 => Self::Undated(bytes.signed()?, bytes.text()?.into(), row(bytes, forms)?),
            3 => Self::Measured(Measured {
                seq: bytes.number()?,
                case: bytes.text()?.parse().ok()?,
                mark: Mark::from_unix_s(bytes.signed()?),
                quality: names::quality(bytes.text()?)?,
                clock_doubtful: bytes.byte()? != 0,
                row: row(bytes, forms)?,
            }),
            4 => Self::Event(Event {
                seq: bytes.number()?,
                at: instant(bytes)?,
                code: event_code(bytes.text()?)?,
                about: bytes.option(Bytes::text)?.map(Arc::from),
                detail: bytes.text()?.to_owned(),
                count: bytes.number()?.try_into().ok()?,
            }),
            // Without the name of its meter, as the first versions wrote it.
            form @ (5 | 12) => Self::Held(Held {
                id: bytes.signed()?,
                meter: bytes.text()?.into(),
                at: instant(bytes)?,
                register: bytes.text()?.parse().ok()?,
                number: number(bytes)?,
                unit: bytes.option(Bytes::text)?.and_then(Unit::from_text).map(|(unit, _)| unit),
                reason: names::named(&HeldReason::NAMES, bytes.text()?)?,
                detail: bytes.text()?.to_owned(),
                judgement: names::named(&Judgement::NAMES, bytes.text()?)?,
                identity: if form == 12 { bytes.option(Bytes::text)?.map(Arc::from) } else { None },
            }),
            6 => Self::Judge(bytes.signed()?, names::named(&Judgement::NAMES, bytes.text()?)?),
            7 => Self::Epoch(epoch(bytes)?),
            8 => Self::UndoEpoch(bytes.signed()?),
            9 => Self::Remark(Remark {
                meter: bytes.text()?.into(),
                id: bytes.text()?.parse().ok()?,
                since: instant(bytes)?,
                value: bytes.text()?.to_owned(),
            }),
            10 => Self::Cursor(bytes.text()?.into(), names::stream(bytes.text()?)?, bytes.number()?),
            11 => Self::ReplaceEpoch(epoch(bytes)?),
            _ => return None,
        };
        bytes.is_empty().then_some(record)
    }
}

pub(super) fn event_code(text: &str) -> Option<EventCode> {
    EventCode::ALL.iter().find(|code| code.text() == text).copied()
}

fn put_row(packer: &mut Packer, row: &Row, form: u64) {
    packer.number(form);
    packer.number(row.seq);
    put_instant(packer, row.at);
    packer.option(row.meter_clock_s, Packer::signed);
    packer.number(row.flags.0.into());
    row.mantissas.iter().for_each(|&mantissa| packer.signed(mantissa));
}

fn row(bytes: &mut Bytes<'_>, forms: &[Form]) -> Option<Row> {
    let (meter, shape) = forms.get(usize::try_from(bytes.number()?).ok()?)?;
    Some(Row {
        meter: Arc::clone(meter),
        seq: bytes.number()?,
        at: instant(bytes)?,
        meter_clock_s: bytes.option(Bytes::signed)?,
        flags: RowFlags(bytes.number()?.try_into().ok()?),
        shape: Arc::clone(shape),
        mantissas: shape.0.iter().map(|_| bytes.signed()).collect::<Option<_>>()?,
    })
}

fn put_instant(packer: &mut Packer, at: Instant) {
    packer.signed(at.unix_ms);
    packer.byte(names::trust_code(at.trust));
}

fn instant(bytes: &mut Bytes<'_>) -> Option<Instant> {
    Some(Instant { unix_ms: bytes.signed()?, trust: names::trust(bytes.byte()?)? })
}

fn put_number(packer: &mut Packer, number: Number) {
    packer.signed(number.mantissa());
    packer.signed(number.exponent().into());
}

fn number(bytes: &mut Bytes<'_>) -> Option<Number> {
    let mantissa = bytes.signed()?;
    Number::with_exponent(mantissa, bytes.signed()?.try_into().ok()?)
}

fn epoch(bytes: &mut Bytes<'_>) -> Option<Epoch> {
    Some(Epoch {
        id: bytes.signed()?,
        meter: bytes.text()?.into(),
        from_ms: bytes.signed()?,
        identity: bytes.option(Bytes::text)?.map(Arc::from),
        cause: names::named(&EpochCause::NAMES, bytes.text()?)?,
        offsets: offsets(bytes)?,
        undone: bytes.byte()? != 0,
    })
}

fn offsets(bytes: &mut Bytes<'_>) -> Option<Vec<(RegisterId, Number)>> {
    let len = bytes.number()?;
    let mut offsets = Vec::new();
    // Each takes bytes, so that a wrong length ends by itself.
    for _ in 0..len {
        offsets.push((bytes.text()?.parse().ok()?, number(bytes)?));
    }
    Some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Column;
    use metergate_reading::Trust;
    use proptest::prelude::*;

    const AT: Instant = Instant { unix_ms: 1_775_986_800_000, trust: Trust::MeterDoubtful };

    fn register() -> RegisterId {
        "1-0:1.8.0*255#2".parse().unwrap()
    }

    fn a_row() -> Row {
        let column = Column { id: register(), unit: Some(Unit::WattHour), exponent: -1 };
        Row {
            seq: 7,
            meter: "house".into(),
            at: AT,
            meter_clock_s: Some(-5),
            flags: RowFlags::LATE,
            shape: Arc::new(Shape([column].into())),
            mantissas: [i64::MIN].into(),
        }
    }

    fn an_epoch() -> Epoch {
        Epoch {
            id: 3,
            meter: "house".into(),
            from_ms: -1,
            identity: Some("1EMH0012345678".into()),
            cause: EpochCause::Exchanged,
            offsets: vec![(register(), Number::new(-7, 3))],
            undone: true,
        }
    }

    /// Each record with its bytes, for the one form of `a_row`.
    fn records() -> Vec<(Record, Vec<u8>)> {
        let row = a_row();
        let held = Held {
            id: 2,
            meter: "house".into(),
            at: AT,
            register: register(),
            number: Number::new(9, -2),
            unit: None,
            reason: HeldReason::RolledBack,
            detail: "from 10 to 9".to_owned(),
            judgement: Judgement::Released,
            identity: Some("1ESY1161".into()),
        };
        let event = Event {
            seq: 4,
            at: AT,
            code: EventCode::Silent,
            about: None,
            detail: "five minutes".to_owned(),
            count: 2,
        };
        let measured = Measured {
            seq: 9,
            case: metergate_tariff::UseCase::Taf7LoadProfile,
            mark: Mark::from_unix_s(900),
            quality: metergate_tariff::Quality::Late,
            clock_doubtful: true,
            row: row.clone(),
        };
        let remark =
            Remark { meter: "house".into(), id: register(), since: AT, value: "\"text\"".to_owned() };
        let packed = |pack: &dyn Fn(&mut Packer)| {
            let mut packer = Packer::default();
            pack(&mut packer);
            packer.0
        };
        let form = (Arc::clone(&row.meter), Arc::clone(&row.shape));
        vec![
            (Record::Form(form.clone()), packed(&|packer| Record::pack_form(packer, &form))),
            (Record::Row(row.clone()), packed(&|packer| Record::pack_row(packer, &row, 0))),
            (
                Record::Undated(5, "boot".into(), row.clone()),
                packed(&|packer| Record::pack_undated(packer, 5, "boot", &row, 0)),
            ),
            (
                Record::Measured(measured.clone()),
                packed(&|packer| Record::pack_measured(packer, &measured, 0)),
            ),
            (Record::Event(event.clone()), packed(&|packer| Record::pack_event(packer, &event))),
            (Record::Held(held.clone()), packed(&|packer| Record::pack_held(packer, &held))),
            (
                Record::Judge(2, Judgement::Rejected),
                packed(&|packer| Record::pack_judge(packer, 2, Judgement::Rejected)),
            ),
            (Record::Epoch(an_epoch()), packed(&|packer| Record::pack_epoch(packer, &an_epoch(), false))),
            (
                Record::ReplaceEpoch(an_epoch()),
                packed(&|packer| Record::pack_epoch(packer, &an_epoch(), true)),
            ),
            (Record::UndoEpoch(3), packed(&|packer| Record::pack_undo_epoch(packer, 3))),
            (Record::Remark(remark.clone()), packed(&|packer| Record::pack_remark(packer, &remark))),
            (
                Record::Cursor("mqtt".into(), Stream::Events, 77),
                packed(&|packer| Record::pack_cursor(packer, "mqtt", Stream::Events, 77)),
            ),
        ]
    }

    fn forms() -> Vec<Form> {
        vec![("house".into(), a_row().shape)]
    }

    #[test]
    fn every_record_reads_back_and_none_of_its_fronts_does() {
        for (record, bytes) in records() {
            assert_eq!(Record::unpack(&bytes, &forms()), Some(record.clone()));
            for len in 0..bytes.len() {
                assert_eq!(Record::unpack(&bytes[..len], &forms()), None, "{record:?} cut at {len}");
            }
            let longer = [&bytes[..], &[0]].concat();
            assert_eq!(Record::unpack(&longer, &forms()), None);
        }
        // A row of a form that the file has not told.
        assert_eq!(Record::unpack(&records()[1].1, &[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_none(kind in 0..13_u8, bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Record::unpack(&[&[kind], &bytes[..]].concat(), &forms());
        }
    }
}
