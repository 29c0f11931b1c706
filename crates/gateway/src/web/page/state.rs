//! How the gateway is doing: meters, sinks, store, clock, host, and what has happened.
use crate::control::{Answer, Asked, Request};
use crate::event::{Event, Severity};
use crate::sink::SinkStatus;
use crate::status::{MeterStatus, Status, StoreStatus};
use crate::watch::Resources;
use crate::web::Site;
use crate::web::access::{Role, Visitor};
use crate::web::frame::{frame, local_time, problem, size};
use crate::web::text::Language;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use metergate_reading::{Number, Trust};
use serde::Deserialize;
use tokio::sync::oneshot;

/// Events that are looked through, the latest; the ring of the store has more.
const LOOKED_AT: u64 = 2000;

/// Events of a page.
const SHOWN_MAX: usize = 100;

/// Which events are wanted.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Wanted {
    /// The least severity.
    #[serde(default)]
    severity: String,
    /// A part of the code, of the name or of the detail.
    #[serde(default)]
    word: String,
}

impl Wanted {
    fn takes(&self, event: &Event) -> bool {
        let least = match self.severity.as_str() {
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            _ => Severity::Info,
        };
        let word = self.word.trim().to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&word);
        event.code.severity() >= least
            && (has(event.code.text()) || has(&event.detail) || event.about.as_deref().is_some_and(has))
    }
}

/// The page.
pub(in crate::web) async fn page(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
) -> Markup {
    show(&site, &visitor, &wanted, None).await
}

async fn show(site: &Site, visitor: &Visitor, wanted: &Wanted, wrong: Option<&str>) -> Markup {
    let (language, status) = (visitor.language, site.shown.status());
    let say = |name: &str| language.say(name);
    let events = events(site, wanted).await;
    let content = html! {
        h1 { (say("state-title")) }
        (problem(wrong))
        div.cards {
            section.card {
                h2 { (say("state-meters")) }
                @for (name, meter) in &status.meters { (meter_of(name, meter, language)) }
            }
            section.card {
                h2 { (say("state-sinks")) }
                @if status.sinks.is_empty() { p { (say("state-no-sink")) } }
                @for (name, sink) in &status.sinks { (sink_of(name, sink, visitor)) }
            }
            section.card { h2 { (say("state-store")) } (store(&status.store, language)) }
            section.card { h2 { (say("state-host")) } (host(site, &status, language)) }
        }
        section.card {
            h2 { (say("state-events")) }
            (filter(wanted, visitor))
            (listed(&events, language))
        }
    };
    frame(visitor, &say("state-title"), &content)
}

/// The latest events that are wanted, the latest first. A store that cannot be read has none.
async fn events(site: &Site, wanted: &Wanted) -> Vec<Event> {
    let inside = Site::clone(site);
    let read = tokio::task::spawn_blocking(move || {
        let latest = inside.store.committed().borrow().events;
        let limit = usize::try_from(LOOKED_AT).unwrap_or(usize::MAX);
        inside.store.reader().events_after(latest.saturating_sub(LOOKED_AT), limit)
    });
    let mut events = read.await.ok().and_then(Result::ok).unwrap_or_default();
    events.retain(|event| wanted.takes(event));
    events.reverse();
    events.truncate(SHOWN_MAX);
    events
}

fn meter_of(name: &str, meter: &MeterStatus, language: Language) -> Markup {
    let refused: u64 = meter.rejections.values().sum();
    let values = [("accepted", meter.telegrams.into()), ("refused", refused.into())];
    html! {
        h3 { (name) }
        p.verdict .bad[!meter.is_live()] {
            (language.try_say(&format!("verdict-{}", meter.verdict)).unwrap_or_else(|| meter.message.clone()))
        }
        p.about { (meter.port) " \u{b7} " (language.say_with("state-telegrams", &values)) }
        @if let Some(error) = &meter.port_error { p.problem { (error) } }
        @if refused > 0 {
            p.about {
                @for (code, count) in &meter.rejections { span.code { (code.text()) } " " (count) " " }
            }
        }
    }
}

