//! What the meters say now.
use crate::web::Site;
use crate::web::access::Visitor;
use crate::web::board::{Content, MeterNow, Shown};
use crate::web::frame::{frame, local_time};
use crate::web::text::Language;
use crate::web::today::{Beginning, COUNTERS};
use axum::extract::{Extension, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use maud::{Markup, html};
use metergate_meter::verdict::Verdict;
use metergate_reading::{Instant, Number, ObisCode, Trust, Unit};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

/// A page is told at most so often; faster nobody reads.
const REFRESH: Duration = Duration::from_millis(500);

/// What flows in, less what flows out.
const NET: ObisCode = ObisCode::new(1, 0, 16, 7, 0, 255);
const IMPORT: ObisCode = ObisCode::new(1, 0, 1, 7, 0, 255);
const EXPORT: ObisCode = ObisCode::new(1, 0, 2, 7, 0, 255);
const HEAT: ObisCode = ObisCode::new(6, 0, 8, 0, 0, 255);

/// The C of net power, import, voltage and current of each phase.
const PHASES: [(&str, [u8; 4]); 3] =
    [("L1", [36, 21, 32, 31]), ("L2", [56, 41, 52, 51]), ("L3", [76, 61, 72, 71])];

/// The page.
pub(in crate::web) async fn page(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Markup {
    let language = visitor.language;
    let meters = site.board.meters();
    let content = html! {
        h1 { (language.say("live-title")) }
        // Without scripts the page is read again.
        noscript { meta http-equiv="refresh" content="10"; }
        div #live data-events=(format!("{}/live/events", visitor.origin.base))
            data-ago-s=(ago_template(language, "live-ago-seconds"))
            data-ago-min=(ago_template(language, "live-ago-minutes"))
            data-ago-h=(ago_template(language, "live-ago-hours"))
            data-lost=(language.say("live-lost")) {
            p #lost.problem role="status" hidden {}
            @if meters.is_empty() { p { (language.say("live-no-meter")) } }
            @for meter in &meters { (card(&site, meter, language)) }
        }
    };
    frame(&visitor, &language.say("live-title"), &content)
}

/// Tells a page what has changed, until it is closed.
pub(in crate::web) async fn events(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        let mut changes = site.board.changes();
        // What has changed since the page was made is told at once.
        let mut told = 0;
        loop {
            let now = *changes.borrow_and_update();
            for meter in site.board.meters_after(told) {
                let fragment = card(&site, &meter, visitor.language).into_string();
                let data = serde_json::json!({ "id": id(&meter.name), "html": fragment });
                let event = Event::default().event("meter").data(data.to_string());
                if sender.send(Ok(event)).await.is_err() {
                    return;
                }
            }
            told = now;
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
            }
            tokio::time::sleep(REFRESH).await;
        }
    });
    Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default())
}

/// An element's name: meters are called by letters, digits, `-` and `_`.
fn id(meter: &str) -> String {
    format!("meter-{meter}")
}

/// The text that the page fills in by itself each second.
fn ago_template(language: Language, name: &str) -> String {
    language.say_with(name, &[("n", "{n}".into())])
}

fn card(site: &Site, meter: &MeterNow, language: Language) -> Markup {
    let say = |name: &str| language.say(name);
    let stale = meter.is_stale();
    let id = id(&meter.name);
    html! {
        section.card #(id) .stale[stale] aria-labelledby=(format!("{id}-name")) {
            h2 #(format!("{id}-name")) { (meter.name) }
            p.about { (about(meter)) }
            p.verdict .bad[!meter.verdict.is_live()] { (verdict(meter.verdict, language)) }
            @if let Some(trouble) = &meter.trouble { p.problem { (trouble) } }
            @if let Some((label, number, unit)) = now(meter) {
                div.now {
                    span.label { (say(label)) }
                    strong.figure { (language.number(number)) " " span.unit { (unit.map_or("", Unit::text)) } }
                    @if stale { span.old { (say("live-stale")) } }
                }
            }
            (phases(meter, language))
            (counters(site, meter, language))
            @if let Some(at) = meter.last { p.age { (age(meter, at, language)) } }
            @if !meter.registers.is_empty() {
                details #(format!("{id}-registers")) {
                    summary { (say("live-registers")) " (" (meter.registers.len()) ")" }
                    (registers(&meter.registers, language))
                }
            }
        }
    }
}

