//! Rows of the mission table through the whole daemon: the program itself, with the telegrams of a meter on its
//! standard input, whose clock says when they were sent. So a day takes seconds.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by where it panics")]
#[path = "../support/broker.rs"]
mod broker;
#[path = "../support/ports.rs"]
mod ports;

mod asked;
mod clock;
mod daemon;
mod days;
mod disk;
mod exchange;
mod outage;
mod quarantine;
