//! Monthly files with one line a reading, in the format of esp-smartmeter-netznoe.
mod month_file;
mod row;
pub(crate) mod shelf;

use super::sample::Sample;
use crate::config::CsvSetup;
use month_file::{Limits, MonthFile};
use row::Format;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Writes the monthly files of the meters that a sink gets.
///
/// One meter writes into the folder itself; of several, each has a folder of its own named after it, since the
/// columns have no place for a name.
///
/// The lines of a batch are on the disk before the batch counts as delivered; the store commits once a minute, so
/// that is one page a minute or 0.5 M page writes a year, which any SD card bears.
#[derive(Debug)]
pub(crate) struct Csv {
    directory: PathBuf,
    one_meter: bool,
    format: Format,
    limits: Limits,
    zone: jiff::tz::TimeZone,
    files: HashMap<Arc<str>, MonthFile>,
}

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
        }
    }

    /// Writes the line of a reading, if it has one.
    ///
    /// # Errors
    /// What the system says. The line is not written, not even half of it once the file works again; deliver the
    /// same reading later.
    pub(crate) fn deliver(&mut self, sample: &Sample) -> io::Result<()> {
        let meter = &sample.meter;
        let Some(mut row) = row::row(sample, self.format, &self.zone) else { return Ok(()) };
        let directory = if self.one_meter { self.directory.clone() } else { self.directory.join(&**meter) };
        // A file that has begun without the further column goes on without it until the month is over.
        if let Some(open) = self.files.get(meter).filter(|file| file.takes(row.month)) {
            if open.format() != self.format {
                row = row::row(sample, open.format(), &self.zone).unwrap_or(row);
            }
        } else {
            if let Some(mut old) = self.files.remove(meter) {
                old.sync()?;
            }
            let open = MonthFile::open(&directory, row.month, self.format, self.limits)?;
            if open.format() != self.format {
                row = row::row(sample, open.format(), &self.zone).unwrap_or(row);
            }
            self.files.insert(Arc::clone(meter), open);
        }
        let Some(file) = self.files.get_mut(meter) else { return Ok(()) };
        if let Err(error) = file.append(&row.text) {
            // Opened again it is repaired: the half of a line that a full disk took is cut off.
            self.files.remove(meter);
            return Err(error);
        }
        Ok(())
    }

    /// Closes all files: after an error nobody knows what of the last lines is there until they are opened again.
    pub(crate) fn close(&mut self) {
        self.files.clear();
    }

    /// Writes everything to the disk.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.files.values_mut().try_for_each(MonthFile::sync)
    }
}

#[cfg(test)]
mod tests;
