//! What an SMGW.Lite device shows of its meter at `/showLastMeterValue`, for whoever reads such devices and for other
//! gateways.
//!
//! The answer has the way of the value in the header [`HEADER`], and who is on that way already is told that it looks
//! at itself (508).
use crate::sink::{News, Sample, SinkStatus};
use crate::source::compat::{Push, show_last_meter_value};
use crate::source::loop_guard::{HEADER, Heard, Instance};
use crate::update::What;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use std::time::Instant;

/// What the page shows.
#[derive(Debug)]
pub(super) struct Latest {
    meter: String,
    instance: Instance,
    /// The way of the values, when another gateway has them first.
    heard: Heard,
    sample: Option<Sample>,
    /// Bytes of the meter so far, and when the latest came.
    bytes: u64,
    byte_at: Option<Instant>,
    /// How the push was doing when it was last looked at, and since when.
    push: Option<(Instant, Pushed)>,
}

/// What changes with each push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pushed {
    delivered: u64,
    ok: bool,
}

impl Latest {
    /// Nothing has come yet.
    pub(super) fn new(meter: &str, instance: Instance) -> Self {
        Self {
            meter: meter.to_owned(),
            instance,
            heard: Heard::default(),
            sample: None,
            bytes: 0,
            byte_at: None,
            push: None,
        }
    }

    /// Where a source notes the way of its values, if it is the one that is shown.
    pub(super) fn way_of(&self, source: &str) -> Option<Heard> {
        (self.meter == source).then(|| self.heard.clone())
    }

    /// Takes note of what happened at a meter.
    pub(super) fn note(&mut self, news: &News, now: Instant) {
        if *self.meter != *news.update.meter {
            return;
        }
        // A source has no bytes; its reading is a sign of life as good.
        if news.update.bytes > self.bytes || matches!(news.update.what, What::Reading(_)) {
            self.bytes = news.update.bytes;
            self.byte_at = Some(now);
        }
        if let Some(sample) = &news.sample {
            self.sample = Some(sample.clone());
        }
    }

    /// Takes note of how the push to a backend is doing.
    pub(super) fn note_push(&mut self, status: &SinkStatus, now: Instant) {
        let pushed = Pushed { delivered: status.delivered, ok: status.error.is_none() };
        let before = self.push.map_or(Pushed { delivered: 0, ok: true }, |(_, before)| before);
        if pushed != before {
            self.push = Some((now, pushed));
        }
    }

    /// The answer to a request.
    pub(super) fn answer(&self, path: &str, headers: &HeaderMap, now: Instant) -> Response {
        if path != "/showLastMeterValue" {
            return (StatusCode::NOT_FOUND, "see /showLastMeterValue\n").into_response();
        }
        let way = self.heard.path();
        let asks = headers.get(HEADER).and_then(|name| name.to_str().ok()).and_then(Instance::new);
        if asks.is_some_and(|asks| asks == self.instance || way.contains(&asks)) {
            return (StatusCode::LOOP_DETECTED, "what is shown here comes from there\n").into_response();
        }
        let push = match self.push {
            Some((at, pushed)) => Push { since: Some(now.saturating_duration_since(at)), ok: pushed.ok },
            None => Push::default(),
        };
        let age = self.byte_at.map(|at| now.saturating_duration_since(at));
        let text = show_last_meter_value(self.sample.as_ref(), age, push);
        let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut answer = ([json], text).into_response();
        let way = HeaderValue::from_str(&way.behind(&self.instance).to_string());
        if let (Ok(name), Ok(way)) = (HeaderName::try_from(HEADER), way) {
            answer.headers_mut().insert(name, way);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::made::sample;
    use crate::update::Update;
    use std::sync::Arc;
    use std::time::Duration;

    fn news(meter: &str, bytes: u64, sample: Option<Sample>) -> News {
        let at = crate::clock::time_of_day();
        let update = Update { meter: meter.into(), at, live: true, bytes, what: What::Bytes };
        News { update: Arc::new(update), sample }
    }

    async fn shown(latest: &Latest, now: Instant) -> serde_json::Value {
        let answer = latest.answer("/showLastMeterValue", &HeaderMap::new(), now);
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[HEADER], "us");
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn the_age_of_the_last_byte_and_of_the_last_push_are_shown() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut latest = Latest::new("haus", Instance::new("us").unwrap());
        assert_eq!(shown(&latest, began).await["last_byte_age_s"], 9999);
        let reading = sample(1, 0, &[("1-0:1.8.0", "16777217 Wh")]);
        latest.note(&news("pump", 50, Some(reading.clone())), began);
        assert_eq!(shown(&latest, began).await["last_byte_age_s"], 9999, "another meter");
        latest.note(&news("haus", 400, Some(reading)), after(1));
        latest.note(&news("haus", 400, None), after(9));
        let page = shown(&latest, after(10)).await;
        assert_eq!((&page["last_byte_age_s"], &page["meter_value_180"]), (&9.into(), &167_772_170.into()));
        assert_eq!((&page["backend_called"], &page["backend_ok"]), (&false.into(), &false.into()));
        let status = |delivered, error: Option<&str>| SinkStatus {
            delivered,
            error: error.map(str::to_owned),
            ..SinkStatus::default()
        };
        latest.note_push(&status(0, None), after(20));
        assert_eq!(shown(&latest, after(20)).await["backend_called"], false);
        latest.note_push(&status(3, None), after(60));
        latest.note_push(&status(3, None), after(179));
        let page = shown(&latest, after(180)).await;
        assert_eq!((&page["backend_ok"], &page["backend_ago_min"]), (&true.into(), &2.into()));
        latest.note_push(&status(3, Some("delivery: no")), after(180));
        let page = shown(&latest, after(181)).await;
        assert_eq!((&page["backend_ok"], &page["backend_ago_min"]), (&false.into(), &0.into()));
    }

    #[test]
    fn who_is_on_the_way_is_told_that_it_looks_at_itself() {
        let latest = Latest::new("garden", Instance::new("us").unwrap());
        assert!(latest.way_of("haus").is_none());
        latest.way_of("garden").unwrap().set("them, others".parse().unwrap());
        let status = |name: &'static str| {
            let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), HeaderValue::from_static(name))]);
            latest.answer("/showLastMeterValue", &headers, Instant::now()).status()
        };
        assert_eq!(status("a-third"), StatusCode::OK);
        assert_eq!(status("others"), StatusCode::LOOP_DETECTED);
        assert_eq!(status("us"), StatusCode::LOOP_DETECTED);
        assert_eq!(status("<no name>"), StatusCode::OK);
        let lost = latest.answer("/StoreMeterValue", &HeaderMap::new(), Instant::now()).status();
        assert_eq!(lost, StatusCode::NOT_FOUND);
    }
}
