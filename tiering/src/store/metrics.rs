//! A decorator that counts: requests by verb and outcome, bytes by verb, seconds by verb.
//!
//! `weir_store_requests_total{verb,outcome}`, `weir_store_bytes_total{verb}` (bodies, written or
//! read), `weir_store_request_seconds{verb}`. Handles are made once: a look-up per request would
//! cost more than the counting.

use std::{future::Future, ops::Range, sync::OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use metrics::{Counter, Histogram, counter, histogram};

use super::{
    Body, DynStore, Key, ObjectMeta, PutIdentity, PutOutcome, Store, StoreError, StoreErrorKind,
    Verb,
};
use crate::{env::Env, ids::ProcessId};

/// See the module.
pub struct MeteredStore {
    inner: DynStore,
    env: Env,
    verbs: [VerbMetrics; Verb::ALL.len()],
}

struct VerbMetrics {
    verb: Verb,
    bytes: Counter,
    seconds: Histogram,
    /// By position in [`OUTCOMES`]; made at the first such outcome.
    outcomes: [OnceLock<Counter>; OUTCOMES.len()],
}

const OUTCOMES: [&str; 8] = [
    "ok",
    "exists",
    "not_found",
    "retry",
    "full",
    "refused",
    "corrupt",
    "fatal",
];

impl VerbMetrics {
    fn new(verb: Verb) -> VerbMetrics {
        let name = verb.as_str();
        VerbMetrics {
            verb,
            bytes: counter!("weir_store_bytes_total", "verb" => name),
            seconds: histogram!("weir_store_request_seconds", "verb" => name),
            outcomes: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    fn count(&self, outcome: &'static str) {
        let at = OUTCOMES.iter().position(|o| *o == outcome);
        let at = at.expect("every outcome is in the table");
        let verb = self.verb.as_str();
        let make = || counter!("weir_store_requests_total", "verb" => verb, "outcome" => outcome);
        self.outcomes[at].get_or_init(make).increment(1);
    }
}

fn error_outcome(error: &StoreError) -> &'static str {
    match error.kind {
        StoreErrorKind::NotFound => "not_found",
        StoreErrorKind::Retry => "retry",
        StoreErrorKind::Full => "full",
        StoreErrorKind::Refused => "refused",
        StoreErrorKind::Corrupt => "corrupt",
        StoreErrorKind::Fatal => "fatal",
    }
}

/// Bytes of an answer's body.
trait Measured {
    fn body_len(&self) -> u64 {
        0
    }
    fn outcome(&self) -> &'static str {
        "ok"
    }
}

impl Measured for Bytes {
    fn body_len(&self) -> u64 {
        self.len() as u64
    }
}

impl Measured for (Bytes, u64) {
    fn body_len(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Measured for PutOutcome {
    fn outcome(&self) -> &'static str {
        match self {
            PutOutcome::Created => "ok",
            PutOutcome::Exists => "exists",
        }
    }
}

impl Measured for () {}
impl Measured for ObjectMeta {}
impl Measured for Vec<ObjectMeta> {}

impl MeteredStore {
    /// Handles belong to the recorder that is installed now.
    pub fn new(inner: DynStore, env: Env) -> MeteredStore {
        let verbs = Verb::ALL.map(VerbMetrics::new);
        MeteredStore { inner, env, verbs }
    }

    fn of(&self, verb: Verb) -> &VerbMetrics {
        &self.verbs[verb as usize]
    }

    async fn measure<T: Measured>(
        &self,
        verb: Verb,
        written_len: u64,
        request: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let started = self.env.clock.boot();
        let result = request.await;
        let metrics = self.of(verb);
        metrics
            .seconds
            .record(self.env.clock.boot().saturating_sub(started));
        match &result {
            Ok(answer) => {
                metrics.count(answer.outcome());
                metrics.bytes.increment(written_len + answer.body_len());
            }
            Err(error) => metrics.count(error_outcome(error)),
        }
        result
    }
}

#[async_trait]
impl Store for MeteredStore {
    async fn put_if_absent(
        &self,
        key: &Key,
        body: &Body,
        identity: PutIdentity,
    ) -> Result<PutOutcome, StoreError> {
        let put = self.inner.put_if_absent(key, body, identity);
        self.measure(Verb::Put, body.len(), put).await
    }

    async fn put_large(&self, key: &Key, body: &Body) -> Result<(), StoreError> {
        let put = self.inner.put_large(key, body);
        self.measure(Verb::PutLarge, body.len(), put).await
    }

    async fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.measure(Verb::Get, 0, self.inner.get(key)).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let read = self.inner.get_range(key, range);
        self.measure(Verb::GetRange, 0, read).await
    }

    async fn get_suffix(&self, key: &Key, len: u64) -> Result<(Bytes, u64), StoreError> {
        let read = self.inner.get_suffix(key, len);
        self.measure(Verb::GetSuffix, 0, read).await
    }

    /// Counts every answer; the batch has no time of its own.
    async fn get_suffix_many(
        &self,
        keys: &[Key],
        len: u64,
    ) -> Vec<Result<(Bytes, u64), StoreError>> {
        let answers = self.inner.get_suffix_many(keys, len).await;
        let metrics = self.of(Verb::GetSuffix);
        for answer in &answers {
            match answer {
                Ok(answer) => {
                    metrics.count("ok");
                    metrics.bytes.increment(answer.body_len());
                }
                Err(error) => metrics.count(error_outcome(error)),
            }
        }
        answers
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.measure(Verb::Head, 0, self.inner.head(key)).await
    }

    async fn list(
        &self,
        prefix: &str,
        start_after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<ObjectMeta>, StoreError> {
        let list = self.inner.list(prefix, start_after, limit);
        self.measure(Verb::List, 0, list).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<(), StoreError> {
        self.measure(Verb::Delete, 0, self.inner.delete_many(keys))
            .await
    }

    async fn first_foreign_name(&self) -> Result<Option<String>, StoreError> {
        self.inner.first_foreign_name().await
    }

    async fn sync_log_dirs(&self, prefix: &str, from: &Key) -> Result<(), StoreError> {
        self.inner.sync_log_dirs(prefix, from).await
    }

    async fn staging_owners(&self) -> Result<Vec<ProcessId>, StoreError> {
        self.inner.staging_owners().await
    }

    async fn remove_staging(&self, owner: ProcessId) -> Result<(), StoreError> {
        self.inner.remove_staging(owner).await
    }
}
