//! SML 1.04: the transport frame, then a tree of fields, then the list in it.
use super::check;
use super::unit;
use super::{Address, Register, Telegram, Value};

/// A field of the binary encoding with all that is inside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Octets(Vec<u8>),
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    List(Vec<Node>),
    EndOfMessage,
}

/// Reads one field of the file and moves on behind it.
pub(crate) fn node(file: &[u8], at: &mut usize) -> Option<Node> {
    let byte = |at: usize| file.get(at).copied();
    let start = *at;
    let first = byte(start)?;
    if first == 0 {
        *at += 1;
        return Some(Node::EndOfMessage);
    }
    let kind = first >> 4 & 7;
    let mut length = usize::from(first & 15);
    let mut head = 1;
    let mut more = first & 0x80 != 0;
    while more {
        let next = byte(start + head)?;
        // The type bits of further bytes are zero.
        if next & 0x70 != 0 || head >= 4 {
            return None;
        }
        length = length * 16 + usize::from(next & 15);
        more = next & 0x80 != 0;
        head += 1;
    }
    *at += head;
    if kind == 7 {
        let mut children = Vec::new();
        for _ in 0..length {
            children.push(node(file, at)?);
        }
        return Some(Node::List(children));
    }
    let value_len = length.checked_sub(head)?;
    let value = file.get(*at..*at + value_len)?;
    *at += value_len;
    match kind {
        0 => Some(Node::Octets(value.to_vec())),
        4 if value_len == 1 => Some(Node::Bool(value[0] != 0)),
        5 if (1..=8).contains(&value_len) => {
            let mut bytes = if value[0] & 0x80 != 0 { [0xFF; 8] } else { [0; 8] };
            bytes[8 - value_len..].copy_from_slice(value);
            Some(Node::Signed(i64::from_be_bytes(bytes)))
        }
        6 if (1..=8).contains(&value_len) => {
            let mut bytes = [0; 8];
            bytes[8 - value_len..].copy_from_slice(value);
            Some(Node::Unsigned(u64::from_be_bytes(bytes)))
        }
        _ => None,
    }
}

/// Writes a field; the type-length field has as many bytes as it needs, and `longer` more.
pub(crate) fn encode(node: &Node, longer: usize, bytes: &mut Vec<u8>) {
    let field = |bytes: &mut Vec<u8>, kind: u8, content: &[u8]| {
        put_type_length(bytes, kind, content.len(), longer);
        bytes.extend(content);
    };
    // Numbers in as few bytes as hold them.
    let short = |value: &[u8; 8], fill: u8| {
        let spare = value.iter().take(7).take_while(|&&byte| byte == fill).count();
        let sign_kept = fill == 0 || value[spare] & 0x80 != 0;
        value[if sign_kept { spare } else { spare - 1 }..].to_vec()
    };
    match node {
        // "Not set" has one form.
        Node::Octets(content) if content.is_empty() => bytes.push(1),
        Node::Octets(content) => field(bytes, 0, content),
        Node::Bool(value) => field(bytes, 4, &[u8::from(*value)]),
        Node::Signed(value) if *value < 0 => field(bytes, 5, &short(&value.to_be_bytes(), 0xFF)),
        Node::Signed(value) => {
            let mut content = short(&value.to_be_bytes(), 0);
            if content[0] & 0x80 != 0 {
                content.insert(0, 0);
            }
            field(bytes, 5, &content);
        }
        Node::Unsigned(value) => field(bytes, 6, &short(&value.to_be_bytes(), 0)),
        Node::List(children) => {
            put_type_length(bytes, 7, children.len(), longer);
            children.iter().for_each(|child| encode(child, longer, bytes));
        }
        Node::EndOfMessage => bytes.push(0),
    }
}

fn put_type_length(bytes: &mut Vec<u8>, kind: u8, length: usize, longer: usize) {
    let own = |bytes: usize| if kind == 7 { 0 } else { bytes };
    let mut count = 1;
    while (length + own(count)) >> (4 * count) != 0 {
        count += 1;
    }
    count += longer;
    let total = length + own(count);
    for index in 0..count {
        let nibble = u8::try_from(total >> (4 * (count - 1 - index)) & 15).expect("four bits");
        let more = if index + 1 < count { 0x80 } else { 0 };
        bytes.push(more | if index == 0 { kind << 4 } else { 0 } | nibble);
    }
}

