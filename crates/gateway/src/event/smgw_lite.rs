//! The log codes of SMGW.Lite and what they are here, so that who knows the one finds the other.
use super::EventCode;

/// What a code of SMGW.Lite is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Equivalent {
    /// The same or the nearest event.
    Event(EventCode),
    /// No event, and why: what tells it instead, or why it cannot happen.
    None(&'static str),
}

use Equivalent::{Event, None};

const REQUESTS: &str =
    "Requests are counted in the state of the sink; the first failure and the recovery are events.";
const DETAIL: &str = "A reading a minute is no event: the store holds it with its use case.";
const PACKAGES: &str = "The gateway is updated as a package of the system, whose log tells it.";
const NETWORK: &str = "The network belongs to the host; it is not restarted from here.";

/// Every code of SMGW.Lite 1.2, in the order of the numbers.
///
/// Below 1000 the number is a count of transferred values, see [`equivalent`].
pub const CODES: &[(i32, &str, Equivalent)] = &[
    (1001, "setup", Event(EventCode::Started)),
    (
        1002,
        "allocation failed",
        None(
            "No buffer is allocated ahead; without memory the gateway does not go on, which the next start tells as gateway.crashed.",
        ),
    ),
    (1003, "configuration saved", Event(EventCode::ConfigurationChanged)),
    (
        1004,
        "layout of the buffer changed",
        None("The store keeps every register, so that no setting changes its layout."),
    ),
    (1005, "backend is called", None(REQUESTS)),
    (1006, "TAF 6", Event(EventCode::Snapshot)),
    (1008, "Wi-Fi is back", Event(EventCode::SinkRecovered)),
    (1009, "Wi-Fi is lost", Event(EventCode::SinkFailing)),
    (1010, "TAF 7", Event(EventCode::QuarterHour)),
    (1011, "TAF 14", None(DETAIL)),
    (1012, "call is due", None(REQUESTS)),
    (1013, "buffer emptied", Event(EventCode::StoreThinned)),
    (1014, "TAF 7 after 900 s", Event(EventCode::QuarterHour)),
    (
        1015,
        "little memory left",
        None(
            "status.json and the metrics show the memory; the system ends a process that takes too much, which the next start tells as gateway.crashed.",
        ),
    ),
    (1016, "buffer full", Event(EventCode::StoreOverflow)),
    (1017, "value stored", None(DETAIL)),
    (1018, "dynamic TAF", None(DETAIL)),
    (1019, "log is sent", None(REQUESTS)),
    (1020, "log was sent", None(REQUESTS)),
    (1021, "values were sent", Event(EventCode::SinkRecovered)),
    (1022, "TAF 14 blocked", Event(EventCode::HighFrequencyDropped)),
    (
        1023,
        "no host",
        None("A sink without an address is refused before the start, with file, line and key."),
    ),
    (1024, "snapshot at the start", Event(EventCode::BootSnapshot)),
    (1200, "value is not above 0", Event(EventCode::RolledBack)),
    (1201, "value is unchanged", Event(EventCode::Duplicate)),
    (1203, "frame error", Event(EventCode::Refused)),
    (1204, "frame error", Event(EventCode::Refused)),
    (1205, "frame error", Event(EventCode::Refused)),
    (1206, "buffer full", Event(EventCode::StoreOverflow)),
    (1207, "telegram cut off", Event(EventCode::Refused)),
    (1208, "counter went back, passed on", Event(EventCode::RolledBack)),
    (3000, "telegram", Event(EventCode::Recovered)),
    (3001, "telegram too long", Event(EventCode::Overflow)),
    (3002, "time is up", Event(EventCode::NoAnswer)),
    (3003, "SML", Event(EventCode::RecognisedSml)),
    (3004, "IEC 62056-21", Event(EventCode::RecognisedIec)),
    (3005, "no valid telegram for 5 minutes", Event(EventCode::Unreadable)),
    (3006, "telegram not understood", Event(EventCode::Refused)),
    (3007, "no bytes for 5 minutes", Event(EventCode::Silent)),
    (3010, "scan found the line", Event(EventCode::Recognised)),
    (
        3011,
        "scan found nothing",
        None(
            "The search goes on until something is found; meanwhile meter.silent or meter.unreadable is told.",
        ),
    ),
    (3012, "scan set the line", Event(EventCode::Recognised)),
    (4000, "connecting failed", Event(EventCode::SinkFailing)),
    (4001, "sending failed", Event(EventCode::SinkFailing)),
    (4002, "values were not accepted", Event(EventCode::SinkRefused)),
    (4003, "log was not accepted", Event(EventCode::SinkRefused)),
    (5000, "myStrom fails", Event(EventCode::SourceFailing)),
    (5001, "myStrom fails", Event(EventCode::SourceFailing)),
    (5002, "myStrom fails", Event(EventCode::SourceFailing)),
    (7000, "Wi-Fi is restarted", None(NETWORK)),
    (7001, "Wi-Fi is restarted", None(NETWORK)),
    (8000, "file system fails", Event(EventCode::StoreFailing)),
    (
        8001,
        "certificate of the program is used",
        None("Receivers are checked against the certificates of the system, or those of the configuration."),
    ),
    (8002, "certificate saved", Event(EventCode::ConfigurationChanged)),
    (
        8003,
        "certificate is wrong",
        None("A certificate that cannot be read is refused before the start, with file, line and key."),
    ),
    (
        8004,
        "certificate is wrong",
        None("A certificate that cannot be read is refused before the start, with file, line and key."),
    ),
];

