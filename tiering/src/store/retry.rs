//! A decorator that repeats reads, a bounded number of times, while the store is away or overloaded.
//!
//! Puts pass through: their loop is [`super::put`], because repeating them changes what an answer
//! means. A read that came back impossible is repeated too: the next may come over a sound wire.

use std::{future::Future, ops::Range, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Body, DynStore, Key, ObjectMeta, PutIdentity, PutOutcome, Store, StoreError, StoreErrorKind,
    backoff::Backoff,
};
use crate::{env::Env, ids::ProcessId};

/// How often and how long a read is tried. Whichever ends first ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPatience {
    /// ≥ 1, the first included.
    pub attempts_max: u32,
    pub total_max: Duration,
}

impl Default for ReadPatience {
    fn default() -> ReadPatience {
        ReadPatience {
            attempts_max: 6,
            total_max: Duration::from_secs(10),
        }
    }
}

/// See the module.
pub struct RetryingStore {
    inner: DynStore,
    env: Env,
    patience: ReadPatience,
}

impl RetryingStore {
    pub fn new(inner: DynStore, env: Env, patience: ReadPatience) -> RetryingStore {
        RetryingStore {
            inner,
            env,
            patience,
        }
    }

    async fn repeat<T, F>(&self, attempt: impl Fn() -> F + Send) -> Result<T, StoreError>
    where
        T: Send,
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        read_with_patience(&self.env, self.patience, attempt).await
    }
}

/// Runs `attempt` until it answers anything but `Retry` or `Corrupt`, or `patience` ends.
pub async fn read_with_patience<T, F>(
    env: &Env,
    patience: ReadPatience,
    attempt: impl Fn() -> F + Send,
) -> Result<T, StoreError>
where
    T: Send,
    F: Future<Output = Result<T, StoreError>> + Send,
{
    let started = env.clock.boot();
    let mut backoff = Backoff::default();
    loop {
        let error = match attempt().await {
            Err(error) if is_worth_repeating(error.kind) => error,
            clear => return clear,
        };
        let waited = env.clock.boot().saturating_sub(started);
        if backoff.pauses() + 1 >= patience.attempts_max || waited >= patience.total_max {
            return Err(error);
        }
        let pause = backoff.next(env);
        env.clock.sleep(pause).await;
    }
}

fn is_worth_repeating(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::Retry | StoreErrorKind::Corrupt)
}

#[async_trait]
impl Store for RetryingStore {
    async fn put_if_absent(
        &self,
        key: &Key,
        body: &Body,
        identity: PutIdentity,
    ) -> Result<PutOutcome, StoreError> {
        self.inner.put_if_absent(key, body, identity).await
    }

    async fn put_large(&self, key: &Key, body: &Body) -> Result<(), StoreError> {
        self.inner.put_large(key, body).await
    }

    async fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.repeat(|| self.inner.get(key)).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.repeat(|| self.inner.get_range(key, range.clone()))
            .await
    }

    async fn get_suffix(&self, key: &Key, len: u64) -> Result<(Bytes, u64), StoreError> {
        self.repeat(|| self.inner.get_suffix(key, len)).await
    }

    async fn get_suffix_many(
        &self,
        keys: &[Key],
        len: u64,
    ) -> Vec<Result<(Bytes, u64), StoreError>> {
        let mut answers = self.inner.get_suffix_many(keys, len).await;
        for (key, answer) in keys.iter().zip(&mut answers) {
            if matches!(answer, Err(error) if is_worth_repeating(error.kind)) {
                *answer = self.get_suffix(key, len).await;
            }
        }
        answers
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.repeat(|| self.inner.head(key)).await
    }

    async fn list(
        &self,
        prefix: &str,
        start_after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<ObjectMeta>, StoreError> {
        self.repeat(|| self.inner.list(prefix, start_after, limit))
            .await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<(), StoreError> {
        self.repeat(|| self.inner.delete_many(keys)).await
    }

    async fn first_foreign_name(&self) -> Result<Option<String>, StoreError> {
        self.repeat(|| self.inner.first_foreign_name()).await
    }

    async fn sync_log_dirs(&self, prefix: &str, from: &Key) -> Result<(), StoreError> {
        self.repeat(|| self.inner.sync_log_dirs(prefix, from)).await
    }

    async fn staging_owners(&self) -> Result<Vec<ProcessId>, StoreError> {
        self.repeat(|| self.inner.staging_owners()).await
    }

    async fn remove_staging(&self, owner: ProcessId) -> Result<(), StoreError> {
        self.repeat(|| self.inner.remove_staging(owner)).await
    }
}
