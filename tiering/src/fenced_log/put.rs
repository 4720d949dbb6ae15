//! Puts and reads of slots that go on until the answer is clear (design §3, §4.5).
//!
//! Owns: that the put of a slot runs in a task of its own. Does not own: the result rules of a put
//! (`store::put_if_absent_until_clear`).

use std::time::Duration;

use tokio::sync::oneshot;

use crate::{
    env::{Env, TaskKind},
    format::envelope::SealedObject,
    store::{
        DynStore, Key, PutOutcome, StoreError, StoreErrorKind,
        backoff::Backoff,
        put::{Patience, put_if_absent_until_clear},
    },
};

/// How a put of a slot ended. `Err` means that its outcome will never be known here.
pub(super) type PutResult = Result<PutOutcome, StoreError>;

/// How puts and reads of slots are made: with which tasks, where, and for how long without an
/// answer.
#[derive(Clone)]
pub(super) struct SlotStore {
    pub(super) env: Env,
    pub(super) store: DynStore,
    pub(super) patience: Patience,
}

impl SlotStore {
    /// Starts the put of `object` in a task of its own and hands its answer to `settle`, exactly
    /// once; also when the store's code panics or the runtime ends (then an error).
    pub(super) fn spawn_put(
        &self,
        kind: TaskKind,
        key: Key,
        object: SealedObject,
        settle: impl FnOnce(PutResult) + Send + 'static,
    ) {
        let slots = self.clone();
        let answer = AnswerOnDrop {
            key: key.to_string(),
            settle: Some(settle),
        };
        self.env.tasks.spawn(kind, async move {
            let SlotStore {
                env,
                store,
                patience,
            } = &slots;
            let put = put_if_absent_until_clear(
                env,
                store.as_ref(),
                &key,
                &object.body,
                object.put,
                *patience,
            );
            answer.give(put.await);
        });
    }

    /// As [`SlotStore::spawn_put`]; dropping the returned future does not cancel the put.
    pub(super) async fn put(&self, kind: TaskKind, key: Key, object: SealedObject) -> PutResult {
        let (answer, answered) = oneshot::channel();
        self.spawn_put(kind, key, object, |result| {
            // The caller may be gone: the put counts all the same.
            let _ = answer.send(result);
        });
        answered.await.expect("spawn_put answers exactly once")
    }

    /// Repeats `read` while the store is away; any other error, and "not found" as `None`, is an
    /// answer.
    pub(super) async fn read<T, F>(
        &self,
        mut read: impl FnMut() -> F,
    ) -> Result<Option<T>, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut backoff = Backoff::default();
        let started = self.env.clock.boot();
        loop {
            let error = match read().await {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.kind == StoreErrorKind::NotFound => return Ok(None),
                Err(error) => error,
            };
            let is_away = matches!(error.kind, StoreErrorKind::Retry | StoreErrorKind::Full);
            if !is_away || !self.may_wait(started) {
                return Err(error);
            }
            tracing::debug!(%error, "a read of a log will be repeated");
            self.pause(&mut backoff).await;
        }
    }

    /// Whether to go on with what began at `started` (boot time).
    fn may_wait(&self, started: Duration) -> bool {
        match self.patience {
            Patience::Forever => true,
            Patience::Limited(limit) => self.env.clock.boot().saturating_sub(started) < limit,
        }
    }

    /// Pauses before the next look at what a put found to exist and a read did not: "not found" is
    /// not final then.
    pub(super) async fn pause_until_shown(
        &self,
        key: &Key,
        backoff: &mut Backoff,
        started: Duration,
    ) -> Result<(), StoreError> {
        if !self.may_wait(started) {
            let message = "it exists, and cannot be read";
            return Err(StoreError::new(StoreErrorKind::Retry, "get", key, message));
        }
        self.pause(backoff).await;
        Ok(())
    }

    async fn pause(&self, backoff: &mut Backoff) {
        let pause = backoff.next(&self.env);
        self.env.clock.sleep(pause).await;
    }
}

/// Gives an error in place of an answer that never came.
struct AnswerOnDrop<F: FnOnce(PutResult)> {
    key: String,
    settle: Option<F>,
}

impl<F: FnOnce(PutResult)> AnswerOnDrop<F> {
    fn give(mut self, result: PutResult) {
        if let Some(settle) = self.settle.take() {
            settle(result);
        }
    }
}

impl<F: FnOnce(PutResult)> Drop for AnswerOnDrop<F> {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle(Err(StoreError {
                kind: StoreErrorKind::Fatal,
                operation: "put_if_absent",
                key: std::mem::take(&mut self.key),
                message: "the task of this put ended without an answer".to_owned(),
            }));
        }
    }
}
