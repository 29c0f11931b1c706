use super::*;
use metergate_reading::{
    Address, Date, DateTime, Instant as Received, Number, Register, RegisterBuf, Time, Trust, Unit, Value,
};

fn reading(month: u8, second: u8, energy_wh: i64) -> Reading {
    let mut register = Register::new(Address::Obis, Value::Number(Number::new(energy_wh, 0)));
    register.obis = "1-0:1.8.0".parse().ok();
    register.unit = Some(Unit::WattHour);
    let (date, time) = (Date::new(2022, month, 28).unwrap(), Time::new(23, 59, second, 0).unwrap());
    Reading {
        meter: None,
        time: Some(DateTime::new(date, time).with_offset(60)),
        received: Received { unix_ms: 0, trust: Trust::None },
        registers: vec![RegisterBuf::from(register)],
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
    let meter: Arc<str> = "haus".into();
    for restart in 0..2 {
        let mut csv = csv(folder.path(), true, false);
        for month in [1, 2, 1] {
            csv.deliver(&meter, &reading(month, restart, 7)).unwrap();
        }
        csv.sync().unwrap();
    }
    let text = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let january = "28.01.2022 23:59:00;;;;;;;;;;7;;;;";
    let later = "28.01.2022 23:59:01;;;;;;;;;;7;;;;";
    assert_eq!(text("2022_01.CSV"), format!("{HEADER}\n{january}\n{january}\n{later}\n{later}\n"));
    assert_eq!(text("2022_02.CSV").lines().count(), 3);
}

#[test]
fn several_meters_have_a_folder_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut csv = csv(folder.path(), false, true);
    for meter in ["haus", "pump"] {
        csv.deliver(&meter.into(), &reading(1, 0, 7)).unwrap();
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
    let meter: Arc<str> = "haus".into();
    assert!(csv.deliver(&meter, &reading(1, 0, 7)).is_err());
    std::fs::remove_file(&blocked).unwrap();
    csv.deliver(&meter, &reading(1, 0, 7)).unwrap();
    assert_eq!(std::fs::read_to_string(blocked.join("2022_01.CSV")).unwrap().lines().count(), 2);
}
