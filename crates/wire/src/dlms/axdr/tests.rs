use std::vec::Vec;

use super::*;
use crate::{Writer, dlms::emit};

/// One value of every type, nested.
fn every_type() -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer);
    let scalars = scalars();
    emit::structure(&mut writer, scalars.len() + 3).unwrap();
    for value in &scalars {
        emit::value(&mut writer, *value).unwrap();
    }
    emit::array(&mut writer, 2).unwrap();
    for scaler in [-1, 2] {
        emit::structure(&mut writer, 2).unwrap();
        emit::value(&mut writer, Value::I8(scaler)).unwrap();
        emit::value(&mut writer, Value::Enum(30)).unwrap();
    }
    // Structures of a u16, an array of two i8 and an octet string; two of them.
    writer.put(&[0x13, 0x02, 0x03, 0x12, 0x01, 0x00, 0x02, 0x0F, 0x09]).unwrap();
    writer.put(&[0x0C, 0x01, 0x02, 0xFF, 0x01, 0x02, b'a', b'b', 0x03, 0x04, 0x05, 0xFB, 0x00]).unwrap();
    emit::value(&mut writer, Value::Octets(&[0xC5; 200])).unwrap();
    writer.written().to_vec()
}

fn scalars() -> Vec<Value<'static>> {
    let time = [0x07, 0xE1, 0x09, 0x0C, 0x02, 0x17, 0x12, 0x2A, 0xFF, 0x80, 0x00, 0x00];
    std::vec![
        Value::Null,
        Value::Bool(true),
        Value::BitString { bits: 11, bytes: &[0xAB, 0xC0] },
        Value::I32(i32::MIN),
        Value::U32(u32::MAX),
        Value::Octets(&[1, 0, 1, 8, 0, 255]),
        Value::Visible(b"Kamstrup_V0001"),
        Value::Utf8("Zähler".as_bytes()),
        Value::Bcd(0x42),
        Value::I8(-128),
        Value::I16(-29912),
        Value::U8(255),
        Value::U16(35624),
        Value::I64(i64::MIN),
        Value::U64(0x7FFF_FFFF_FFFF_FFFF),
        Value::Enum(30),
        Value::F32(49.98),
        Value::F64(-0.5),
        Value::DateTime(DateTime::new(time)),
        Value::Date(Date::new([0x07, 0xE5, 3, 7, 7])),
        Value::Time(Time::new([14, 55, 33, 0])),
        Value::DontCare,
    ]
}

#[test]
fn every_type_comes_back() {
    let bytes = every_type();
    let data = Data::validate(&bytes).unwrap();
    let values: Vec<_> = data.value().items().unwrap().collect();
    let scalars = scalars();
    assert_eq!(values[..scalars.len()], scalars[..]);
    assert_eq!(values.len(), scalars.len() + 3);
    let pairs: Vec<Vec<_>> =
        values[scalars.len()].items().unwrap().map(|pair| pair.items().unwrap().collect()).collect();
    assert_eq!(pairs, [[Value::I8(-1), Value::Enum(30)], [Value::I8(2), Value::Enum(30)]]);
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer);
    emit::value(&mut writer, data.value()).unwrap();
    assert_eq!(writer.written(), bytes);
}

#[test]
fn compact_arrays_are_read_by_their_description() {
    let bytes = every_type();
    let compact = Data::validate(&bytes).unwrap().value().items().unwrap().nth(23).unwrap();
    assert_eq!(compact.items().unwrap().len(), 2);
    let rows: Vec<Vec<_>> = compact.items().unwrap().map(|row| row.items().unwrap().collect()).collect();
    assert_eq!((rows[0][0], rows[0][2]), (Value::U16(0x0102), Value::Octets(b"ab")));
    let numbers: Vec<_> = rows[1][1].items().unwrap().collect();
    assert_eq!(numbers, [Value::I8(5), Value::I8(-5)]);
    assert_eq!(rows[1][2], Value::Octets(&[]));
}

#[test]
fn the_flat_walk_sees_what_the_nested_one_sees() {
    let bytes = every_type();
    let data = Data::validate(&bytes).unwrap();
    let walked: Vec<_> = data.walk().collect();
    assert_eq!(walked.len(), 1 + 22 + 1 + 2 * 3 + 1 + 1);
    assert_eq!(walked[1..23], scalars()[..]);
    assert_eq!(walked.last(), Some(&Value::Octets(&[0xC5; 200])));
}

