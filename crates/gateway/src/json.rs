//! Telegrams and rejections as lines of JSON: the contract with other programs.
//!
//! One object a line, fields always in this order. `decode`, the truth of the simulator and the sink `stdout` write
//! the same objects:
//!
//! ```
//! use metergate_gateway::json::Line;
//! use metergate_meter::Protocol;
//! use metergate_reading::{Address, Number, Register, Unit, Value};
//!
//! let mut power = Register::new(Address::Obis, Value::Number(Number::new(-148, 0)));
//! power.obis = "1-0:16.7.0".parse().ok();
//! power.unit = Some(Unit::Watt);
//! let line = Line { offset: 392, length: 452, ..Line::new(1, Protocol::Sml, [power].into_iter()) };
//! assert_eq!(
//!     line.to_string(),
//!     concat!(
//!         r#"{"telegram":1,"offset":392,"length":452,"protocol":"sml","#,
//!         r#""meter":{"id":null,"raw":null,"manufacturer":null,"model":null},"time":null,"security":null,"#,
//!         r#""registers":[{"obis":"1-0:16.7.0*255","kind":"number","value":"-148","unit":"W","#,
//!         r#""mantissa":-148,"exponent":0}]}"#
//!     )
//! );
//! ```
//!
//! Numbers go out as decimal strings and as integers, never as binary fractions.
use metergate_meter::models::Model;
use metergate_meter::{Flags, Protocol, Rejection, Security, SecurityHeader, Telegram};
use metergate_reading::{
    Address, AddressBuf, DateTime, Groups, List, MeterId, MeterIdKind, Number, ObisCode, Register,
    RegisterBuf, Unit, Value, ValueBuf,
};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::fmt;

/// One accepted telegram.
///
/// `R` walks its registers: borrowed [`Register`]s of a telegram or owned [`RegisterBuf`]s of a reading.
#[derive(Debug, Clone)]
pub struct Line<'a, R> {
    /// Number of the line, from 0, of telegrams and rejections together.
    pub telegram: u64,
    /// First byte of the first frame.
    pub offset: u64,
    /// Length to the last byte of the last frame.
    pub length: u64,
    /// What it is written in.
    pub protocol: Protocol,
    /// Who speaks.
    pub meter: Option<MeterId>,
    /// Identification line of a text protocol.
    pub identification: Option<&'a str>,
    /// The model, if known.
    pub model: Option<&'static Model>,
    /// The meter's date and time.
    pub time: Option<DateTime>,
    /// The envelope.
    pub security: Option<Security>,
    /// What a reader should know.
    pub flags: Flags,
    /// SML list signature.
    pub signature: Option<&'a [u8]>,
    /// Its registers.
    pub registers: R,
}

impl<R> Line<'_, R> {
    /// A line with registers and nothing else known.
    pub fn new(telegram: u64, protocol: Protocol, registers: R) -> Self {
        Self {
            telegram,
            offset: 0,
            length: 0,
            protocol,
            meter: None,
            identification: None,
            model: None,
            time: None,
            security: None,
            flags: Flags::default(),
            signature: None,
            registers,
        }
    }
}

impl<'a> Line<'a, metergate_meter::Registers<'a>> {
    /// The line of a decoded telegram.
    #[must_use]
    pub fn of(number: u64, telegram: &Telegram<'a>) -> Self {
        Self {
            telegram: number,
            offset: telegram.offset,
            length: telegram.length,
            protocol: telegram.protocol,
            meter: telegram.meter,
            identification: telegram.identification,
            model: telegram.model,
            time: telegram.time,
            security: telegram.security,
            flags: telegram.flags,
            signature: telegram.signature,
            registers: telegram.registers.clone(),
        }
    }
}

