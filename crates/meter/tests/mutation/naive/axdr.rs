//! A-XDR (IEC 61334-6): a value becomes a tree.

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    Null,
    Array(Vec<Data>),
    Structure(Vec<Data>),
    /// Its elements, its contents as sent, and all of it as sent.
    CompactArray(Vec<Data>, Vec<u8>, Vec<u8>),
    Bool(bool),
    Bits(usize, Vec<u8>),
    /// Tag and value of any of the eight integer types.
    Integer(u8, i128),
    Octets(Vec<u8>),
    Visible(Vec<u8>),
    Utf8(Vec<u8>),
    Bcd(u8),
    Enum(u8),
    Float32(f32),
    Float64(f64),
    DateTime(Vec<u8>),
    Date(Vec<u8>),
    Time(Vec<u8>),
    DontCare,
}

/// A length or count, and how many bytes it takes.
pub(crate) fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((usize::from(first), 1));
    }
    let count = usize::from(first & 0x7F);
    if !(1..=4).contains(&count) {
        return None;
    }
    let value = bytes.get(1..1 + count)?.iter().fold(0, |value, &byte| value * 256 + usize::from(byte));
    Some((value, 1 + count))
}

/// The value that fills `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Option<Data> {
    let mut at = 0;
    let data = value(bytes, &mut at)?;
    (at == bytes.len()).then_some(data)
}

fn value(bytes: &[u8], at: &mut usize) -> Option<Data> {
    let tag = *bytes.get(*at)?;
    *at += 1;
    match tag {
        1 | 2 => {
            let (count, head) = length(&bytes[*at..])?;
            *at += head;
            let mut elements = Vec::new();
            for _ in 0..count {
                elements.push(value(bytes, at)?);
            }
            Some(if tag == 1 { Data::Array(elements) } else { Data::Structure(elements) })
        }
        19 => {
            let start = *at - 1;
            let described = kind(bytes, at)?;
            let (len, head) = length(&bytes[*at..])?;
            *at += head;
            let contents = bytes.get(*at..*at + len)?;
            *at += len;
            let mut elements = Vec::new();
            let mut inside = 0;
            // A description without bytes has no end, and arrays of arrays of it have too many elements.
            let mut budget = 100_000;
            while inside < contents.len() {
                elements.push(of_kind(&described, contents, &mut inside, &mut budget)?);
            }
            Some(Data::CompactArray(elements, contents.to_vec(), bytes[start..*at].to_vec()))
        }
        tag => plain(tag, bytes, at),
    }
}

/// The type description of a compact array.
enum Kind {
    Plain(u8),
    Array(usize, Box<Kind>),
    Structure(Vec<Kind>),
}

fn kind(bytes: &[u8], at: &mut usize) -> Option<Kind> {
    let tag = *bytes.get(*at)?;
    *at += 1;
    match tag {
        1 => {
            let count = bytes.get(*at..*at + 2)?;
            *at += 2;
            Some(Kind::Array(usize::from(count[0]) * 256 + usize::from(count[1]), Box::new(kind(bytes, at)?)))
        }
        2 => {
            let count = *bytes.get(*at)?;
            *at += 1;
            Some(Kind::Structure((0..count).map(|_| kind(bytes, at)).collect::<Option<_>>()?))
        }
        0 | 3..=6 | 9 | 10 | 12 | 13 | 15..=18 | 20..=27 | 255 => Some(Kind::Plain(tag)),
        _ => None,
    }
}

fn of_kind(kind: &Kind, bytes: &[u8], at: &mut usize, budget: &mut usize) -> Option<Data> {
    *budget = budget.checked_sub(1)?;
    let mut each = |kind| of_kind(kind, bytes, at, budget);
    match kind {
        Kind::Plain(tag) => plain(*tag, bytes, at),
        Kind::Array(count, element) => {
            Some(Data::Array((0..*count).map(|_| each(element)).collect::<Option<_>>()?))
        }
        Kind::Structure(kinds) => Some(Data::Structure(kinds.iter().map(each).collect::<Option<_>>()?)),
    }
}

