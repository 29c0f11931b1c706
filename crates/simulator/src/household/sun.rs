//! The sun on the roof: where it stands, and the clouds before it.
use super::sine_1000;
use crate::random::{pick, smooth};

const DAY_S: i64 = 86_400;
/// Latitude of Linz, Vienna, Munich, roughly: 48 degrees.
const SINE_OF_LATITUDE: i64 = 743;
const COSINE_OF_LATITUDE: i64 = 669;

/// Sine of the sun's height over the horizon in thousandths, negative at night.
pub(super) fn height_1000(unix_s: i64) -> i64 {
    let day = unix_s.div_euclid(DAY_S);
    // Declination: 23.44 degrees at midsummer, about 172 days after the new year.
    let declination = 23_440 * sine_1000((day - 81) * 360_000 / 365) / 1000;
    // Noon at 15 degrees east is 11:00 UTC.
    let hour_angle = (unix_s.rem_euclid(DAY_S) - 11 * 3600) * 360_000 / DAY_S;
    let (sine, cosine) = (sine_1000(declination), sine_1000(declination + 90_000));
    (SINE_OF_LATITUDE * sine + COSINE_OF_LATITUDE * cosine / 1000 * sine_1000(hour_angle + 90_000)) / 1000
}

/// What the clouds let through, in thousandths: clear days, grey days, and days with single clouds.
fn clearness_1000(seed: u64, unix_s: i64) -> i64 {
    let day = unix_s.div_euclid(DAY_S);
    let grey = pick(seed, 80, day, 1000).cast_signed();
    let haze = smooth(seed, 81, unix_s, 3600) * 60 / 1000;
    let patches = smooth(seed, 82, unix_s, 420) * 7 / 10 + smooth(seed, 83, unix_s, 45) * 3 / 10;
    match grey {
        // A clear day with a veil.
        0..400 => 1000 - haze,
        // Clouds that pass: full sun, or a third of it with soft edges.
        400..800 => 330 + ((patches - 420) * 12).clamp(0, 670) - haze,
        _ => 120 + patches * 260 / 1000,
    }
}

/// Power of a roof of `peak_w` in mW, never negative.
pub(super) fn power_mw(seed: u64, unix_s: i64, peak_w: i64) -> i64 {
    let height = height_1000(unix_s);
    if height <= 0 {
        return 0;
    }
    // Low sun has a longer way through the air, and the roof is tilted: about the power 1.3 of the height.
    let through_air = height * (300 + height) / 1300;
    let flicker = 996 + smooth(seed, 84, unix_s, 9) * 8 / 1000;
    let power = peak_w * through_air / 1000 * clearness_1000(seed, unix_s) * flicker / 1000;
    // Below 25 W the inverter stays off.
    if power < 25_000 { 0 } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-06-21T00:00:00Z and 2026-12-21T00:00:00Z.
    const MIDSUMMER: i64 = 1_782_000_000;
    const MIDWINTER: i64 = 1_797_811_200;

    #[test]
    fn the_sun_is_up_at_noon_and_down_at_midnight() {
        for day in [MIDSUMMER, MIDWINTER] {
            assert!(height_1000(day + 11 * 3600) > 0);
            assert!(height_1000(day + 23 * 3600) < 0);
        }
        // 65.4 and 18.6 degrees at noon.
        assert!((895..925).contains(&height_1000(MIDSUMMER + 11 * 3600)));
        assert!((300..340).contains(&height_1000(MIDWINTER + 11 * 3600)));
    }

    #[test]
    fn a_roof_gives_nothing_at_night_and_never_more_than_its_peak() {
        for at in (MIDSUMMER..MIDSUMMER + 20 * DAY_S).step_by(97) {
            let power = power_mw(3, at, 8000);
            assert!((0..=8_000_000).contains(&power));
            if height_1000(at) <= 0 {
                assert_eq!(power, 0);
            }
        }
    }
}
