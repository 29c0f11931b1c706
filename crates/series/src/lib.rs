//! Columns of one meter and register: the delta codec of the store, and the records of uploads.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;
