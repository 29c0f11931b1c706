//! The data sets of a readout and what they say.
use super::data_set::{Groups, NumberError, Quantity, Timestamp};

/// One data set, or text that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataItem<'a> {
    /// An address and its values.
    Set(DataSet<'a>),
    /// The rest of a line that holds no further data set.
    Unparsed(&'a [u8]),
}

/// A data set `address(..)(..)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataSet<'a> {
    address: &'a [u8],
    brackets: &'a [u8],
}

/// What the brackets of a data set say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// A number with its unit, and its time where the meter sends one: `1.6.1(04.512*kW)(2603091815)`.
    Quantity {
        /// Number and unit.
        quantity: Quantity<'a>,
        /// The content of the time bracket as sent; [`Timestamp::parse`] reads it.
        time: Option<&'a [u8]>,
    },
    /// A text, also a number without unit.
    Text(&'a [u8]),
    /// Several values.
    List,
}

impl<'a> DataSet<'a> {
    /// The address as sent: `1-0:1.8.0*255`, `1.8.0*01`, `C.1.0`, `F.F`, `6.8`.
    #[must_use]
    pub const fn address(&self) -> &'a [u8] {
        self.address
    }

    /// The brackets as sent, from the first `(` to the last `)`.
    #[must_use]
    pub const fn brackets(&self) -> &'a [u8] {
        self.brackets
    }

    /// The bracket contents as sent, at least one.
    #[must_use]
    pub const fn groups(&self) -> Groups<'a> {
        Groups::checked(self.brackets)
    }

    /// What the brackets say.
    #[must_use]
    pub fn content(&self) -> Content<'a> {
        // Numbers beyond 64 bits were refused before the readout came into being.
        let quantity = |group| Quantity::parse(group).ok().flatten();
        let mut groups = self.groups();
        let first = groups.next().unwrap_or_default();
        let second = groups.next();
        let last = groups.next().is_none();
        match (quantity(first), second) {
            (Some(quantity), time) => {
                let time = time.filter(|time| last && Timestamp::has_shape(time));
                Content::Quantity { quantity, time }
            }
            (None, None) => Content::Text(first),
            (None, Some(second)) => match quantity(second) {
                // The order of P1.
                Some(quantity) if last && Timestamp::has_shape(first) => {
                    Content::Quantity { quantity, time: Some(first) }
                }
                _ => Content::List,
            },
        }
    }
}

/// The data sets of a readout in order.
#[derive(Debug, Clone)]
pub struct DataSets<'a> {
    rest: &'a [u8],
}

impl<'a> DataSets<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }
}

impl<'a> Iterator for DataSets<'a> {
    type Item = DataItem<'a>;

    fn next(&mut self) -> Option<DataItem<'a>> {
        self.rest = self.rest.trim_ascii_start();
        if self.rest.is_empty() {
            return None;
        }
        if let Some((set, len)) = data_set(self.rest) {
            self.rest = self.rest.get(len..).unwrap_or_default();
            return Some(DataItem::Set(set));
        }
        let len = self.rest.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        Some(DataItem::Unparsed(text))
    }
}

/// Reads the data set at the start of `text`, and its length.
///
/// A line that begins with a bracket continues the data set before it.
fn data_set(text: &[u8]) -> Option<(DataSet<'_>, usize)> {
    let address_len = text.iter().position(|byte| b"()\r\n".contains(byte)).filter(|&len| len > 0)?;
    let mut len = address_len + Groups::bracket(text.get(address_len..)?)?;
    loop {
        let gap = match text.get(len..)? {
            [b'(', ..] => 0,
            [b'\r', b'\n', b'(', ..] => 2,
            [b'\n', b'(', ..] => 1,
            _ => break,
        };
        match Groups::bracket(text.get(len + gap..)?) {
            Some(bracket) => len += gap + bracket,
            None => break,
        }
    }
    let (address, brackets) = text.get(..len)?.split_at_checked(address_len)?;
    Some((DataSet { address, brackets }, len))
}

/// Offset of the first data set with a value beyond 64 bits.
pub(super) fn number_too_large(data: &[u8]) -> Option<usize> {
    let mut sets = DataSets::new(data);
    loop {
        sets.rest = sets.rest.trim_ascii_start();
        let at = data.len() - sets.rest.len();
        match sets.next()? {
            DataItem::Set(set) => {
                if set.groups().any(|group| Quantity::parse(group) == Err(NumberError::TooLarge)) {
                    return Some(at);
                }
            }
            DataItem::Unparsed(_) => {}
        }
    }
}