/// Model, protocol and number, as far as they are known.
fn about(meter: &MeterNow) -> String {
    let id = meter.id.map(|id| id.to_string());
    let parts =
        [meter.model.map(str::to_owned), meter.protocol.map(|protocol| protocol.name().to_owned()), id];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" \u{b7} ")
}

fn verdict(verdict: Verdict, language: Language) -> String {
    let code = verdict.code();
    language.try_say(&format!("verdict-{code}")).unwrap_or_else(|| verdict.to_string())
}

/// The power, with the word for its direction.
fn now(meter: &MeterNow) -> Option<(&'static str, Number, Option<Unit>)> {
    if let Some((net, unit)) = meter.number(NET) {
        return Some(if net.mantissa() < 0 {
            ("live-feeding-in", Number::with_exponent(net.mantissa().checked_neg()?, net.exponent())?, unit)
        } else {
            ("live-drawing", net, unit)
        });
    }
    let sent = |code, label| meter.number(code).map(|(number, unit)| (label, number, unit));
    // Where both are sent, the one that is not zero is what happens.
    let export = sent(EXPORT, "live-feeding-in").filter(|(_, number, _)| number.mantissa() > 0);
    export.or_else(|| sent(IMPORT, "live-drawing")).or_else(|| sent(HEAT, "live-heat"))
}

fn phases(meter: &MeterNow, language: Language) -> Markup {
    let number = |c: u8| meter.number(ObisCode::new(1, 0, c, 7, 0, 255));
    let rows = PHASES.map(|(name, [net, import, voltage, current])| {
        (name, [number(net).or_else(|| number(import)), number(voltage), number(current)])
    });
    let rows: Vec<_> = rows.into_iter().filter(|(_, cells)| cells.iter().any(Option::is_some)).collect();
    // What no phase has is no column.
    let heads = ["live-power", "live-voltage", "live-current"].into_iter().enumerate();
    let heads = heads
        .filter(|(column, _)| rows.iter().any(|(_, cells)| cells.get(*column).is_some_and(Option::is_some)));
    let heads: Vec<_> = heads.collect();
    html! {
        @if !rows.is_empty() {
            table.phases {
                thead {
                    tr {
                        th scope="col" { (language.say("live-phase")) }
                        @for (_, head) in &heads { th scope="col" { (language.say(head)) } }
                    }
                }
                @for (name, cells) in rows {
                    tr {
                        th scope="row" { (name) }
                        @for (column, _) in &heads {
                            td { (cells.get(*column).copied().flatten().map_or_else(|| "\u{2013}".to_owned(), |cell| quantity(cell, language))) }
                        }
                    }
                }
            }
        }
    }
}

/// A number with its unit; energy in kWh, as people know it from bills.
fn quantity((number, unit): (Number, Option<Unit>), language: Language) -> String {
    match unit {
        Some(Unit::WattHour) => match number.scaled(-3) {
            Some(kilo) => format!("{} kWh", language.number(kilo)),
            None => format!("{} Wh", language.number(number)),
        },
        Some(unit) => format!("{} {}", language.number(number), unit.text()),
        None => language.number(number),
    }
}