impl<'a, R, T> Serialize for Line<'a, R>
where
    R: Iterator<Item = T> + Clone,
    T: Into<RegisterJson<'a>>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("telegram", &self.telegram)?;
        map.serialize_entry("offset", &self.offset)?;
        map.serialize_entry("length", &self.length)?;
        map.serialize_entry("protocol", self.protocol.name())?;
        map.serialize_entry(
            "meter",
            &MeterJson { id: self.meter, said: self.identification, model: self.model },
        )?;
        map.serialize_entry("time", &self.time.as_ref().map(Text))?;
        map.serialize_entry("security", &self.security.as_ref().map(SecurityJson))?;
        if self.flags != Flags::default() {
            map.serialize_entry("flags", &FlagsJson(self.flags))?;
        }
        map.serialize_entry("registers", &RegistersJson(&self.registers))?;
        if let Some(signature) = self.signature {
            map.serialize_entry("signature", &SignatureJson(signature))?;
        }
        map.end()
    }
}

/// The line, without a line end.
impl<'a, R, T> fmt::Display for Line<'a, R>
where
    R: Iterator<Item = T> + Clone,
    T: Into<RegisterJson<'a>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// One rejection.
#[derive(Debug, Clone, Copy)]
pub struct ErrorLine<'a> {
    /// Number of the line, from 0, of telegrams and rejections together.
    pub telegram: u64,
    /// What was refused and why.
    pub rejection: &'a Rejection,
}

impl Serialize for ErrorLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("telegram", &self.telegram)?;
        map.serialize_entry("offset", &self.rejection.offset)?;
        map.serialize_entry("length", &self.rejection.length)?;
        map.serialize_entry("protocol", self.rejection.protocol.name())?;
        map.serialize_entry("error", &ErrorJson(self.rejection))?;
        map.end()
    }
}

/// The line, without a line end.
impl fmt::Display for ErrorLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

struct ErrorJson<'a>(&'a Rejection);

impl Serialize for ErrorJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("layer", self.0.cause.layer())?;
        map.serialize_entry("code", self.0.cause.code().text())?;
        map.serialize_entry("message", &Text(self.0))?;
        if let Some(header) = &self.0.security {
            map.serialize_entry("security", &HeaderJson(header))?;
        }
        map.end()
    }
}

/// The stretch of a file in which no protocol was found.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct UnknownLine {
    /// Number of the line, from 0.
    pub telegram: u64,
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    protocol: Option<&'static str>,
    error: UnknownError,
}

#[derive(Debug, Clone, Copy, serde::Serialize)]
struct UnknownError {
    layer: &'static str,
    code: &'static str,
    message: &'static str,
}

impl UnknownLine {
    /// The whole input, of this length.
    #[must_use]
    pub fn new(length: u64) -> Self {
        let error = UnknownError { layer: "stream", code: "noise", message: "no protocol recognised" };
        Self { telegram: 0, offset: 0, length, protocol: None, error }
    }
}

struct MeterJson<'a> {
    id: Option<MeterId>,
    said: Option<&'a str>,
    model: Option<&'static Model>,
}

impl Serialize for MeterJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = self.id.as_ref().map(|id| match id.kind() {
            MeterIdKind::Serial => id.to_string(),
            _ => Hex(id.raw()).to_string(),
        });
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id.as_ref().map(Text))?;
        map.serialize_entry("raw", &raw)?;
        map.serialize_entry("manufacturer", &manufacturer(self.id.as_ref(), self.said))?;
        map.serialize_entry("model", &self.model.map(|model| model.name))?;
        if let Some(said) = self.said {
            map.serialize_entry("identification", said)?;
        }
        map.end()
    }
}

/// The maker's three letters: of the id, else of the identification line, which begins with them.
#[must_use]
pub fn manufacturer<'a>(id: Option<&'a MeterId>, identification: Option<&'a str>) -> Option<&'a str> {
    let letters =
        || identification?.get(..3).filter(|text| text.bytes().all(|byte| byte.is_ascii_alphabetic()));
    id.and_then(MeterId::manufacturer).or_else(letters)
}

struct SecurityJson<'a>(&'a Security);

impl Serialize for SecurityJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        header(&mut map, &self.0.header)?;
        map.serialize_entry("authenticated", &self.0.authenticated)?;
        map.end()
    }
}

struct HeaderJson<'a>(&'a SecurityHeader);

impl Serialize for HeaderJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        header(&mut map, self.0)?;
        map.end()
    }
}

