//! Deviations of makers from the standard that change values.
use core::ops::RangeInclusive;
use metergate_reading::MeterId;
use metergate_wire::sml::Number;

/// Serial numbers of DZG DVS74 meters whose power has lost its sign, as the maker told (libsml, pull request 136).
///
/// Serials from 60000000 on have firmware that sends honest negatives, and serials between the ranges belong to other
/// models (40050000 was reported with honest negatives), hence the ranges.
const DZG_UNSIGNED_POWER: [RangeInclusive<u32>; 2] = [42_000_000..=48_999_999, 55_000_000..=58_999_999];

/// True for a DZG DVS74 with old firmware: it sends 1-0:16.7.0 as a signed number whose leading zero byte is cut off.
///
/// `53 8B 28` with scaler -2 means 356.24 W, not -299.12 W. Its display says so, and its counters agree.
pub(super) fn sends_unsigned_power(meter: &MeterId) -> bool {
    meter.manufacturer() == Some("DZG")
        && meter
            .serial_number()
            .is_some_and(|serial| DZG_UNSIGNED_POWER.iter().any(|range| range.contains(&serial)))
}

/// The number without a sign, as the meter meant it.
///
/// Only one and two bytes: cut to three, a positive power would be 83,886.08 W or more, which no household draws. Three
/// bytes with the sign bit set are an honest negative.
pub(super) fn without_sign(number: Number) -> i64 {
    match number.width() {
        1 => number.mantissa() & 0xFF,
        2 => number.mantissa() & 0xFFFF,
        _ => number.mantissa(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dzg(serial: u32) -> MeterId {
        let mut id = [0x0A, 0x01, b'D', b'Z', b'G', 0x00, 0, 0, 0, 0];
        id[6..].copy_from_slice(&serial.to_be_bytes());
        MeterId::server_id(&id).unwrap()
    }

    #[test]
    fn only_serials_in_the_ranges_lose_the_sign() {
        for serial in [42_000_000, 42_082_910, 48_999_999, 55_000_000, 58_999_999] {
            assert!(sends_unsigned_power(&dzg(serial)), "{serial}");
        }
        for serial in [40_050_000, 41_999_999, 49_000_000, 54_999_999, 59_000_000, 60_694_611] {
            assert!(!sends_unsigned_power(&dzg(serial)), "{serial}");
        }
        let emh = MeterId::server_id(&[0x0A, 0x01, b'E', b'M', b'H', 0, 0x02, 0x82, 0x22, 0x5E]).unwrap();
        assert!(!sends_unsigned_power(&emh));
    }

    #[test]
    fn two_bytes_lose_the_sign_and_three_keep_it() {
        assert_eq!(without_sign(Number::signed(-29_912)), 35_624);
        assert_eq!(without_sign(Number::signed(-100)), 156);
        assert_eq!(without_sign(Number::signed(-29_912).in_bytes(3)), -29_912);
        assert_eq!(without_sign(Number::signed(32_767)), 32_767);
    }
}
