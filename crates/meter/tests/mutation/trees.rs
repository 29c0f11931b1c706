//! Changes of structure: elements added, taken away, exchanged, nested; counts and lengths stay right.
use crate::naive::axdr::{self, Data};
use crate::naive::cosem;
use crate::naive::sml::{self, Node};
use crate::random::Random;

/// Changes the structure of a data-notification; `None` when it has none.
pub(crate) fn of_notification(random: &mut Random, message: &[u8]) -> Option<Vec<u8>> {
    let (head, body) = message.split_at_checked(cosem::body_at(message)?)?;
    let mut body = axdr::parse(body)?;
    for _ in 0..random.between(1, 3) {
        change(random, &mut body);
    }
    let mut bytes = head.to_vec();
    axdr::encode(&body, &mut bytes);
    Some(bytes)
}

fn children_of(data: &mut Data) -> Option<&mut Vec<Data>> {
    match data {
        Data::Array(children) | Data::Structure(children) => Some(children),
        _ => None,
    }
}

fn change(random: &mut Random, data: &mut Data) {
    let deeper = children_of(data).is_some_and(|children| !children.is_empty()) && !random.once_in(3);
    if deeper && random.once_in(2) {
        let children = children_of(data).expect("it has some");
        let child = random.below(children.len());
        return change(random, &mut children[child]);
    }
    let Some(children) = children_of(data) else {
        *data = some_data(random, 2);
        return;
    };
    let at = random.below(children.len() + 1);
    match random.below(8) {
        0 if at < children.len() => {
            children.remove(at);
        }
        1 if at < children.len() => {
            let copy = children[at].clone();
            children.insert(at, copy);
        }
        2 if children.len() > 1 => {
            let other = random.below(children.len());
            children.swap(at.min(other), other);
        }
        3 if at < children.len() => {
            // One level more, or one less.
            let child = children.remove(at);
            match child {
                Data::Array(inside) | Data::Structure(inside) if random.once_in(2) => {
                    children.splice(at..at, inside);
                }
                child if random.once_in(2) => children.insert(at, Data::Array(vec![child])),
                child => children.insert(at, Data::Structure(vec![child])),
            }
        }
        4 => {
            let names = (0..children.len() + random.below(2)).map(|_| push_object(random)).collect();
            children.insert(0, Data::Array(names));
        }
        _ => children.insert(at, some_data(random, 3)),
    }
}

fn code(random: &mut Random) -> Data {
    Data::Octets(vec![*random.one_of(&[0, 1, 7, 15, 16]), 0, random.byte(), *random.one_of(&[7, 8]), 0, 255])
}

fn scaler_unit(random: &mut Random) -> Data {
    let scaler = i128::from(random.byte().cast_signed());
    let mut fields = vec![Data::Integer(15, scaler), Data::Enum(*random.one_of(&[27, 30, 33, 35, 255, 0]))];
    // Some that are no scaler and unit after all.
    match random.below(8) {
        0 => fields.push(some_data(random, 0)),
        1 => fields.truncate(1),
        2 => fields.swap(0, 1),
        _ => {}
    }
    Data::Structure(fields)
}

fn push_object(random: &mut Random) -> Data {
    Data::Structure(vec![Data::Integer(18, 3), code(random), Data::Integer(15, 2), Data::Integer(18, 0)])
}

fn some_bytes(random: &mut Random, longest: usize) -> Vec<u8> {
    (0..random.below(longest + 1)).map(|_| random.byte()).collect()
}

