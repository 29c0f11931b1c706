//! HTE501: temperature and humidity on an I2C bus, by E+E Elektronik.
//!
//! ```text
//! write  2C 1B                     measure once
//! read   T T crc  RH RH crc        hundredths of a degree (signed) and of a percent, high byte first
//! ```
//!
//! Each CRC has 8 bits, polynomial 31, and begins with FF. Source: data sheet of the HTE501, version 1.0.
use super::registers::{HUMIDITY, TEMPERATURE, register};
use super::slow::Slow;
use crate::config::Hte501Setup;
use i2cdev::linux::LinuxI2CDevice;
use metergate_reading::{Number, RegisterBuf, Unit};
use std::path::Path;
use std::time::Duration;

/// Starts one measurement.
const MEASURE: [u8; 2] = [0x2C, 0x1B];
/// The sensor is ready before; who reads earlier has to hold the clock line, which a Raspberry Pi cannot.
const MEASURE_TIME: Duration = Duration::from_millis(50);
/// The kernel itself gives up after a second.
const LIMIT: Duration = Duration::from_secs(5);

/// Polynomial 31, from FF, nothing reflected.
const CRC: crc::Crc<u8> = crc::Crc::<u8>::new(&crc::CRC_8_NRSC_5);

/// Hundredths of a degree that the sensor can measure.
const RANGE: std::ops::RangeInclusive<i16> = -4_000..=12_500;
/// Hundredths of a percent.
const HUMIDITY_MAX: u16 = 10_000;

/// Why an answer is no measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hte501Fault {
    /// A checksum is wrong.
    Crc {
        /// Of the bytes.
        expected: u8,
        /// In the answer.
        found: u8,
    },
    /// Beyond what the sensor can measure.
    OutOfRange {
        /// Hundredths of a degree.
        temperature: i16,
        /// Hundredths of a percent.
        humidity: u16,
    },
}

impl std::fmt::Display for Hte501Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Crc { expected, found } => {
                write!(f, "the CRC of the sensor's answer is {expected:02X}, it says {found:02X}")
            }
            Self::OutOfRange { temperature, humidity } => {
                let (t, rh) = (Number::new((*temperature).into(), -2), Number::new((*humidity).into(), -2));
                write!(f, "{t} degrees and {rh} % are beyond what the sensor can measure")
            }
        }
    }
}

impl std::error::Error for Hte501Fault {}

/// Temperature in degrees Celsius and relative humidity in percent.
///
/// # Errors
/// - [`Hte501Fault::Crc`] when one of the checksums is wrong.
/// - [`Hte501Fault::OutOfRange`] beyond -40 to 125 degrees or 0 to 100 %.
///
/// ```
/// use metergate_gateway::source::hte501::{Hte501Fault, parse};
/// use metergate_reading::Number;
///
/// let answer = [0xFD, 0xDA, 0x06, 0x11, 0x94, 0xE6];
/// assert_eq!(parse(answer), Ok((Number::new(-550, -2), Number::new(4500, -2))));
/// let flipped = [0xFD, 0xDB, 0x06, 0x11, 0x94, 0xE6];
/// assert_eq!(parse(flipped), Err(Hte501Fault::Crc { expected: 0x37, found: 0x06 }));
/// ```
pub fn parse(answer: [u8; 6]) -> Result<(Number, Number), Hte501Fault> {
    let [t_high, t_low, t_crc, rh_high, rh_low, rh_crc] = answer;
    for (bytes, found) in [([t_high, t_low], t_crc), ([rh_high, rh_low], rh_crc)] {
        let expected = CRC.checksum(&bytes);
        if expected != found {
            return Err(Hte501Fault::Crc { expected, found });
        }
    }
    let temperature = i16::from_be_bytes([t_high, t_low]);
    let humidity = u16::from_be_bytes([rh_high, rh_low]);
    if !RANGE.contains(&temperature) || humidity > HUMIDITY_MAX {
        return Err(Hte501Fault::OutOfRange { temperature, humidity });
    }
    Ok((Number::new(temperature.into(), -2), Number::new(humidity.into(), -2)))
}

/// A device on an I2C bus; tests have one of their own.
trait Device {
    fn write(&mut self, bytes: &[u8]) -> Result<(), String>;
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), String>;
}

impl Device for LinuxI2CDevice {
    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        i2cdev::core::I2CDevice::write(self, bytes).map_err(|error| error.to_string())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        i2cdev::core::I2CDevice::read(self, bytes).map_err(|error| error.to_string())
    }
}

/// Asks a device for one measurement.
fn measure(device: &mut impl Device, wait: impl FnOnce()) -> Result<Vec<RegisterBuf>, String> {
    device.write(&MEASURE)?;
    wait();
    let mut answer = [0; 6];
    device.read(&mut answer)?;
    let (temperature, humidity) = parse(answer).map_err(|fault| fault.to_string())?;
    Ok(vec![
        register(TEMPERATURE, temperature, Some(Unit::Celsius)),
        register(HUMIDITY, humidity, Some(Unit::Percent)),
    ])
}

