//! Checked reading from a slice, and writing into a caller's slice: the two cursors that all formats share.
use core::fmt;

/// The bytes end before a field does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// Offset in the slice at which the field begins.
    pub at: usize,
    /// Bytes that the field needs.
    pub needed: usize,
    /// Bytes that are left.
    pub have: usize,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the bytes end early: {} needed at offset {}, {} left", self.needed, self.at, self.have)
    }
}

impl core::error::Error for Short {}

/// Reads fields from the front of a slice and remembers the offset.
///
/// ```
/// use metergate_wire::{Reader, Short};
///
/// let mut reader = Reader::new(&[0x01, 0x02, 0x03]);
/// assert_eq!(reader.u16_be(), Ok(0x0102));
/// assert_eq!(reader.u16_be(), Err(Short { at: 2, needed: 2, have: 1 }));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at offset 0 of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }

    /// Starts at the front of `bytes`, which stand at offset `at` of something larger; errors name that offset.
    #[must_use]
    pub const fn at_offset(bytes: &'a [u8], at: usize) -> Self {
        Self { rest: bytes, at }
    }

    /// Offset of the next byte.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// The unread bytes.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// True when every byte was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte without reading it.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Reads `n` bytes.
    ///
    /// # Errors
    /// [`Short`] when fewer are left; nothing is read then. The other methods fail in the same way.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Short> {
        match self.rest.split_at_checked(n) {
            Some((head, rest)) => {
                self.rest = rest;
                self.at += n;
                Ok(head)
            }
            None => Err(Short { at: self.at, needed: n, have: self.rest.len() }),
        }
    }

    /// Reads `N` bytes as an array.
    ///
    /// # Errors
    /// [`Short`] when fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                self.at += N;
                Ok(*head)
            }
            None => Err(Short { at: self.at, needed: N, have: self.rest.len() }),
        }
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`Short`] at the end.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Reads two bytes, high byte first.
    ///
    /// # Errors
    /// [`Short`] when fewer are left.
    #[inline]
    pub fn u16_be(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_be_bytes)
    }

    /// Reads four bytes, high byte first.
    ///
    /// # Errors
    /// [`Short`] when fewer are left.
    #[inline]
    pub fn u32_be(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_be_bytes)
    }
}

/// The caller's buffer is too small for what is emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Size of the buffer in bytes.
    pub capacity: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the buffer of {} bytes is too small", self.capacity)
    }
}

impl core::error::Error for Full {}

/// Fills a caller's slice from the front.
///
/// ```
/// use metergate_wire::{Full, Writer};
///
/// let mut buffer = [0; 3];
/// let mut writer = Writer::new(&mut buffer);
/// writer.put(&[1, 2])?;
/// assert_eq!(writer.put(&[3, 4]), Err(Full { capacity: 3 }));
/// assert_eq!(writer.written(), &[1, 2]);
/// # Ok::<(), Full>(())
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    /// Starts at the front of `buffer`.
    #[must_use]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`Full`] when they do not fit; nothing is written then. The other methods fail in the same way.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let capacity = self.buffer.len();
        let end = self.len.saturating_add(bytes.len());
        let room = self.buffer.get_mut(self.len..end).ok_or(Full { capacity })?;
        room.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Appends one byte.
    ///
    /// # Errors
    /// [`Full`] when it does not fit.
    pub fn u8(&mut self, byte: u8) -> Result<(), Full> {
        self.put(&[byte])
    }

    /// Appends two bytes, high byte first.
    ///
    /// # Errors
    /// [`Full`] when they do not fit.
    pub fn u16_be(&mut self, value: u16) -> Result<(), Full> {
        self.put(&value.to_be_bytes())
    }

    /// Appends four bytes, high byte first.
    ///
    /// # Errors
    /// [`Full`] when they do not fit.
    pub fn u32_be(&mut self, value: u32) -> Result<(), Full> {
        self.put(&value.to_be_bytes())
    }

    /// Number of bytes written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True when nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes written so far.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// The bytes written so far, to fill in a length or a checksum afterwards.
    #[must_use]
    pub fn written_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(..self.len).unwrap_or_default()
    }
}

/// `write!` into the buffer, for the text protocols.
impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes()).map_err(|Full { .. }| fmt::Error)
    }
}