/// Any value; lists inside of it at most `depth` deep.
fn some_data(random: &mut Random, depth: usize) -> Data {
    const TAGS: [u8; 8] = [5, 6, 15, 16, 17, 18, 20, 21];
    match random.below(if depth == 0 { 16 } else { 22 }) {
        0 => Data::Null,
        1 => Data::Bool(random.once_in(2)),
        2 => {
            let content = some_bytes(random, 4);
            Data::Bits(content.len() * 8, content)
        }
        3 | 4 => {
            let tag = *random.one_of(&TAGS);
            let (width, signed) = match tag {
                15 => (8, true),
                16 => (16, true),
                5 => (32, true),
                20 => (64, true),
                17 => (8, false),
                18 => (16, false),
                6 => (32, false),
                _ => (63, false),
            };
            let raw = some_bytes(random, 8).iter().fold(0_i128, |value, &byte| value << 8 | i128::from(byte));
            let value = raw & ((1_i128 << width) - 1);
            Data::Integer(
                tag,
                if signed && value >> (width - 1) == 1 { value - (1_i128 << width) } else { value },
            )
        }
        5 => Data::Octets(some_bytes(random, 20)),
        6 => Data::Visible(some_bytes(random, 10)),
        7 => Data::Utf8(some_bytes(random, 140)),
        8 => Data::Bcd(random.byte()),
        9 => Data::Enum(random.byte()),
        10 => Data::Float32(f32::from_be_bytes([random.byte(), random.byte(), random.byte(), random.byte()])),
        11 => {
            let mut content = [0; 8];
            content.fill_with(|| random.byte());
            Data::Float64(f64::from_be_bytes(content))
        }
        12 => {
            // A date-time by its tag or as octet string, possible or not.
            let mut content = vec![0x07, 0xEA, 0x0B, 0x14, 0x05, 0x08, 0x0F, 0x00, 0x00, 0xFF, 0xC4, 0x00];
            let at = random.below(12);
            content[at] = random.byte();
            if random.once_in(2) { Data::DateTime(content) } else { Data::Octets(content) }
        }
        13 => Data::Date(vec![0x07, 0xE8, 1 + random.byte() % 14, 1 + random.byte() % 33, random.byte()]),
        14 => Data::Time(vec![random.byte() % 26, random.byte() % 62, random.byte() % 62, random.byte()]),
        15 => Data::DontCare,
        16 => code(random),
        17 => scaler_unit(random),
        18 | 19 => {
            let mut fields = vec![code(random), some_data(random, depth - 1)];
            if random.once_in(2) {
                fields.push(scaler_unit(random));
            }
            Data::Structure(fields)
        }
        20 => Data::Array((0..random.below(5)).map(|_| some_data(random, depth - 1)).collect()),
        _ => Data::Structure((0..random.below(5)).map(|_| some_data(random, depth - 1)).collect()),
    }
}

/// Changes the structure of an SML message without its CRC and end; `None` when it has none.
pub(crate) fn of_message(random: &mut Random, message: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Vec::new();
    let mut at = 1;
    while at < message.len() {
        fields.push(sml::node(message, &mut at)?);
    }
    let body = fields.last_mut()?;
    for _ in 0..random.between(1, 2) {
        change_node(random, body);
    }
    let longer = if random.once_in(4) { random.below(3) } else { 0 };
    let mut bytes = vec![message[0]];
    fields.iter().for_each(|field| sml::encode(field, longer, &mut bytes));
    Some(bytes)
}

fn change_node(random: &mut Random, node: &mut Node) {
    let Node::List(children) = node else {
        *node = some_node(random, 3);
        return;
    };
    if !children.is_empty() && !random.once_in(4) {
        let child = random.below(children.len());
        return change_node(random, &mut children[child]);
    }
    let at = random.below(children.len() + 1);
    match random.below(5) {
        0 if at < children.len() => {
            children.remove(at);
        }
        1 | 2 if at < children.len() => {
            let copy = children[at].clone();
            children.insert(at, copy);
        }
        3 if at < children.len() => children[at] = some_node(random, 3),
        _ => children.insert(at, some_node(random, 3)),
    }
}

/// Any field; lists inside of it at most `depth` deep.
fn some_node(random: &mut Random, depth: usize) -> Node {
    let number = |random: &mut Random| {
        some_bytes(random, 8).iter().fold(0, |value, &byte| value << 8 | u64::from(byte))
    };
    match random.below(if depth == 0 { 6 } else { 8 }) {
        0 => Node::Octets(Vec::new()),
        1 => Node::Octets(some_bytes(random, 40)),
        2 => Node::Bool(random.once_in(2)),
        3 => Node::Signed(number(random).cast_signed()),
        4 => Node::Unsigned(number(random)),
        5 => Node::List(vec![Node::Unsigned(1 + number(random) % 3), Node::Unsigned(number(random) >> 32)]),
        6 => Node::List((0..random.below(20)).map(|_| some_node(random, depth - 1)).collect()),
        _ => Node::List(vec![some_node(random, depth - 1)]),
    }
}
