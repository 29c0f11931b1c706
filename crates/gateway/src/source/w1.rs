//! DS18B20: a temperature sensor on a 1-Wire bus, read through the kernel.
//!
//! ```text
//! /sys/bus/w1/devices/28-0316a2795a5c/w1_slave
//! a8 ff 4b 46 7f ff 0c 10 de : crc=de YES
//! a8 ff 4b 46 7f ff 0c 10 de t=-5500
//! ```
//!
//! Nine bytes of the sensor's scratchpad with their CRC and the kernel's verdict, then the temperature in thousandths
//! of a degree. Newer kernels have it alone in the file `temperature` too. Source: Linux, Documentation/w1/slaves/
//! w1_therm.rst, and the data sheet of the DS18B20.
use super::registers::{TEMPERATURE, register};
use super::slow::Slow;
use crate::config::W1Setup;
use metergate_reading::{Number, RegisterBuf, Unit};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A conversion takes 750 ms, and several sensors on a bus wait for each other.
const LIMIT: Duration = Duration::from_secs(10);
/// Both files have less than 100 bytes.
const FILE_LEN_MAX: u64 = 4096;

/// What the sensor can measure, in thousandths of a degree.
const RANGE: std::ops::RangeInclusive<i32> = -55_000..=125_000;
/// What libraries say for a sensor that does not answer.
const ABSENT: i32 = -127_000;
/// What the scratchpad holds after power-on, before the first conversion.
const POWER_ON: i32 = 85_000;
/// A room does not change by more between two readings; a sensor that was at 76 may well be at 85.
const POWER_ON_NEIGHBOURS: u32 = 10_000;

/// Why a sensor gave no temperature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum W1Fault {
    /// The files hold something else.
    Garbled,
    /// The kernel found the CRC of the scratchpad wrong.
    Crc,
    /// All bytes are 0, whose CRC is right: the line is shorted.
    Shorted,
    /// -127 degrees.
    Absent,
    /// 85 degrees, and the reading before was not near it: no conversion has taken place.
    PowerOn,
    /// Beyond what the sensor can measure.
    OutOfRange {
        /// Thousandths of a degree.
        millidegrees: i32,
    },
}

impl std::fmt::Display for W1Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Garbled => f.write_str("the kernel's file holds no temperature"),
            Self::Crc => f.write_str(
                "the CRC of the sensor's bytes is wrong; is the line long or the resistor missing?",
            ),
            Self::Shorted => f.write_str("all bytes of the sensor are 0; is the line shorted?"),
            Self::Absent => f.write_str("-127 degrees: the sensor does not answer"),
            Self::PowerOn => f.write_str("85 degrees is what the sensor says before it has measured"),
            Self::OutOfRange { millidegrees } => {
                let value = Number::new(i64::from(*millidegrees), -3);
                write!(f, "{value} degrees is beyond what the sensor can measure")
            }
        }
    }
}

impl std::error::Error for W1Fault {}

/// Thousandths of a degree from the text of `w1_slave` or of `temperature`.
///
/// # Errors
/// [`W1Fault::Crc`], [`W1Fault::Shorted`] and [`W1Fault::Garbled`].
///
/// ```
/// use metergate_gateway::source::w1::{W1Fault, parse};
///
/// let text = "a8 ff 4b 46 7f ff 0c 10 de : crc=de YES\na8 ff 4b 46 7f ff 0c 10 de t=-5500\n";
/// assert_eq!(parse(text), Ok(-5500));
/// assert_eq!(parse("21437\n"), Ok(21_437));
/// assert_eq!(parse(&text.replace("YES", "NO")), Err(W1Fault::Crc));
/// ```
pub fn parse(text: &str) -> Result<i32, W1Fault> {
    let Some((bytes, verdict)) = text.lines().next().and_then(|line| line.split_once(" : crc=")) else {
        return text.trim().parse().map_err(|_| W1Fault::Garbled);
    };
    if !verdict.trim_end().ends_with(" YES") {
        return Err(W1Fault::Crc);
    }
    if bytes.split(' ').all(|byte| byte == "00") {
        return Err(W1Fault::Shorted);
    }
    let second = text.lines().nth(1).ok_or(W1Fault::Garbled)?;
    let (_, millidegrees) = second.split_once("t=").ok_or(W1Fault::Garbled)?;
    millidegrees.trim_end().parse().map_err(|_| W1Fault::Garbled)
}

/// The temperature, unless it is none: -127, or 85 that came from nowhere; `before` is the last one that was.
///
/// # Errors
/// [`W1Fault::Absent`], [`W1Fault::PowerOn`] and [`W1Fault::OutOfRange`].
///
/// ```
/// use metergate_gateway::source::w1::{W1Fault, believe};
/// use metergate_reading::Number;
///
/// assert_eq!(believe(-5500, None).map(|value| value.to_string()).as_deref(), Ok("-5.500"));
/// assert_eq!(believe(85_000, Some(21_000)), Err(W1Fault::PowerOn));
/// assert_eq!(believe(85_000, Some(84_875)), Ok(Number::new(85_000, -3)), "a stove gets there by and by");
/// ```
pub fn believe(millidegrees: i32, before: Option<i32>) -> Result<Number, W1Fault> {
    let is_far = |before: i32| before.abs_diff(POWER_ON) > POWER_ON_NEIGHBOURS;
    match millidegrees {
        ABSENT => Err(W1Fault::Absent),
        POWER_ON if before.is_none_or(is_far) => Err(W1Fault::PowerOn),
        _ if !RANGE.contains(&millidegrees) => Err(W1Fault::OutOfRange { millidegrees }),
        _ => Ok(Number::new(i64::from(millidegrees), -3)),
    }
}

