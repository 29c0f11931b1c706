//! What is believed, what is held back and how totals go on: through the gate as the pipeline calls it.
#![allow(clippy::unwrap_used, reason = "tests unwrap")]

mod house;

use house::{House, START_MS, Said, codes, number, reasons, said};
use metergate_gateway::event::EventCode;
use metergate_gateway::plausible::{
    Arrival, Chapter, EpochCause, Gate, HeldReason, Limits, Past, epoch_at, is_counter, recompute, total,
};
use metergate_gateway::store::{Row, RowFlags};
use metergate_gateway::update::TelegramBuf;
use metergate_meter::sml::Sml;
use metergate_meter::verdict::{Verdict, Watch};
use metergate_meter::{Conversation, Event, Flags, Settings};
use metergate_reading::{ClockStatus, Instant, Number, RegisterId, Trust, Unit, ValueBuf};
use metergate_simulator::Random;
use metergate_wire::sml::{self, Crc, Entry, GetListResponse, Head, message, transport};
use metergate_wire::{Full, Writer};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn row_31_a_counter_of_30_after_43354009_is_quarantined() {
    let mut house = House::new();
    house.hear(&said(0).tenths(43_354_009).power(500));
    let judged = house.hear(&said(60).tenths(30).power(510));
    assert_eq!(reasons(&judged), [("1-0:1.8.0*255".to_owned(), HeldReason::RolledBack)]);
    assert_eq!(judged.held[0].number, Number::new(30, -1));
    assert_eq!(judged.held[0].detail, "3.0 Wh after 4335400.9 Wh");
    assert_eq!(codes(&judged), [EventCode::RolledBack]);
    let row = judged.row.unwrap();
    assert!(row.flags.contains(RowFlags::PARTLY_HELD));
    assert_eq!((row.shape.0.len(), number(&row, "1-0:16.7.0")), (1, Some("510".to_owned())));
    let next = house.hear(&said(120).tenths(43_354_100).power(505));
    assert!(next.held.is_empty() && next.row.unwrap().flags == RowFlags::default());
}

#[test]
fn row_31_a_late_taf_14_value_between_two_believed_is_merged() {
    let mut house = House::new();
    house.hear(&said(0).tenths(43_354_009));
    house.hear(&said(120).tenths(43_354_209));
    let late = house.hear(&said(60).tenths(43_354_109).recorded());
    assert!(late.row.as_ref().unwrap().flags.contains(RowFlags::LATE));
    assert_eq!(number(late.row.as_ref().unwrap(), "1-0:1.8.0").as_deref(), Some("4335410.9"));
    assert_eq!((codes(&late), late.held.len()), (vec![EventCode::Merged], 0));
    let again = house.hear(&said(60).tenths(43_354_109).recorded());
    assert!(again.duplicate && again.row.is_none());
    // The late one changed nothing for those to come.
    let next = house.hear(&said(180).tenths(43_354_309));
    assert_eq!(next.row.unwrap().flags, RowFlags::default());
}

#[test]
fn a_late_value_beside_its_neighbours_is_held() {
    let mut house = House::new();
    house.hear(&said(0).tenths(1_000_000).kwh("1-0:2.8.0", 5));
    house.hear(&said(120).tenths(1_000_200).kwh("1-0:2.8.0", 5));
    for (energy, reason) in [(999_999, HeldReason::RolledBack), (1_000_201, HeldReason::RolledBack)] {
        let judged = house.hear(&said(60).tenths(energy).kwh("1-0:2.8.0", 5).recorded());
        assert_eq!(judged.row, None, "a total takes all counters along");
        assert_eq!(reasons(&judged)[0], ("1-0:1.8.0*255".to_owned(), reason));
        assert_eq!(judged.held.len(), 2);
    }
    let judged = house.hear(&said(60).kwh("1-0:1.8.1", 7).recorded());
    assert_eq!(reasons(&judged), [("1-0:1.8.1*255".to_owned(), HeldReason::Unplaced)]);
    let first = house.hear(&said(-60).tenths(999_990).recorded());
    assert!(first.row.is_some(), "before the first row only the one after it counts");
}

