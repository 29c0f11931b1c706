//! Numbers that look random and are the same for the same seed, on every machine.

/// Mixes the bits of a number (splitmix64, S. Vigna, public domain algorithm).
#[must_use]
pub(crate) const fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number of 0 to `below - 1` for a seed, a subject and a place (a day, a minute): the same place always gives the
/// same number, in any order of asking.
#[must_use]
pub(crate) const fn pick(seed: u64, subject: u64, place: i64, below: u64) -> u64 {
    mix(mix(seed ^ subject.rotate_left(32)) ^ place.cast_unsigned()) % if below == 0 { 1 } else { below }
}

/// Smooth noise of 0 to 1000: a number for every multiple of `period_s`, and straight lines between them.
#[must_use]
pub(crate) fn smooth(seed: u64, subject: u64, at_s: i64, period_s: i64) -> i64 {
    let (cell, within) = (at_s.div_euclid(period_s), at_s.rem_euclid(period_s));
    let value = |cell| pick(seed, subject, cell, 1001).cast_signed();
    let (from, to) = (value(cell), value(cell + 1));
    from + (to - from) * within / period_s
}

/// A sequence of numbers from a seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The next number of 0 to `below - 1`; 0 when `below` is 0.
    ///
    /// ```
    /// use metergate_simulator::Random;
    ///
    /// let (mut a, mut b) = (Random::new(7), Random::new(7));
    /// assert_eq!(a.below(1000), b.below(1000), "the same seed gives the same numbers");
    /// assert_eq!(a.below(0), 0);
    /// ```
    pub const fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0) % if below == 0 { 1 } else { below }
    }

    /// True in `per_million` of a million cases.
    pub const fn chance(&mut self, per_million: u32) -> bool {
        self.below(1_000_000) < per_million as u64
    }

    /// The next byte.
    pub const fn byte(&mut self) -> u8 {
        self.below(256).to_le_bytes()[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smooth_noise_has_no_steps_and_stays_in_range() {
        let mut last = smooth(1, 2, -1, 60);
        for at in 0..10_000 {
            let next = smooth(1, 2, at, 60);
            assert!((0..=1000).contains(&next));
            assert!((next - last).abs() <= 1000 / 60 + 1, "a step at {at}");
            last = next;
        }
    }

    #[test]
    fn a_chance_comes_about_as_often_as_it_says() {
        let mut random = Random::new(3);
        let hits = (0..100_000).filter(|_| random.chance(10_000)).count();
        assert!((900..1100).contains(&hits), "{hits} of 1000");
    }
}
