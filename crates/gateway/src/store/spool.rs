//! The spool: everything that is not committed yet, in memory-backed storage that survives the end of the process.
//!
//! Numbered files `store-<n>.spool`, at most two at a time: while a commit takes what stands in one, the other gets
//! what comes meanwhile, and a file goes when a commit has made all of it durable. A crash between the commit and the
//! removal doubles nothing: what the database has is skipped by its number.
//!
//! ```text
//! file   "MGSP", version 1, id of the database (8 bytes), frames
//! frame  length of the record (4 bytes, little endian), CRC-32 of the record (4 bytes, little endian), record
//! ```
//!
//! One write to the system appends one or two whole frames. A frame that a crash has torn ends its file.
use super::record::{Form, Record};
use super::varint::Packer;
use super::{Measured, Row};
use crc::{CRC_32_ISO_HDLC, Crc, Table};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 12 h of three meters at 1 Hz; a runtime directory is usually a tenth of the memory.
const LEN_MAX: u64 = 8 << 20;

/// Beyond this a commit does not wait for its interval.
const LEN_HURRY: u64 = LEN_MAX / 2;

/// The longest telegram known has 343 registers, which makes a form of 20 KB; details of events are shorter.
const FRAME_LEN_MAX: usize = 1 << 20;

const MAGIC: [u8; 5] = *b"MGSP\x01";
const HEADER_LEN: u64 = 13;

/// As Ethernet and zlib have it.
const CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// The spool of a store.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    /// Says for which database it is.
    database: u64,
    /// The file that grows; `None` after a failure, until the next one is begun.
    file: Option<File>,
    number: u64,
    len: u64,
    /// Bytes in files before it, and the number of the last of them.
    old: Option<(u64, u64)>,
    forms: HashMap<Form, u64>,
    packer: Packer,
    failing: Option<String>,
}

/// What was found in a spool, in the order it was put there.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The records, and whether their file is for this very database: only then their numbers mean something.
    pub(super) records: Vec<(Record, bool)>,
    /// Files that end in a torn or damaged frame.
    pub(super) torn: u64,
}

impl Spool {
    /// Reads what a crash left behind, and begins a new file beside it.
    pub(super) fn open(folder: &Path, database: u64) -> (Self, Found) {
        let mut spool = Self {
            folder: folder.to_owned(),
            database,
            file: None,
            number: 0,
            len: 0,
            old: None,
            forms: HashMap::new(),
            packer: Packer::default(),
            failing: None,
        };
        let mut found = Found::default();
        let result = spool.read_all(&mut found).and_then(|()| spool.begin());
        spool.note(result);
        (spool, found)
    }

