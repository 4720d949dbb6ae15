//! Writes a snapshot every 1,000 entries or 16 MiB, in a task beside the writer.
//!
//! Owns: when, and one at a time. Does not own: the bytes (`snapshot`), deletion of old entries.
//! A snapshot that cannot be written is logged, and the next one is due a threshold later; the log alone
//! is enough. Crash: nothing, or a whole snapshot.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    env::{Env, TaskKind},
    format::SealedObject,
    ids::{ClusterId, Incarnation, Slot},
    keys,
    metadata::{
        replay::{OwnSnapshots, Replayed},
        snapshot,
    },
    store::{DynStore, StoreError, StoreErrorKind, backoff::Backoff},
};

pub const ENTRIES_PER_SNAPSHOT: u64 = 1_000;
pub const BYTES_PER_SNAPSHOT: u64 = 16 << 20;

const ATTEMPTS: u32 = 8;

pub(super) struct Snapshotter {
    env: Env,
    store: DynStore,
    cluster: ClusterId,
    writer: Incarnation,
    own_snapshots: OwnSnapshots,
    running: Arc<AtomicBool>,
    /// `since_snapshot` counts from the snapshot that was opened; what is covered since stands here.
    covered_entries: u64,
    covered_bytes: u64,
}

impl Snapshotter {
    pub(super) fn new(replayed: &Replayed, writer: Incarnation) -> Snapshotter {
        Snapshotter {
            env: replayed.env.clone(),
            store: replayed.store.clone(),
            cluster: replayed.cluster,
            writer,
            own_snapshots: replayed.own_snapshots.clone(),
            running: Arc::default(),
            covered_entries: 0,
            covered_bytes: 0,
        }
    }

    /// Starts a snapshot of the committed state when one is due and none is being written.
    pub(super) fn after_commit(&mut self, replayed: &Replayed) {
        let since = replayed.since_snapshot;
        let due = since.entries - self.covered_entries >= ENTRIES_PER_SNAPSHOT
            || since.bytes - self.covered_bytes >= BYTES_PER_SNAPSHOT;
        let Some(number) = snapshot::number(&replayed.tail).filter(|_| due) else {
            return;
        };
        if self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        // Counted from here also when it fails: the next try comes with the next threshold.
        self.covered_entries = since.entries;
        self.covered_bytes = since.bytes;
        let tail = replayed.tail.clone();
        let (env, store) = (self.env.clone(), self.store.clone());
        let (cluster, writer) = (self.cluster, self.writer);
        let (own, running) = (self.own_snapshots.clone(), self.running.clone());
        let put_id = env.new_put_id();
        self.env.tasks.spawn(TaskKind::MetadataSnapshot, async move {
            let object = snapshot::encode(&tail, number, cluster, writer, put_id);
            drop(tail);
            // Before the put: the writer must never take its own snapshot for another's.
            own.insert(number);
            match write(&env, &store, number, &object).await {
                Ok(()) => tracing::debug!(%number, len = object.body.len(), "metadata snapshot written"),
                Err(error) => tracing::warn!(%error, "metadata snapshot not written"),
            }
            running.store(false, Ordering::Release);
        });
    }
}

/// Not conditional: whoever writes snapshot n has applied the same entries, so the state in it is the
/// same.
async fn write(
    env: &Env,
    store: &DynStore,
    number: Slot,
    object: &SealedObject,
) -> Result<(), StoreError> {
    let key = keys::metadata_snapshot(number);
    let mut backoff = Backoff::default();
    for _ in 1..ATTEMPTS {
        match store.put_large(&key, &object.body).await {
            Err(error) if matches!(error.kind, StoreErrorKind::Retry | StoreErrorKind::Full) => {
                env.clock.sleep(backoff.next(env)).await;
            }
            answer => return answer,
        }
    }
    store.put_large(&key, &object.body).await
}