/// What a number in the log of an SMGW.Lite is here; `Option::None` for one that it never writes.
///
/// ```
/// use metergate_gateway::event::{EventCode, smgw_lite};
///
/// let silent = smgw_lite::equivalent(3007);
/// assert_eq!(silent, Some(smgw_lite::Equivalent::Event(EventCode::Silent)));
/// assert_eq!(smgw_lite::equivalent(9999), None);
/// ```
#[must_use]
pub fn equivalent(number: i32) -> Option<Equivalent> {
    match number {
        0..1000 => Some(None("How many entries were delivered is counted in the state of the sink.")),
        6000..=6021 => Some(None(PACKAGES)),
        _ => CODES.iter().find(|(code, ..)| *code == number).map(|(.., equivalent)| *equivalent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the list of log codes of SMGW.Lite.
    fn numbers() -> impl Iterator<Item = i32> {
        (1001..=1006)
            .chain(1008..=1024)
            .chain([1200, 1201])
            .chain(1203..=1208)
            .chain(3000..=3007)
            .chain(3010..=3012)
            .chain(4000..=4003)
            .chain(5000..=5002)
            .chain(6000..=6021)
            .chain([7000, 7001])
            .chain(8000..=8004)
    }

    #[test]
    fn row_63_each_code_of_smgw_lite_has_an_equivalent_or_a_reason() {
        let (mut events, mut reasons) = (0, 0);
        for number in numbers().chain(0..1000) {
            match equivalent(number) {
                Some(Event(_)) => events += 1,
                Some(None(reason)) => {
                    assert!(reason.ends_with('.'), "{number}: {reason}");
                    reasons += 1;
                }
                Option::None => panic!("{number} is forgotten"),
            }
        }
        assert_eq!((events, reasons - 1000 - 22), (39, 17));
        assert_eq!(equivalent(1007), Option::None, "SMGW.Lite has no 1007");
        assert_eq!(equivalent(-1), Option::None, "an unused slot of its log");
    }

    #[test]
    fn an_event_with_a_number_is_what_the_number_leads_to() {
        for &code in EventCode::ALL {
            if let Some(number) = code.number() {
                assert_eq!(equivalent(number), Some(Event(code)), "{number}");
            }
        }
    }
}