/// Reads one sensor.
#[derive(Debug)]
pub(super) struct W1 {
    folder: PathBuf,
    before: Option<i32>,
    files: Slow<io::Result<String>>,
}

impl W1 {
    pub(super) fn new(setup: &W1Setup) -> Self {
        Self { folder: setup.path.join(&setup.sensor), before: None, files: Slow::default() }
    }

    pub(super) async fn poll(&mut self) -> Result<Vec<RegisterBuf>, String> {
        let folder = self.folder.clone();
        let text = self.files.run(LIMIT, move || read(&folder)).await?;
        let text = text.map_err(|error| format!("{}: {error}", self.folder.display()))?;
        let millidegrees = parse(&text).map_err(|fault| fault.to_string())?;
        let number = believe(millidegrees, self.before).map_err(|fault| fault.to_string())?;
        self.before = Some(millidegrees);
        Ok(vec![register(TEMPERATURE, number, Some(Unit::Celsius))])
    }
}

/// The file with the CRC, else the one without.
fn read(folder: &Path) -> io::Result<String> {
    let open = File::open(folder.join("w1_slave")).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => File::open(folder.join("temperature")),
        _ => Err(error),
    });
    let mut text = String::new();
    open?.take(FILE_LEN_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROST: &str = "a8 ff 4b 46 7f ff 0c 10 de : crc=de YES\na8 ff 4b 46 7f ff 0c 10 de t=-5500\n";

    fn sensor(files: &[(&str, &str)]) -> (tempfile::TempDir, W1) {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("28-0316a2795a5c");
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let setup = W1Setup { path: base.path().to_owned(), sensor: "28-0316a2795a5c".to_owned() };
        let source = W1::new(&setup);
        (base, source)
    }

    fn write(base: &tempfile::TempDir, millidegrees: i32) {
        std::fs::write(base.path().join("28-0316a2795a5c/temperature"), format!("{millidegrees}\n")).unwrap();
    }

    #[tokio::test]
    async fn row_60_minus_5_5_degrees_stay_minus_5_5() {
        let (_base, mut source) = sensor(&[("w1_slave", FROST), ("temperature", "99000\n")]);
        let registers = source.poll().await.unwrap();
        assert_eq!(registers, [register(TEMPERATURE, Number::new(-5_500, -3), Some(Unit::Celsius))]);
        assert!(registers[0].number().unwrap().same_value("-5.5".parse().unwrap()));
        assert_eq!(registers[0].obis.unwrap().to_string(), "0-0:96.9.0*255");
    }

    #[tokio::test]
    async fn row_60_minus_127_and_the_85_of_power_on_are_no_readings() {
        let (base, mut source) = sensor(&[]);
        let mut poll = async |millidegrees| {
            write(&base, millidegrees);
            source.poll().await.map(|registers| registers[0].number().unwrap())
        };
        assert_eq!(poll(85_000).await, Err(W1Fault::PowerOn.to_string()));
        assert_eq!(poll(21_062).await, Ok(Number::new(21_062, -3)));
        assert_eq!(poll(85_000).await, Err(W1Fault::PowerOn.to_string()));
        assert_eq!(poll(-127_000).await, Err(W1Fault::Absent.to_string()));
        assert_eq!(poll(75_000).await, Ok(Number::new(75_000, -3)));
        assert_eq!(poll(85_000).await, Ok(Number::new(85_000, -3)));
        assert_eq!(poll(85_000).await, Ok(Number::new(85_000, -3)));
        assert_eq!(
            poll(125_001).await,
            Err("125.001 degrees is beyond what the sensor can measure".to_owned())
        );
        assert_eq!(poll(-55_000).await, Ok(Number::new(-55_000, -3)));
    }

    #[test]
    fn what_is_no_temperature_is_told_apart() {
        let zeros = "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n";
        for (text, fault) in [
            (FROST.replace("YES", "NO"), W1Fault::Crc),
            (zeros.to_owned(), W1Fault::Shorted),
            (FROST.replace("t=-5500", "t="), W1Fault::Garbled),
            (FROST.lines().next().unwrap().to_owned(), W1Fault::Garbled),
            (String::new(), W1Fault::Garbled),
            ("21.5\n".to_owned(), W1Fault::Garbled),
            ("99999999999\n".to_owned(), W1Fault::Garbled),
        ] {
            assert_eq!(parse(&text), Err(fault), "{text}");
        }
    }

    #[tokio::test]
    async fn a_sensor_that_is_not_there_is_told_with_its_place() {
        let (base, mut source) = sensor(&[]);
        let error = source.poll().await.unwrap_err();
        assert!(error.contains("28-0316a2795a5c: No such file"), "{error}");
        std::fs::write(base.path().join("28-0316a2795a5c/w1_slave"), vec![b'1'; 9000]).unwrap();
        assert_eq!(source.poll().await.unwrap_err(), W1Fault::Garbled.to_string());
    }
}
