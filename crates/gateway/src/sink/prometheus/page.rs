//! The page as it is fetched.
use super::family::{Family, series};
use super::live::Live;
use super::own::Own;
use crate::config::UnitStyle;
use crate::status::Shown;
use metergate_reading::Number;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Labels of one series with their values.
type Labels = Vec<(&'static str, String)>;

/// The page of all meters.
#[derive(Debug)]
pub(super) struct Page(Registry);

impl Page {
    pub(super) fn new(live: Arc<Mutex<Live>>, style: UnitStyle, shown: Shown) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Fresh { live, style }));
        registry.register_collector(Box::new(Own(shown)));
        Self(registry)
    }

    /// The text of the moment.
    ///
    /// # Errors
    /// Never with a text as target.
    pub(super) fn text(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.0)?;
        Ok(page)
    }
}

/// Collects what is fresh whenever the page is fetched.
#[derive(Debug)]
struct Fresh {
    live: Arc<Mutex<Live>>,
    style: UnitStyle,
}

impl Collector for Fresh {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // Float: the format has no other numbers.
        let mut families: BTreeMap<Family, Vec<(Labels, f64)>> = BTreeMap::new();
        let (mut infos, mut up, mut times): (Vec<Labels>, Vec<Labels>, Vec<(Labels, f64)>) =
            Default::default();
        for (name, meter) in &live.meters {
            let labels = || vec![("meter", name.to_string())];
            let mut any = false;
            for found in live.fresh(meter, now).filter_map(|point| series(point, self.style)) {
                any = true;
                let all = labels().into_iter().chain(found.labels).collect();
                families.entry(found.family).or_default().push((all, found.value));
            }
            up.push(labels());
            if any {
                let said =
                    [("id", meter.id.as_deref()), ("model", meter.model), ("protocol", meter.protocol)];
                let said = said.into_iter().filter_map(|(label, value)| Some((label, value?.to_owned())));
                infos.push(labels().into_iter().chain(said).collect());
                let seconds = meter.at_ms.map(|ms| Number::new(ms, -3).to_string());
                times.extend(seconds.and_then(|text| text.parse().ok()).map(|time| (labels(), time)));
            }
        }
        for (family, found) in &families {
            write(&mut encoder, *family, found)?;
        }
        if !infos.is_empty() {
            let help = "Who the meters are";
            let mut info = encoder.encode_descriptor("metergate_meter", help, None, MetricType::Info)?;
            for labels in &infos {
                info.encode_info(labels)?;
            }
        }
        let fresh: Vec<(Labels, f64)> = up
            .into_iter()
            .map(|labels| {
                let is_fresh = infos.iter().any(|info| info.first() == labels.first());
                (labels, if is_fresh { 1.0 } else { 0.0 })
            })
            .collect();
        let gauge = |name, unit, help| Family { name, unit, is_counter: false, help };
        if !times.is_empty() {
            let family = gauge("metergate_reading_timestamp", "seconds", "Time of the newest reading");
            write(&mut encoder, family, &times)?;
        }
        let family = gauge("metergate_meter_up", "", "1 while fresh numbers of the meter are on this page");
        write(&mut encoder, family, &fresh)
    }
}

/// Writes one family.
// Float: the format has no other numbers.
fn write(
    encoder: &mut DescriptorEncoder<'_>,
    family: Family,
    all: &[(Labels, f64)],
) -> Result<(), fmt::Error> {
    let unit = Some(family.unit).filter(|unit| !unit.is_empty()).map(|unit| Unit::Other(unit.to_owned()));
    let kind = if family.is_counter { MetricType::Counter } else { MetricType::Gauge };
    let mut metric = encoder.encode_descriptor(family.name, family.help, unit.as_ref(), kind)?;
    for (labels, value) in all {
        let one = metric.encode_family(labels)?;
        if family.is_counter {
            ConstCounter::new(*value).encode(one)?;
        } else {
            ConstGauge::new(*value).encode(one)?;
        }
    }
    Ok(())
}