#[test]
fn every_truncation_and_every_longer_one_is_refused() {
    let bytes = every_type();
    for end in 0..bytes.len() {
        assert!(Data::validate(&bytes[..end]).is_err(), "{end}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Data::validate(&longer), Err(Error::Trailing { at: bytes.len() }));
}

#[test]
fn what_is_validated_is_read_to_the_last_byte() {
    let bytes = every_type();
    let mut accepted = 0;
    for at in 0..bytes.len() {
        for byte in 0..=255 {
            let mut damaged = bytes.clone();
            damaged[at] = byte;
            let Ok(data) = Data::validate(&damaged) else { continue };
            accepted += 1;
            let mut walk = data.walk();
            while walk.next().is_some() {}
            assert_eq!(walk.unread(), (0, 0), "{at} {byte:02X}");
            if let Some(items) = data.value().items() {
                assert!(items.end().is_empty(), "{at} {byte:02X}");
            }
        }
    }
    assert!(accepted > 1000, "a changed number is still a number");
}

#[test]
fn numbers_beyond_i64_are_refused() {
    let bytes = [0x15, 0x80, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Data::validate(&bytes), Err(Error::TooLarge { at: 0, found: 1 << 63 }));
    assert_eq!(Value::U64(u64::MAX).integer(), None);
}

#[test]
fn hostile_nesting_and_counts_take_bounded_work() {
    let deep = [0x01_u8, 0x01].repeat(5000);
    assert_eq!(Data::validate(&deep), Err(Error::TooDeep { at: 2 * DEPTH_MAX }));
    let eight = [&[0x02, 0x01].repeat(DEPTH_MAX)[..], &[0x00]].concat();
    assert!(Data::validate(&eight).is_ok());
    let many = [0x01, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x00];
    assert_eq!(Data::validate(&many), Err(Error::Count { at: 0, count: 0xFFFF_FFFF, have: 1 }));
    // 65,535 x 65,535 values without bytes.
    let nothing = [0x13, 0x02, 0x02, 0x01, 0xFF, 0xFF, 0x01, 0xFF, 0xFF, 0x00, 0x0F, 0x01, 0x07];
    assert_eq!(Data::validate(&nothing), Err(Error::Elements { at: 0, max: COMPACT_ELEMENTS_MAX }));
    let endless = [0x13, 0x00, 0x01, 0x07];
    assert_eq!(Data::validate(&endless), Err(Error::Elements { at: 0, max: COMPACT_ELEMENTS_MAX }));
    let deep = [&[0x13][..], &[0x02, 0x01].repeat(DEPTH_MAX), &[0x11, 0x01, 0x07]].concat();
    assert_eq!(Data::validate(&deep), Err(Error::TooDeep { at: 1 + 2 * DEPTH_MAX }));
}

#[test]
fn free_tags_are_refused_with_their_place() {
    assert_eq!(Data::validate(&[0x02, 0x01, 0x0E]), Err(Error::Tag { at: 2, found: 0x0E }));
    assert_eq!(Data::validate(&[0x13, 0x13, 0x00]), Err(Error::Tag { at: 1, found: 0x13 }));
    assert_eq!(Data::validate(&[0x09, 0x80]), Err(Error::LengthForm { at: 1, found: 0x80 }));
}

#[test]
fn an_item_is_taken_whatever_the_form_of_its_lengths() {
    const ITEM: [u8; 18] = [2, 3, 9, 6, 1, 0, 1, 8, 0, 255, 0x11, 7, 2, 2, 0x0F, 0xFF, 0x16, 30];
    for place in [None, Some(1), Some(3), Some(13)] {
        for longer in [&[0x81][..], &[0x82, 0x00], &[0x84, 0x00, 0x00, 0x00]] {
            let mut bytes = ITEM.to_vec();
            if let Some(place) = place {
                bytes.splice(place..place, longer.iter().copied());
            }
            let mut walk = Data::validate(&bytes).unwrap().walk();
            assert_eq!(walk.take_item(), Some((3, [1, 0, 1, 8, 0, 255])), "{bytes:02X?}");
            assert_eq!(walk.take_integer(), Some(7));
            assert_eq!(walk.take_scaler_unit(), Some((-1, 30)), "{bytes:02X?}");
            assert_eq!(walk.unread(), (0, 0));
        }
    }
    for longer in [&[0x09, 0x06][..], &[0x09, 0x81, 0x06]] {
        let bytes = [longer, &ITEM[4..10]].concat();
        let mut walk = Data::validate(&bytes).unwrap().walk();
        assert_eq!(walk.take_octets::<5>(), None);
        assert_eq!(walk.take_octets(), Some(&[1, 0, 1, 8, 0, 255]), "{bytes:02X?}");
    }
    // Three elements are no scaler and unit, however their count is written.
    let three = [2, 0x81, 3, 0x0F, 0xFF, 0x16, 30, 0];
    assert_eq!(Data::validate(&three).unwrap().walk().take_scaler_unit(), None);
}
