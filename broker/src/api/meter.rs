//! Counts a request once its answer leaves.

use std::{sync::Arc, time::Duration};

use super::{Outgoing, Refused};
use crate::telemetry::metrics::ApiMetrics;

/// Of one request.
pub struct Meter {
    /// `None`: the request belongs to no API of Kafka's.
    metrics: Option<Arc<ApiMetrics>>,
    /// When the last byte of the request came; boot time.
    arrived: Duration,
}

impl Meter {
    pub fn new(metrics: Option<Arc<ApiMetrics>>, arrived: Duration) -> Meter {
        Meter { metrics, arrived }
    }

    /// The first byte of the answer leaves now (boot time), or the connection closes instead of one.
    pub fn answered(&self, outgoing: &Result<Outgoing, Refused>, now: Duration) {
        let Some(metrics) = &self.metrics else {
            return;
        };
        let took = now.saturating_sub(self.arrived);
        metrics.seconds.record(took.as_secs_f64());
        if outgoing
            .as_ref()
            .map_or(true, |outgoing| outgoing.has_error)
        {
            metrics.errors.increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn errors_and_the_whole_wait_are_counted_when_the_answer_leaves() {
        let metrics = Metrics::new();
        let api = Arc::new(metrics.api("Produce"));
        let meter = |arrived_ms| Meter::new(Some(api.clone()), Duration::from_millis(arrived_ms));
        let now = Duration::from_millis(1000);
        meter(998).answered(&Ok(Outgoing::default()), now);
        let error = Outgoing {
            has_error: true,
            ..Outgoing::default()
        };
        meter(0).answered(&Ok(error), now);
        meter(1000).answered(&Err(Refused(String::new())), now);
        Meter::new(None, Duration::ZERO).answered(&Ok(Outgoing::default()), now);
        metrics.run_upkeep();
        let text = metrics.render();
        for line in [
            "weir_request_errors_total{api=\"Produce\"} 2",
            "weir_request_seconds_bucket{api=\"Produce\",le=\"0.0025\"} 2",
            "weir_request_seconds_bucket{api=\"Produce\",le=\"0.5\"} 2",
            "weir_request_seconds_bucket{api=\"Produce\",le=\"1\"} 3",
        ] {
            assert!(
                text.lines().any(|l| l == line),
                "{line} is missing in\n{text}"
            );
        }
    }
}
