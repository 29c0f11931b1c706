//! The closed list of sinks, and which way news and entries reach each.
use super::csv::Csv;
use super::graphite::Graphite;
use super::homie::Homie;
use super::http::Http;
use super::influx::Influx;
use super::loki::Loki;
use super::mqtt::Mqtt;
use super::news::News;
use super::prometheus::Prometheus;
use super::sample::{Delivered, Entry, Step, Trouble};
use super::smgw_lite::SmgwLite;
use super::stdout::Stdout;
use super::thingsboard::ThingsBoard;
use super::volkszaehler::Volkszaehler;
use crate::config::{SinkKind, Stream};
use crate::status::Shown;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A sink, of a closed list.
#[derive(Debug)]
pub(super) enum Sink {
    Stdout(Stdout),
    Csv(Csv),
    Mqtt(Box<Mqtt>),
    Homie(Box<Homie>),
    Http(Box<Http>),
    Graphite(Box<Graphite>),
    Influx(Box<Influx>),
    Prometheus(Box<Prometheus>),
    SmgwLite(Box<SmgwLite>),
    Volkszaehler(Box<Volkszaehler>),
    Loki(Box<Loki>),
    ThingsBoard(Box<ThingsBoard>),
}

impl Sink {
    /// The sink as configured; it has connected to nobody yet. `meters` are those it gets, `shown` is how the
    /// gateway is doing.
    ///
    /// # Errors
    /// When the system has nothing left for it, or its files (certificates, templates) cannot be read.
    pub(super) fn new(kind: &SinkKind, meters: &[Arc<str>], shown: &Shown) -> io::Result<Self> {
        Ok(match kind {
            SinkKind::Stdout { format } => Self::Stdout(Stdout::new(*format)?),
            SinkKind::Csv(setup) => {
                Self::Csv(Csv::new(setup, meters.len() == 1, jiff::tz::TimeZone::system()))
            }
            SinkKind::Mqtt(setup) => Self::Mqtt(Box::new(Mqtt::new(setup, meters)?)),
            SinkKind::Homie(setup) => Self::Homie(Box::new(Homie::new(setup, meters)?)),
            SinkKind::Http(setup) => Self::Http(Box::new(Http::new(setup, meters)?)),
            SinkKind::Graphite(setup) => Self::Graphite(Box::new(Graphite::new(setup, meters)?)),
            SinkKind::Influx(setup) => Self::Influx(Box::new(Influx::new(setup, meters)?)),
            SinkKind::Prometheus(setup) => {
                Self::Prometheus(Box::new(Prometheus::new(setup, meters, shown.clone())?))
            }
            SinkKind::SmgwLite(setup) => Self::SmgwLite(Box::new(SmgwLite::new(setup)?)),
            SinkKind::Volkszaehler(setup) => Self::Volkszaehler(Box::new(Volkszaehler::new(setup, meters)?)),
            SinkKind::Loki(setup) => Self::Loki(Box::new(Loki::new(setup))),
            SinkKind::ThingsBoard(setup) => Self::ThingsBoard(Box::new(ThingsBoard::new(setup, meters)?)),
        })
    }

    /// Whether it is told what is new at once.
    pub(super) fn takes_news(&self) -> bool {
        match self {
            Self::Stdout(_) | Self::Mqtt(_) | Self::Homie(_) | Self::Prometheus(_) => true,
            Self::ThingsBoard(_) => true,
            Self::Csv(_) | Self::Http(_) | Self::Graphite(_) | Self::Influx(_) | Self::SmgwLite(_) => false,
            Self::Volkszaehler(_) | Self::Loki(_) => false,
        }
    }

    /// Whether each piece of news counts: a person or a program reads every line. The others want the newest only.
    pub(super) fn wants_all_news(&self) -> bool {
        matches!(self, Self::Stdout(_))
    }