/// Takes the frame apart: the file with its padding, the number of padding bytes, and whether the CRC is Kermit.
pub(crate) fn unframe(frame: &[u8]) -> Option<(Vec<u8>, u8, bool)> {
    let body_and_end = frame.strip_prefix(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01")?;
    let crc_at = frame.len().checked_sub(2)?;
    let end = body_and_end.get(body_and_end.len().checked_sub(8)?..)?;
    if !end.starts_with(b"\x1b\x1b\x1b\x1b\x1a") {
        return None;
    }
    let sent = [frame[crc_at], frame[crc_at + 1]];
    let kermit = if check::x25(&frame[..crc_at]).to_le_bytes() == sent {
        false
    } else {
        let crc = check::kermit(&frame[..crc_at]);
        if crc.to_le_bytes() != sent && crc.to_be_bytes() != sent {
            return None;
        }
        true
    };
    // Cut into runs: 1B repeated, or anything else. Of each run of 1B every second group of four goes.
    let body = &body_and_end[..body_and_end.len() - 8];
    let mut file = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let run = body[at..].iter().take_while(|&&byte| byte == 0x1B).count();
        if run == 0 {
            file.push(body[at]);
            at += 1;
            continue;
        }
        // The escape of the end sequence belongs to the last run.
        let run_with_end = if at + run == body.len() { run + 4 } else { run };
        let (pairs, rest) = (run_with_end / 8, run_with_end % 8);
        let is_last = at + run == body.len();
        if (rest >= 4) != is_last {
            return None;
        }
        let single = if is_last { rest - 4 } else { rest };
        file.extend(vec![0x1B; pairs * 4 + single]);
        at += run;
    }
    Some((file, end[5], kermit))
}

/// A message: its body's number and content, after its CRC was found right.
pub(crate) fn messages(file: &[u8], padding: u8, kermit: bool) -> Option<Vec<(u64, Node)>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < file.len() && file[at] != 0 {
        found.push(message(file, &mut at, kermit)?);
    }
    let rest = &file[at..];
    (rest.len() == usize::from(padding) && rest.iter().all(|&byte| byte == 0)).then_some(found)
}

