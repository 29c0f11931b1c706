//! How many damaged telegrams each class gets, and the tables that they end in.
use metergate_meter::Protocol;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Damaged telegrams of a whole run when nobody says how many.
const MUTANTS_DEFAULT: usize = 50_000;

/// Damaged telegrams of all tables so far.
static DONE: AtomicUsize = AtomicUsize::new(0);

/// The share of one class, in percent of the whole run.
pub(crate) fn mutants(percent: usize) -> usize {
    let all = match std::env::var("METERGATE_MUTANTS") {
        Ok(text) => text.parse().expect("METERGATE_MUTANTS is a number"),
        Err(_) => MUTANTS_DEFAULT,
    };
    all * percent / 100
}

/// The parts of a share for `of` kinds of telegrams, the remainder to the first ones.
pub(crate) fn divided(mutants: usize, of: usize) -> impl Iterator<Item = usize> {
    (0..of).map(move |index| mutants / of + usize::from(index < mutants % of))
}

/// A table that is printed at once, so that tables of parallel tests do not mix.
pub(crate) struct Table {
    text: String,
    columns: usize,
    total: usize,
}

impl Table {
    /// Begins a table; the first column is the number of damaged telegrams.
    pub(crate) fn new(title: &str, columns: &[&str]) -> Self {
        let mut text = format!("\n{title}\n{:<12} {:<28} {:>9}", "protocol", "telegram", "damaged");
        for column in columns {
            let _ = write!(text, " {column:>11}");
        }
        Self { text, columns: columns.len(), total: 0 }
    }

    /// Adds a line.
    pub(crate) fn row(&mut self, protocol: Protocol, name: &str, mutants: usize, values: &[String]) {
        assert_eq!(values.len(), self.columns);
        let _ = write!(self.text, "\n{:<12} {name:<28} {mutants:>9}", protocol.name());
        for value in values {
            let _ = write!(self.text, " {value:>11}");
        }
        self.total += mutants;
    }

    /// Prints it with the sum.
    pub(crate) fn print(mut self, last_line: &str) {
        let _ = write!(self.text, "\n{:<12} {:<28} {:>9}", "", "all", self.total);
        let done = DONE.fetch_add(self.total, Ordering::Relaxed) + self.total;
        println!("{}\n{last_line}\n{done} damaged telegrams so far", self.text);
    }
}
