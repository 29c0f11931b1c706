use super::*;
use crate::{Key, security};
use std::vec::Vec;

const TEXT: &[u8] = b"/KFM5KAIFA-METER\r\n\r\n1-0:1.8.1(000576.239*kWh)\r\n!C808\r\n";

fn key() -> Key {
    Key::new([7; 16])
}

fn meter() -> P1<[u8; 1024]> {
    P1::new(Settings { key: Some(key()), ..Settings::default() }, [0; 1024])
}

/// A telegram with encryption only.
fn sealed(counter: u32) -> Vec<u8> {
    let mut content = TEXT.to_vec();
    security::seal(&key(), None, SecurityHeader::new(b"SAG12345", 0x20, counter), &mut content).unwrap();
    let mut envelope = std::vec![0xDB, 8];
    envelope.extend(b"SAG12345");
    envelope.push(u8::try_from(5 + content.len()).unwrap());
    envelope.push(0x20);
    envelope.extend(counter.to_be_bytes());
    envelope.extend(content);
    envelope
}

/// Counters of the telegrams that are told, and how many refusals there are.
fn told(bytes: &[u8]) -> (Vec<u32>, usize) {
    let (mut counters, mut refusals) = (Vec::new(), 0);
    let mut meter = meter();
    assert_eq!(meter.handle_input(bytes, Duration::ZERO), bytes.len());
    for _ in 0..2 {
        while let Some(event) = meter.poll() {
            match event {
                Event::Telegram(telegram) => {
                    counters.push(telegram.security.unwrap().header.invocation_counter)
                }
                _ => refusals += 1,
            }
        }
        meter.handle_timeout(IDLE);
    }
    (counters, refusals)
}

#[test]
fn an_envelope_that_lost_bytes_does_not_take_the_next_one_along() {
    let first = sealed(1);
    let two = [first.clone(), sealed(2)].concat();
    assert_eq!(told(&two), (std::vec![1, 2], 0));
    for lost in 1..12 {
        for at in 20..first.len() - lost {
            let mut damaged = two.clone();
            damaged.drain(at..at + lost);
            assert_eq!(told(&damaged), (std::vec![2], 1), "{lost} bytes from {at} on");
        }
    }
}

#[test]
fn an_envelope_that_ends_like_the_next_one_begins_waits_for_more() {
    let ends_in_db = (0..).map(sealed).find(|envelope| envelope.last() == Some(&ciphering::TAG)).unwrap();
    let mut meter = meter();
    meter.handle_input(&ends_in_db, Duration::ZERO);
    assert!(meter.poll().is_none(), "the last byte may be the first of the next telegram");
    meter.handle_timeout(IDLE);
    assert!(matches!(meter.poll(), Some(Event::Telegram(_))), "it was the last");
}