fn counters(site: &Site, meter: &MeterNow, language: Language) -> Markup {
    let rows = COUNTERS.into_iter().filter_map(|code| {
        let (number, unit) = meter.number(code)?;
        let today = site.today.beginning(&meter.name, code).and_then(|beginning| {
            Some((number.checked_sub(beginning.total).filter(|used| used.mantissa() >= 0)?, beginning))
        });
        Some((language.register(code).unwrap_or_else(|| code.to_string()), (number, unit), today))
    });
    let rows: Vec<_> = rows.collect();
    html! {
        @if !rows.is_empty() {
            dl.counters {
                @for (name, counter, today) in rows {
                    div {
                        dt { (name) }
                        dd { (quantity(counter, language)) }
                        @if let Some((used, beginning)) = today {
                            dd.today { (since(&beginning, language)) " " b { (quantity((used, counter.1), language)) } }
                        }
                    }
                }
            }
        }
    }
}

/// "Today", or since when of today there are values.
fn since(beginning: &Beginning, language: Language) -> String {
    if beginning.whole_day {
        return language.say("live-today");
    }
    let at =
        Instant { unix_ms: beginning.mark.unix_s().saturating_mul(1000), trust: Trust::HostSynchronised };
    let time = local_time(at, "%H:%M").unwrap_or_default();
    language.say_with("live-since", &[("time", time.into())])
}

fn age(meter: &MeterNow, at: Instant, language: Language) -> Markup {
    let seconds = meter.age().unwrap_or_default().as_secs();
    let stale_after = meter.stale_after().as_secs();
    let ago = match seconds {
        0..120 => language.say_with("live-ago-seconds", &[("n", seconds.into())]),
        120..7200 => language.say_with("live-ago-minutes", &[("n", (seconds / 60).into())]),
        _ => language.say_with("live-ago-hours", &[("n", (seconds / 3600).into())]),
    };
    html! {
        @if let Some(time) = local_time(at, "%H:%M:%S") { span.at { (time) } " \u{b7} " }
        span.ago data-age=(seconds) data-stale-after=(stale_after) { (ago) }
        @if at.trust == Trust::None { " " (language.say("live-no-time")) }
    }
}

fn registers(shown: &[Shown], language: Language) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label=(language.say("live-registers")) {
            table.registers {
                thead {
                    tr {
                        th scope="col" { (language.say("live-register")) }
                        th scope="col" { (language.say("live-code")) }
                        th scope="col" { (language.say("live-value")) }
                    }
                }
                tbody {
                    @for one in shown {
                        tr {
                            td { (one.register.obis().and_then(|code| language.register(code)).unwrap_or_default())
                                @if one.derived { " " small { "(" (language.say("live-derived")) ")" } } }
                            td.code { (one.register.to_string()) }
                            td.value {
                                @match &one.content {
                                    Content::Number(number, unit) => (quantity((*number, *unit), language)),
                                    Content::Held => span.old { (language.say("live-held")) },
                                    Content::Text(text) => (text),
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_is_said_in_both_languages_and_in_english_as_everywhere_else() {
        let all = [
            Verdict::Waiting,
            Verdict::Ok,
            Verdict::NoBytes,
            Verdict::WrongLine,
            Verdict::EchoOnly,
            Verdict::Noise,
            Verdict::Damaged,
            Verdict::MissingKey,
            Verdict::WrongKey,
            Verdict::WrongAuthKey,
            Verdict::Replayed,
            Verdict::UnsupportedSecurity,
            Verdict::UnknownLayout,
            Verdict::PinLocked,
            Verdict::Silent { since: Duration::ZERO },
        ];
        for one in all {
            assert_eq!(verdict(one, Language::English), one.to_string());
            assert_ne!(verdict(one, Language::German), one.to_string());
        }
    }

    #[test]
    fn energy_is_shown_in_kwh_with_every_digit() {
        let energy = (Number::new(352_040_842, -4), Some(Unit::WattHour));
        assert_eq!(quantity(energy, Language::German), "35,2040842 kWh");
        assert_eq!(quantity((Number::new(-1308, 0), Some(Unit::Watt)), Language::English), "-1308 W");
    }
}
