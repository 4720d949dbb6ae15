//! What the metering decorator counts, seen through a recorder of the test.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key as MetricKey, KeyName, Metadata,
    Recorder, SharedString, Unit,
};

use super::{Body, Key, PutIdentity, Store, memory::MemoryStore, metrics::MeteredStore};
use crate::{env::testing, ids::PutId};

/// Sums by name and labels.
#[derive(Clone, Default)]
struct Sums(Arc<Mutex<BTreeMap<String, u64>>>);

struct Sum {
    sums: Sums,
    name: String,
}

impl Sum {
    fn add(&self, value: u64) {
        *self
            .sums
            .0
            .lock()
            .unwrap()
            .entry(self.name.clone())
            .or_default() += value;
    }
}

impl CounterFn for Sum {
    fn increment(&self, value: u64) {
        self.add(value);
    }

    fn absolute(&self, _value: u64) {}
}

impl HistogramFn for Sum {
    fn record(&self, _value: f64) {
        self.add(1);
    }
}

impl Sums {
    fn of(&self, key: &MetricKey) -> Arc<Sum> {
        let labels: Vec<_> = key.labels().map(|label| label.value().to_owned()).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Arc::new(Sum {
            sums: self.clone(),
            name,
        })
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &MetricKey, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.of(key))
    }

    fn register_gauge(&self, _: &MetricKey, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &MetricKey, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.of(key))
    }
}

#[tokio::test(flavor = "current_thread")]
async fn requests_bytes_and_times_are_counted_by_verb_and_outcome() {
    let sums = Sums::default();
    let _guard = metrics::set_default_local_recorder(&sums);
    let env = testing::env(1);
    let store = MeteredStore::new(Arc::new(MemoryStore::default()), env);
    let (key, missing) = (Key::new("a/b"), Key::new("a/c"));
    let body = Body::from(Bytes::from_static(b"0123456789"));
    let identity = PutIdentity {
        put_id: PutId([0; 16]),
        footer_crc: 0,
    };
    for _ in 0..3 {
        store.put_if_absent(&key, &body, identity).await.unwrap();
    }
    store.get(&key).await.unwrap();
    store.get(&missing).await.unwrap_err();
    store.get_range(&key, 2..5).await.unwrap();
    store.get_suffix_many(&[key.clone(), missing], 4).await;
    store.list("", None, 9).await.unwrap();

    let sums = sums.0.lock().unwrap();
    for (name, expected) in [
        ("weir_store_requests_total put ok", 1),
        ("weir_store_requests_total put exists", 2),
        ("weir_store_bytes_total put", 30),
        ("weir_store_request_seconds put", 3),
        ("weir_store_requests_total get ok", 1),
        ("weir_store_requests_total get not_found", 1),
        ("weir_store_bytes_total get", 10),
        ("weir_store_bytes_total get_range", 3),
        ("weir_store_requests_total get_suffix ok", 1),
        ("weir_store_requests_total get_suffix not_found", 1),
        ("weir_store_bytes_total get_suffix", 4),
        ("weir_store_requests_total list ok", 1),
    ] {
        assert_eq!(sums.get(name), Some(&expected), "{name} in {sums:?}");
    }
}
