//! What others read of a running gateway: a second one behind it, and programs made for other gateways.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by failing what went wrong")]
mod pages;
#[path = "../support/ports.rs"]
mod ports;
mod running;
#[path = "../support/mod.rs"]
mod support;
mod telegrams;
