//! Metrics of a broker: handles in structs, the recorder behind them, the text for Prometheus.
//!
//! Owns: looking handles up, once, at start; counting then costs a few nanoseconds.
//! Does not own: names and help (`declarations`), who counts.
//! [`Metrics::spawn_upkeep`] must run, or histograms grow without bound.

use std::{sync::Arc, time::Duration};

use metrics::{Counter, Gauge, Histogram, Recorder};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::declarations::*;
use weir_tiering::env::{Env, TaskKind};
use weir_tiering::wal::WalMeters;

pub use super::declarations::{ALL, Metric, MetricKind};

const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

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

/// Handles of the write-ahead log.
#[derive(Clone)]
pub struct WalMetrics {
    pub meters: WalMeters,
    pub objects: Gauge,
    pub run_index_bytes: Gauge,
}

/// Handles of the memory budget.
#[derive(Clone)]
pub struct MemoryMetrics {
    pub budget_bytes: Gauge,
    pub requests_bytes: Gauge,
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
    recorder: Arc<PrometheusRecorder>,
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
        let recorder = Arc::new(recorder());
        describe(&recorder);
        let r = &*recorder;
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
                meters: WalMeters {
                    flush_bytes: WAL_FLUSH_BYTES.histogram(r, &[]),
                    flush_seconds: WAL_FLUSH_SECONDS.histogram(r, &[]),
                },
                objects: WAL_OBJECTS.gauge(r, &[]),
                run_index_bytes: RUN_INDEX_BYTES.gauge(r, &[]),
            },
            memory: MemoryMetrics {
                budget_bytes: MEMORY_BUDGET_BYTES.gauge(r, &[]),
                requests_bytes: used("requests"),
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

    /// Makes this the recorder of the process, for parts that know only the `metrics` crate (the
    /// store's counters). Before such parts make their handles. The first one of a process stays.
    pub fn install(&self) {
        if metrics::set_global_recorder(Arc::clone(&self.recorder)).is_err() {
            tracing::debug!("another recorder is installed already");
        }
    }

    /// Runs [`Metrics::run_upkeep`] every few seconds until the process stops.
    pub fn spawn_upkeep(self: &Arc<Self>, env: &Env) {
        let (metrics, task_env) = (Arc::clone(self), env.clone());
        env.tasks.spawn(TaskKind::Sweep, async move {
            let mut stopping = std::pin::pin!(task_env.tasks.stopping());
            loop {
                tokio::select! {
                    biased;
                    () = &mut stopping => return,
                    () = task_env.clock.sleep(UPKEEP_INTERVAL) => metrics.run_upkeep(),
                }
            }
        });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered_with_its_labels() {
        let metrics = Metrics::new();
        let produce = metrics.api("Produce");
        produce.requests.increment(3);
        produce.seconds.record(0.002);
        metrics.wal.meters.flush_bytes.record(5000.0);
        metrics.memory.budget_bytes.set(1024.0);
        metrics.run_upkeep();
        let text = metrics.render();
        for line in [
            "weir_requests_total{api=\"Produce\"} 3",
            "weir_request_seconds_bucket{api=\"Produce\",le=\"0.0025\"} 1",
            "weir_wal_flush_bytes_bucket{le=\"4096\"} 0",
            "weir_wal_flush_bytes_bucket{le=\"16384\"} 1",
            "weir_memory_budget_bytes 1024",
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
