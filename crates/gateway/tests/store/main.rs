//! The store as its users see it: what was put in comes out, whatever happens to the process, the disk and the file.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests unwrap")]

#[path = "../support/household.rs"]
mod household;

mod budget;
mod cli;
mod faults;
mod figures;
mod history;
mod keeping;
mod model;
mod place;
mod torn;
