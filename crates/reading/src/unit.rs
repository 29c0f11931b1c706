//! Units of measurement, always the base unit; prefixes go into the exponent of the [`crate::Number`].
use core::fmt;

/// A base unit. `kWh` is [`Unit::WattHour`] with three more powers of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Wh, active energy.
    WattHour,
    /// varh, reactive energy.
    VarHour,
    /// VAh, apparent energy.
    VoltAmpereHour,
    /// W, active power.
    Watt,
    /// var, reactive power.
    Var,
    /// VA, apparent power.
    VoltAmpere,
    /// V.
    Volt,
    /// A.
    Ampere,
    /// Ah.
    AmpereHour,
    /// Hz.
    Hertz,
    /// Degree of a phase angle.
    Degree,
    /// %.
    Percent,
    /// m3.
    CubicMetre,
    /// m3/h.
    CubicMetrePerHour,
    /// l.
    Litre,
    /// l/h.
    LitrePerHour,
    /// kg, mass.
    Kilogram,
    /// t, mass.
    Tonne,
    /// t/h.
    TonnePerHour,
    /// degC.
    Celsius,
    /// K.
    Kelvin,
    /// m3*degC, volume times temperature of heat meters.
    CubicMetreCelsius,
    /// J.
    Joule,
    /// J/h.
    JoulePerHour,
    /// cal.
    Calorie,
    /// bar.
    Bar,
    /// Pa.
    Pascal,
    /// imp/l.
    ImpulsePerLitre,
    /// l/imp.
    LitrePerImpulse,
    /// 1/kWh and the like: impulses per Wh.
    PerWattHour,
    /// Impulses per varh.
    PerVarHour,
    /// s.
    Second,
    /// min.
    Minute,
    /// h.
    Hour,
    /// d.
    Day,
    /// Week.
    Week,
    /// Month.
    Month,
    /// Year.
    Year,
    /// dBm, signal strength.
    DecibelMilliwatt,
}

use Unit::{
    Ampere, AmpereHour, Bar, Calorie, Celsius, CubicMetre, CubicMetreCelsius, CubicMetrePerHour, Day,
    DecibelMilliwatt, Degree, Hertz, Hour, ImpulsePerLitre, Joule, JoulePerHour, Kelvin, Kilogram, Litre,
    LitrePerHour, LitrePerImpulse, Minute, Month, Pascal, PerVarHour, PerWattHour, Percent, Second, Tonne,
    TonnePerHour, Var, VarHour, Volt, VoltAmpere, VoltAmpereHour, Watt, WattHour, Week, Year,
};

/// DLMS code, unit, text. Units without a DLMS code have 0.
const TABLE: [(u8, Unit, &str); 39] = [
    (30, WattHour, "Wh"),
    (32, VarHour, "varh"),
    (31, VoltAmpereHour, "VAh"),
    (27, Watt, "W"),
    (29, Var, "var"),
    (28, VoltAmpere, "VA"),
    (35, Volt, "V"),
    (33, Ampere, "A"),
    (57, AmpereHour, "Ah"),
    (44, Hertz, "Hz"),
    (8, Degree, "deg"),
    (56, Percent, "%"),
    (13, CubicMetre, "m3"),
    (15, CubicMetrePerHour, "m3/h"),
    (19, Litre, "l"),
    (0, LitrePerHour, "l/h"),
    (20, Kilogram, "kg"),
    (0, Tonne, "t"),
    (0, TonnePerHour, "t/h"),
    (9, Celsius, "degC"),
    (52, Kelvin, "K"),
    (0, CubicMetreCelsius, "m3*degC"),
    (25, Joule, "J"),
    (26, JoulePerHour, "J/h"),
    (0, Calorie, "cal"),
    (24, Bar, "bar"),
    (23, Pascal, "Pa"),
    (0, ImpulsePerLitre, "imp/l"),
    (0, LitrePerImpulse, "l/imp"),
    (45, PerWattHour, "1/Wh"),
    (46, PerVarHour, "1/varh"),
    (7, Second, "s"),
    (6, Minute, "min"),
    (5, Hour, "h"),
    (4, Day, "d"),
    (3, Week, "wk"),
    (2, Month, "mo"),
    (1, Year, "a"),
    (70, DecibelMilliwatt, "dBm"),
];

