//! The closed list of events.

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// As it should be.
    Info,
    /// Recovered, nothing lost.
    Warning,
    /// Someone must act.
    Error,
}

impl Severity {
    /// The stable name.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What the name in an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The gateway itself; a name is that of a task.
    Gateway,
    /// A meter of the configuration.
    Meter,
    /// A sink of the configuration.
    Sink,
    /// A source beside the meters.
    Source,
}

// One table for name, sentence, number and weight: the comment above a code is the sentence that people read in the
// command line, the log and docs/events.md.
macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $number:expr, $severity:ident;)*) => {
        /// What happened. The text is stable; the number is that of the reference system with the same event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventCode { $($(#[doc = $doc])* $name,)* }

        impl EventCode {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name.
            #[must_use]
            pub const fn text(self) -> &'static str { match self { $(Self::$name => $text),* } }

            /// What it means, for a person: one sentence.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii()),* }
            }

            /// The code of SMGW.Lite for the same thing, where one exists.
            #[must_use]
            pub const fn number(self) -> Option<i32> { match self { $(Self::$name => $number),* } }

            /// How much it matters.
            #[must_use]
            pub const fn severity(self) -> Severity { match self { $(Self::$name => Severity::$severity),* } }
        }
    };
}

codes! {
    /// The gateway has started.
    Started = "gateway.started", Some(1001), Info;
    /// The gateway was asked to end.
    Stopped = "gateway.stopped", None, Info;
    /// The run before ended without being asked to.
    Crashed = "gateway.crashed", None, Error;
    /// The host lost its power or was reset while the gateway ran.
    PowerLost = "gateway.power_lost", None, Warning;
    /// A task of the gateway makes no progress.
    Stuck = "gateway.stuck", None, Error;
    /// A task that was stuck goes on.
    Unstuck = "gateway.goes_on", None, Info;
    /// The configuration changed since the last run.
    ConfigurationChanged = "configuration.changed", Some(1003), Info;
    /// The meter's protocol was recognised as SML.
    RecognisedSml = "meter.recognised_sml", Some(3003), Info;
    /// The meter's protocol was recognised as IEC 62056-21.
    RecognisedIec = "meter.recognised_iec62056_21", Some(3004), Info;
    /// The meter's protocol was recognised as another.
    Recognised = "meter.recognised", None, Info;
    /// No telegram passes its checks although bytes come.
    Unreadable = "meter.unreadable", Some(3005), Error;
    /// No byte comes.
    Silent = "meter.silent", Some(3007), Error;
    /// Telegrams come again.
    Recovered = "meter.recovered", Some(3000), Info;
    /// A telegram was refused.
    Refused = "meter.refused", Some(3006), Warning;
    /// A telegram was larger than the buffer.
    Overflow = "meter.overflow", Some(3001), Warning;
    /// A meter that is asked did not answer.
    NoAnswer = "meter.no_answer", Some(3002), Warning;
    /// The port is lost.
    PortLost = "port.lost", None, Error;
    /// The port is open again.
    PortOpened = "port.opened", None, Info;
    /// A reading was quarantined because a counter went back.
    RolledBack = "reading.rolled_back", None, Warning;
    /// A reading was quarantined because the power it implies is impossible.
    ImpossiblePower = "reading.impossible_power", None, Warning;
    /// A reading was quarantined because the unit of a register changed.
    UnitChanged = "reading.unit_changed", None, Warning;
    /// A register has another scaler than before.
    ScalerChanged = "reading.scaler_changed", None, Info;
    /// A reading was quarantined because another meter than before sent it.
    ForeignMeter = "reading.foreign_meter", None, Warning;
    /// A late reading was quarantined because nothing is there to compare it with.
    Unplaced = "reading.unplaced", None, Warning;
    /// A telegram came twice; one is kept.
    Duplicate = "reading.duplicate", Some(1201), Info;
    /// A reading older than the last was merged.
    Merged = "reading.merged", None, Info;
    /// A person believes numbers from quarantine.
    Accepted = "reading.accepted", None, Info;
    /// A person rejected numbers from quarantine for good.
    Rejected = "reading.rejected", None, Info;
    /// Readings left quarantine.
    Released = "reading.released", None, Info;
    /// Another meter answers under this name.
    MeterExchanged = "meter.exchanged", None, Warning;
    /// The counters of a meter began anew.
    CounterReset = "meter.counter_reset", None, Warning;
    /// A change of meter was undone by a person.
    ExchangeUndone = "meter.exchange_undone", None, Info;
    /// A quarter hour was recorded.
    QuarterHour = "tariff.quarter_hour", Some(1010), Info;
    /// Quarter hours passed without a reading.
    QuarterHoursMissing = "tariff.quarter_hours_missing", None, Warning;
    /// Quarter hours or minutes got an earlier reading than the one they had.
    Corrected = "tariff.corrected", None, Info;
    /// A snapshot on demand.
    Snapshot = "tariff.snapshot", Some(1006), Info;
    /// The snapshot at the start.
    BootSnapshot = "tariff.boot_snapshot", Some(1024), Info;
    /// A value of the high-frequency use case was dropped to keep quarter hours.
    HighFrequencyDropped = "tariff.high_frequency_dropped", Some(1022), Warning;
    /// The host's clock is synchronised now.
    ClockSynchronised = "clock.synchronised", None, Info;
    /// The host's clock is not synchronised.
    ClockUnsynchronised = "clock.unsynchronised", None, Warning;
    /// The host's clock jumped.
    ClockJumped = "clock.jumped", None, Warning;
    /// The meter's clock differs from the host's.
    MeterClockOff = "clock.meter_differs", None, Warning;
    /// The meter's clock agrees with the host's again.
    MeterClockRight = "clock.meter_agrees", None, Info;
    /// Readings without a time were dated.
    Dated = "clock.readings_dated", None, Info;
    /// A sink cannot deliver.
    SinkFailing = "sink.failing", Some(4000), Warning;
    /// A sink delivers again.
    SinkRecovered = "sink.recovered", Some(1021), Info;
    /// A receiver refused an entry for good; it was skipped.
    SinkRefused = "sink.refused", Some(4002), Error;
    /// A sink was paused by a person.
    SinkPaused = "sink.paused", None, Info;
    /// A sink goes on.
    SinkResumed = "sink.resumed", None, Info;
    /// A sink lost entries that were older than the store keeps.
    SinkMissed = "sink.missed", None, Error;
    /// The store cannot write.
    StoreFailing = "store.failing", Some(8000), Error;
    /// The store writes again.
    StoreRecovered = "store.recovered", None, Info;
    /// The oldest detail was dropped to keep the disk budget.
    StoreThinned = "store.thinned", Some(1013), Info;
    /// More waits for the disk than memory may hold; detail was dropped.
    StoreOverflow = "store.overflow", Some(1016), Error;
    /// Rows that a crash had left in the spool were taken over.
    StoreReplayed = "store.replayed", None, Info;
    /// Prices cannot be fetched, or what came cannot be used; those of before hold.
    PricesFailing = "price.failing", None, Warning;
    /// Prices are fetched again.
    PricesRecovered = "price.recovered", None, Info;
    /// A source beside the meters cannot be read.
    SourceFailing = "source.failing", Some(5000), Warning;
    /// A source beside the meters is read again.
    SourceRecovered = "source.recovered", None, Info;
    /// A cascade reads itself.
    SourceLoop = "source.loop", None, Error;
}

