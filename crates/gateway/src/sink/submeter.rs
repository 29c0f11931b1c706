//! Meters behind the one that speaks: gas, water and heat on the channels of a P1 telegram.
use super::sample::Point;
use crate::update::TelegramBuf;
use metergate_meter::models::{Medium, Model};
use metergate_reading::{ObisCode, ValueBuf};
use std::collections::HashMap;

/// A meter behind the one that speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Submeter {
    /// Unique behind its meter: the medium, else the channel.
    pub(super) id: String,
    pub(super) medium: Option<Medium>,
}

/// The meters on the channels of a P1 telegram, by the device types that it names: which channel has which number
/// changes when meters are exchanged.
#[derive(Debug, Default)]
pub(super) struct Submeters(HashMap<u8, Medium>);

impl Submeters {
    pub(super) fn of(telegram: &TelegramBuf) -> Self {
        let types = telegram.reading.registers.iter().filter_map(|register| {
            let [0, channel @ 1..=255, 24, 1, 0, _] = register.obis?.bytes() else { return None };
            let text = match &register.value {
                ValueBuf::Text(text) => text.clone(),
                other => match other {
                    ValueBuf::Number(number) => number.to_string(),
                    _ => return None,
                },
            };
            // EN 13757-3, table of device types.
            let medium = match text.trim().parse::<u8>().ok()? {
                2 => Medium::Electricity,
                3 => Medium::Gas,
                4 | 10..=13 => Medium::Heat,
                6 | 7 | 21 | 22 => Medium::Water,
                _ => return None,
            };
            Some((channel, medium))
        });
        Self(types.collect())
    }

    /// The meter behind the meter that a register belongs to, if it does.
    pub(super) fn of_point(&self, point: &Point, main: Option<Medium>) -> Option<Submeter> {
        let code = point.register.obis()?;
        let [medium, channel, ..] = code.bytes();
        if is_submeter(Some(code)) {
            let known = self.0.get(&channel).copied();
            let alone = |medium: Medium| self.0.values().filter(|&&other| other == medium).count() == 1;
            let id = match known {
                Some(medium) if alone(medium) => medium.text().to_owned(),
                Some(medium) => format!("{}-{channel}", medium.text()),
                None => format!("channel-{channel}"),
            };
            return Some(Submeter { id, medium: known });
        }
        // Other media in a telegram of an electricity meter.
        let other = of_group_a(medium).filter(|&medium| medium != Medium::Electricity)?;
        (main == Some(Medium::Electricity))
            .then(|| Submeter { id: format!("{}-{channel}", other.text()), medium: Some(other) })
    }
}

/// `0-n:24.2.1`: a meter behind this one.
pub(super) fn is_submeter(code: Option<ObisCode>) -> bool {
    matches!(code.map(ObisCode::bytes), Some([0, 1..=255, 24, ..]))
}

/// Group A of an OBIS code.
fn of_group_a(a: u8) -> Option<Medium> {
    match a {
        1 => Some(Medium::Electricity),
        4..=6 => Some(Medium::Heat),
        7 => Some(Medium::Gas),
        8 | 9 => Some(Medium::Water),
        _ => None,
    }
}

/// What a meter measures: as its model says, else as its registers do; electricity when there is any.
pub(super) fn medium<'a>(model: Option<&Model>, points: impl Iterator<Item = &'a Point>) -> Option<Medium> {
    let of_points = || {
        let mut media = points.filter_map(|point| of_group_a(point.register.obis()?.bytes()[0]));
        let first = media.next()?;
        Some(if media.any(|medium| medium == Medium::Electricity) { Medium::Electricity } else { first })
    };
    model.map(|model| model.medium).or_else(of_points)
}