fn header<M: SerializeMap>(map: &mut M, header: &SecurityHeader) -> Result<(), M::Error> {
    map.serialize_entry("system_title", &Text(&Hex(header.system_title())))?;
    map.serialize_entry("security_control", &Text(&Hex(&[header.security_control])))?;
    map.serialize_entry("invocation_counter", &header.invocation_counter)
}

struct FlagsJson(Flags);

impl Serialize for FlagsJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(flag_names(self.0))
    }
}

/// The flags that are set, by the names that CLI, log and sinks use.
pub fn flag_names(flags: Flags) -> impl Iterator<Item = &'static str> {
    let Flags { salvaged, replayed, unauthenticated } = flags;
    let all = [(salvaged, "salvaged"), (replayed, "replayed"), (unauthenticated, "unauthenticated")];
    all.into_iter().filter_map(|(set, name)| set.then_some(name))
}

struct SignatureJson<'a>(&'a [u8]);

impl Serialize for SignatureJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("value", &Text(&Hex(self.0)))?;
        // No vector to verify against is known, so nothing is claimed.
        map.serialize_entry("verdict", "unsupported")?;
        map.end()
    }
}

struct RegistersJson<'a, R>(&'a R);

impl<'a, R, T> Serialize for RegistersJson<'_, R>
where
    R: Iterator<Item = T> + Clone,
    T: Into<RegisterJson<'a>>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone().map(Into::into))
    }
}

/// One register, borrowed or owned.
#[derive(Debug, Clone, Copy)]
pub struct RegisterJson<'a> {
    obis: Option<ObisCode>,
    address: Address<'a>,
    value: ValueJson<'a>,
    unit: Option<Unit>,
    time: Option<DateTime>,
    seconds_index: Option<u32>,
    status: Option<u64>,
    groups: GroupsJson<'a>,
}

impl<'a> From<Register<'a>> for RegisterJson<'a> {
    fn from(register: Register<'a>) -> Self {
        Self {
            obis: register.obis,
            address: register.address,
            value: register.value.into(),
            unit: register.unit,
            time: register.time,
            seconds_index: register.seconds_index,
            status: register.status,
            groups: GroupsJson::Sent(register.groups),
        }
    }
}

impl<'a> From<&'a RegisterBuf> for RegisterJson<'a> {
    fn from(register: &'a RegisterBuf) -> Self {
        Self {
            obis: register.obis,
            address: match &register.address {
                AddressBuf::Obis => Address::Obis,
                AddressBuf::Position(position) => Address::Position(*position),
                AddressBuf::Kmp(number) => Address::Kmp(*number),
                AddressBuf::Text(text) => Address::Text(text),
            },
            value: (&register.value).into(),
            unit: register.unit,
            time: register.time,
            seconds_index: register.seconds_index,
            status: register.status,
            groups: GroupsJson::Kept(&register.groups),
        }
    }
}

impl Serialize for RegisterJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("obis", &self.obis.as_ref().map(Text))?;
        self.value.fields(&mut map, self.unit)?;
        if let Some(time) = &self.time {
            map.serialize_entry("time", &Text(time))?;
        }
        if let Some(seconds) = self.seconds_index {
            map.serialize_entry("seconds_index", &seconds)?;
        }
        if let Some(status) = self.status {
            map.serialize_entry("status", &status)?;
        }
        if !self.groups.is_empty() {
            map.serialize_entry("groups", &self.groups)?;
        }
        match self.address {
            Address::Obis => {}
            Address::Text(address) => map.serialize_entry("address", address)?,
            Address::Kmp(number) => map.serialize_entry("register", &number)?,
            Address::Position(position) => map.serialize_entry("position", &position)?,
        }
        if let ValueJson::Octets(bytes) = self.value {
            map.serialize_entry("text", &printable(bytes))?;
        }
        map.end()
    }
}

#[derive(Debug, Clone, Copy)]
enum GroupsJson<'a> {
    Sent(Groups<'a>),
    Kept(&'a [String]),
}

impl GroupsJson<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Sent(groups) => groups.iter().next().is_none(),
            Self::Kept(groups) => groups.is_empty(),
        }
    }
}

