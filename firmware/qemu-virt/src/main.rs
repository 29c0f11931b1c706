//! Decodes telegrams on a RISC-V board without an operating system, and counts the instructions.
//!
//! `cargo xtask bare-metal` builds it and runs it in an emulator. It fails when a value is wrong or when decoding
//! takes more instructions than its budget, which keeps the decoders small and quick where that means battery.
#![no_std]
#![no_main]

mod board;

use core::fmt::{self, Write};
use core::time::Duration;
use metergate_meter::{Conversation, CounterPolicy, Event, Key, Settings, dlms, p1, sml};
use metergate_reading::{Number, ObisCode, Register, Value};

/// What a microcontroller gives a conversation.
const BUFFER_LEN: usize = 2048;

const KEY: &[u8; 16] = include_bytes!(concat!(env!("OUT_DIR"), "/key.bin"));
const AUTH_KEY: &[u8; 16] = include_bytes!(concat!(env!("OUT_DIR"), "/auth-key.bin"));

/// A telegram and what must come out of it.
struct Case {
    name: &'static str,
    telegram: &'static [u8],
    registers: usize,
    /// One of the values.
    power: (ObisCode, Number),
    /// Instructions that decoding may take, from the first byte to the last register.
    budget: u32,
}

const SML: Case = Case {
    name: "SML",
    telegram: include_bytes!(concat!(env!("OUT_DIR"), "/sml.bin")),
    registers: 7,
    power: (ObisCode::new(1, 0, 16, 7, 0, 255), Number::new(-3_205, -1)),
    budget: 40_000,
};

const MBUS: Case = Case {
    name: "DLMS over M-Bus, encrypted",
    telegram: include_bytes!(concat!(env!("OUT_DIR"), "/mbus.bin")),
    registers: 15,
    power: (ObisCode::new(1, 0, 2, 7, 0, 255), Number::new(1_487, 0)),
    budget: 95_000,
};

const P1: Case = Case {
    name: "P1, encrypted and authenticated",
    telegram: include_bytes!(concat!(env!("OUT_DIR"), "/p1.bin")),
    registers: 36,
    power: (ObisCode::new(1, 0, 2, 7, 0, 255), Number::new(1_487, 0)),
    budget: 420_000,
};

/// Prints what was decoded; says whether everything was right and within its budget.
fn run(out: &mut dyn Write) -> Result<bool, fmt::Error> {
    let settings = || Settings {
        key: Some(Key::new(*KEY)),
        auth_key: Some(Key::new(*AUTH_KEY)),
        counters: CounterPolicy::Flag,
        ..Settings::default()
    };
    let buffer = [0; BUFFER_LEN];
    let good = [
        check(out, &SML, sml::Sml::new(settings(), buffer))?,
        check(out, &MBUS, dlms::Mbus::new(settings(), buffer))?,
        check(out, &P1, p1::P1::new(settings(), buffer))?,
    ];
    Ok(good.iter().all(|&good| good))
}

/// Decodes a telegram twice: counted in silence, then printed.
fn check(out: &mut dyn Write, case: &Case, mut meter: impl Conversation) -> Result<bool, fmt::Error> {
    let start = board::instructions();
    let mut registers = 0;
    decode(&mut meter, case.telegram, |register| {
        core::hint::black_box(&register);
        registers += 1;
    });
    let spent = board::instructions().wrapping_sub(start);

    writeln!(out, "{}, {} bytes", case.name, case.telegram.len())?;
    let (mut printed, mut right) = (Ok(()), false);
    decode(&mut meter, case.telegram, |register| {
        printed = printed.and_then(|()| print(out, &register));
        let (obis, power) = case.power;
        right |= register.obis == Some(obis) && register.value == Value::Number(power);
    });
    printed?;
    let good = right && registers == case.registers && spent <= case.budget;
    let verdict = if good { "ok" } else { "WRONG" };
    writeln!(out, "  {registers} registers, {spent} instructions, budget {}: {verdict}", case.budget)?;
    Ok(good)
}

fn decode(meter: &mut impl Conversation, telegram: &[u8], mut each: impl FnMut(Register<'_>)) {
    let mut rest = telegram;
    while !rest.is_empty() {
        let taken = meter.handle_input(rest, Duration::ZERO);
        rest = rest.get(taken..).unwrap_or_default();
        let mut events = 0;
        while let Some(event) = meter.poll() {
            events += 1;
            if let Event::Telegram(telegram) = event {
                telegram.registers.for_each(&mut each);
            }
        }
        if taken == 0 && events == 0 {
            // A conversation that neither takes nor tells is broken; the missing registers will say so.
            return;
        }
    }
}

fn print(out: &mut dyn Write, register: &Register<'_>) -> fmt::Result {
    match register.obis {
        Some(obis) => write!(out, "  {obis} ")?,
        None => write!(out, "  {:?} ", register.address)?,
    }
    match register.value {
        Value::Number(number) => write!(out, "{number}")?,
        Value::Text(text) => write!(out, "{text}")?,
        Value::Octets(bytes) => bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?,
        other => write!(out, "{other:?}")?,
    }
    match register.unit {
        Some(unit) => writeln!(out, " {unit}"),
        None => writeln!(out),
    }
}