fn sink_of(name: &str, sink: &SinkStatus, visitor: &Visitor) -> Markup {
    let language = visitor.language;
    let waiting: u64 = sink.backlog.iter().map(|backlog| backlog.entries).sum();
    let values = [("delivered", sink.delivered.into()), ("waiting", waiting.into())];
    let (label, action) = if sink.paused { ("state-resume", "resume") } else { ("state-pause", "pause") };
    html! {
        h3 { (name) }
        @if let Some(error) = &sink.error {
            p.problem { @if let Some(step) = sink.failing_step { (step) ": " } (error) }
        } @else if sink.paused {
            p { (language.say("state-paused")) }
        } @else {
            p.verdict { (language.say("state-delivers")) }
        }
        p.about { (language.say_with("state-delivered", &values)) }
        @if sink.missed > 0 { p.problem { (language.say_with("state-missed", &[("count", sink.missed.into())])) } }
        @if sink.refused > 0 { p.problem { (language.say_with("state-refused", &[("count", sink.refused.into())])) } }
        @if visitor.role == Some(Role::Owner) {
            form method="post" action=(format!("{}/sinks/{name}/{action}", visitor.origin.base)) {
                button type="submit" aria-label=(format!("{}: {name}", language.say(label))) { (language.say(label)) }
            }
        }
    }
}

fn store(store: &StoreStatus, language: Language) -> Markup {
    html! {
        @if let Some(error) = &store.error { p.problem { (error) } }
        dl.counters {
            (row(&language.say("state-size"), &size(store.bytes, language)))
            (row(&language.say("state-pending"), &store.pending.to_string()))
            @if store.dropped > 0 { (row(&language.say("state-dropped"), &store.dropped.to_string())) }
        }
    }
}

fn host(site: &Site, status: &Status, language: Language) -> Markup {
    let trust = site.shown.time_of_day().trust;
    let clock = match trust {
        Trust::None => "state-clock-unset",
        Trust::HostSynchronised => "state-clock-right",
        _ => "state-clock-free",
    };
    let resources = status.resources.as_ref();
    html! {
        dl.counters {
            (row(&language.say("state-version"), env!("CARGO_PKG_VERSION")))
            (row(&language.say("state-uptime"), &span(site.shown.uptime().as_secs(), language)))
            @if let Some(run) = &status.run {
                @let reason = run.reason.text();
                (row(&language.say("state-started"), &language.say(&format!("start-{reason}"))))
                (row(&language.say("state-crashes"), &run.crashes.to_string()))
                (row(&language.say("state-power-losses"), &run.power_losses.to_string()))
            }
            (row(&language.say("state-clock"), &language.say(clock)))
            @if let Some(resources) = resources { (machine(resources, language)) }
        }
    }
}

fn machine(resources: &Resources, language: Language) -> Markup {
    html! {
        @if let Some(bytes) = resources.resident_bytes {
            (row(&language.say("state-memory"), &size(bytes, language)))
        }
        @if let Some(bytes) = resources.disk_written_bytes {
            (row(&language.say("state-written"), &size(bytes, language)))
        }
        @if let Some(mc) = resources.cpu_temperature_mc {
            (row(&language.say("state-temperature"), &format!("{} \u{b0}C", language.number(Number::new(mc / 100, -1)))))
        }
    }
}

fn row(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// Days and hours, or hours and minutes, or minutes.
fn span(seconds: u64, language: Language) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let values = [("days", days.into()), ("hours", hours.into()), ("minutes", minutes.into())];
    language.say_with(if days > 0 { "state-span-days" } else { "state-span-hours" }, &values)
}