    fn read_all(&mut self, found: &mut Found) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut old_len = 0_u64;
        let numbers = numbers(&self.folder)?;
        for &number in &numbers {
            let bytes = fs::read(self.path(number))?;
            old_len = old_len.saturating_add(bytes.len() as u64);
            read(&bytes, self.database, found);
            self.number = number;
        }
        self.old = numbers.last().map(|&last| (old_len, last));
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("store-{number}.spool"))
    }

    /// Begins the next file.
    fn begin(&mut self) -> io::Result<()> {
        self.number = self.number.wrapping_add(1);
        self.forms.clear();
        self.file = None;
        self.len = 0;
        let mut file =
            OpenOptions::new().create_new(true).append(true).mode(0o600).open(self.path(self.number))?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&self.database.to_le_bytes());
        file.write_all(&header)?;
        self.len = HEADER_LEN;
        self.file = Some(file);
        Ok(())
    }

    /// What comes from now on is for another database; what stands in it goes with the next commit.
    pub(super) fn begin_for(&mut self, database: u64) {
        self.database = database;
        self.old = Some((self.bytes(), self.number));
        let begun = self.begin();
        self.note(begun);
    }

    /// Bytes of all its files.
    pub(super) fn bytes(&self) -> u64 {
        self.len.saturating_add(self.old.map_or(0, |(len, _)| len))
    }

    /// True when a commit should not wait.
    pub(super) fn is_large(&self) -> bool {
        self.bytes() >= LEN_HURRY
    }

    /// Why it does not take records at present.
    pub(super) fn failing(&self) -> Option<&str> {
        self.failing.as_deref()
    }

    /// Ends the growing file, so that a commit can take all that stands in the spool. Returns what
    /// [`release`](Self::release) wants after the commit.
    pub(super) fn cut(&mut self) -> u64 {
        // An older file whose commit failed waits still; then what comes goes on into the same file.
        if self.old.is_none() && (self.len > HEADER_LEN || self.file.is_none()) {
            self.old = Some((self.len, self.number));
            let begun = self.begin();
            self.note(begun);
        }
        self.old.map_or(0, |(_, last)| last)
    }

    /// Removes the files up to this one: a commit has all that stands in them.
    pub(super) fn release(&mut self, up_to: u64) {
        let Ok(numbers) = numbers(&self.folder) else { return };
        for number in numbers.into_iter().filter(|&number| number <= up_to && number < self.number) {
            // What stays is skipped at the next start and removed with the next commit.
            let _ = fs::remove_file(self.path(number));
        }
        self.old = self.old.filter(|&(_, last)| last > up_to);
        if self.file.is_none() {
            let begun = self.begin();
            self.note(begun);
        }
    }

    pub(super) fn row(&mut self, row: &Row) {
        self.put(Some(row), |packer, form| Record::pack_row(packer, row, form));
    }

    pub(super) fn undated(&mut self, id: i64, boot: &str, row: &Row) {
        self.put(Some(row), |packer, form| Record::pack_undated(packer, id, boot, row, form));
    }

    pub(super) fn measured(&mut self, measured: &Measured) {
        self.put(Some(&measured.row), |packer, form| Record::pack_measured(packer, measured, form));
    }

    /// Keeps a record that has no row.
    pub(super) fn other(&mut self, pack: impl FnOnce(&mut Packer)) {
        self.put(None, |packer, _| pack(packer));
    }

    fn put(&mut self, row: Option<&Row>, pack: impl FnOnce(&mut Packer, u64)) {
        let mut packer = std::mem::take(&mut self.packer);
        packer.0.clear();
        let result = self.write(&mut packer, row, pack);
        self.packer = packer;
        self.note(result);
    }

    fn write(
        &mut self,
        packer: &mut Packer,
        row: Option<&Row>,
        pack: impl FnOnce(&mut Packer, u64),
    ) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Err(io::Error::other("no file could be begun"));
        };
        let mut form_id = 0;
        let mut new_form = None;
        if let Some(row) = row {
            let form = (Arc::clone(&row.meter), Arc::clone(&row.shape));
            form_id = self.forms.len() as u64;
            if let Some(&known) = self.forms.get(&form) {
                form_id = known;
            } else {
                frame(packer, |packer| Record::pack_form(packer, &form))?;
                new_form = Some(form);
            }
        }
        frame(packer, |packer| pack(packer, form_id))?;
        let len = packer.0.len() as u64;
        if self.len.saturating_add(self.old.map_or(0, |(len, _)| len)).saturating_add(len) > LEN_MAX {
            return Err(io::Error::other(format!("full at {} MiB", LEN_MAX >> 20)));
        }
        if let Err(error) = file.write_all(&packer.0) {
            // Half a frame would hide all that follow it.
            if file.set_len(self.len).is_err() {
                self.file = None;
            }
            return Err(error);
        }
        self.len = self.len.saturating_add(len);
        if let Some(form) = new_form {
            self.forms.insert(form, form_id);
        }
        Ok(())
    }

    /// Tells the beginning and the end of a failure, once each.
    fn note(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) if self.failing.is_some() => {
                tracing::info!("the spool in {} works again", self.folder.display());
                self.failing = None;
            }
            Ok(()) => {}
            Err(error) => {
                if self.failing.is_none() {
                    let folder = self.folder.display();
                    tracing::warn!(
                        "the spool in {folder} fails, a crash would lose what is not committed: {error}"
                    );
                }
                self.failing = Some(error.to_string());
            }
        }
    }
}

/// Appends a frame.
fn frame(packer: &mut Packer, pack: impl FnOnce(&mut Packer)) -> io::Result<()> {
    let start = packer.0.len();
    packer.0.extend_from_slice(&[0; 8]);
    pack(packer);
    let (head, record) = packer.0.split_at_mut(start.saturating_add(8));
    if record.len() > FRAME_LEN_MAX {
        return Err(io::Error::other("a record is too long"));
    }
    let len = u32::try_from(record.len()).map_err(io::Error::other)?;
    let crc = CRC.checksum(record);
    if let Some(slot) = head.get_mut(start..) {
        slot.copy_from_slice(&(u64::from(len) | u64::from(crc) << 32).to_le_bytes());
    }
    Ok(())
}

/// Reads one file.
fn read(bytes: &[u8], database: u64, found: &mut Found) {
    let Some((header, mut rest)) = bytes.split_first_chunk::<13>() else {
        // Torn before its first frame: nothing was in it.
        return;
    };
    if !header.starts_with(&MAGIC) {
        found.torn += 1;
        return;
    }
    let ours = header.ends_with(&database.to_le_bytes());
    let mut forms: Vec<Form> = Vec::new();
    while !rest.is_empty() {
        let Some((record, after)) =
            split_frame(rest).and_then(|(record, after)| Some((Record::unpack(record, &forms)?, after)))
        else {
            found.torn += 1;
            return;
        };
        rest = after;
        match record {
            Record::Form(form) => forms.push(form),
            record => found.records.push((record, ours)),
        }
    }
}

fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let head = u64::from_le_bytes(*head);
    let len = usize::try_from(head & 0xffff_ffff).ok().filter(|&len| len <= FRAME_LEN_MAX)?;
    let (record, after) = rest.split_at_checked(len)?;
    (u64::from(CRC.checksum(record)) == head >> 32).then_some((record, after))
}

/// The numbers of the files in the folder, ascending.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("store-")?.strip_suffix(".spool"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
