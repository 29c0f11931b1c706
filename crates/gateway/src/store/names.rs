//! How closed lists are spelled in the file and in the spool. None of these may ever change its meaning.
use super::{Column, Quality, Shape, UseCase};
use crate::config::Stream;
use metergate_reading::{Number, RegisterId, Trust, Unit};
use metergate_tariff::Priority;

/// Trust is a number in the file: it stands in every row.
const TRUSTS: [Trust; 5] = [
    Trust::None,
    Trust::MeterValid,
    Trust::MeterDoubtful,
    Trust::HostSynchronised,
    Trust::HostUnsynchronised,
];

pub(super) const fn trust_code(trust: Trust) -> u8 {
    match trust {
        Trust::None => 0,
        Trust::MeterValid => 1,
        Trust::MeterDoubtful => 2,
        Trust::HostSynchronised => 3,
        Trust::HostUnsynchronised => 4,
    }
}

pub(super) fn trust(code: u8) -> Option<Trust> {
    TRUSTS.get(usize::from(code)).copied()
}

/// True for a use case whose marks each have one value.
pub(super) const fn has_grid(case: UseCase) -> bool {
    matches!(case, UseCase::Taf7LoadProfile | UseCase::Taf14HighFrequency)
}

/// True for a use case whose values go before quarter hours when space is short.
pub(super) fn is_detail(case: UseCase) -> bool {
    case.priority() != Some(Priority::High)
}

const QUALITIES: [Quality; 4] = [Quality::Exact, Quality::Late, Quality::Missing, Quality::Substituted];

pub(super) fn quality(text: &str) -> Option<Quality> {
    QUALITIES.into_iter().find(|quality| quality.name() == text)
}

pub(super) fn stream(text: &str) -> Option<Stream> {
    Stream::ALL.into_iter().find(|stream| stream.text() == text)
}

/// The name of a member of a closed list.
pub(super) fn name_of<T: PartialEq>(names: &[(T, &'static str)], member: T) -> &'static str {
    names.iter().find(|(one, _)| *one == member).map_or("", |(_, name)| name)
}

/// The member of a closed list with this name.
pub(super) fn named<T: Copy>(names: &[(T, &'static str)], name: &str) -> Option<T> {
    names.iter().find(|(_, one)| *one == name).map(|(member, _)| *member)
}

/// A shape as JSON, one array a register: `[["1-0:1.8.0*255","Wh",-1]]`.
pub(super) fn shape_text(shape: &Shape) -> String {
    let columns: Vec<(String, Option<&str>, i16)> = shape
        .0
        .iter()
        .map(|column| (column.id.to_string(), column.unit.map(Unit::text), column.exponent))
        .collect();
    // Texts and small numbers always become JSON.
    serde_json::to_string(&columns).unwrap_or_default()
}

pub(super) fn shape(text: &str) -> Option<Shape> {
    let columns: Vec<(String, Option<String>, i16)> = serde_json::from_str(text).ok()?;
    let columns = columns.into_iter().map(|(id, unit, exponent)| {
        let unit = match unit {
            Some(unit) => Some(Unit::from_text(&unit)?.0),
            None => None,
        };
        Some(Column { id: id.parse().ok()?, unit, exponent })
    });
    Some(Shape(columns.collect::<Option<_>>()?))
}

/// The offsets of an epoch as JSON: `[["1-0:1.8.0*255",352040842,-1]]`.
pub(super) fn offsets_text(offsets: &[(RegisterId, Number)]) -> String {
    let offsets: Vec<(String, i64, i16)> = offsets
        .iter()
        .map(|(register, number)| (register.to_string(), number.mantissa(), number.exponent()))
        .collect();
    serde_json::to_string(&offsets).unwrap_or_default()
}

pub(super) fn offsets(text: &str) -> Option<Vec<(RegisterId, Number)>> {
    let offsets: Vec<(String, i64, i16)> = serde_json::from_str(text).ok()?;
    let one = |(id, mantissa, exponent): (String, _, _)| {
        Some((id.parse().ok()?, Number::with_exponent(mantissa, exponent)?))
    };
    offsets.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for one in TRUSTS {
            assert_eq!(trust(trust_code(one)), Some(one));
        }
        assert_eq!(trust(5), None);
        for one in QUALITIES {
            assert_eq!(quality(one.name()), Some(one));
        }
    }

    #[test]
    fn a_shape_reads_back_from_its_text() {
        let column = |id: &str, unit, exponent| Column { id: id.parse().unwrap(), unit, exponent };
        let whole = Shape(
            [
                column("1-0:1.8.0", Some(Unit::WattHour), -1),
                column("0-1:24.2.1*255#2", Some(Unit::CubicMetre), -3),
                column("text:odd \"name\"", None, 0),
            ]
            .into(),
        );
        let text = shape_text(&whole);
        assert_eq!(
            text,
            r#"[["1-0:1.8.0*255","Wh",-1],["0-1:24.2.1*255#2","m3",-3],["text:odd \"name\"",null,0]]"#
        );
        assert_eq!(shape(&text), Some(whole));
        assert_eq!(shape(r#"[["1-0:1.8.0*255","furlong",0]]"#), None);
        assert_eq!(shape("[["), None);
    }
}