fn filter(wanted: &Wanted, visitor: &Visitor) -> Markup {
    let say = |name: &str| visitor.language.say(name);
    html! {
        form.row method="get" action=(format!("{}/state", visitor.origin.base)) {
            div {
                label for="severity" { (say("state-severity")) }
                select #severity name="severity" {
                    @for severity in ["info", "warning", "error"] {
                        option value=(severity) selected[severity == wanted.severity] {
                            (say(&format!("severity-{severity}")))
                        }
                    }
                }
            }
            div {
                label for="word" { (say("state-word")) }
                input #word name="word" type="search" value=(wanted.word);
            }
            button type="submit" { (say("state-filter")) }
        }
    }
}

fn listed(events: &[Event], language: Language) -> Markup {
    let say = |name: &str| language.say(name);
    html! {
        @if events.is_empty() { p { (say("state-no-event")) } } @else {
            div.scroll tabindex="0" role="group" aria-label=(say("state-events")) {
                table.events {
                    thead {
                        tr {
                            th scope="col" { (say("state-when")) }
                            th scope="col" { (say("state-severity")) }
                            th scope="col" { (say("state-about")) }
                            th scope="col" { (say("state-what")) }
                        }
                    }
                    tbody {
                        @for event in events {
                            tr {
                                td { (local_time(event.at, "%Y-%m-%d %H:%M:%S").unwrap_or_else(|| say("live-no-time"))) }
                                td { (say(&format!("severity-{}", event.code.severity().text()))) }
                                td { (event.about.as_deref().unwrap_or("")) }
                                td {
                                    (language.event(event.code))
                                    @if event.count > 1 { " (" (event.count) "\u{d7})" }
                                    @if !event.detail.is_empty() { br; small { (event.detail) } }
                                    br; small.code { (event.code.text()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Stops a sink from delivering.
pub(in crate::web) async fn pause(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Path(sink): Path<String>,
) -> Response {
    ask(&site, &visitor, Request::Pause { sink }).await
}

/// Lets a sink go on.
pub(in crate::web) async fn resume(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Path(sink): Path<String>,
) -> Response {
    ask(&site, &visitor, Request::Resume { sink }).await
}

/// Asks the gateway as the command line does, and goes back to the page.
async fn ask(site: &Site, visitor: &Visitor, request: Request) -> Response {
    let (answer, answered) = oneshot::channel();
    let asked = site.requests.send(Asked { request, answer }).await.is_ok();
    match answered.await {
        Ok(Answer::Done(_)) if asked => {
            Redirect::to(&format!("{}/state", visitor.origin.base)).into_response()
        }
        Ok(Answer::Refused(why)) => {
            let page = show(site, visitor, &Wanted::default(), Some(&why)).await;
            (StatusCode::NOT_FOUND, page).into_response()
        }
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventCode;
    use metergate_reading::Instant;

    #[test]
    fn events_are_found_by_severity_and_by_any_word_of_theirs() {
        let at = Instant { unix_ms: 0, trust: Trust::HostSynchronised };
        let event = |code, about: &str, detail: &str| Event {
            seq: 1,
            at,
            code,
            about: Some(about.into()),
            detail: detail.to_owned(),
            count: 1,
        };
        let silent = event(EventCode::Silent, "haus", "for 5 min");
        let paused = event(EventCode::SinkPaused, "broker", "");
        let wanted = |severity: &str, word: &str| Wanted { severity: severity.into(), word: word.into() };
        assert!(wanted("", "").takes(&silent) && wanted("", "").takes(&paused));
        assert!(wanted("error", "").takes(&silent) && !wanted("warning", "").takes(&paused));
        for word in ["HAUS", "5 min", "meter.silent"] {
            assert!(wanted("error", word).takes(&silent), "{word}");
        }
        assert!(!wanted("", "broker").takes(&silent));
    }

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        assert_eq!(span(3 * 86_400 + 7200, Language::English), "3 d 2 h");
        assert_eq!(span(7260, Language::German), "2 h 1 min");
    }
}
