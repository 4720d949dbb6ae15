//! Metrics: their declarations, and handles in structs.
//!
//! Owns: one declaration per metric (name, kind, unit, labels, help), the recorder, the text for
//! Prometheus; docs/generated/metrics.md is made from the declarations.
//! Does not own: who counts.
//! Invariant: a handle is looked up once, at start; counting costs a few nanoseconds. Label values
//! come from small fixed sets, never from clients.
//! [`Metrics::run_upkeep`] must be called every few seconds, or histograms grow without bound.

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

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
        $(const $id: Metric = Metric {
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
    STORE_REQUESTS: "weir_store_requests_total", MetricKind::Counter, Count, ["verb"], "Requests to the store, retries included, by verb.";
    STORE_ERRORS: "weir_store_errors_total", MetricKind::Counter, Count, ["verb"], "Requests to the store without a clear answer, by verb.";
    STORE_BYTES: "weir_store_bytes_total", MetricKind::Counter, Bytes, ["verb"], "Bytes sent to or received from the store, by verb.";
    STORE_SECONDS: "weir_store_seconds", SECONDS, Seconds, ["verb"], "Time of one request to the store, by verb.";
    WAL_FLUSH_BYTES: "weir_wal_flush_bytes", SIZES, Bytes, [], "Size of the objects written to the write-ahead log.";
    WAL_FLUSH_SECONDS: "weir_wal_flush_seconds", SECONDS, Seconds, [], "Time of writing one object to the write-ahead log.";
    WAL_OBJECTS: "weir_wal_objects", MetricKind::Gauge, Count, [], "Live objects of write-ahead logs; each start reads their footers.";
    RUN_INDEX_BYTES: "weir_run_index_bytes", MetricKind::Gauge, Bytes, [], "Memory of the index of runs in live WAL objects; it stands outside the memory budget.";
    MEMORY_BUDGET_BYTES: "weir_memory_budget_bytes", MetricKind::Gauge, Bytes, [], "The memory budget (weir.memory.bytes).";
    MEMORY_USED_BYTES: "weir_memory_used_bytes", MetricKind::Gauge, Bytes, ["part"], "Memory taken from the budget, by part: requests, responses, wal, tail.";
    TOPICS: "weir_topics", MetricKind::Gauge, Count, [], "Topics, internal ones included.";
    PARTITIONS: "weir_partitions", MetricKind::Gauge, Count, [], "Partitions that this broker serves.";
    GROUPS: "weir_groups", MetricKind::Gauge, Count, [], "Consumer groups that this broker coordinates.";
}

/// The verbs of the store, as label values.
pub const STORE_VERBS: [&str; 8] = [
    "put_if_absent",
    "put_large",
    "get",
    "get_range",
    "get_suffix",
    "head",
    "list",
    "delete",
];

/// Handles of one API.
#[derive(Clone)]
pub struct ApiMetrics {
    pub requests: Counter,
    pub errors: Counter,
    pub seconds: Histogram,
}

/// Handles of the network side.
#[derive(Clone)]
pub struct NetworkMetrics {
    pub received_bytes: Counter,
    pub sent_bytes: Counter,
    pub connections: Gauge,
    pub refused_max: Counter,
    pub refused_per_ip: Counter,
    pub closed_frame: Counter,
    pub closed_slow: Counter,
    pub closed_idle: Counter,
}

/// Handles of one verb of the store.
#[derive(Clone)]
pub struct StoreVerbMetrics {
    pub requests: Counter,
    pub errors: Counter,
    pub bytes: Counter,
    pub seconds: Histogram,
}

/// Handles of the write-ahead log.
#[derive(Clone)]
pub struct WalMetrics {
    pub flush_bytes: Histogram,
    pub flush_seconds: Histogram,
    pub objects: Gauge,
    pub run_index_bytes: Gauge,
}

/// Handles of the memory budget.
#[derive(Clone)]
pub struct MemoryMetrics {
    pub budget_bytes: Gauge,
    pub requests_bytes: Gauge,
    pub responses_bytes: Gauge,
    pub wal_bytes: Gauge,
    pub tail_bytes: Gauge,
}

/// Handles of what a broker serves.
#[derive(Clone)]
pub struct ServingMetrics {
    pub produced_bytes: Counter,
    pub fetched_bytes: Counter,
    pub topics: Gauge,
    pub partitions: Gauge,
    pub groups: Gauge,
}

/// All metrics of one broker. Several may exist in one process (tests).
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    pub network: NetworkMetrics,
    pub wal: WalMetrics,
    pub memory: MemoryMetrics,
    pub serving: ServingMetrics,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    pub fn new() -> Metrics {
        let recorder = recorder();
        describe(&recorder);
        let r = &recorder;
        let refused = |reason| CONNECTIONS_REFUSED.counter(r, &[reason]);
        let used = |part| MEMORY_USED_BYTES.gauge(r, &[part]);
        Metrics {
            network: NetworkMetrics {
                received_bytes: RECEIVED_BYTES.counter(r, &[]),
                sent_bytes: SENT_BYTES.counter(r, &[]),
                connections: CONNECTIONS.gauge(r, &[]),
                refused_max: refused("max"),
                refused_per_ip: refused("per_ip"),
                closed_frame: refused("frame"),
                closed_slow: refused("slow"),
                closed_idle: refused("idle"),
            },
            wal: WalMetrics {
                flush_bytes: WAL_FLUSH_BYTES.histogram(r, &[]),
                flush_seconds: WAL_FLUSH_SECONDS.histogram(r, &[]),
                objects: WAL_OBJECTS.gauge(r, &[]),
                run_index_bytes: RUN_INDEX_BYTES.gauge(r, &[]),
            },
            memory: MemoryMetrics {
                budget_bytes: MEMORY_BUDGET_BYTES.gauge(r, &[]),
                requests_bytes: used("requests"),
                responses_bytes: used("responses"),
                wal_bytes: used("wal"),
                tail_bytes: used("tail"),
            },
            serving: ServingMetrics {
                produced_bytes: PRODUCED_BYTES.counter(r, &[]),
                fetched_bytes: FETCHED_BYTES.counter(r, &[]),
                topics: TOPICS.gauge(r, &[]),
                partitions: PARTITIONS.gauge(r, &[]),
                groups: GROUPS.gauge(r, &[]),
            },
            handle: recorder.handle(),
            recorder,
        }
    }

    /// Handles of one API, by Kafka's name for it. Look them up once per API, at start.
    pub fn api(&self, name: &'static str) -> ApiMetrics {
        ApiMetrics {
            requests: REQUESTS.counter(&self.recorder, &[name]),
            errors: REQUEST_ERRORS.counter(&self.recorder, &[name]),
            seconds: REQUEST_SECONDS.histogram(&self.recorder, &[name]),
        }
    }

    /// Handles of one of [`STORE_VERBS`]. Look them up once per verb, at start.
    pub fn store_verb(&self, verb: &'static str) -> StoreVerbMetrics {
        debug_assert!(STORE_VERBS.contains(&verb));
        StoreVerbMetrics {
            requests: STORE_REQUESTS.counter(&self.recorder, &[verb]),
            errors: STORE_ERRORS.counter(&self.recorder, &[verb]),
            bytes: STORE_BYTES.counter(&self.recorder, &[verb]),
            seconds: STORE_SECONDS.histogram(&self.recorder, &[verb]),
        }
    }

    /// Everything in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Moves what histograms gathered into their buckets. Every few seconds.
    pub fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }
}

