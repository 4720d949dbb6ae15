//! Puts and reads of slots that go on until the answer is clear (design §3, §4.5).
//!
//! Owns: that the put of a slot runs in a task of its own. Does not own: the result rules of a put
//! (`store::put_if_absent_until_clear`).

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{
    env::{Env, TaskKind},
    format::envelope::SealedObject,
    store::{
        DynStore, Key, PutOutcome, StoreError, StoreErrorKind, put::put_if_absent_until_clear,
    },
};

/// How a put of a slot ended. `Err` means that its outcome will never be known here.
pub(super) type PutResult = Result<PutOutcome, StoreError>;

/// Starts the put of `object` in a task of its own and hands its answer to `settle`, exactly once; also when
/// the store's code panics or the runtime ends (then an error).
pub(super) fn spawn_put(
    env: &Env,
    store: &DynStore,
    kind: TaskKind,
    key: Key,
    object: SealedObject,
    settle: impl FnOnce(PutResult) + Send + 'static,
) {
    let (task_env, store) = (env.clone(), store.clone());
    let answer = AnswerOnDrop {
        key: key.to_string(),
        settle: Some(settle),
    };
    env.tasks.spawn(kind, async move {
        let result =
            put_if_absent_until_clear(&task_env, store.as_ref(), &key, &object.body, object.put)
                .await;
        answer.give(result);
    });
}

/// As [`spawn_put`]; dropping the returned future does not cancel the put.
pub(super) async fn put_in_task(
    env: &Env,
    store: &DynStore,
    kind: TaskKind,
    key: Key,
    object: SealedObject,
) -> PutResult {
    let (answer, answered) = oneshot::channel();
    spawn_put(env, store, kind, key, object, |result| {
        // The caller may be gone: the put counts all the same.
        let _ = answer.send(result);
    });
    answered.await.expect("spawn_put answers exactly once")
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

/// First pause between two attempts of a read; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Pauses between attempts: exponential, with jitter.
pub(super) struct Pauses<'a> {
    env: &'a Env,
    next: Duration,
}

impl<'a> Pauses<'a> {
    pub(super) fn new(env: &'a Env) -> Pauses<'a> {
        Pauses {
            env,
            next: PAUSE_MIN,
        }
    }

    pub(super) async fn pause(&mut self) {
        let jitter = 0.5 + (self.env.random_u64() % 1024) as f64 / 1024.0;
        self.env.clock.sleep(self.next.mul_f64(jitter)).await;
        self.next = (self.next * 2).min(PAUSE_MAX);
    }
}

/// Repeats `read` while the store is away; any other error, and "not found" as `None`, is an answer.
pub(super) async fn read_until_clear<F>(
    env: &Env,
    mut read: impl FnMut() -> F,
) -> Result<Option<Bytes>, StoreError>
where
    F: Future<Output = Result<Bytes, StoreError>>,
{
    let mut pauses = Pauses::new(env);
    loop {
        match read().await {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) if error.kind == StoreErrorKind::NotFound => return Ok(None),
            Err(error) if matches!(error.kind, StoreErrorKind::Retry | StoreErrorKind::Full) => {
                tracing::debug!(%error, "read of a slot will be repeated");
                pauses.pause().await;
            }
            Err(error) => return Err(error),
        }
    }
}