    /// Which streams of the store it gets when the configuration names none; none for a sink of the live path alone.
    pub(super) fn usual_streams(&self) -> &'static [Stream] {
        match self {
            Self::Stdout(_) | Self::Homie(_) | Self::Prometheus(_) => &[],
            Self::Csv(_) | Self::Mqtt(_) | Self::Http(_) | Self::Graphite(_) | Self::Influx(_) => {
                &[Stream::Readings]
            }
            Self::Volkszaehler(_) | Self::ThingsBoard(_) => &[Stream::Readings],
            Self::Loki(_) => &[Stream::Events],
            // What SMGW.Lite pushes are the values of its use cases, and its log.
            Self::SmgwLite(_) => &[Stream::Measured, Stream::Events],
        }
    }

    /// Tells what is new.
    ///
    /// # Errors
    /// When the receiver cannot be told at present.
    pub(super) async fn tell(&mut self, news: &News) -> Result<(), Trouble> {
        match self {
            Self::Stdout(sink) => sink.deliver(&news.update).map_err(|error| trouble(&error)),
            Self::Mqtt(sink) => sink.tell(news).await,
            Self::Homie(sink) => sink.tell(news).await,
            Self::ThingsBoard(sink) => sink.tell(news).await,
            Self::Prometheus(sink) => sink.tell(news).await,
            Self::Csv(_) | Self::Http(_) | Self::Graphite(_) | Self::Influx(_) | Self::SmgwLite(_) => Ok(()),
            Self::Volkszaehler(_) | Self::Loki(_) => Ok(()),
        }
    }

    /// Whether it has a connection to look after when there is nothing to say.
    pub(super) fn keeps(&self) -> bool {
        matches!(self, Self::Mqtt(_) | Self::Homie(_) | Self::ThingsBoard(_))
    }

    /// Looks after its connection.
    ///
    /// # Errors
    /// When the receiver cannot be reached at present.
    pub(super) async fn keep(&mut self) -> Result<(), Trouble> {
        match self {
            Self::Mqtt(sink) => sink.keep().await,
            Self::Homie(sink) => sink.keep().await,
            Self::ThingsBoard(sink) => sink.keep().await,
            _ => Ok(()),
        }
    }

    /// How long a batch should wait before it is handed over: a receiver of many devices gives each its turn.
    pub(super) fn wait(&self, batch: &[Entry]) -> Duration {
        match self {
            Self::SmgwLite(sink) => sink.wait(batch, crate::clock::time_of_day()),
            _ => Duration::ZERO,
        }
    }

    /// Hands over entries of the durable path, in order.
    pub(super) async fn deliver(&mut self, batch: &[Entry]) -> Delivered {
        match self {
            Self::Csv(sink) => csv(sink, batch),
            Self::Mqtt(sink) => sink.deliver(batch).await,
            Self::Http(sink) => sink.deliver(batch).await,
            Self::Graphite(sink) => sink.deliver(batch).await,
            Self::Influx(sink) => sink.deliver(batch).await,
            Self::SmgwLite(sink) => sink.deliver(batch).await,
            Self::Volkszaehler(sink) => sink.deliver(batch).await,
            Self::Loki(sink) => sink.deliver(batch).await,
            Self::ThingsBoard(sink) => sink.deliver(batch).await,
            Self::Homie(sink) => sink.deliver(batch).await,
            Self::Stdout(_) | Self::Prometheus(_) => Delivered::all(batch),
        }
    }

    /// Says good-bye within a moment.
    pub(super) async fn close(&mut self) {
        match self {
            Self::Stdout(_) | Self::Csv(_) => {}
            Self::Mqtt(sink) => sink.close().await,
            Self::Homie(sink) => sink.close().await,
            Self::Http(sink) => sink.close(),
            Self::Graphite(sink) => sink.close().await,
            Self::Influx(sink) => sink.close(),
            Self::Prometheus(sink) => sink.close().await,
            Self::SmgwLite(sink) => sink.close().await,
            Self::Volkszaehler(sink) => sink.close(),
            Self::Loki(sink) => sink.close(),
            Self::ThingsBoard(sink) => sink.close().await,
        }
    }
}

/// Writes one line a reading, and all of them to the disk; a quarter hour is a reading too, and events have no columns.
fn csv(sink: &mut Csv, batch: &[Entry]) -> Delivered {
    let mut lines = batch.iter().filter_map(|entry| match entry {
        Entry::Reading(sample) | Entry::Measured { sample, .. } => Some(sample),
        Entry::Event(_) => None,
    });
    match lines.try_for_each(|sample| sink.deliver(sample)).and_then(|()| sink.sync()) {
        Ok(()) => Delivered::all(batch),
        Err(error) => {
            sink.close();
            Delivered::none(trouble(&error))
        }
    }
}

/// A system's error; a pipe whose reader is gone stays gone.
fn trouble(error: &io::Error) -> Trouble {
    let step = if error.kind() == io::ErrorKind::BrokenPipe { Step::Gone } else { Step::Deliver };
    Trouble::new(step, error.to_string())
}