fn plain(tag: u8, bytes: &[u8], at: &mut usize) -> Option<Data> {
    let mut take = |len: usize| {
        let part = bytes.get(*at..at.checked_add(len)?)?;
        *at += len;
        Some(part)
    };
    let sized = |part: &[u8], signed: bool| {
        let negative = signed && part[0] & 0x80 != 0;
        let start = if negative { -1 } else { 0 };
        Data::Integer(tag, part.iter().fold(start, |value: i128, &byte| value * 256 + i128::from(byte)))
    };
    Some(match tag {
        0 => Data::Null,
        3 => Data::Bool(take(1)?[0] != 0),
        4 => {
            let (bits, head) = length(&bytes[*at..])?;
            *at += head;
            let part = bytes.get(*at..*at + bits.div_ceil(8))?;
            *at += part.len();
            Data::Bits(bits, part.to_vec())
        }
        5 => sized(take(4)?, true),
        6 => sized(take(4)?, false),
        9 | 10 | 12 => {
            let (len, head) = length(&bytes[*at..])?;
            *at += head;
            let part = bytes.get(*at..*at + len)?.to_vec();
            *at += len;
            match tag {
                9 => Data::Octets(part),
                10 => Data::Visible(part),
                _ => Data::Utf8(part),
            }
        }
        13 => Data::Bcd(take(1)?[0]),
        15 => sized(take(1)?, true),
        16 => sized(take(2)?, true),
        17 => sized(take(1)?, false),
        18 => sized(take(2)?, false),
        20 => sized(take(8)?, true),
        21 => match sized(take(8)?, false) {
            // Numbers beyond 63 bits are refused.
            Data::Integer(_, value) if value > i128::from(i64::MAX) => return None,
            value => value,
        },
        22 => Data::Enum(take(1)?[0]),
        23 => Data::Float32(f32::from_be_bytes(take(4)?.try_into().ok()?)),
        24 => Data::Float64(f64::from_be_bytes(take(8)?.try_into().ok()?)),
        25 => Data::DateTime(take(12)?.to_vec()),
        26 => Data::Date(take(5)?.to_vec()),
        27 => Data::Time(take(4)?.to_vec()),
        255 => Data::DontCare,
        _ => return None,
    })
}

/// A length or count in its shortest form.
fn put_length(bytes: &mut Vec<u8>, length: usize) {
    match u16::try_from(length).expect("nothing here is longer").to_be_bytes() {
        [0, short @ 0..=0x7F] => bytes.push(short),
        [0, low] => bytes.extend([0x81, low]),
        [high, low] => bytes.extend([0x82, high, low]),
    }
}

/// Writes a value.
pub(crate) fn encode(data: &Data, bytes: &mut Vec<u8>) {
    let string = |bytes: &mut Vec<u8>, tag, content: &[u8]| {
        bytes.push(tag);
        put_length(bytes, content.len());
        bytes.extend(content);
    };
    match data {
        Data::Null => bytes.push(0),
        Data::Array(elements) | Data::Structure(elements) => {
            bytes.push(if matches!(data, Data::Array(_)) { 1 } else { 2 });
            put_length(bytes, elements.len());
            elements.iter().for_each(|element| encode(element, bytes));
        }
        Data::CompactArray(_, _, raw) => bytes.extend(raw),
        Data::Bool(value) => bytes.extend([3, u8::from(*value)]),
        Data::Bits(bits, content) => {
            bytes.push(4);
            put_length(bytes, *bits);
            bytes.extend(content);
        }
        Data::Integer(tag, value) => {
            let width = match tag {
                15 | 17 => 1,
                16 | 18 => 2,
                5 | 6 => 4,
                _ => 8,
            };
            bytes.push(*tag);
            bytes.extend(&value.to_be_bytes()[16 - width..]);
        }
        Data::Octets(content) => string(bytes, 9, content),
        Data::Visible(content) => string(bytes, 10, content),
        Data::Utf8(content) => string(bytes, 12, content),
        Data::Bcd(value) => bytes.extend([13, *value]),
        Data::Enum(value) => bytes.extend([22, *value]),
        Data::Float32(value) => {
            bytes.push(23);
            bytes.extend(value.to_be_bytes());
        }
        Data::Float64(value) => {
            bytes.push(24);
            bytes.extend(value.to_be_bytes());
        }
        Data::DateTime(content) | Data::Date(content) | Data::Time(content) => {
            bytes.push(match content.len() {
                12 => 25,
                5 => 26,
                _ => 27,
            });
            bytes.extend(content);
        }
        Data::DontCare => bytes.push(255),
    }
}
