//! What an hour of a believable household takes in a block, compressed as the store does it.
//!
//! Twelve registers once a second, with the units and digits of the meters of Netz Niederösterreich. All figures are
//! bytes of fixed content, so they are the same on every machine.
use metergate_series::block::{Block, Encoder, Row};
use metergate_simulator::{Energy, Household, Random};

/// 2026-04-12T00:00:00Z.
const MIDNIGHT: i64 = 1_775_952_000;
const REGISTERS: usize = 12;
const ROWS: usize = 3600;
/// As the store seals an hour.
const ZSTD_LEVEL: i32 = 9;

/// Energies in Wh, powers in W, voltages in tenths of a volt, currents in hundredths of an ampere, power factor in
/// thousandths, reactive energy in varh.
fn registers(house: &Household) -> [i64; REGISTERS] {
    let wh = |energy: Energy| i64::try_from(energy.wh()).expect("a household's register");
    let (energies, power_w) = (house.energies(), house.power_mw() / 1000);
    let [l1, l2, l3] = house.phases();
    [
        wh(energies.import),
        wh(energies.export),
        power_w.max(0),
        (-power_w).max(0),
        l1.voltage_mv / 100,
        l2.voltage_mv / 100,
        l3.voltage_mv / 100,
        l1.current_ma / 10,
        l2.current_ma / 10,
        l3.current_ma / 10,
        house.power_factor_1000(),
        wh(energies.reactive_export),
    ]
}

/// The same household to the last digit that an EasyMeter Q3A shows: ten-thousandths of a Wh, hundredths of a W.
fn fine_registers(house: &Household) -> [i64; REGISTERS] {
    let fine = |energy: Energy| i64::try_from(energy.in_parts_of_wh(10_000)).expect("a household's register");
    let (energies, coarse) = (house.energies(), registers(house));
    let mut all = coarse;
    all[0] = fine(energies.import);
    all[1] = fine(energies.export);
    all[2] = house.power_mw().max(0) / 10;
    all[3] = (-house.power_mw()).max(0) / 10;
    all[11] = fine(energies.reactive_export);
    all
}

/// The block of the hour that begins at this second. Telegrams arrive up to 40 ms late, as lines and hosts have it.
fn block(seed: u64, start_s: i64, registers: fn(&Household) -> [i64; REGISTERS]) -> Vec<u8> {
    let mut house = Household::new(seed, start_s);
    let mut lateness = Random::new(seed);
    let (mut encoder, mut sent) = (Encoder::new(), Vec::new());
    for (second, sequence) in (start_s..).zip(1_000_000_u64..).take(ROWS) {
        house.advance_to(second);
        let late_ms = i64::try_from(lateness.below(40)).expect("below 40");
        let values = registers(&house);
        let time_ms = second * 1000 + 120 + late_ms;
        let row = Row { sequence, time_ms, flags: 0, meter_time_s: Some(second), shape: 1, values: &values };
        encoder.push(&row).expect("an hour fits");
        sent.push((sequence, time_ms, values));
    }
    let block = encoder.finish();
    let mut rows = Block::parse(&block).expect("a block of our own").rows();
    for (sequence, time_ms, values) in sent {
        let row = rows.next_row().expect("every row comes back");
        assert_eq!((row.sequence, row.time_ms, row.values), (sequence, time_ms, &values[..]));
        assert_eq!((row.flags, row.shape, row.meter_time_s), (0, 1, Some(time_ms / 1000)));
    }
    assert_eq!(rows.next_row(), None);
    block
}

/// Thousandths of a byte for each reading of six hours of six households; prints each.
fn sealed_bytes_per_1000_readings(registers: fn(&Household) -> [i64; REGISTERS]) -> usize {
    let hours = [(1, 3), (2, 7), (3, 10), (4, 13), (5, 18), (6, 21)];
    let mut total = 0;
    for (seed, hour) in hours {
        let block = block(seed, MIDNIGHT + hour * 3600, registers);
        let sealed = zstd::bulk::compress(&block, ZSTD_LEVEL).expect("zstd takes anything");
        println!("household {seed} at {hour} h: block {} B, sealed {} B", block.len(), sealed.len());
        total += sealed.len();
    }
    let per_1000 = (total * 1000).div_ceil(hours.len() * ROWS * REGISTERS);
    println!("0.{per_1000:03} B a reading");
    per_1000
}

#[test]
fn an_hour_at_1_hz_takes_at_most_0_40_bytes_a_reading() {
    let per_1000 = sealed_bytes_per_1000_readings(registers);
    assert!(per_1000 <= 400, "{per_1000}");
}

#[test]
fn four_more_digits_are_paid_for() {
    let per_1000 = sealed_bytes_per_1000_readings(fine_registers);
    assert!(per_1000 <= 1000, "{per_1000}");
}
