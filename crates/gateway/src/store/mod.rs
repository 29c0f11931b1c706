//! The store: what was read survives.
mod case;
mod row;

pub use case::{Mark, Quality, UseCase};
pub use row::{Column, Measured, Remark, Row, RowFlags, Shape};
