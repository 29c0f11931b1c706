//! Reads a file of captured bytes and prints what the meter said.
//!
//! `cargo run -p metergate-meter --example decode_file FILE [KEY]`
//!
//! Without a file it reads a telegram of its own, so that the example always shows something.
use metergate_meter::detect::detect;
use metergate_meter::{Conversation, CounterPolicy, Event, Meter, Settings};
use std::time::Duration;

const TELEGRAM: &[u8] = b"/KFM5KAIFA-METER\r\n\r\n1-3:0.2.8(42)\r\n0-0:1.0.0(261120083000W)\r\n\
    1-0:1.8.1(001581.123*kWh)\r\n1-0:1.8.2(001435.706*kWh)\r\n1-0:1.7.0(02.027*kW)\r\n!8A4B\r\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let bytes = match arguments.next() {
        Some(file) => std::fs::read(file)?,
        None => TELEGRAM.to_vec(),
    };
    let key = arguments.next().map(|key| key.parse()).transpose()?;
    let found = detect(&bytes).ok_or("nothing in these bytes looks like a meter")?;
    println!("{} ({} %)", found.protocol, found.confidence);

    // A capture may hold a telegram twice, so a repeated invocation counter is no reason to refuse.
    let settings = Settings { key, counters: CounterPolicy::Flag, ..Settings::default() };
    let mut meter = Meter::listening(found.protocol, settings, vec![0; 64 * 1024]);
    let (mut now, mut rest) = (Duration::ZERO, &bytes[..]);
    loop {
        let taken = meter.handle_input(rest, now);
        rest = rest.get(taken..).unwrap_or_default();
        while let Some(event) = meter.poll() {
            match event {
                Event::Telegram(telegram) => {
                    println!("telegram at {}", telegram.offset);
                    for register in telegram.registers {
                        println!("  {register:?}");
                    }
                }
                Event::Rejected(rejection) => {
                    println!("refused at {}: {} ({})", rejection.offset, rejection, rejection.cause.code());
                }
                Event::Line(_) | Event::NoAnswer { .. } => {}
            }
        }
        if rest.is_empty() {
            // The end of the input: let the time pass until nothing is due any more.
            let Some(due) = meter.poll_timeout() else { return Ok(()) };
            now = due;
            meter.handle_timeout(now);
        }
    }
}
