//! Entering the PIN of a modern German meter with light: pulses on its optical button.
//!
//! The meter's front sensor counts flashes. A digit `d` is `d` short flashes, the digit 0 is none; a pause ends a
//! digit. One long flash switches the extended data (INF) or the PIN protection over.
use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use zeroize::Zeroize;

/// A short flash: one count.
pub const FLASH: Duration = Duration::from_millis(300);
/// The dark time between two flashes of one digit.
pub const GAP: Duration = Duration::from_millis(400);
/// The dark time that ends a digit.
pub const SETTLE: Duration = Duration::from_millis(3000);
/// A long flash: switches INF or the PIN protection over.
pub const LONG_FLASH: Duration = Duration::from_millis(1500);

/// What the light does next, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// On or off.
    pub light: bool,
    /// For how long.
    pub time: Duration,
}

impl Pulse {
    /// The one pulse that switches INF or the PIN protection over.
    pub const LONG: Self = Self { light: true, time: LONG_FLASH };
}

/// A PIN of four digits, which never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin([u8; 4]);

impl Pin {
    /// What the light has to do to enter the PIN, in order.
    ///
    /// ```
    /// use metergate_meter::pin::{FLASH, GAP, Pin, Pulse, SETTLE};
    ///
    /// let pin: Pin = "0020".parse()?;
    /// let dark = |time| Pulse { light: false, time };
    /// let flash = Pulse { light: true, time: FLASH };
    /// let settle = dark(SETTLE);
    /// assert!(pin.pulses().eq([settle, settle, flash, dark(GAP), flash, settle, settle]));
    /// assert!("12a4".parse::<Pin>().is_err());
    /// # Ok::<(), metergate_meter::pin::ParsePinError>(())
    /// ```
    pub fn pulses(&self) -> impl Iterator<Item = Pulse> {
        self.0.into_iter().flat_map(|digit| {
            let flashes = (0..digit).flat_map(move |n| {
                let gap = (n + 1 < digit).then_some(Pulse { light: false, time: GAP });
                core::iter::once(Pulse { light: true, time: FLASH }).chain(gap)
            });
            flashes.chain(core::iter::once(Pulse { light: false, time: SETTLE }))
        })
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// A text is no PIN. The text itself is never part of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsePinError;

impl fmt::Display for ParsePinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a PIN has four digits")
    }
}

impl core::error::Error for ParsePinError {}

impl FromStr for Pin {
    type Err = ParsePinError;

    fn from_str(text: &str) -> Result<Self, ParsePinError> {
        let digits: [u8; 4] = text.as_bytes().try_into().map_err(|_| ParsePinError)?;
        if digits.iter().all(u8::is_ascii_digit) {
            Ok(Self(digits.map(|digit| digit - b'0')))
        } else {
            Err(ParsePinError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn pin_1204_is_flashes_of_300_with_gaps_of_400_and_pauses_of_3000_ms() {
        let pin: Pin = "1204".parse().unwrap();
        let train: Vec<(bool, u128)> =
            pin.pulses().map(|pulse| (pulse.light, pulse.time.as_millis())).collect();
        assert_eq!(
            train,
            [
                (true, 300),
                (false, 3000), // 1
                (true, 300),
                (false, 400),
                (true, 300),
                (false, 3000), // 2
                (false, 3000), // 0
                (true, 300),
                (false, 400),
                (true, 300),
                (false, 400),
                (true, 300),
                (false, 400),
                (true, 300),
                (false, 3000), // 4
            ]
        );
        assert_eq!(Pulse::LONG.time.as_millis(), 1500);
    }

    #[test]
    fn what_is_no_pin_is_refused_and_a_pin_never_prints() {
        for text in ["", "123", "12345", "12a4", "-123", "１２３４"] {
            assert_eq!(text.parse::<Pin>(), Err(ParsePinError), "{text}");
        }
        assert_eq!(std::format!("{:?}", "1204".parse::<Pin>().unwrap()), "Pin(..)");
    }
}
