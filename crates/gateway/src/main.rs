//! The daemon and command line `metergate`.
fn main() {}
