//! The one place that spawns: every task of the process has a kind, an owner and a way to stop.

use std::future::Future;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Every kind of task in the process. A task runs until its future ends; it learns from
/// [`Tasks::stopping`] that the process wants to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Drives the slots of the write-ahead log. Never cancelled while it holds a slot.
    WalWriter,
    /// One put-if-absent with its retries.
    SlotPut,
    /// Cuts WAL objects out of the append buffer.
    WalFlush,
    /// Appends to the metadata log. Never cancelled while it holds a slot.
    MetadataWriter,
    /// Writes one snapshot of the metadata.
    MetadataSnapshot,
    /// Writes checkpoints.
    Checkpoint,
    /// Accepts connections of one listener.
    Accept,
    /// One client connection.
    Connection,
    /// One partition of a group coordinator.
    Coordinator,
    /// Creates a topic because a client asked for its metadata.
    AutoCreate,
    /// Admin HTTP.
    Admin,
    /// Periodic sweeps (producer ids, offsets, metrics upkeep).
    Sweep,
    /// Checks one object (`weir log verify`).
    Verify,
    /// Anything in tests.
    Test,
}

/// Spawns and tracks tasks. Clones share the same table.
#[derive(Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs `future` to its end on the current runtime. `kind` names it for people who look.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn<F>(&self, kind: TaskKind, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let _ = kind;
        tokio::spawn(self.tracker.track_future(future));
    }

    /// Completes once [`Tasks::stop`] was called.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Asks every task to end. Returns at once.
    pub fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    /// Completes when every task has ended; only after [`Tasks::stop`].
    pub async fn ended(&self) {
        self.tracker.wait().await;
    }
}
