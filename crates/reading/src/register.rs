//! One value of a telegram, borrowed from it.
use crate::{DateTime, Number, ObisCode, Unit};

/// How the telegram itself names a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address<'a> {
    /// By its OBIS code.
    Obis,
    /// By its place: the index, from 0, among the elements of the outermost structure of a data-notification.
    Position(u16),
    /// By a Kamstrup register number.
    Kmp(u16),
    /// By a text, as sent: `C.1.0`, `1-0:1.8.0*255`, `0.0`.
    Text(&'a str),
}

/// One register of one telegram.
///
/// The fields say what the telegram says and nothing more: what a telegram does not carry is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Register<'a> {
    /// What it means, if the telegram or a layout table says so.
    pub obis: Option<ObisCode>,
    /// How the telegram names it.
    pub address: Address<'a>,
    /// What it says.
    pub value: Value<'a>,
    /// The base unit of a number, if one was sent or a layout table gives it.
    pub unit: Option<Unit>,
    /// A time of its own (sub-meter readings, maximum demands).
    pub time: Option<DateTime>,
    /// SML secIndex: seconds of the meter's running time; no time of day.
    pub seconds_index: Option<u32>,
    /// SML status word or IEC 62056-21 status, as a number.
    pub status: Option<u64>,
    /// Bracket contents of a text protocol, as sent; empty for the others.
    pub groups: Groups<'a>,
}

impl<'a> Register<'a> {
    /// A register with a value and nothing else.
    #[must_use]
    pub const fn new(address: Address<'a>, value: Value<'a>) -> Self {
        Self {
            obis: None,
            address,
            value,
            unit: None,
            time: None,
            seconds_index: None,
            status: None,
            groups: Groups::NONE,
        }
    }
}

/// What a register says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// An exact number.
    Number(Number),
    /// A number that the meter sends as a binary float: its shortest exact decimal.
    Float(Number),
    /// Bytes whose meaning the telegram does not tell.
    Octets(&'a [u8]),
    /// A text.
    Text(&'a str),
    /// A date, a time or both.
    DateTime(DateTime),
    /// True or false.
    Bool(bool),
    /// The meter sends the register without a value.
    Null,
    /// A list of values.
    List(List<'a>),
}

/// A list inside a value, read while it is walked.
///
/// The bytes stay in the telegram; how they are read is the decoder's business, which hands in a function that takes
/// the first value off the front.
#[derive(Clone, Copy)]
pub struct List<'a> {
    bytes: &'a [u8],
    len: u16,
    next: NextValue,
}

/// Takes the first value off the front of the bytes, or `None` when they are no value.
pub type NextValue = for<'b> fn(&mut &'b [u8]) -> Option<Value<'b>>;

impl<'a> List<'a> {
    /// A list of `len` values that stand in `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8], len: u16, next: NextValue) -> Self {
        Self { bytes, len, next }
    }

    /// Number of values.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// True for a list without values.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (mut bytes, next) = (self.bytes, self.next);
        (0..self.len).map_while(move |_| next(&mut bytes))
    }
}

impl PartialEq for List<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.bytes == other.bytes
    }
}

impl core::fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The bracket contents of a data line, such as `(101209112500W)(12785.123*m3)`.
///
/// ```
/// use metergate_reading::Groups;
///
/// let groups = Groups::new("(101209112500W)(12785.123*m3)");
/// assert!(groups.iter().eq(["101209112500W", "12785.123*m3"]));
/// assert!(Groups::NONE.iter().next().is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups<'a>(&'a str);

impl<'a> Groups<'a> {
    /// No brackets at all.
    pub const NONE: Self = Self("");

    /// From the text of the line, from the first `(` to the last `)`; line ends between two groups are allowed.
    #[must_use]
    pub const fn new(brackets: &'a str) -> Self {
        Self(brackets)
    }

    /// The contents in order, without the brackets.
    pub fn iter(self) -> impl Iterator<Item = &'a str> + Clone {
        self.0.split_inclusive(')').filter_map(|group| group.split_once('(')?.1.strip_suffix(')'))
    }
}
