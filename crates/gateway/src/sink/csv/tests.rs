use super::*;
use crate::sink::sample::Point;
use crate::store::RowFlags;
use metergate_reading::{Date, DateTime, Instant as Received, Number, Time, Trust, Unit};

fn sample(meter: &str, month: u8, second: u8, energy_wh: i64) -> Sample {
    let (date, time) = (Date::new(2022, month, 28).unwrap(), Time::new(23, 59, second, 0).unwrap());
    let energy = Point {
        register: "1-0:1.8.0".parse().unwrap(),
        name: None,
        number: Number::new(energy_wh, 0),
        unit: Some(Unit::WattHour),
        prefix: 0,
        derived: false,
    };
    Sample {
        meter: meter.into(),
        seq: 1,
        at: Received { unix_ms: 0, trust: Trust::None },
        meter_clock_s: DateTime::new(date, time).with_offset(60).unix_seconds(),
        flags: RowFlags::default().with_meter_offset(60),
        points: vec![energy],
    }
}

fn csv(directory: &std::path::Path, one_meter: bool, utc_column: bool) -> Csv {
    let setup = CsvSetup { utc_column, free_min_mib: 0, ..CsvSetup::new(directory.to_owned()) };
    Csv::new(&setup, one_meter, jiff::tz::TimeZone::UTC)
}

const HEADER: &str = "DATUM_ZEIT;U_L1;U_L2;U_L3;I_L1;I_L2;I_L3;COS(PHI);P_ZU;P_AB;E_ZU;E_AB;T;RH;RSSI";

#[test]
fn each_month_has_its_file_with_the_header_once() {
    let folder = tempfile::tempdir().unwrap();
    for restart in 0..2 {
        let mut csv = csv(folder.path(), true, false);
        for (month, second) in [(1, 0), (2, 0), (1, 1)] {
            csv.deliver(&sample("haus", month, 2 * restart + second, 7)).unwrap();
        }
        csv.sync().unwrap();
    }
    let text = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let line = |second| format!("28.01.2022 23:59:0{second};;;;;;;;;;7;;;;\n");
    let january: String = (0..4).map(line).collect();
    assert_eq!(text("2022_01.CSV"), format!("{HEADER}\n{january}"));
    assert_eq!(text("2022_02.CSV").lines().count(), 3);
}

#[test]
fn lines_that_stand_at_the_end_are_not_written_again_but_equal_ones_after_others_are() {
    let folder = tempfile::tempdir().unwrap();
    let deliver = |seconds: &[u8]| {
        let mut csv = csv(folder.path(), true, false);
        seconds.iter().for_each(|&second| csv.deliver(&sample("haus", 1, second, 7)).unwrap());
    };
    deliver(&[0, 1, 2]);
    deliver(&[1, 2, 3, 3, 2]);
    let text = std::fs::read_to_string(folder.path().join("2022_01.CSV")).unwrap();
    let seconds: Vec<_> = text.lines().skip(1).map(|line| &line[17..19]).collect();
    assert_eq!(seconds, ["00", "01", "02", "03", "03", "02"]);
}

#[test]
fn several_meters_have_a_folder_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut csv = csv(folder.path(), false, true);
    for meter in ["haus", "pump"] {
        csv.deliver(&sample(meter, 1, 0, 7)).unwrap();
    }
    for meter in ["haus", "pump"] {
        let text = std::fs::read_to_string(folder.path().join(meter).join("2022_01.CSV")).unwrap();
        let line = "28.01.2022 23:59:00;;;;;;;;;;7;;;;;2022-01-28T22:59:00Z";
        assert_eq!(text, format!("{HEADER};UTC\n{line}\n"));
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_and_the_reading_can_be_delivered_later() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("csv");
    std::fs::write(&blocked, "a file where the folder belongs").unwrap();
    let mut csv = csv(&blocked, true, false);
    assert!(csv.deliver(&sample("haus", 1, 0, 7)).is_err());
    std::fs::remove_file(&blocked).unwrap();
    csv.deliver(&sample("haus", 1, 0, 7)).unwrap();
    assert_eq!(std::fs::read_to_string(blocked.join("2022_01.CSV")).unwrap().lines().count(), 2);
}