impl Unit {
    /// The text of the base unit, such as `Wh`; ASCII only.
    #[must_use]
    pub fn text(self) -> &'static str {
        TABLE.iter().find(|(_, unit, _)| *unit == self).map_or("", |(.., text)| text)
    }

    /// The unit of a DLMS code (IEC 62056-6-2, table of units; also used by SML).
    ///
    /// `None` for 255 (a bare number), 254 and codes that no household meter sends. Corrected volumes (14, 16) are
    /// volumes; 17 and 18 (m3 a day) have no unit here.
    #[must_use]
    pub fn from_dlms(code: u8) -> Option<Self> {
        match code {
            0 => None,
            14 => Some(CubicMetre),
            16 => Some(CubicMetrePerHour),
            code => TABLE.iter().find(|(dlms, ..)| *dlms == code).map(|&(_, unit, _)| unit),
        }
    }

    /// The DLMS code of this unit, if the standard has one.
    #[must_use]
    pub fn dlms(self) -> Option<u8> {
        TABLE.iter().find(|(_, unit, _)| *unit == self).map(|&(code, ..)| code).filter(|&code| code != 0)
    }

    /// The unit of a Kamstrup KMP code, with the power of ten of its prefix.
    ///
    /// `None` for codes without a unit: 0, 51 (a bare number), dates, times and text (47 to 50, 53, 54, 59, 63, 64).
    ///
    /// ```
    /// use metergate_reading::Unit;
    ///
    /// assert_eq!(Unit::from_kmp(3), Some((Unit::WattHour, 6)), "MWh");
    /// assert_eq!(Unit::from_kmp(21), Some((Unit::Watt, 0)));
    /// assert_eq!(Unit::from_kmp(25), Some((Unit::Var, 0)));
    /// assert_eq!(Unit::from_kmp(51), None, "a bare number");
    /// ```
    #[must_use]
    pub fn from_kmp(code: u8) -> Option<(Self, i8)> {
        Some(match code {
            1..=4 => (WattHour, prefix(code - 1)),
            5..=8 => (Joule, prefix(code - 5)),
            9..=12 => (Calorie, prefix(code - 9)),
            13..=16 => (VarHour, prefix(code - 13)),
            17..=20 => (VoltAmpereHour, prefix(code - 17)),
            21..=24 => (Watt, prefix(code - 21)),
            25..=28 => (Var, prefix(code - 25)),
            29..=32 => (VoltAmpere, prefix(code - 29)),
            33 => (Volt, 0),
            34 => (Ampere, 0),
            35 => (Volt, 3),
            36 => (Ampere, 3),
            37 => (Celsius, 0),
            38 => (Kelvin, 0),
            39 => (Litre, 0),
            40 => (CubicMetre, 0),
            41 => (LitrePerHour, 0),
            42 => (CubicMetrePerHour, 0),
            43 => (CubicMetreCelsius, 0),
            44 => (Tonne, 0),
            45 => (TonnePerHour, 0),
            46 => (Hour, 0),
            52 => (Bar, 0),
            55 => (CubicMetre, 1),
            56 => (Tonne, 1),
            57 => (Joule, 10),
            58 => (Minute, 0),
            60 => (Second, 0),
            61 => (Second, -3),
            62 => (Day, 0),
            65 => (ImpulsePerLitre, 0),
            66 => (LitrePerImpulse, 0),
            _ => return None,
        })
    }

    /// The unit of a text such as `kWh`, with the power of ten of its prefix.
    ///
    /// Reads what P1 and IEC 62056-21 meters spell in many ways (`kvar`, `kVAr`, `kvarh`, `m3`, `M3`, `m^3`).
    ///
    /// ```
    /// use metergate_reading::Unit;
    ///
    /// assert_eq!(Unit::from_text("kWh"), Some((Unit::WattHour, 3)));
    /// assert_eq!(Unit::from_text("kVAr"), Some((Unit::Var, 3)));
    /// assert_eq!(Unit::from_text("GJ"), Some((Unit::Joule, 9)));
    /// assert_eq!(Unit::from_text("furlong"), None);
    /// ```
    #[must_use]
    pub fn from_text(text: &str) -> Option<(Self, i8)> {
        Self::from_sent(text.as_bytes())
    }

    /// The same for a text as a telegram holds it, which need not be UTF-8: no unit then.
    #[must_use]
    pub fn from_sent(text: &[u8]) -> Option<(Self, i8)> {
        // No base unit begins like a prefixed one (`min` is no milli-inch), so either may be tried first: meters send
        // `kWh` and `kW` most often.
        Self::from_prefixed(text).or_else(|| Some((Self::from_base_text(text)?, 0)))
    }

    fn from_prefixed(text: &[u8]) -> Option<(Self, i8)> {
        let (prefix, base) = text.split_first()?;
        let power = match prefix {
            b'm' => -3,
            b'k' | b'K' => 3,
            b'M' => 6,
            b'G' => 9,
            _ => return None,
        };
        // Prefixes belong to these only: there is no kilo-bar, and `min` is a minute.
        let unit = Self::from_base_text(base).filter(|unit| {
            matches!(
                unit,
                WattHour
                    | VarHour
                    | VoltAmpereHour
                    | Watt
                    | Var
                    | VoltAmpere
                    | Volt
                    | Ampere
                    | Joule
                    | Calorie
                    | Hertz
                    | Second
                    | Bar
            )
        })?;
        Some((unit, power))
    }

    fn from_base_text(text: &[u8]) -> Option<Self> {
        // What electricity and gas meters send with every value. Patterns of single bytes become a decision tree,
        // while texts are compared one by one.
        Some(match text {
            [b'W', b'h'] => WattHour,
            [b'v' | b'V', b'a' | b'A', b'r' | b'R', b'h' | b'H'] => VarHour,
            [b'V', b'A', b'h'] => VoltAmpereHour,
            [b'W'] | [b'W', b'h', b'/', b'h'] => Watt,
            [b'v' | b'V', b'a' | b'A', b'r' | b'R'] => Var,
            [b'V', b'A'] => VoltAmpere,
            [b'V'] => Volt,
            [b'A'] => Ampere,
            [b'A', b'h'] => AmpereHour,
            [b'm' | b'M', b'3'] => CubicMetre,
            [b's'] => Second,
            text => return Self::from_rare_text(str::from_utf8(text).ok()?),
        })
    }

    fn from_rare_text(text: &str) -> Option<Self> {
        if let Some(&(_, unit, _)) = TABLE.iter().find(|(.., name)| *name == text) {
            return Some(unit);
        }
        Some(match text {
            "m^3" | "m\u{b3}" => CubicMetre,
            "M3/h" | "m^3/h" | "m\u{b3}/h" => CubicMetrePerHour,
            "L" => Litre,
            "C" | "\u{b0}C" => Celsius,
            "\u{b0}" | "Deg" => Degree,
            _ => return None,
        })
    }
}