/// Reads one sensor.
#[derive(Debug)]
pub(super) struct Hte501 {
    setup: Hte501Setup,
    bus: Slow<Result<Vec<RegisterBuf>, String>>,
}

impl Hte501 {
    pub(super) fn new(setup: &Hte501Setup) -> Self {
        Self { setup: setup.clone(), bus: Slow::default() }
    }

    pub(super) async fn poll(&mut self) -> Result<Vec<RegisterBuf>, String> {
        let Hte501Setup { bus, address } = self.setup.clone();
        self.bus.run(LIMIT, move || measure_on(&bus, address)).await?
    }
}

fn measure_on(bus: &Path, address: u8) -> Result<Vec<RegisterBuf>, String> {
    let opened = LinuxI2CDevice::new(bus, address.into());
    let mut device = opened.map_err(|error| format!("{}: {error}", bus.display()))?;
    measure(&mut device, || std::thread::sleep(MEASURE_TIME))
        .map_err(|why| format!("{} at {address:02x}: {why}", bus.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sensor that answers with these bytes once it was told to measure.
    struct Fake {
        answer: Result<[u8; 6], &'static str>,
        written: Vec<Vec<u8>>,
    }

    impl Device for Fake {
        fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
            self.written.push(bytes.to_owned());
            Ok(())
        }

        fn read(&mut self, bytes: &mut [u8]) -> Result<(), String> {
            assert_eq!(self.written, [[0x2C, 0x1B]], "told to measure once, before");
            bytes.copy_from_slice(&self.answer?);
            Ok(())
        }
    }

    fn ask(answer: Result<[u8; 6], &'static str>) -> Result<Vec<RegisterBuf>, String> {
        measure(&mut Fake { answer, written: Vec::new() }, || {})
    }

    /// Polynomial 31 from FF, bit by bit: shares no table with the library.
    fn crc_by_hand(bytes: [u8; 2]) -> u8 {
        bytes.iter().fold(0xFF, |crc, byte| {
            (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 0x31 })
        })
    }

    #[test]
    fn row_60_the_crc_8_vector_of_the_hte501() {
        // The vector that Sensirion, who share this CRC, print in their data sheets.
        assert_eq!(CRC.checksum(&[0xBE, 0xEF]), 0x92);
        assert_eq!(CRC.checksum(b"123456789"), 0xF7);
        for bytes in [[0x00, 0x00], [0x08, 0x5D], [0xFD, 0xDA], [0xFF, 0xFF]] {
            assert_eq!(CRC.checksum(&bytes), crc_by_hand(bytes), "{bytes:02X?}");
        }
    }

    #[test]
    fn temperature_and_humidity_are_hundredths() {
        let registers =
            ask(Ok([0x08, 0x5D, crc_by_hand([0x08, 0x5D]), 0x11, 0x94, crc_by_hand([0x11, 0x94])]));
        let expected = [
            register(TEMPERATURE, Number::new(2_141, -2), Some(Unit::Celsius)),
            register(HUMIDITY, Number::new(4_500, -2), Some(Unit::Percent)),
        ];
        assert_eq!(registers.unwrap(), expected);
        assert_eq!(expected[1].obis.unwrap().to_string(), "0-0:96.9.2*255");
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let good = [0x08, 0x5D, crc_by_hand([0x08, 0x5D]), 0x11, 0x94, crc_by_hand([0x11, 0x94])];
        assert!(parse(good).is_ok());
        for bit in 0..48 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(parse(bad), Err(Hte501Fault::Crc { .. })), "bit {bit}");
        }
    }

    #[test]
    fn what_no_room_has_is_refused_and_a_silent_bus_told() {
        let answer = |t: i16, rh: u16| {
            let ([a, b], [c, d]) = (t.to_be_bytes(), rh.to_be_bytes());
            [a, b, crc_by_hand([a, b]), c, d, crc_by_hand([c, d])]
        };
        assert!(parse(answer(-4_000, 0)).is_ok() && parse(answer(12_500, 10_000)).is_ok());
        let error = ask(Ok(answer(-4_001, 5_000))).unwrap_err();
        assert_eq!(error, "-40.01 degrees and 50.00 % are beyond what the sensor can measure");
        // A bus that nobody drives reads as ones.
        assert!(matches!(parse([0xFF; 6]), Err(Hte501Fault::Crc { .. })));
        assert!(parse(answer(2_000, 10_001)).is_err());
        assert_eq!(ask(Err("Remote I/O error")).unwrap_err(), "Remote I/O error");
    }

    #[tokio::test]
    async fn a_bus_that_is_not_there_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let bus = folder.path().join("i2c-1");
        let error = Hte501::new(&Hte501Setup { bus: bus.clone(), address: 0x40 }).poll().await.unwrap_err();
        assert!(error.starts_with(&format!("{}: ", bus.display())), "{error}");
        // A file is no bus.
        std::fs::write(&bus, "").unwrap();
        assert!(Hte501::new(&Hte501Setup { bus, address: 0x40 }).poll().await.is_err());
    }
}
