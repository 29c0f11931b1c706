//! Monthly files with one line a reading, in the format of esp-smartmeter-netznoe.
mod month_file;
mod row;

use crate::config::CsvSetup;
use metergate_reading::Reading;
use month_file::{Limits, MonthFile};
use row::Format;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Writes the monthly files of the meters that a sink gets.
///
/// One meter writes into the folder itself; of several, each has a folder of its own named after it, since the
/// columns have no place for a name.
///
/// Each line is handed to the system in one piece at once, so a crash of the gateway costs none; the system is told
/// to write to the disk once a minute ([`SYNC_INTERVAL`]), so a power cut costs at most the lines of that minute.
#[derive(Debug)]
pub(crate) struct Csv {
    directory: PathBuf,
    one_meter: bool,
    format: Format,
    limits: Limits,
    zone: jiff::tz::TimeZone,
    files: HashMap<Arc<str>, MonthFile>,
    sync_at: Option<Instant>,
}

/// Between two writes to the disk: one page a minute is 0.5 M page writes a year, which any SD card bears.
const SYNC_INTERVAL: Duration = Duration::from_secs(60);

const MIB: u64 = 1 << 20;

impl Csv {
    /// Files as the configuration says; `one_meter`: only one meter will write.
    pub(crate) fn new(setup: &CsvSetup, one_meter: bool, zone: jiff::tz::TimeZone) -> Self {
        Self {
            directory: setup.directory.clone(),
            one_meter,
            format: Format { utc_column: setup.utc_column, decimal_comma: setup.decimal_comma },
            limits: Limits {
                file_len_max: u64::from(setup.file_max_mib) * MIB,
                free_space_min: u64::from(setup.free_min_mib) * MIB,
            },
            zone,
            files: HashMap::new(),
            sync_at: None,
        }
    }

    /// Writes the line of a reading, if it has one.
    ///
    /// # Errors
    /// What the system says. The line is not written, not even half of it once the file works again; deliver the
    /// same reading later.
    pub(crate) fn deliver(&mut self, meter: &Arc<str>, reading: &Reading) -> io::Result<()> {
        let Some(mut row) = row::row(reading, self.format, &self.zone) else { return Ok(()) };
        let directory = if self.one_meter { self.directory.clone() } else { self.directory.join(&**meter) };
        // A file that has begun without the further column goes on without it until the month is over.
        if let Some(open) = self.files.get(meter).filter(|file| file.takes(row.month)) {
            if open.format() != self.format {
                row = row::row(reading, open.format(), &self.zone).unwrap_or(row);
            }
        } else {
            if let Some(mut old) = self.files.remove(meter) {
                old.sync()?;
            }
            let open = MonthFile::open(&directory, row.month, self.format, self.limits)?;
            if open.format() != self.format {
                row = row::row(reading, open.format(), &self.zone).unwrap_or(row);
            }
            self.files.insert(Arc::clone(meter), open);
        }
        let Some(file) = self.files.get_mut(meter) else { return Ok(()) };
        if let Err(error) = file.append(&row.text) {
            // Opened again it is repaired: the half of a line that a full disk took is cut off.
            self.files.remove(meter);
            return Err(error);
        }
        self.sync_at.get_or_insert_with(|| Instant::now() + SYNC_INTERVAL);
        Ok(())
    }

    /// When [`sync`](Self::sync) is due.
    pub(crate) fn sync_at(&self) -> Option<Instant> {
        self.sync_at
    }

    /// Writes everything to the disk.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.sync_at = None;
        self.files.values_mut().try_for_each(MonthFile::sync)
    }
}

#[cfg(test)]
mod tests;
