//! Fetched prices on the disk: a file that reports read, and what to say to the server next time.
use crate::report::PriceFileError;
use crate::state;
use metergate_tariff::price::{PERIODS_MAX, PriceLineError, PricePeriod, read_prices};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Longest file of prices: as many lines as it may have, each of 100 bytes, which is 40 more than the longest seen.
pub(crate) const FILE_LEN_MAX: u64 = 8 << 20;

/// Reads a file of lines `start;end;price`.
///
/// # Errors
/// [`PriceFileError`] when it cannot be read, is too long, or has a line that is wrong.
pub fn read_file(path: &Path) -> Result<Vec<PricePeriod>, PriceFileError> {
    let wrong = |why: String| PriceFileError { path: path.to_owned(), line: None, why };
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut text = String::new();
    file.take(FILE_LEN_MAX + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    if u64::try_from(text.len()).is_ok_and(|len| len > FILE_LEN_MAX) {
        return Err(wrong(format!("it is longer than {} MiB", FILE_LEN_MAX >> 20)));
    }
    let line = |error: PriceLineError<'_>| PriceFileError {
        path: path.to_owned(),
        line: Some(error.line),
        why: why(&error),
    };
    read_prices(&text).collect::<Result<_, _>>().map_err(line)
}

/// What is wrong with a line, without its number: that stands before the message, as in all messages about files.
pub(super) fn why(error: &PriceLineError<'_>) -> String {
    let text = error.to_string();
    text.split_once(": ").map_or(text.as_str(), |(_, why)| why).to_owned()
}

/// What the server said of the prices that we have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Known {
    /// Of which address: another one has other prices, and knows nothing of these.
    pub(super) address: String,
    /// Its name for this version (RFC 9110 8.8.3).
    pub(super) etag: Option<String>,
    /// When it changed, in the server's words.
    pub(super) last_modified: Option<String>,
    /// When the server was last asked with success, in seconds since 1970-01-01T00:00:00Z.
    pub(super) fetched_s: i64,
}

/// The file of prices, and beside it a small one about where they come from.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    path: PathBuf,
}

impl Kept {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn about(&self) -> PathBuf {
        self.path.with_extension("json")
    }

    /// What the server said, if the prices themselves are still there and came from this address.
    pub(super) fn known(&self, address: &str) -> Option<Known> {
        read_file(&self.path).ok()?;
        let known: Known = serde_json::from_slice(&std::fs::read(self.about()).ok()?).ok()?;
        Some(known).filter(|known| known.address == address)
    }

    /// Writes what the server said.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn note(&self, known: &Known) -> io::Result<()> {
        state::replace(&self.about(), &serde_json::to_vec(known)?)
    }

    /// Puts new prices in the place of those of the same time, and keeps the others: a server tells of a day or two,
    /// and a report is about months. Prices of another address than before begin anew.
    ///
    /// # Errors
    /// What the system says; the old prices are still there.
    pub(super) fn put(&self, new: &[PricePeriod], known: &Known) -> io::Result<()> {
        let before = match self.known(&known.address) {
            Some(_) => read_file(&self.path).unwrap_or_default(),
            None => Vec::new(),
        };
        let mut text = "start;end;price\n".to_owned();
        for PricePeriod { from_s, to_s, price } in merged(&before, new) {
            let _ = writeln!(text, "{from_s};{to_s};{price}");
        }
        // The prices first: what the server said must not be of prices that are not there.
        state::replace(&self.path, text.as_bytes())?;
        self.note(known)
    }
}

/// Old prices before and after the time of the new ones, and the new ones between them; the oldest go when there are
/// more than [`PERIODS_MAX`].
fn merged(before: &[PricePeriod], new: &[PricePeriod]) -> Vec<PricePeriod> {
    let (Some(first), Some(last)) = (new.first(), new.last()) else { return before.to_vec() };
    let earlier = before.iter().filter(|old| old.from_s < first.from_s);
    let earlier = earlier.map(|old| PricePeriod { to_s: old.to_s.min(first.from_s), ..*old });
    let later = before.iter().filter(|old| old.to_s > last.to_s);
    let later = later.map(|old| PricePeriod { from_s: old.from_s.max(last.to_s), ..*old });
    let mut all: Vec<PricePeriod> = earlier.chain(new.iter().copied()).chain(later).collect();
    let most = usize::try_from(PERIODS_MAX).unwrap_or(usize::MAX);
    all.drain(..all.len().saturating_sub(most));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use metergate_reading::Number;

    fn period(from_s: i64, to_s: i64, cents: i64) -> PricePeriod {
        PricePeriod { from_s, to_s, price: Number::new(cents, -2) }
    }

    #[test]
    fn new_prices_hold_for_their_time_and_old_ones_for_all_other() {
        let old = [period(0, 900, 1), period(900, 3600, 2), period(3600, 4500, 3), period(9000, 9900, 4)];
        let new = [period(1800, 2700, 8), period(2700, 4000, 9)];
        let expected = [
            period(0, 900, 1),
            period(900, 1800, 2),
            period(1800, 2700, 8),
            period(2700, 4000, 9),
            period(4000, 4500, 3),
            period(9000, 9900, 4),
        ];
        assert_eq!(merged(&old, &new), expected);
        assert_eq!(merged(&[], &new), new);
        assert_eq!(merged(&old, &[]), old);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let most = i64::from(PERIODS_MAX);
        let old: Vec<PricePeriod> = (0..most).map(|n| period(n * 900, (n + 1) * 900, 1)).collect();
        let new = [period(most * 900, (most + 1) * 900, 2)];
        let all = merged(&old, &new);
        assert_eq!((all.len(), all[0].from_s), (old.len(), 900));
        assert_eq!(all.last(), Some(&new[0]));
    }

    #[test]
    fn prices_of_another_address_are_not_mixed_with_those_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path().join("prices.csv"));
        let of = |address: &str| Known { address: address.to_owned(), ..Known::default() };
        kept.put(&[period(0, 900, 1)], &of("a")).unwrap();
        kept.put(&[period(900, 1800, 2)], &of("a")).unwrap();
        let read = || read_file(&folder.path().join("prices.csv")).unwrap();
        assert_eq!(read(), [period(0, 900, 1), period(900, 1800, 2)]);
        assert_eq!(kept.known("b"), None);
        kept.put(&[period(1800, 2700, 3)], &of("b")).unwrap();
        assert_eq!(read(), [period(1800, 2700, 3)]);
    }

    #[test]
    fn without_the_prices_nothing_the_server_said_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.csv");
        let kept = Kept::new(path.clone());
        kept.put(&[period(0, 900, 1)], &Known { address: "a".to_owned(), ..Known::default() }).unwrap();
        assert!(kept.known("a").is_some());
        std::fs::write(&path, "start;end;price\n1;2\n").unwrap();
        assert_eq!(kept.known("a"), None, "a broken file is fetched anew");
    }
}
