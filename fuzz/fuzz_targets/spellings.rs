//! See `metergate_fuzz::TARGETS`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| metergate_fuzz::run("spellings", bytes));