#[test]
fn row_30_an_exchanged_meter_and_its_return_go_on_from_the_total() {
    let mut house = House::new();
    let series: [(&'static str, &[i64]); 3] =
        [("old", &[4998, 4999, 5000]), ("new", &[3, 4, 7, 10]), ("old", &[5000, 5000, 5000, 5001])];
    let mut at_s = 0;
    let mut exchanged = 0;
    for (meter, energies) in series {
        for energy in energies {
            at_s += 900;
            let judged = house.hear(&said(at_s).of(meter).kwh("1-0:1.8.0", *energy));
            assert!(reasons(&judged).iter().all(|(_, reason)| *reason == HeldReason::ForeignMeter));
            exchanged += codes(&judged).iter().filter(|code| **code == EventCode::MeterExchanged).count();
        }
    }
    let wh: Vec<String> = [4998, 4999, 5000, 5000, 5001, 5004, 5007, 5007, 5007, 5007, 5008]
        .map(|kwh| format!("{kwh}000"))
        .to_vec();
    assert_eq!(house.totals("1-0:1.8.0"), wh);
    assert_eq!(exchanged, 2);
    let causes: Vec<EpochCause> = house.epochs.iter().map(|epoch| epoch.cause).collect();
    assert_eq!(causes, [EpochCause::First, EpochCause::Exchanged, EpochCause::Exchanged]);
    assert!(house.past.held.is_empty(), "what was held is released: {:?}", house.past.held);
    // The same from the rows, as after an undo of something else.
    let mut chapters: Vec<Chapter> = house.epochs.iter().cloned().map(Chapter::new).collect();
    for row in &house.rows {
        let epoch = epoch_at(&house.epochs, row.at.unix_ms).unwrap().from_ms;
        chapters.iter_mut().find(|chapter| chapter.epoch.from_ms == epoch).unwrap().take(row);
    }
    assert_eq!(recompute(&chapters, &[]), house.epochs);
}

#[test]
fn row_30_an_energy_offset_is_added_from_the_first_epoch_on() {
    let id: RegisterId = "1-0:1.8.0".parse().unwrap();
    // The default of S3: 9520525 Wh.
    let offsets = vec![(id, Number::new(9_520_525, 0))];
    let mut house = House::with(Limits { offsets, ..Limits::default() });
    house.hear(&said(0).of("1").tenths(10));
    for at_s in 1..=3 {
        house.hear(&said(at_s).of("2").tenths(0));
    }
    assert_eq!(house.totals("1-0:1.8.0"), ["9520526.0"; 4]);
}

#[test]
fn one_telegram_of_another_meter_begins_nothing() {
    let mut house = House::new();
    for at_s in 0..50 {
        let (meter, energy) = if at_s % 5 == 4 { ("2", 77) } else { ("1", 5000) };
        let judged = house.hear(&said(at_s).of(meter).kwh("1-0:1.8.0", energy).power(100));
        if meter == "2" {
            assert_eq!((judged.row, judged.held.len(), judged.remarks.len()), (None, 2, 0));
            assert!(judged.held.iter().all(|held| held.reason == HeldReason::ForeignMeter));
        } else {
            assert!(judged.held.is_empty() && judged.row.is_some());
        }
    }
    assert_eq!(house.epochs.len(), 1);
}

#[test]
fn a_restart_between_telegrams_of_another_meter_goes_on_counting_them() {
    let mut house = House::new();
    house.hear(&said(0).of("A").kwh("1-0:1.8.0", 5000));
    for at_s in [10, 20] {
        assert_eq!(house.hear(&said(at_s).of("B").kwh("1-0:1.8.0", 3)).held.len(), 1);
        house.restart();
    }
    let third = house.hear(&said(30).of("B").kwh("1-0:1.8.0", 4));
    assert_eq!((codes(&third), third.released.len()), (vec![EventCode::MeterExchanged], 2));
    assert_eq!(house.totals("1-0:1.8.0"), ["5000000", "5000000", "5000000", "5001000"]);
    // Two strays, one of this meter, and a restart: the next stray is the first again.
    for (at_s, name) in [(40, "A"), (50, "A"), (60, "B")] {
        house.hear(&said(at_s).of(name).kwh("1-0:1.8.0", 4));
    }
    house.restart();
    assert_eq!(house.hear(&said(70).of("A").kwh("1-0:1.8.0", 4)).held.len(), 1);
}

#[test]
fn what_a_person_accepts_is_where_the_register_stands_and_totals_go_on() {
    let mut house = House::new();
    house.hear(&said(0).of("A").kwh("1-0:1.8.0", 5000));
    let fell = house.hear(&said(60).of("A").kwh("1-0:1.8.0", 3));
    let accepted = house.gate.accept(&fell.held, said(90).host(), |_| (None, None)).unwrap();
    assert_eq!(codes(&accepted), [EventCode::CounterReset, EventCode::Accepted]);
    assert_eq!(accepted.released[0].flags, RowFlags::RELEASED);
    house.keep(&accepted);
    assert_eq!(house.hear(&said(120).of("A").kwh("1-0:1.8.0", 4)).held, []);
    assert_eq!(house.totals("1-0:1.8.0"), ["5000000", "5000000", "5001000"]);
    // Of another meter: it is the one that is there now.
    let stray = house.hear(&said(130).of("B").kwh("1-0:1.8.0", 700));
    let exchanged = house.gate.accept(&stray.held, said(131).host(), |_| (None, None)).unwrap();
    assert_eq!(codes(&exchanged), [EventCode::MeterExchanged, EventCode::Accepted]);
    house.keep(&exchanged);
    house.hear(&said(140).of("B").kwh("1-0:1.8.0", 701));
    assert_eq!(house.totals("1-0:1.8.0")[3..], ["5001000", "5002000"]);
}

#[test]
fn what_cannot_be_beside_what_is_believed_is_not_accepted_and_changes_nothing() {
    let mut house = House::new();
    house.hear(&said(0).of("A").kwh("1-0:1.8.0", 5000));
    let fell = house.hear(&said(60).of("A").kwh("1-0:1.8.0", 3));
    let stray = house.hear(&said(70).of("B").kwh("1-0:1.8.0", 5));
    house.hear(&said(120).of("A").kwh("1-0:1.8.0", 5001));
    let rows = (house.rows.first().cloned(), house.rows.last().cloned());
    let refused = house.gate.accept(&fell.held, said(130).host(), |_| rows.clone()).unwrap_err();
    assert!(refused.contains("3000 Wh, cannot be beside 5000000 Wh right before it"), "{refused}");
    let refused = house.gate.accept(&stray.held, said(130).host(), |_| rows.clone()).unwrap_err();
    assert!(refused.contains("is of meter B, and telegrams of A came after it"), "{refused}");
    assert_eq!(house.hear(&said(180).of("A").kwh("1-0:1.8.0", 5001)).held, []);
    assert_eq!(house.epochs.len(), 1);
}

#[test]
fn two_in_a_row_begin_nothing_and_a_telegram_without_a_name_keeps_the_epoch() {
    let mut house = House::new();
    house.hear(&said(0).of("1").kwh("1-0:1.8.0", 5000));
    house.hear(&said(1).of("2").kwh("1-0:1.8.0", 3));
    house.hear(&said(2).of("2").kwh("1-0:1.8.0", 3));
    assert!(house.hear(&said(3).of("1").kwh("1-0:1.8.0", 5000)).row.is_some());
    assert!(house.hear(&said(4).kwh("1-0:1.8.0", 5000)).row.is_some());
    assert_eq!(house.epochs.len(), 1);
}

#[test]
fn the_name_of_a_meter_is_learned_when_it_comes() {
    let mut house = House::new();
    house.hear(&said(0).kwh("1-0:1.8.0", 5000));
    assert_eq!(house.epochs[0].identity, None);
    house.hear(&said(1).of("1").kwh("1-0:1.8.0", 5000));
    assert_eq!((house.epochs.len(), house.epochs[0].identity.as_deref()), (1, Some("1")));
}

#[test]
fn a_counter_that_comes_late_after_an_exchange_goes_on_too() {
    let mut house = House::new();
    house.hear(&said(0).of("1").kwh("1-0:1.8.0", 100).kwh("1-0:2.8.0", 50));
    for at_s in 1..=3 {
        house.hear(&said(at_s).of("2").kwh("1-0:1.8.0", 7));
    }
    house.restart();
    house.hear(&said(4).of("2").kwh("1-0:1.8.0", 7).kwh("1-0:2.8.0", 1));
    assert_eq!(house.totals("1-0:2.8.0"), ["50000", "50000"]);
    assert_eq!(house.epochs.len(), 2);
}

#[test]
fn a_counter_that_stays_low_for_ten_telegrams_and_a_minute_begins_an_epoch() {
    let mut house = House::new();
    house.hear(&said(0).tenths(43_354_009).kwh("1-0:2.8.0", 2));
    let mut released = None;
    for n in 1..=12i64 {
        let judged = house.hear(&said(n * 10).tenths(30 + n).kwh("1-0:2.8.0", 2));
        if !judged.released.is_empty() {
            assert_eq!(n, 10, "ten telegrams, 90 s");
            released = Some(judged);
        } else if n < 10 {
            assert_eq!((judged.row, judged.held.len()), (None, 2), "the total takes 2.8.0 along");
        } else {
            assert!(judged.held.is_empty());
        }
    }
    let released = released.unwrap();
    assert_eq!(released.released.len(), 9);
    assert!(released.released.iter().all(|row| row.flags.contains(RowFlags::RELEASED)));
    assert!(codes(&released).contains(&EventCode::CounterReset));
    let epoch = &released.epochs[0];
    assert_eq!((epoch.epoch().cause, epoch.epoch().from_ms), (EpochCause::Reset, START_MS + 10_000));
    let totals = house.totals("1-0:1.8.0");
    assert_eq!((totals.len(), totals[1].as_str(), totals[12].as_str()), (13, "4335400.9", "4335402.0"));
    assert_eq!(house.totals("1-0:2.8.0"), ["2000"; 13]);
    assert!(house.past.held.is_empty());
}

#[test]
fn ten_telegrams_within_a_second_prove_nothing() {
    let mut house = House::new();
    house.hear(&said(0).tenths(43_354_009));
    for _ in 0..50 {
        assert_eq!(house.hear(&said(1).tenths(30)).held.len(), 1);
    }
    let judged = house.hear(&said(61).tenths(30));
    assert_eq!((judged.released.len(), judged.row.is_some()), (50, true));
}

#[test]
fn numbers_that_do_not_agree_with_each_other_never_leave() {
    let mut house = House::new();
    house.hear(&said(0).tenths(43_354_009));
    for n in 1..200 {
        let judged = house.hear(&said(n * 10).tenths(200 - n));
        assert_eq!((judged.held.len(), judged.released.len()), (1, 0));
    }
}

#[test]
fn a_part_that_goes_back_leaves_the_others_alone() {
    let mut house = House::new();
    house.hear(&said(0).kwh("1-0:1.8.0", 9).kwh("1-0:1.8.1", 4).kwh("1-0:1.8.2", 5));
    let judged = house.hear(&said(1).kwh("1-0:1.8.0", 9).kwh("1-0:1.8.1", 3).kwh("1-0:1.8.2", 5));
    assert_eq!(reasons(&judged), [("1-0:1.8.1*255".to_owned(), HeldReason::RolledBack)]);
    assert_eq!(judged.row.unwrap().shape.0.len(), 2);
}

#[test]
fn more_than_40_kw_is_held_and_40_kw_is_not() {
    let mut house = House::new();
    house.hear(&said(0).tenths(1_000_001));
    // 40 kW for an hour are 40 kWh; 2 s of slack are 22.2 Wh.
    let judged = house.hear(&said(3600).tenths(1_400_225));
    assert_eq!(reasons(&judged), [("1-0:1.8.0*255".to_owned(), HeldReason::ImpossiblePower)]);
    assert_eq!(judged.held[0].detail, "140022.5 Wh after 100000.1 Wh within 3600.000 s is more than 40000 W");
    assert!(house.hear(&said(3600).tenths(1_400_001)).row.is_some());
    for (power, held) in [(40_000, 0), (-40_000, 0), (40_001, 1), (-40_001, 1)] {
        assert_eq!(house.hear(&said(3700).power(power)).held.len(), held, "{power}");
    }
}

#[test]
fn a_step_up_that_lasts_is_released_as_it_is() {
    let mut house = House::new();
    house.hear(&said(0).tenths(10_001));
    for n in 1..=10 {
        house.hear(&said(n * 10).tenths(50_000_001));
    }
    assert_eq!(house.rows.len(), 11);
    assert_eq!((house.epochs.len(), house.totals("1-0:1.8.0")[1].as_str()), (1, "5000000.1"));
}

#[test]
fn a_power_beyond_the_limit_stays_out_however_long_it_lasts() {
    let mut house = House::new();
    for n in 0..100 {
        assert_eq!(house.hear(&said(n * 10).power(70_000)).held.len(), 1);
    }
    assert!(house.rows.is_empty());
}

#[test]
fn gas_that_comes_once_an_hour_has_no_limit() {
    let mut house = House::new();
    let gas = |at_s, litres| said(at_s).with("0-1:24.2.1", litres, -3, Unit::CubicMetre);
    house.hear(&gas(0, 872_234));
    assert!(house.hear(&gas(1, 877_000)).held.is_empty());
    assert_eq!(reasons(&house.hear(&gas(2, 872_234)))[0].1, HeldReason::RolledBack);
}

#[test]
fn zero_is_a_value() {
    let mut house = House::new();
    for at_s in 0..3 {
        let judged = house.hear(&said(at_s).kwh("1-0:1.8.0", 0).power(0));
        let row = judged.row.unwrap();
        assert_eq!(
            (number(&row, "1-0:1.8.0").as_deref(), number(&row, "1-0:16.7.0").as_deref()),
            (Some("0"), Some("0"))
        );
    }
}

#[test]
fn a_telegram_that_comes_twice_is_stored_once() {
    let mut house = House::new();
    let one = said(0).tenths(1).power(5).clock(0);
    assert!(house.hear(&one).row.is_some());
    let again = house.hear(&Said { at_s: 1, ..one.clone() });
    assert!(again.duplicate && again.row.is_none() && again.held.is_empty());
    assert_eq!(codes(&again), [EventCode::Duplicate]);
    assert!(
        codes(&house.hear(&Said { at_s: 2, ..one.clone() })).is_empty(),
        "told once a quarter of an hour"
    );
    house.restart();
    assert!(house.hear(&Said { at_s: 2, ..one.clone() }).duplicate, "also after a restart");
    assert!(
        house.hear(&Said { at_s: 3, ..one.clone() }.clock(1)).row.is_some(),
        "a new time is a new reading"
    );
    assert!(house.hear(&said(4).tenths(1).power(6).clock(1)).row.is_some(), "so are new numbers");
}

#[test]
fn without_a_time_of_the_meter_the_same_again_is_a_reading() {
    let mut house = House::new();
    for at_s in 0..100 {
        assert!(house.hear(&said(at_s).tenths(1)).row.is_some());
    }
}

#[test]
fn a_clock_of_a_meter_that_stands_still_hides_no_reading_for_more_than_a_minute() {
    let mut house = House::new();
    let stored = (0..=600).filter(|&at_s| house.hear(&said(at_s).tenths(1).clock(0)).row.is_some()).count();
    assert_eq!(stored, 11);
}

#[test]
fn the_last_reading_of_a_file_that_is_read_again_is_not_stored_again() {
    let mut house = House::new();
    house.hear(&said(0).tenths(1).recorded());
    assert!(house.hear(&said(60).tenths(1).recorded()).row.is_some(), "a counter may stand still");
    house.restart();
    assert!(house.hear(&said(60).tenths(1).recorded()).duplicate);
}

#[test]
fn the_seconds_of_an_sml_meter_tell_a_repetition() {
    let mut house = House::new();
    let at = |at_s, index| {
        let mut said = said(at_s).tenths(1);
        said.registers[0].seconds_index = Some(index);
        said
    };
    assert!(house.hear(&at(0, 7)).row.is_some());
    assert!(house.hear(&at(1, 7)).duplicate);
    assert!(house.hear(&at(2, 8)).row.is_some());
}

#[test]
fn another_unit_is_held_until_it_lasts() {
    let mut house = House::new();
    house.hear(&said(0).tenths(1_000).power(5));
    let other =
        |at_s| said(at_s).with("1-0:1.8.0", 12, -1, Unit::VarHour).with("1-0:16.7.0", 5, 0, Unit::Var);
    for n in 1..10 {
        let judged = house.hear(&other(n * 10));
        let changed = |code: &str| (code.to_owned(), HeldReason::UnitChanged);
        assert_eq!(reasons(&judged), [changed("1-0:1.8.0*255"), changed("1-0:16.7.0*255")]);
    }
    let judged = house.hear(&other(100));
    assert_eq!((judged.released.len(), judged.row.unwrap().shape.0[0].unit), (9, Some(Unit::VarHour)));
    assert_eq!(reasons(&house.hear(&said(110).tenths(1_001)))[0].1, HeldReason::UnitChanged);
}

#[test]
fn another_scaler_is_believed_when_the_value_goes_on_and_told_once() {
    let mut house = House::new();
    house.hear(&said(0).tenths(43_354_009));
    let finer = house.hear(&said(1).with("1-0:1.8.0", 4_335_401_000, -3, Unit::WattHour));
    assert_eq!((codes(&finer), finer.held.len()), (vec![EventCode::ScalerChanged], 0));
    assert!(house.hear(&said(2).tenths(43_354_011)).events.is_empty());
    let broken = house.hear(&said(3).with("1-0:1.8.0", 43_354_012, -3, Unit::WattHour));
    assert_eq!(reasons(&broken), [("1-0:1.8.0*255".to_owned(), HeldReason::ScalerChanged)]);
    let huge = house.hear(&said(4).with("1-0:1.8.0", 43_354_012, 0, Unit::WattHour));
    assert_eq!(reasons(&huge), [("1-0:1.8.0*255".to_owned(), HeldReason::ScalerChanged)]);
}

#[test]
fn cubic_metres_and_litres_are_one_volume_in_the_unit_that_was_there_first() {
    let mut house = House::new();
    let gas = |at_s, mantissa, exponent, unit| said(at_s).with("7-0:3.0.0", mantissa, exponent, unit);
    house.hear(&gas(0, 1_234_567, -3, Unit::CubicMetre));
    let litres = house.hear(&gas(60, 1_234_568, 0, Unit::Litre));
    assert_eq!((codes(&litres), litres.held.len()), (vec![EventCode::ScalerChanged], 0));
    let row = litres.row.unwrap();
    assert_eq!(row.shape.0[0].unit, Some(Unit::CubicMetre));
    assert_eq!(number(&row, "7-0:3.0.0").as_deref(), Some("1234.568"));
    let fell = house.hear(&gas(120, 1_234_567, 0, Unit::Litre));
    assert_eq!(
        (fell.held[0].reason, fell.held[0].detail.as_str()),
        (HeldReason::RolledBack, "1234.567 m3 after 1234.568 m3")
    );
    house.restart();
    assert_eq!(house.hear(&gas(180, 1_234_570, 0, Unit::Litre)).held, []);
    let late = house.hear(&gas(150, 1_234_569, 0, Unit::Litre).recorded());
    assert_eq!(number(late.row.as_ref().unwrap(), "7-0:3.0.0").as_deref(), Some("1234.569"));
    assert_eq!(house.totals("7-0:3.0.0"), ["1234.567", "1234.568", "1234.570", "1234.569"]);
    // Another medium of the same register is another unit all the same.
    let energy = house.hear(&gas(240, 2_000_000, 0, Unit::WattHour));
    assert_eq!(energy.held[0].reason, HeldReason::UnitChanged);
}

#[test]
fn decimals_of_floats_that_come_and_go_make_no_new_list_of_registers_each_time() {
    let mut house = House::new();
    let codes = ["1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0", "1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0"];
    let mut sent = BTreeSet::new();
    let mut random = Random::new(1);
    for n in 0..1000i64 {
        let mut telegram = said(n);
        let mut exponents = Vec::new();
        for code in codes {
            // Up to thousandths without the zeros at their end, as the shortest decimal of a float has them.
            let step = [1, 10, 100, 1000][usize::try_from(random.below(4)).unwrap()];
            let (mut mantissa, mut exponent) =
                (230_000 + random.below(1000).cast_signed() / step * step, -3i8);
            while mantissa % 10 == 0 {
                (mantissa, exponent) = (mantissa / 10, exponent + 1);
            }
            telegram = telegram.with(code, mantissa, exponent, Unit::Volt);
            let register = telegram.registers.last_mut().unwrap();
            register.value = ValueBuf::Float(Number::new(mantissa, exponent));
            exponents.push(exponent);
        }
        sent.insert(exponents);
        let row = house.hear(&telegram).row.unwrap();
        for (register, (_, number)) in telegram.registers.iter().zip(row.numbers()) {
            assert!(number.same_value(register.number().unwrap()), "nothing is lost");
        }
    }
    let shapes: BTreeSet<Vec<i16>> =
        house.rows.iter().map(|row| row.shape.0.iter().map(|column| column.exponent).collect()).collect();
    println!("{} lists as sent, {} as kept", sent.len(), shapes.len());
    assert!(sent.len() > 200, "{}", sent.len());
    // Each of six registers gets a place more at most three times.
    assert!(shapes.len() <= 1 + 6 * 3, "{}", shapes.len());
    assert!(house.rows[500..].windows(2).all(|pair| pair[0].shape == pair[1].shape));
}

#[test]
fn a_clock_that_is_set_back_by_an_hour_makes_no_live_reading_late() {
    let mut house = House::new();
    let mono = |seconds| Some(Duration::from_secs(seconds));
    house.hear_with(&said(0).tenths(1_001), RowFlags::default(), mono(10));
    let back = house.hear_with(&said(-3590).tenths(1_003), RowFlags::CLOCK_JUMPED, mono(20));
    assert_eq!(back.row.unwrap().flags, RowFlags::CLOCK_JUMPED);
    // One hour ahead: by the clock that is never set only 10 s have passed, but the host may have slept.
    let ahead = house.hear_with(&said(20).tenths(1_005), RowFlags::CLOCK_JUMPED, mono(30));
    assert!(ahead.held.is_empty());
    let glitch = house.hear_with(&said(-3570).tenths(9_005), RowFlags::CLOCK_JUMPED, mono(40));
    assert_eq!(reasons(&glitch)[0].1, HeldReason::ImpossiblePower, "judged by the other clock");
}

#[test]
fn a_meter_clock_that_is_off_is_told_once() {
    let mut house = House::new();
    let told: usize = (0..10).map(|n| house.hear(&said(n).tenths(1).clock(n - 75)).events.len()).sum();
    assert_eq!(told, 1);
    let judged = House::new().hear(&said(0).tenths(1).clock(75));
    assert_eq!(judged.events[0].detail, "the meter's clock is 75 s ahead of the host's");
    assert_eq!(judged.row.unwrap().meter_clock_s, Some(START_MS / 1000 + 75));
}

#[test]
fn flags_of_the_telegram_and_the_best_clock_stand_in_the_row() {
    let mut house = House::new();
    let one = Said { trust: Trust::HostUnsynchronised, ..said(10).tenths(1).clock(0) };
    let mut telegram = one.telegram();
    telegram.flags = Flags { salvaged: true, replayed: false, unauthenticated: true };
    let arrival = Arrival { host: one.host(), monotonic: None, live: true, flags: RowFlags::DATED_LATER };
    let row = house.gate.judge(&telegram, arrival, |_| (None, None)).row.unwrap();
    let flags = RowFlags::DATED_LATER.with(RowFlags::SALVAGED).with(RowFlags::UNAUTHENTICATED);
    assert_eq!((row.flags, row.at), (flags, Instant { unix_ms: START_MS, trust: Trust::MeterValid }));
    telegram.reading.time = telegram.reading.time.map(|time| time.with_clock(ClockStatus::Doubtful));
    telegram.reading.registers = said(0).tenths(2).registers;
    let row = house.gate.judge(&telegram, arrival, |_| (None, None)).row.unwrap();
    assert_eq!(row.at, one.host());
}

#[test]
fn an_undone_exchange_keeps_the_name_and_is_not_made_again() {
    let mut house = House::new();
    house.hear(&said(0).of("serial 1").kwh("1-0:1.8.0", 5000));
    for at_s in 1..=3 {
        house.hear(&said(at_s).of("serial-1").kwh("1-0:1.8.0", 5000));
    }
    assert_eq!(house.epochs.len(), 2);
    house.epochs[1].undone = true;
    house.past.epochs = house.epochs.clone();
    house.restart();
    for at_s in 4..=10 {
        let judged = house.hear(&said(at_s).of("serial-1").kwh("1-0:1.8.0", 5000));
        assert!(judged.held.is_empty() && judged.epochs.is_empty() && judged.row.is_some());
    }
}

/// An SML telegram of an EMH ED300L with these registers: code, unit, scaler, value.
fn ed300l(entries: &[([u8; 6], u8, i8, u32)]) -> Vec<u8> {
    let written = |emit: &dyn Fn(&mut Writer<'_>) -> Result<(), Full>| {
        let mut buffer = [0; 512];
        let mut writer = Writer::new(&mut buffer);
        emit(&mut writer).unwrap();
        let len = writer.len();
        buffer[..len].to_vec()
    };
    let entries: Vec<Entry<'_>> = entries
        .iter()
        .map(|&(code, unit, scaler, value)| Entry {
            unit: Some(unit),
            scaler: Some(scaler),
            ..Entry::new(code, sml::Value::Number(sml::Number::unsigned(value.into()).in_bytes(4)))
        })
        .collect();
    let file = written(&|out| {
        let response = GetListResponse {
            client_id: None,
            server_id: &[0x09, 0x01, b'E', b'M', b'H', 0, 0, 0, 0, 7],
            list_name: None,
            act_sensor_time: None,
            entries: entries.iter().copied(),
            list_signature: None,
            act_gateway_time: None,
        };
        let head = Head { transaction_id: &[1], group_no: 0, abort_on_error: 0 };
        message::emit(out, Crc::X25, &head, GetListResponse::TAG, |out| response.emit(out))
    });
    written(&|out| transport::emit(out, Crc::X25, &file))
}

#[test]
fn row_32_an_ed300l_without_its_pin_is_told_from_one_with_it() {
    let code = |c, d, e| [1, 0, c, d, e, 255];
    let energies = |scaler: i8, values: [u32; 6]| {
        let codes =
            [code(1, 8, 0), code(2, 8, 0), code(1, 8, 1), code(2, 8, 1), code(1, 8, 2), code(2, 8, 2)];
        codes.into_iter().zip(values).map(move |(code, value)| (code, 30, scaler, value))
    };
    // As published: all registers 0 with scaler 3; and 687.6 Wh, 172.3 Wh ... with a power of 0.0 W.
    let without: Vec<_> = energies(3, [0; 6]).collect();
    let mut with: Vec<_> = energies(-1, [6876, 1723, 6848, 1723, 28, 0]).collect();
    with.push((code(16, 7, 0), 27, -1, 0));
    for (entries, verdict, energy) in [(without, Verdict::PinLocked, "0"), (with, Verdict::Ok, "687.6")] {
        let now = Duration::ZERO;
        let mut watch = Watch::new(Duration::from_secs(10), now);
        let mut conversation = Sml::new(Settings::default(), [0; 2048]);
        let bytes = ed300l(&entries);
        watch.bytes(&bytes, now);
        assert_eq!(conversation.handle_input(&bytes, now), bytes.len());
        let mut house = House::new();
        while let Some(event) = conversation.poll() {
            watch.event(&event, now);
            let Event::Telegram(telegram) = event else { continue };
            let telegram = TelegramBuf::new(0, &telegram, said(0).host());
            let arrival =
                Arrival { host: said(0).host(), monotonic: None, live: true, flags: RowFlags::default() };
            let judged = house.gate.judge(&telegram, arrival, |_| (None, None));
            house.keep(&judged);
        }
        assert_eq!(watch.verdict(now), verdict);
        // Either way what it says is believed: 0 is a value.
        assert_eq!(house.rows.len(), 1);
        assert_eq!(number(&house.rows[0], "1-0:1.8.0").as_deref(), Some(energy));
    }
}

/// What a generated telegram says of one counter.
#[derive(Debug, Clone)]
struct Step {
    after_s: i64,
    meter: Option<&'static str>,
    numbers: Vec<(usize, i64, i8)>,
    unit: bool,
}

const CODES: [&str; 4] = ["1-0:1.8.0", "1-0:1.8.1", "1-0:2.8.0", "1-0:16.7.0"];

/// Mostly small steps, some glitches, new meters, scalers and units.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let meter = prop_oneof![
        20 => Just(Some("1")), 4 => Just(Some("2")), 2 => Just(None), 1 => Just(Some("3"))
    ];
    let value = prop_oneof![6 => 1_000i64..1_010, 3 => 20i64..40, 1 => any::<i32>().prop_map(i64::from)];
    let exponent = prop_oneof![12 => Just(0i8), 1 => -2i8..=3];
    let numbers = prop::collection::vec((0usize..4, value, exponent), 1..5);
    let step = (1i64..200, meter, numbers, prop::bool::weighted(0.95))
        .prop_map(|(after_s, meter, numbers, unit)| Step { after_s, meter, numbers, unit });
    // The same step again and again is what leaves quarantine.
    prop::collection::vec((step, prop_oneof![3 => 1usize..3, 1 => 3usize..14]), 1..25).prop_map(|runs| {
        runs.into_iter().flat_map(|(step, times)| std::iter::repeat_n(step, times)).collect()
    })
}

