//! The gateway's own metrics: what `status.json` says of meters, sinks, store and process.
use crate::sink::{Backlog, SinkStatus};
use crate::status::{MeterStatus, Shown, Status};
use crate::watch::{Beginning, Resources};
use metergate_reading::{Instant, Number, Trust};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use std::fmt;

/// Labels of one series with their values.
type Labels = Vec<(&'static str, String)>;

/// Collects how everything is doing whenever the page is fetched.
#[derive(Debug)]
pub(super) struct Own(pub(super) Shown);

/// A family of metrics and its series.
struct Family {
    /// Without unit and `_total`.
    name: &'static str,
    /// In words, empty for a bare number.
    unit: &'static str,
    help: &'static str,
    is_counter: bool,
    series: Vec<(Labels, Value)>,
}

/// A number of the page.
#[derive(Debug, Clone, Copy)]
enum Value {
    Whole(u64),
    /// With decimals.
    // Float: the format has no other numbers.
    Parts(f64),
}

impl Collector for Own {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (status, now, uptime) = (self.0.status(), self.0.time_of_day(), self.0.uptime());
        let mut families = of_meters(&status, now);
        families.extend(of_sinks(&status));
        families.extend(of_store(&status));
        families.extend(status.run.as_ref().into_iter().flat_map(of_run));
        families.extend(of_process(&Resources::of_process(uptime)));
        info(&mut encoder, &status)?;
        families
            .iter()
            .filter(|family| !family.series.is_empty())
            .try_for_each(|family| family.write(&mut encoder))
    }
}

/// Who answers, and why it was started.
fn info(encoder: &mut DescriptorEncoder<'_>, status: &Status) -> Result<(), fmt::Error> {
    let mut labels: Labels = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    labels.extend(status.run.as_ref().map(|run| ("start_reason", run.reason.text().to_owned())));
    let help = "The version of the gateway and why it was started";
    encoder.encode_descriptor("metergate_gateway", help, None, MetricType::Info)?.encode_info(&labels)
}

fn of_meters(status: &Status, now: Instant) -> Vec<Family> {
    let each = |of: &dyn Fn(&MeterStatus) -> Option<Value>| {
        let series = |(name, meter): (&String, &MeterStatus)| Some((labels("meter", name), of(meter)?));
        status.meters.iter().filter_map(series).collect::<Vec<_>>()
    };
    let whole = |of: fn(&MeterStatus) -> u64| each(&|meter| Some(Value::Whole(of(meter))));
    let verdict = |(name, meter): (&String, &MeterStatus)| {
        (with(labels("meter", name), "verdict", meter.verdict), Value::Whole(1))
    };
    let refused = status.meters.iter().flat_map(|(name, meter)| {
        let of = |(code, count): (&metergate_meter::Code, &u64)| {
            (with(labels("meter", name), "code", code.text()), Value::Whole(*count))
        };
        meter.rejections.iter().map(of).collect::<Vec<_>>()
    });
    let port_up = |meter: &MeterStatus| {
        (meter.port_opened > 0).then(|| Value::truth(meter.port_error.is_none() && !meter.ended))
    };
    let last = |meter: &MeterStatus| meter.last_telegram().filter(|at| at.trust != Trust::None);
    vec![
        gauge("metergate_meter_verdict", "", "1 for what the verdict of the meter is").of(status
            .meters
            .iter()
            .map(verdict)
            .collect()),
        gauge("metergate_meter_port_up", "", "1 while the port of the meter is open").of(each(&port_up)),
        counter("metergate_meter_port_opened", "", "How often the port was opened")
            .of(whole(|meter| meter.port_opened)),
        counter("metergate_meter_received", "bytes", "Bytes received").of(whole(|meter| meter.bytes)),
        counter("metergate_telegrams_accepted", "", "Telegrams that passed every check")
            .of(whole(|meter| meter.telegrams)),
        counter("metergate_telegrams_refused", "", "Telegrams refused, by the code of the refusal")
            .of(refused.collect()),
        counter("metergate_requests_unanswered", "", "Requests without an answer, after all repetitions")
            .of(whole(MeterStatus::unanswered)),
        gauge("metergate_last_telegram_timestamp", "seconds", "Time of the last telegram")
            .of(each(&|meter| Value::milli(last(meter)?.unix_ms))),
        gauge("metergate_last_telegram_age", "seconds", "Since the last telegram")
            .of(each(&|meter| Value::milli(now.unix_ms.saturating_sub(last(meter)?.unix_ms).max(0)))),
    ]
}