impl EventCode {
    /// The code with this stable name; `None` for one of another version.
    ///
    /// ```
    /// use metergate_gateway::event::EventCode;
    ///
    /// assert_eq!(EventCode::from_text("meter.silent"), Some(EventCode::Silent));
    /// assert_eq!(EventCode::from_text("meter.asleep"), None);
    /// ```
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|code| code.text() == text).copied()
    }

    /// What the name in such an event belongs to.
    #[must_use]
    pub fn subject(self) -> Subject {
        match self {
            Self::MeterClockOff | Self::MeterClockRight | Self::Dated => Subject::Meter,
            _ => match self.text().split('.').next() {
                Some("meter" | "port" | "reading" | "tariff") => Subject::Meter,
                Some("sink") => Subject::Sink,
                Some("source") => Subject::Source,
                _ => Subject::Gateway,
            },
        }
    }

    /// True for what a fault can repeat each second: in a row it is counted, not told each time.
    ///
    /// All others are rare, or each one is wanted for itself.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::Overflow
                | Self::NoAnswer
                | Self::PortLost
                | Self::PortOpened
                | Self::Recovered
                | Self::RecognisedSml
                | Self::RecognisedIec
                | Self::Recognised
                | Self::RolledBack
                | Self::ImpossiblePower
                | Self::UnitChanged
                | Self::ScalerChanged
                | Self::Duplicate
                | Self::Merged
                | Self::HighFrequencyDropped
                | Self::ClockSynchronised
                | Self::ClockUnsynchronised
                | Self::ClockJumped
                | Self::MeterClockOff
                | Self::MeterClockRight
                | Self::SinkFailing
                | Self::SinkRecovered
                | Self::SinkRefused
                | Self::SinkMissed
                | Self::StoreFailing
                | Self::StoreRecovered
                | Self::StoreThinned
                | Self::StoreOverflow
                | Self::SourceFailing
                | Self::SourceRecovered
                | Self::SourceLoop
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_event_has_a_name_of_its_own() {
        let names: HashSet<_> = EventCode::ALL.iter().map(|code| code.text()).collect();
        assert_eq!(names.len(), EventCode::ALL.len());
    }

    #[test]
    fn each_event_has_one_sentence_for_people() {
        for code in EventCode::ALL {
            let sentence = code.sentence();
            assert!(sentence.starts_with(|first: char| first.is_ascii_uppercase()), "{sentence}");
            assert!(sentence.ends_with('.') && sentence.matches(". ").count() == 0, "{sentence}");
        }
    }

    #[test]
    fn a_name_leads_back_to_its_code_and_a_foreign_one_to_none() {
        for &code in EventCode::ALL {
            assert_eq!(EventCode::from_text(code.text()), Some(code));
        }
        assert_eq!(EventCode::from_text("meter.SILENT"), None);
    }

    #[test]
    fn names_belong_to_meters_sinks_and_sources() {
        assert_eq!(EventCode::PortLost.subject(), Subject::Meter);
        assert_eq!(EventCode::MeterClockOff.subject(), Subject::Meter);
        assert_eq!(EventCode::ClockJumped.subject(), Subject::Gateway);
        assert_eq!(EventCode::SinkPaused.subject(), Subject::Sink);
        assert_eq!(EventCode::SourceLoop.subject(), Subject::Source);
    }
}
