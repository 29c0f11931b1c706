//! Tariff use cases and the quarter-hour grid, as pure functions of readings.
#![no_std]

#[cfg(test)]
extern crate std;