fn of_sinks(status: &Status) -> Vec<Family> {
    let whole = |of: fn(&SinkStatus) -> u64| {
        let series = |(name, sink): (&String, &SinkStatus)| (labels("sink", name), Value::Whole(of(sink)));
        status.sinks.iter().map(series).collect::<Vec<_>>()
    };
    let backlog = status.sinks.iter().flat_map(|(name, sink)| {
        let of =
            |lane: &Backlog| (with(labels("sink", name), "stream", lane.stream), Value::Whole(lane.entries));
        sink.backlog.iter().map(of).collect::<Vec<_>>()
    });
    let failing = status.sinks.iter().filter(|(_, sink)| sink.error.is_some()).map(|(name, sink)| {
        let step = sink.failing_step.unwrap_or("delivery");
        (with(labels("sink", name), "step", step), Value::Whole(1))
    });
    vec![
        gauge("metergate_sink_up", "", "1 while the sink delivers, 0 while it fails, is paused or has ended")
            .of(whole(|sink| u64::from(sink.error.is_none() && !sink.paused && !sink.ended))),
        gauge("metergate_sink_failing", "", "1 while the sink fails, by the step that it fails at")
            .of(failing.collect()),
        gauge("metergate_sink_paused", "", "1 while a person has paused the sink")
            .of(whole(|sink| u64::from(sink.paused))),
        counter("metergate_sink_failures", "", "How often the sink began to fail")
            .of(whole(|sink| sink.failures)),
        counter("metergate_sink_delivered", "", "Readings delivered").of(whole(|sink| sink.delivered)),
        counter("metergate_sink_refused", "", "Entries that the receiver refused for good")
            .of(whole(|sink| sink.refused)),
        counter("metergate_sink_missed", "", "Entries gone from the store before they were delivered")
            .of(whole(|sink| sink.missed)),
        counter("metergate_sink_dropped", "", "News dropped from a full queue")
            .of(whole(|sink| sink.dropped)),
        gauge("metergate_sink_queued", "", "News waiting").of(whole(|sink| count(sink.queued))),
        gauge("metergate_sink_queued_max", "", "The most news that ever waited")
            .of(whole(|sink| count(sink.queued_max))),
        gauge("metergate_sink_backlog", "", "Entries of the store that wait for the sink")
            .of(backlog.collect()),
    ]
}

fn of_store(status: &Status) -> Vec<Family> {
    let store = &status.store;
    let one = |value: u64| vec![(Labels::new(), Value::Whole(value))];
    vec![
        gauge("metergate_store", "bytes", "Size of the store on the disk").of(one(store.bytes)),
        gauge("metergate_store_pending", "", "What waits for the disk").of(one(count(store.pending))),
        counter("metergate_store_dropped", "", "What the disk did not take").of(one(store.dropped)),
        gauge("metergate_store_up", "", "1 while the store can write")
            .of(one(u64::from(store.error.is_none()))),
    ]
}

fn of_run(run: &Beginning) -> Vec<Family> {
    let one = |value: u32| vec![(Labels::new(), Value::Whole(u64::from(value)))];
    vec![
        counter("metergate_crashes", "", "Runs that crashed").of(one(run.crashes)),
        counter("metergate_power_losses", "", "Runs that ended with the power of the host")
            .of(one(run.power_losses)),
    ]
}

fn of_process(taken: &Resources) -> Vec<Family> {
    let one = |value: Option<Value>| value.map(|value| (Labels::new(), value)).into_iter().collect();
    let whole = |value: Option<u64>| one(value.map(Value::Whole));
    let milli = |value: Option<i64>| one(value.and_then(Value::milli));
    vec![
        gauge("metergate_uptime", "seconds", "Since the start").of(whole(Some(taken.uptime_s))),
        gauge("metergate_process_resident", "bytes", "Memory in use").of(whole(taken.resident_bytes)),
        gauge("metergate_process_resident_max", "bytes", "The most memory that ever was in use")
            .of(whole(taken.resident_max_bytes)),
        counter("metergate_process_cpu", "seconds", "Time of the processor")
            .of(milli(i64::try_from(taken.cpu_ms).ok())),
        gauge("metergate_process_descriptors", "", "Open files, sockets and ports")
            .of(whole(taken.descriptors)),
        gauge("metergate_process_threads", "", "Threads").of(whole(taken.threads)),
        counter("metergate_process_disk_read", "bytes", "Read from disks").of(whole(taken.disk_read_bytes)),
        counter("metergate_process_disk_written", "bytes", "Written to disks or cards, which wears them")
            .of(whole(taken.disk_written_bytes)),
        gauge("metergate_host_cpu_temperature", "celsius", "Temperature of the processor")
            .of(milli(taken.cpu_temperature_mc)),
    ]
}

impl Value {
    fn truth(is_true: bool) -> Self {
        Self::Whole(u64::from(is_true))
    }

    /// Of thousandths.
    fn milli(thousandths: i64) -> Option<Self> {
        Number::new(thousandths, -3).to_string().parse().ok().map(Self::Parts)
    }
}

impl Family {
    fn of(self, series: Vec<(Labels, Value)>) -> Self {
        Self { series, ..self }
    }

    fn write(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let unit = Some(self.unit).filter(|unit| !unit.is_empty()).map(|unit| Unit::Other(unit.to_owned()));
        let kind = if self.is_counter { MetricType::Counter } else { MetricType::Gauge };
        let mut metric = encoder.encode_descriptor(self.name, self.help, unit.as_ref(), kind)?;
        for (labels, value) in &self.series {
            if labels.is_empty() {
                self.encode(*value, &mut metric)?;
            } else {
                self.encode(*value, &mut metric.encode_family(labels)?)?;
            }
        }
        Ok(())
    }

    fn encode(&self, value: Value, metric: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        match (self.is_counter, value) {
            (true, Value::Whole(value)) => metric.encode_counter::<Labels, _, u64>(&value, None),
            (true, Value::Parts(value)) => metric.encode_counter::<Labels, _, u64>(&value, None),
            (false, Value::Whole(value)) => metric.encode_gauge(&value),
            (false, Value::Parts(value)) => metric.encode_gauge(&value),
        }
    }
}

fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Family {
    Family { name, unit, help, is_counter: false, series: Vec::new() }
}

fn counter(name: &'static str, unit: &'static str, help: &'static str) -> Family {
    Family { is_counter: true, ..gauge(name, unit, help) }
}

fn labels(label: &'static str, value: &str) -> Labels {
    vec![(label, value.to_owned())]
}

fn with(mut labels: Labels, label: &'static str, value: &str) -> Labels {
    labels.push((label, value.to_owned()));
    labels
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