fn spoken(steps: &[Step]) -> Vec<Said> {
    let mut at_s = 0;
    let mut out = Vec::new();
    for step in steps {
        at_s += step.after_s;
        let mut one = Said { meter: step.meter, ..said(at_s) }.clock(at_s);
        for &(code, mantissa, exponent) in &step.numbers {
            let code = CODES[code];
            let unit = match (code, step.unit) {
                ("1-0:16.7.0", true) => Unit::Watt,
                (_, true) => Unit::WattHour,
                _ => Unit::VarHour,
            };
            one = one.with(code, mantissa, exponent, unit);
        }
        out.push(one);
    }
    out
}

/// Every number of a telegram, with the name it has in rows.
fn all_numbers(said: &Said) -> Vec<(RegisterId, Number)> {
    let mut counts: BTreeMap<RegisterId, u16> = BTreeMap::new();
    let named = said.registers.iter().map(|register| {
        let id = RegisterId::of(register);
        let nth = counts.entry(id.clone()).or_default();
        *nth += 1;
        (id.nth(*nth), register.number().unwrap())
    });
    named.collect()
}

fn sorted(mut numbers: Vec<(RegisterId, Number)>) -> Vec<(RegisterId, Number)> {
    numbers.sort_by(|(a, _), (b, _)| a.cmp(b));
    numbers
}