fn recorder() -> PrometheusRecorder {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let MetricKind::Histogram(buckets) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
                .expect("no declaration has an empty list of buckets");
        }
    }
    builder.build_recorder()
}

fn describe(recorder: &PrometheusRecorder) {
    for metric in ALL {
        let (name, unit, help) = (metric.name.into(), Some(metric.unit), metric.help.into());
        match metric.kind {
            MetricKind::Counter => recorder.describe_counter(name, unit, help),
            MetricKind::Gauge => recorder.describe_gauge(name, unit, help),
            MetricKind::Histogram(_) => recorder.describe_histogram(name, unit, help),
        }
    }
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

    fn counter(&self, recorder: &PrometheusRecorder, values: &[&'static str]) -> Counter {
        recorder.register_counter(&self.key(values), &METADATA)
    }

    fn gauge(&self, recorder: &PrometheusRecorder, values: &[&'static str]) -> Gauge {
        recorder.register_gauge(&self.key(values), &METADATA)
    }

    fn histogram(&self, recorder: &PrometheusRecorder, values: &[&'static str]) -> Histogram {
        recorder.register_histogram(&self.key(values), &METADATA)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered_with_its_labels() {
        let metrics = Metrics::new();
        let produce = metrics.api("Produce");
        produce.requests.increment(3);
        produce.seconds.record(0.002);
        metrics.wal.flush_bytes.record(5000.0);
        metrics.memory.budget_bytes.set(1024.0);
        metrics.store_verb("get").bytes.increment(17);
        metrics.run_upkeep();
        let text = metrics.render();
        for line in [
            "weir_requests_total{api=\"Produce\"} 3",
            "weir_request_seconds_bucket{api=\"Produce\",le=\"0.0025\"} 1",
            "weir_wal_flush_bytes_bucket{le=\"4096\"} 0",
            "weir_wal_flush_bytes_bucket{le=\"16384\"} 1",
            "weir_memory_budget_bytes 1024",
            "weir_store_bytes_total{verb=\"get\"} 17",
        ] {
            assert!(
                text.lines().any(|l| l == line),
                "{line} is missing in\n{text}"
            );
        }
    }

    #[test]
    fn every_name_is_ours_and_stands_once() {
        let mut names: Vec<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert!(names.iter().all(|name| name.starts_with("weir_")));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
