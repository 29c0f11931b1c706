//! What is known of a meter at this moment.
use crate::sink::{Point, Sample};
use crate::update::TelegramBuf;
use metergate_meter::models::Model;
use metergate_meter::verdict::Verdict;
use metergate_reading::{Instant, MeterId, RegisterId};
use std::collections::{HashMap, HashSet};

/// What is known of a meter at this moment.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// How it is doing, and since when.
    pub(super) verdict: Option<(Verdict, Instant)>,
    /// Its newest numbers: those of the latest telegram, and those of earlier ones that have not changed since.
    pub(super) sample: Option<Sample>,
    /// What is printed on it.
    pub(super) id: Option<MeterId>,
    /// Three letters of its maker, if no model is known.
    pub(super) maker: Option<String>,
    /// Its model.
    pub(super) model: Option<&'static Model>,
}

impl Live {
    /// Takes over a reading. What the sink was not given because it has not changed enough is still what the meter
    /// says; what the telegram does not hold any more goes.
    pub(super) fn take(&mut self, sample: &Sample, telegram: Option<&TelegramBuf>) {
        let mut sample = sample.clone();
        if let Some(telegram) = telegram {
            self.id = telegram.reading.meter.or(self.id);
            self.model = telegram.model.or(self.model);
            let maker = crate::json::manufacturer(
                telegram.reading.meter.as_ref(),
                telegram.identification.as_deref(),
            );
            if let Some(maker) = maker {
                self.maker = Some(maker.to_owned());
            }
            let said = registers(telegram);
            let given: HashSet<RegisterId> =
                sample.points.iter().map(|point| point.register.clone()).collect();
            let before = self.sample.take().map(|sample| sample.points).unwrap_or_default();
            let stands = |point: &Point| {
                !given.contains(&point.register) && (point.derived || said.contains(&point.register))
            };
            sample.points.extend(before.into_iter().filter(stands));
        }
        // A telegram that was accepted says for itself that the meter can be read.
        self.verdict.get_or_insert((Verdict::Ok, sample.at));
        self.sample = Some(sample);
    }

    /// The code of the verdict while values may be shown as live.
    pub(super) fn is_live(&self) -> bool {
        self.verdict.is_some_and(|(verdict, _)| verdict.is_live())
    }
}

/// What the registers of a telegram are called; of one name, each has a number.
fn registers(telegram: &TelegramBuf) -> HashSet<RegisterId> {
    let mut counts: HashMap<RegisterId, u16> = HashMap::new();
    let numbered = telegram.reading.registers.iter().map(|register| {
        let id = RegisterId::of(register);
        let count = counts.entry(id.clone()).or_default();
        *count = count.saturating_add(1);
        id.nth(*count)
    });
    numbered.collect()
}