impl Serialize for GroupsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sent(groups) => serializer.collect_seq(groups.iter()),
            Self::Kept(groups) => serializer.collect_seq(groups.iter()),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum ValueJson<'a> {
    Number(Number),
    Float(Number),
    Octets(&'a [u8]),
    Text(&'a str),
    DateTime(DateTime),
    Bool(bool),
    Null,
    List(List<'a>),
    ListBuf(&'a [ValueBuf]),
}

impl<'a> From<Value<'a>> for ValueJson<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Number(number) => Self::Number(number),
            Value::Float(number) => Self::Float(number),
            Value::Octets(bytes) => Self::Octets(bytes),
            Value::Text(text) => Self::Text(text),
            Value::DateTime(time) => Self::DateTime(time),
            Value::Bool(truth) => Self::Bool(truth),
            Value::Null => Self::Null,
            Value::List(list) => Self::List(list),
        }
    }
}

impl<'a> From<&'a ValueBuf> for ValueJson<'a> {
    fn from(value: &'a ValueBuf) -> Self {
        match value {
            ValueBuf::Number(number) => Self::Number(*number),
            ValueBuf::Float(number) => Self::Float(*number),
            ValueBuf::Octets(bytes) => Self::Octets(bytes),
            ValueBuf::Text(text) => Self::Text(text),
            ValueBuf::DateTime(time) => Self::DateTime(*time),
            ValueBuf::Bool(truth) => Self::Bool(*truth),
            ValueBuf::Null => Self::Null,
            ValueBuf::List(list) => Self::ListBuf(list),
        }
    }
}

impl ValueJson<'_> {
    /// `kind`, `value` and what belongs to a number.
    fn fields<M: SerializeMap>(&self, map: &mut M, unit: Option<Unit>) -> Result<(), M::Error> {
        map.serialize_entry("kind", self.kind())?;
        match self {
            Self::Number(number) | Self::Float(number) => {
                map.serialize_entry("value", &Text(number))?;
                map.serialize_entry("unit", &unit.as_ref().map(Text))?;
                map.serialize_entry("mantissa", &number.mantissa())?;
                map.serialize_entry("exponent", &number.exponent())?;
                if matches!(self, Self::Float(_)) {
                    map.serialize_entry("float", &true)?;
                }
                Ok(())
            }
            Self::Octets(bytes) => map.serialize_entry("value", &Text(&Hex(bytes))),
            Self::Text(text) => map.serialize_entry("value", text),
            Self::DateTime(time) => map.serialize_entry("value", &Text(time)),
            Self::Bool(truth) => map.serialize_entry("value", truth),
            Self::Null => map.serialize_entry("value", &()),
            Self::List(list) => map.serialize_entry("value", &ListJson(list)),
            Self::ListBuf(list) => map.serialize_entry("value", &ListBufJson(list)),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) | Self::Float(_) => "number",
            Self::Octets(_) => "octets",
            Self::Text(_) => "text",
            Self::DateTime(_) => "datetime",
            Self::Bool(_) => "bool",
            Self::Null => "null",
            Self::List(_) | Self::ListBuf(_) => "list",
        }
    }
}

/// An element of a list: a register's value without the register.
impl Serialize for ValueJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.fields(&mut map, None)?;
        if let Self::Octets(bytes) = self {
            map.serialize_entry("text", &printable(bytes))?;
        }
        map.end()
    }
}

struct ListJson<'a>(&'a List<'a>);

impl Serialize for ListJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        self.0.iter().try_for_each(|value| seq.serialize_element(&ValueJson::from(value)))?;
        seq.end()
    }
}

struct ListBufJson<'a>(&'a [ValueBuf]);

impl Serialize for ListBufJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ValueJson::from))
    }
}

/// The bytes as text when all of them are printable ASCII.
#[must_use]
pub fn printable(bytes: &[u8]) -> Option<&str> {
    let all = !bytes.is_empty() && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if all { str::from_utf8(bytes).ok() } else { None }
}

/// Anything that prints, as a JSON string.
struct Text<'a, T>(&'a T);