/// 10^0, 10^3, 10^6, 10^9 for 0 to 3.
const fn prefix(step: u8) -> i8 {
    match step {
        0 => 0,
        1 => 3,
        2 => 6,
        _ => 9,
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_has_a_text_that_reads_back() {
        for (code, unit, text) in TABLE {
            assert_eq!(Unit::from_text(text), Some((unit, 0)), "{text}");
            assert_eq!(unit.text(), text);
            if code != 0 {
                assert_eq!(Unit::from_dlms(code), Some(unit));
                assert_eq!(unit.dlms(), Some(code));
            }
        }
    }

    #[test]
    fn kmp_units_that_others_got_wrong() {
        assert_eq!(Unit::from_kmp(21), Some((Watt, 0)));
        assert_eq!(Unit::from_kmp(25), Some((Var, 0)));
        assert_eq!(Unit::from_kmp(65), Some((ImpulsePerLitre, 0)));
        assert_eq!(Unit::from_kmp(66), Some((LitrePerImpulse, 0)));
        assert_eq!(Unit::from_kmp(57), Some((Joule, 10)), "GJ x 10");
        for none in [0, 47, 48, 49, 50, 51, 53, 54, 59, 63, 64, 67, 255] {
            assert_eq!(Unit::from_kmp(none), None, "{none}");
        }
    }

    #[test]
    fn dlms_255_is_a_bare_number() {
        assert_eq!(Unit::from_dlms(255), None);
        assert_eq!(Unit::from_dlms(0), None);
        assert_eq!(Unit::from_dlms(14), Some(CubicMetre));
    }

    #[test]
    fn prefixes_are_read_where_they_make_sense() {
        assert_eq!(Unit::from_text("min"), Some((Minute, 0)));
        assert_eq!(Unit::from_text("mA"), Some((Ampere, -3)));
        assert_eq!(Unit::from_text("kvarh"), Some((VarHour, 3)));
        assert_eq!(Unit::from_text("MWh"), Some((WattHour, 6)));
        assert_eq!(Unit::from_text("kmin"), None);
        assert_eq!(Unit::from_text("kg"), Some((Kilogram, 0)));
        assert_eq!(Unit::from_text("m3/h"), Some((CubicMetrePerHour, 0)));
        assert_eq!(Unit::from_sent(b"kVAR"), Some((Var, 3)));
        assert_eq!(Unit::from_sent(b"m\xB3"), None, "Latin-1 is no UTF-8");
        assert_eq!(Unit::from_text(""), None);
        assert_eq!(Unit::from_text("k"), None);
    }
}