fn lower(a: Number, b: Number) -> bool {
    // Generated exponents are small: -4 holds all of them.
    a.at_exponent(-4).unwrap() < b.at_exponent(-4).unwrap()
}

fn short() -> Limits {
    Limits { agreeing: 4, lasting: Duration::from_secs(5), ..Limits::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_number_is_in_exactly_one_place(steps in steps()) {
        let mut house = House::with(short());
        for said in spoken(&steps) {
            let judged = house.hear(&said);
            let mut found: Vec<_> = judged.held.iter().map(|held| (held.register.clone(), held.number)).collect();
            if let Some(row) = &judged.row {
                found.extend(row.numbers().map(|(column, number)| (column.id.clone(), number)));
            }
            let expected = if judged.duplicate { vec![] } else { all_numbers(&said) };
            prop_assert_eq!(sorted(found), sorted(expected));
        }
        // Nothing that is still held stands in a row.
        for held in &house.past.held {
            let there = |row: &&Row| row.at == held.at && row.number(&held.register).is_some();
            prop_assert_eq!(house.rows.iter().find(there), None);
        }
    }

    #[test]
    fn believed_counters_never_fall_within_an_epoch_and_totals_never_at_all(steps in steps()) {
        let mut house = House::with(short());
        for said in spoken(&steps) {
            house.hear(&said);
        }
        let mut stood: BTreeMap<(RegisterId, Option<Unit>), (i64, Number, Number)> = BTreeMap::new();
        for row in &house.rows {
            let epoch = epoch_at(&house.epochs, row.at.unix_ms).unwrap();
            for (column, number) in row.numbers() {
                if !is_counter(column.id.obis().unwrap(), column.unit) {
                    continue;
                }
                let total = total(epoch, &column.id, number).unwrap();
                let key = (column.id.clone(), column.unit);
                if let Some((from_ms, before, total_before)) = stood.insert(key, (epoch.from_ms, number, total)) {
                    prop_assert!(from_ms != epoch.from_ms || !lower(number, before), "{column:?} fell");
                    let unit_kept = house.rows.iter().flat_map(Row::numbers)
                        .all(|(other, _)| other.id != column.id || other.unit == column.unit);
                    prop_assert!(!unit_kept || !lower(total, total_before), "the total of {column:?} fell");
                }
            }
        }
    }

    #[test]
    fn a_restart_changes_no_judgement(steps in steps(), at in any::<prop::sample::Index>()) {
        let spoken = spoken(&steps);
        let (mut one, mut other) = (House::with(short()), House::with(short()));
        let mut due = false;
        for (n, said) in spoken.iter().enumerate() {
            let (judged, mut again) = (one.hear(said), other.hear(said));
            again.events.clone_from(&judged.events);
            // Quarantine does not keep the meter's clock.
            for (row, same) in again.released.iter_mut().zip(&judged.released) {
                row.meter_clock_s = same.meter_clock_s;
            }
            prop_assert_eq!(judged, again);
            due |= n == at.index(spoken.len());
            // Telegrams of another meter with one without a name among them may be counted anew.
            let own = one.epochs.last().map(|epoch| (epoch.from_ms, epoch.identity.clone()));
            let (from_ms, own) = own.unwrap_or((i64::MIN, None));
            let row = one.past.last_row.as_ref().filter(|row| !row.flags.contains(RowFlags::PARTLY_HELD));
            let foreign = one.past.held.iter().any(|held| {
                let is_after = row.is_some_and(|row| held.at.unix_ms > row.at.unix_ms);
                let is_plain = held.identity.is_some() && (is_after || held.identity == own);
                held.reason == HeldReason::ForeignMeter && held.at.unix_ms >= from_ms && !is_plain
            });
            if due && !foreign && said.meter.is_some() {
                other.restart();
                due = false;
            }
        }
    }

    #[test]
    fn late_readings_keep_counters_in_order_of_time(
        readings in prop::collection::vec((0i64..3000, -5i64..6), 1..60)
    ) {
        let mut house = House::with(short());
        for (at_s, off) in readings {
            // A counter that runs at 360 W, and figures that are wrong by up to 0.5 Wh.
            house.hear(&said(at_s).tenths(10_000 + at_s + off).recorded());
        }
        let mut rows: Vec<&Row> = house.rows.iter().collect();
        rows.sort_by_key(|row| row.at.unix_ms);
        for pair in rows.windows(2) {
            let energy = |row: &Row| row.number(&"1-0:1.8.0".parse().unwrap()).unwrap().mantissa();
            let began = |row: &Row| epoch_at(&house.epochs, row.at.unix_ms).unwrap().from_ms;
            prop_assert!(began(pair[0]) != began(pair[1]) || energy(pair[0]) <= energy(pair[1]));
        }
    }

    #[test]
    fn no_numbers_and_no_times_panic(
        telegrams in prop::collection::vec(
            (any::<i64>(), any::<bool>(), prop::collection::vec((0usize..4, any::<i64>(), any::<i8>()), 0..4),
             prop::sample::select(vec![Some("1"), Some("2"), None]), any::<bool>()),
            0..40,
        )
    ) {
        let mut house = House::with(short());
        let mut limits = short();
        limits.lasting = Duration::ZERO;
        house.gate = Gate::new(Arc::from("haus"), limits, Past::default());
        for (at_ms, live, numbers, meter, known) in telegrams {
            let mut one = Said { meter, live, ..said(0) };
            for (code, mantissa, exponent) in numbers {
                one = one.with(CODES[code], mantissa, exponent, Unit::WattHour);
            }
            let trust = if known { Trust::HostSynchronised } else { Trust::None };
            let host = Instant { unix_ms: at_ms, trust };
            let arrival = Arrival { host, monotonic: None, live, flags: RowFlags::default() };
            let neighbour = house.rows.last().cloned();
            let judged = house.gate.judge(&one.telegram(), arrival, |_| (neighbour.clone(), neighbour));
            house.rows.extend(judged.row);
        }
    }
}