/// Reads one message.
pub(crate) fn message(file: &[u8], at: &mut usize, kermit: bool) -> Option<(u64, Node)> {
    let start = *at;
    // The six elements one by one, to know where the CRC stands. The list may have a longer head than needed.
    let mut head = *at;
    let mut elements = 0;
    loop {
        let byte = *file.get(head)?;
        if (head == start && byte & 0x70 != 0x70) || (head > start && byte & 0x70 != 0) || head - start > 3 {
            return None;
        }
        elements = elements * 16 + usize::from(byte & 15);
        head += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    *at = head;
    if elements != 6 {
        return None;
    }
    let Node::Octets(_) = node(file, at)? else { return None };
    let Node::Unsigned(group) = node(file, at)? else { return None };
    let Node::Unsigned(abort) = node(file, at)? else { return None };
    let Node::List(body) = node(file, at)? else { return None };
    let crc_at = *at;
    let Node::Unsigned(sent) = node(file, at)? else { return None };
    let Node::EndOfMessage = node(file, at)? else { return None };
    if group > u64::from(u32::MAX) || abort > 255 || body.len() != 2 {
        return None;
    }
    let checked = &file[start..crc_at];
    let right = if kermit {
        let crc = check::kermit(checked);
        sent == u64::from(crc) || sent == u64::from(crc.swap_bytes())
    } else {
        sent == u64::from(check::x25(checked).swap_bytes())
    };
    let (Node::Unsigned(number), content) = (&body[0], &body[1]) else { return None };
    (right && *number <= u64::from(u32::MAX)).then(|| (*number, content.clone()))
}

/// The registers of all lists of the messages; `None` when a message is not as the standard has it.
pub(crate) fn telegram(messages: &[(u64, Node)]) -> Option<Telegram> {
    let mut found: Vec<Telegram> = Vec::new();
    for (number, body) in messages {
        match number {
            0x0101 => open_response(body)?,
            0x0201 => {
                let [signature] = list(body)? else { return None };
                octets(signature)?;
            }
            0x0301 => found.push(profile_pack(body)?),
            0x0401 => found.push(profile_list(body)?),
            0x0701 => found.push(get_list(body)?),
            0xFF01 => {
                let [server, number, message, _] = list(body)? else { return None };
                octets(server).and(octets(number)).and(octets(message))?;
            }
            _ => {}
        }
    }
    // A file without readings is no telegram.
    (!found.is_empty())
        .then(|| Telegram { registers: found.into_iter().flat_map(|list| list.registers).collect() })
}

fn list(node: &Node) -> Option<&[Node]> {
    if let Node::List(children) = node { Some(children) } else { None }
}

fn octets(node: &Node) -> Option<&[u8]> {
    if let Node::Octets(bytes) = node { Some(bytes) } else { None }
}

fn is_not_set(node: &Node) -> bool {
    *node == Node::Octets(Vec::new())
}

fn unsigned(node: &Node, max: u64) -> Option<u64> {
    if let Node::Unsigned(value) = node { Some(*value).filter(|&value| value <= max) } else { None }
}

/// A time: its choice (0 when it has none), its seconds, and minutes from UTC to local time.
fn time(node: &Node) -> Option<(u64, u32, i64)> {
    let seconds = |node: &Node| u32::try_from(unsigned(node, u64::from(u32::MAX))?).ok();
    if let Node::Unsigned(_) = node {
        return Some((0, seconds(node)?, 0));
    }
    let [choice, value] = list(node)? else { return None };
    match unsigned(choice, u64::MAX)? {
        choice @ (1 | 2) => Some((choice, seconds(value)?, 0)),
        3 => {
            let [stamp, Node::Signed(local), Node::Signed(season)] = list(value)? else { return None };
            let minutes = i64::from(i16::try_from(*local).ok()?) + i64::from(i16::try_from(*season).ok()?);
            Some((3, seconds(stamp)?, minutes))
        }
        _ => None,
    }
}

fn optional<T>(node: &Node, read: impl Fn(&Node) -> Option<T>) -> Option<Option<T>> {
    if is_not_set(node) { Some(None) } else { read(node).map(Some) }
}

fn open_response(body: &Node) -> Option<()> {
    let [codepage, client, file_id, server, ref_time, version] = list(body)? else { return None };
    octets(codepage).and(octets(client)).and(octets(file_id)).and(octets(server))?;
    optional(ref_time, time)?;
    optional(version, |node| unsigned(node, 255))?;
    Some(())
}

fn get_list(body: &Node) -> Option<Telegram> {
    let [client, server, name, sensor_time, entries, signature, gateway_time] = list(body)? else {
        return None;
    };
    octets(client).and(octets(server)).and(octets(name)).and(octets(signature))?;
    optional(sensor_time, time)?;
    optional(gateway_time, time)?;
    let registers = list(entries)?.iter().map(entry).collect::<Option<_>>()?;
    Some(Telegram { registers })
}

fn scaler(node: &Node) -> Option<i8> {
    if let Node::Signed(value) = node { i8::try_from(*value).ok() } else { None }
}

fn obis(node: &Node) -> Option<[u8; 6]> {
    octets(node)?.try_into().ok()
}

fn entry(node: &Node) -> Option<Register> {
    let [name, status, val_time, unit_code, scale, value, signature] = list(node)? else { return None };
    octets(signature)?;
    let unit_code = optional(unit_code, |node| unsigned(node, 255))?;
    let scale = optional(scale, scaler)?;
    let mut register = Register::new(Address::Obis, value_of(value, i32::from(scale.unwrap_or(0)))?);
    register.obis = Some(obis(name)?);
    register.status = optional(status, |node| unsigned(node, u64::MAX))?;
    register.unit = unit_code.and_then(|code| unit::of_dlms(u8::try_from(code).ok()?));
    if let Some(time) = optional(val_time, time)? {
        set_time(&mut register, time);
    }
    Some(register)
}

/// A seconds index stays what it is; a time since 1970 becomes a date-time.
fn set_time(register: &mut Register, (choice, seconds, minutes): (u64, u32, i64)) {
    // An offset of a day or more is none.
    let minutes = if minutes.abs() < 24 * 60 { minutes } else { 0 };
    if choice <= 1 {
        register.seconds_index = Some(seconds);
    } else {
        register.time = Some(super::text::of_unix_seconds(seconds.into(), minutes));
    }
}

fn value_of(node: &Node, exponent: i32) -> Option<Value> {
    Some(match node {
        Node::Octets(bytes) if bytes.is_empty() => Value::Null,
        Node::Octets(bytes) => Value::Octets(bytes.clone()),
        Node::Bool(value) => Value::Bool(*value),
        Node::Signed(value) => Value::Number { mantissa: i128::from(*value), exponent },
        // Numbers beyond 63 bits are refused.
        Node::Unsigned(value) => {
            Value::Number { mantissa: i128::from(i64::try_from(*value).ok()?), exponent }
        }
        Node::List(children) => {
            // The scaler belongs to the number of an entry; inside a list are bare numbers.
            Value::List(children.iter().map(|child| value_of(child, 0)).collect::<Option<_>>()?)
        }
        Node::EndOfMessage => return None,
    })
}

fn profile_list(body: &Node) -> Option<Telegram> {
    let [server, act, period, path, val_time, status, entries, raw, signature] = list(body)? else {
        return None;
    };
    octets(server).and(octets(raw)).and(octets(signature))?;
    time(act)?;
    unsigned(period, u64::from(u32::MAX))?;
    list(path)?.iter().try_for_each(|part| octets(part).map(|_| ()))?;
    let time = time(val_time)?;
    let status = unsigned(status, u64::MAX)?;
    let mut registers = Vec::new();
    for entry in list(entries)? {
        let [name, unit_code, scale, value, signature] = list(entry)? else { return None };
        octets(signature)?;
        let mut register = Register::new(Address::Obis, value_of(value, i32::from(scaler(scale)?))?);
        register.obis = Some(obis(name)?);
        register.unit = unit::of_dlms(u8::try_from(unsigned(unit_code, 255)?).ok()?);
        register.status = Some(status);
        set_time(&mut register, time);
        registers.push(register);
    }
    Some(Telegram { registers })
}

fn profile_pack(body: &Node) -> Option<Telegram> {
    let [server, act, period, path, headers, periods, raw, signature] = list(body)? else { return None };
    octets(server).and(octets(raw)).and(octets(signature))?;
    time(act)?;
    unsigned(period, u64::from(u32::MAX))?;
    list(path)?.iter().try_for_each(|part| octets(part).map(|_| ()))?;
    let mut columns = Vec::new();
    for header in list(headers)? {
        let [name, unit_code, scale] = list(header)? else { return None };
        columns.push((obis(name)?, u8::try_from(unsigned(unit_code, 255)?).ok()?, scaler(scale)?));
    }
    let mut registers = Vec::new();
    for period in list(periods)? {
        let [val_time, status, values, signature] = list(period)? else { return None };
        octets(signature)?;
        let time = time(val_time)?;
        let status = unsigned(status, u64::MAX)?;
        let values = list(values)?;
        if values.len() != columns.len() {
            return None;
        }
        for (value, (name, unit_code, scale)) in values.iter().zip(&columns) {
            let [value, signature] = list(value)? else { return None };
            octets(signature)?;
            let mut register = Register::new(Address::Obis, value_of(value, i32::from(*scale))?);
            register.obis = Some(*name);
            register.unit = unit::of_dlms(*unit_code);
            register.status = Some(status);
            set_time(&mut register, time);
            registers.push(register);
        }
    }
    Some(Telegram { registers })
}

/// Everything from the frame to the registers.
pub(crate) fn read(frame: &[u8]) -> Option<Telegram> {
    let (file, padding, kermit) = unframe(frame)?;
    telegram(&messages(&file, padding, kermit)?)
}
