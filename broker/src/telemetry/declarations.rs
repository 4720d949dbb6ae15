//! Declarations of all metrics: name, kind, unit, labels, help. The only place that names them.
//!
//! From them: what Prometheus is told, docs/generated/metrics.md. Label values come from small fixed
//! sets, never from clients.

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::PrometheusRecorder;

/// Kind of a metric in Prometheus' words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

/// The declaration of one metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

const SECONDS: MetricKind = MetricKind::Histogram(&[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
]);
const SIZES: MetricKind = MetricKind::Histogram(&[
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    8_388_608.0,
    16_777_216.0,
    67_108_864.0,
]);

macro_rules! declare {
    ($($id:ident: $name:literal, $kind:expr, $unit:ident, $labels:expr, $help:literal;)*) => {
        $(pub(super) const $id: Metric = Metric {
            name: $name, kind: $kind, unit: Unit::$unit, labels: &$labels, help: $help,
        };)*
        /// All metrics of a broker.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

#[rustfmt::skip]
declare! {
    REQUESTS: "weir_requests_total", MetricKind::Counter, Count, ["api"], "Requests received, by API.";
    REQUEST_ERRORS: "weir_request_errors_total", MetricKind::Counter, Count, ["api"], "Requests whose answer carries an error code, by API.";
    REQUEST_SECONDS: "weir_request_seconds", SECONDS, Seconds, ["api"], "From the last byte of a request to the first of its answer, waiting included, by API.";
    RECEIVED_BYTES: "weir_received_bytes_total", MetricKind::Counter, Bytes, [], "Bytes received from clients.";
    SENT_BYTES: "weir_sent_bytes_total", MetricKind::Counter, Bytes, [], "Bytes sent to clients.";
    PRODUCED_BYTES: "weir_produced_bytes_total", MetricKind::Counter, Bytes, [], "Bytes of record batches accepted from producers, as stored.";
    FETCHED_BYTES: "weir_fetched_bytes_total", MetricKind::Counter, Bytes, [], "Bytes of record batches sent to consumers.";
    CONNECTIONS: "weir_connections", MetricKind::Gauge, Count, [], "Open client connections.";
    CONNECTIONS_REFUSED: "weir_connections_refused_total", MetricKind::Counter, Count, ["reason"], "Connections closed by a limit, by limit: max, per_ip, frame, slow, idle.";
    STORE_REQUESTS: "weir_store_requests_total", MetricKind::Counter, Count, ["verb", "outcome"], "Requests to the store, by verb and outcome: ok, exists, not_found, retry, full, refused, corrupt, fatal.";
    STORE_BYTES: "weir_store_bytes_total", MetricKind::Counter, Bytes, ["verb"], "Bytes of objects written to or read from the store, by verb.";
    STORE_SECONDS: "weir_store_request_seconds", SECONDS, Seconds, ["verb"], "Time of one request to the store, by verb.";
    WAL_FLUSH_BYTES: "weir_wal_flush_bytes", SIZES, Bytes, [], "Size of the objects written to the write-ahead log.";
    WAL_FLUSH_SECONDS: "weir_wal_flush_seconds", SECONDS, Seconds, [], "Time of writing one object to the write-ahead log.";
    WAL_OBJECTS: "weir_wal_objects", MetricKind::Gauge, Count, [], "Live objects of write-ahead logs; each start reads their footers.";
    RUN_INDEX_BYTES: "weir_run_index_bytes", MetricKind::Gauge, Bytes, [], "Memory of the index of runs in live WAL objects; it stands outside the memory budget.";
    MEMORY_BUDGET_BYTES: "weir_memory_budget_bytes", MetricKind::Gauge, Bytes, [], "The memory budget (weir.memory.bytes).";
    MEMORY_USED_BYTES: "weir_memory_used_bytes", MetricKind::Gauge, Bytes, ["part"], "Memory taken from the budget, by part: requests (from the frame until its records are committed), tail.";
    TOPICS: "weir_topics", MetricKind::Gauge, Count, [], "Topics, internal ones included.";
    PARTITIONS: "weir_partitions", MetricKind::Gauge, Count, [], "Partitions that this broker serves.";
    GROUPS: "weir_groups", MetricKind::Gauge, Count, [], "Consumer groups that this broker coordinates.";
}

const METADATA: Metadata<'static> = Metadata::new("weir", Level::INFO, None);

impl Metric {
    fn key(&self, values: &[&'static str]) -> Key {
        debug_assert_eq!(self.labels.len(), values.len(), "{}", self.name);
        let labels = self.labels.iter().zip(values);
        let labels: Vec<Label> = labels
            .map(|(name, value)| Label::new(*name, *value))
            .collect();
        Key::from_parts(self.name, labels)
    }

    pub(super) fn counter(
        &self,
        recorder: &PrometheusRecorder,
        values: &[&'static str],
    ) -> Counter {
        recorder.register_counter(&self.key(values), &METADATA)
    }

    pub(super) fn gauge(&self, recorder: &PrometheusRecorder, values: &[&'static str]) -> Gauge {
        recorder.register_gauge(&self.key(values), &METADATA)
    }

    pub(super) fn histogram(
        &self,
        recorder: &PrometheusRecorder,
        values: &[&'static str],
    ) -> Histogram {
        recorder.register_histogram(&self.key(values), &METADATA)
    }
}