impl<T: fmt::Display> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// Bytes as lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_meter::Cause;
    use metergate_reading::{Date, Time};

    fn registers() -> Vec<Register<'static>> {
        let at = DateTime::new(Date::new(2023, 8, 16).unwrap(), Time::new(17, 19, 30, 0).unwrap())
            .with_offset(120);
        let mut energy = Register::new(Address::Obis, Value::Number(Number::new(352_040_842, -4)));
        energy.obis = "1-0:1.8.0".parse().ok();
        energy.unit = Some(Unit::WattHour);
        energy.status = Some(0x1C_0104);
        energy.seconds_index = Some(4711);
        let mut gas = Register::new(Address::Obis, Value::Number(Number::new(12_785_123, -3)));
        gas.obis = "0-1:24.2.1".parse().ok();
        gas.unit = Some(Unit::CubicMetre);
        gas.time = Some(at);
        gas.groups = Groups::new("(101209112500W)(12785.123*m3)");
        let float = Value::Float("0.1".parse().unwrap());
        let list: List<'static> = List::new(&[1, 0xFF], 2, |bytes| {
            let (first, rest) = bytes.split_first()?;
            *bytes = rest;
            Some(if *first == 1 { Value::Bool(true) } else { Value::Octets(&[0xFF]) })
        });
        vec![
            energy,
            gas,
            Register::new(Address::Position(3), Value::Octets(b"6970631401753985")),
            Register::new(Address::Position(4), Value::Octets(&[0x1B, 0x41])),
            Register::new(Address::Kmp(60), float),
            Register::new(Address::Text("C.1.0"), Value::Text("00\"12")),
            Register::new(Address::Obis, Value::DateTime(at)),
            Register::new(
                Address::Obis,
                Value::DateTime(DateTime::time_only(Time::new(1, 2, 3, 0).unwrap())),
            ),
            Register::new(Address::Obis, Value::Bool(false)),
            Register::new(Address::Obis, Value::Null),
            Register::new(Address::Obis, Value::List(list)),
        ]
    }

    fn line<R>(registers: R) -> Line<'static, R> {
        let header = SecurityHeader::new(b"KFM\x01", 0x20, 24_581);
        Line {
            offset: 0,
            length: 392,
            meter: MeterId::server_id(&[0x09, 0x01, 0x45, 0x53, 0x59, 0x11, 0x03, 0xA9, 0x49, 0xEB]),
            time: DateTime::from_unix_seconds(0),
            security: Some(Security { header, authenticated: false }),
            flags: Flags { salvaged: false, replayed: true, unauthenticated: true },
            signature: Some(&[0xAB, 0x01]),
            ..Line::new(0, Protocol::Sml, registers)
        }
    }

    #[test]
    fn every_kind_of_register_stands_as_the_contract_says() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&line(registers().into_iter())).unwrap());
    }

    #[test]
    fn owned_readings_give_the_same_line_as_telegrams() {
        let owned: Vec<RegisterBuf> = registers().into_iter().map(Into::into).collect();
        assert_eq!(line(owned.iter()).to_string(), line(registers().into_iter()).to_string());
    }

    #[test]
    fn a_rejection_names_layer_code_and_header() {
        let security = Some(SecurityHeader::new(b"SAG5", 0x30, 5726));
        let rejection =
            Rejection { offset: 1, length: 2, protocol: Protocol::P1, cause: Cause::Noise, security };
        assert_eq!(
            ErrorLine { telegram: 7, rejection: &rejection }.to_string(),
            concat!(
                r#"{"telegram":7,"offset":1,"length":2,"protocol":"p1","error":{"layer":"stream","code":"noise","#,
                r#""message":"bytes that belong to no telegram","security":{"system_title":"53414735","#,
                r#""security_control":"30","invocation_counter":5726}}}"#
            )
        );
    }

    #[test]
    fn the_maker_is_in_the_identification_line_when_no_id_tells() {
        assert_eq!(manufacturer(None, Some("KFM5KAIFA-METER")), Some("KFM"));
        assert_eq!(manufacturer(None, Some("1234")), None);
        assert_eq!(manufacturer(None, None), None);
    }

    #[test]
    fn control_characters_are_no_text() {
        assert_eq!(printable(b"1 ESY"), Some("1 ESY"));
        assert_eq!(printable(b""), None);
        assert_eq!(printable(b"a\n"), None);
    }
}
