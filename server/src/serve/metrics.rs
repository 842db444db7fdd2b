//! `Metrics`: what is counted, and the text Prometheus reads. A call is counted by `Observed`, once, when it ends.
//! Labels come from lists of our own only: nobody makes series by asking for strange paths.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Instant;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tailwater::{Database, Stats};
use tonic::Code;

use super::status;

/// Bounds of the latency histogram, in seconds: 0.1 ms to 26 s by fours.
const BUCKETS: [f64; 10] = [
    0.0001, 0.0004, 0.0016, 0.0064, 0.0256, 0.1024, 0.4096, 1.6384, 6.5536, 26.2144,
];

/// The protocol a call came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Front {
    Grpc,
    Http,
    Sse,
    WebSocket,
}

impl Front {
    const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: String,
    front: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: String,
}

/// What the server counts.
pub(crate) struct Metrics {
    calls: Family<CallLabels, Counter>,
    latency: Family<MethodLabels, Histogram, fn() -> Histogram>,
    messages: Family<MethodLabels, Counter>,
    streams: Gauge<i64, AtomicI64>,
    connections: Gauge<i64, AtomicI64>,
    cut: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            calls: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            messages: Family::default(),
            streams: Gauge::default(),
            connections: Gauge::default(),
            cut: Counter::default(),
        }
    }

    /// A call begins.
    pub(crate) fn begin(self: &Arc<Self>, method: &str, front: Front) -> Observed {
        Observed {
            metrics: Arc::clone(self),
            method: method.to_owned(),
            front,
            began: Instant::now(),
            code: Code::Cancelled,
            is_stream: false,
        }
    }

    /// Calls that were refused before a method was found for them.
    pub(crate) fn refused(&self, front: Front, code: Code) {
        let labels = CallLabels {
            method: "unknown".to_owned(),
            front: front.name(),
            code: status::name(code),
        };
        self.calls.get_or_create(&labels).inc();
    }

    /// A client was cut because it did not read.
    pub(crate) fn cut(&self) {
        self.cut.inc();
    }

    /// Open streams.
    pub(crate) fn streams(&self) -> u64 {
        u64::try_from(self.streams.get()).unwrap_or(0)
    }

    /// A connection, counted until it is dropped.
    pub(crate) fn connection(&self) -> Open {
        Open::of(&self.connections)
    }

    /// Everything as Prometheus reads it.
    pub(crate) fn text(&self, database: &Database) -> String {
        let mut registry = Registry::with_prefix("tailwater");
        registry.register("calls", "Calls that ended", self.calls.clone());
        registry.register_with_unit(
            "call_latency",
            "From a call's beginning to its answer, streams left out",
            Unit::Seconds,
            self.latency.clone(),
        );
        registry.register(
            "stream_messages",
            "Messages sent by streams",
            self.messages.clone(),
        );
        registry.register(
            "open_streams",
            "Streams that are open",
            self.streams.clone(),
        );
        registry.register(
            "connections",
            "Connections that are open",
            self.connections.clone(),
        );
        registry.register(
            "slow_streams_cut",
            "Streams that ended because nobody read them",
            self.cut.clone(),
        );
        let stats = database.stats();
        for (name, help, value) in counters(&stats) {
            let counter = Counter::<u64>::default();
            counter.inc_by(value);
            registry.register(format!("engine_{name}"), help, counter);
        }
        for (name, help, value) in gauges(&stats) {
            let gauge = Gauge::<i64, AtomicI64>::default();
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            registry.register(format!("engine_{name}"), help, gauge);
        }
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = text::encode(&mut text, &registry);
        text
    }
}

/// What the database counts.
pub(crate) fn counters(stats: &Stats) -> [(&'static str, &'static str, u64); 5] {
    [
        ("commits", "Transactions committed", stats.commits),
        ("syncs", "Syncs of files and folders", stats.syncs),
        (
            "conflicts",
            "Transactions run again because another was first",
            stats.conflicts,
        ),
        (
            "admission_waits",
            "Transactions that waited for memory",
            stats.admission_waits,
        ),
        (
            "snapshots_too_old",
            "Snapshots let go of because they were too old",
            stats.snapshots_too_old,
        ),
    ]
}

/// What the database measures.
pub(crate) fn gauges(stats: &Stats) -> [(&'static str, &'static str, u64); 2] {
    [
        (
            "memory_bytes",
            "Bytes of rows in memory that are not only in the storage file",
            stats.memory_bytes,
        ),
        (
            "snapshots",
            "States of the past that somebody still reads",
            stats.snapshots,
        ),
    ]
}

/// Counts one open thing until it is dropped.
pub(crate) struct Open(Gauge<i64, AtomicI64>);

impl Open {
    fn of(gauge: &Gauge<i64, AtomicI64>) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts the messages of a method's streams.
pub(crate) struct Sent(Counter);

impl Sent {
    /// So many more were sent.
    pub(crate) fn add(&self, messages: usize) {
        self.0.inc_by(messages as u64);
    }
}

/// One call, which is counted when this is dropped. Nobody said how it ended: the client went away.
pub(crate) struct Observed {
    metrics: Arc<Metrics>,
    method: String,
    front: Front,
    began: Instant,
    code: Code,
    is_stream: bool,
}

impl Observed {
    /// It is a stream that stays open.
    pub(crate) fn streams(&mut self) {
        if !std::mem::replace(&mut self.is_stream, true) {
            self.metrics.streams.inc();
        }
    }

    /// Counts its messages.
    pub(crate) fn sent(&self) -> Sent {
        let labels = MethodLabels {
            method: self.method.clone(),
        };
        Sent(self.metrics.messages.get_or_create(&labels).clone())
    }

    /// How it ended.
    pub(crate) fn end(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        if self.is_stream {
            self.metrics.streams.dec();
        }
        if !self.is_stream {
            let labels = MethodLabels {
                method: self.method.clone(),
            };
            let latency = self.metrics.latency.get_or_create(&labels);
            latency.observe(took.as_secs_f64());
        }
        let code = status::name(self.code);
        let labels = CallLabels {
            method: std::mem::take(&mut self.method),
            front: self.front.name(),
            code,
        };
        self.metrics.calls.get_or_create(&labels).inc();
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(
            method = labels.method,
            front = labels.front,
            code,
            took_us,
            "call"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_counted_once_and_a_stream_until_it_ends() {
        let metrics = Arc::new(Metrics::new());
        let mut observed = metrics.begin("/a.B/C", Front::Sse);
        observed.streams();
        observed.streams();
        observed.sent().add(1);
        assert_eq!(metrics.streams(), 1);
        drop(observed);
        metrics.begin("/a.B/C", Front::Grpc).end(Code::Ok);
        metrics.refused(Front::Http, Code::Unimplemented);
        let text = metrics.text(&Database::memory().unwrap());
        for line in [
            "tailwater_calls_total{method=\"/a.B/C\",front=\"sse\",code=\"CANCELLED\"} 1",
            "tailwater_calls_total{method=\"/a.B/C\",front=\"grpc\",code=\"OK\"} 1",
            "tailwater_calls_total{method=\"unknown\",front=\"http\",code=\"UNIMPLEMENTED\"} 1",
            "tailwater_stream_messages_total{method=\"/a.B/C\"} 1",
            "tailwater_call_latency_seconds_count{method=\"/a.B/C\"} 1",
            "tailwater_open_streams 0",
            "tailwater_engine_commits_total 0",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
        }
    }
}
