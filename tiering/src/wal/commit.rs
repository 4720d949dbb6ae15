//! What happens when a slot is committed: partitions learn of it before anybody who waits does.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    engine::WalMeters,
    group::CommittedRun,
    tail_budget::{BATCH_OVERHEAD_BYTES, TailBudget},
};
use crate::{budget::Permit, env::Env, ids::Slot, log::WalIndex};

/// What happens when a slot is committed. Shared with the writer, which calls it in slot order.
pub struct Commits {
    pub env: Env,
    pub wal: WalIndex,
    pub waiting: Mutex<VecDeque<SlotContent>>,
    pub tail: TailBudget,
    pub meters: WalMeters,
    /// Slots committed since the start of this process.
    pub returned: AtomicU64,
    /// Wakes the flush task: a put returned.
    pub wake: Arc<Notify>,
    /// Held during a commit; a checkpoint takes it to see the state between two slots.
    pub between_slots: Mutex<Slot>,
}

pub struct SlotContent {
    pub slot: Slot,
    pub runs: Vec<CommittedRun>,
    pub permits: Vec<Arc<Permit>>,
    pub put_at: Duration,
}

impl Commits {
    /// Called in slot order, once per slot.
    pub fn commit(&self, slot: Slot) {
        let content = self
            .waiting
            .lock()
            .expect("no code panics under this lock")
            .pop_front();
        let content = content.expect("a slot is committed only after its object was built");
        assert_eq!(content.slot, slot, "slots are committed in order");
        let now_ms = self.env.clock.wall_ms();
        let mut committed = self
            .between_slots
            .lock()
            .expect("no code panics under this lock");
        let mut bytes = 0;
        let mut logs = Vec::with_capacity(content.runs.len());
        for run in content.runs {
            bytes += run.run.len as usize + run.batches.len() * BATCH_OVERHEAD_BYTES;
            run.log
                .commit(&run.run, run.batches, &run.producers, now_ms);
            logs.push(run.log);
        }
        *committed = slot.next();
        drop(committed);
        self.tail.add(slot, bytes, logs);
        drop(content.permits);
        let took = self.env.clock.boot().saturating_sub(content.put_at);
        self.meters.flush_seconds.record(took.as_secs_f64());
        self.returned.fetch_add(1, Ordering::Relaxed);
        self.wake.notify_one();
    }
}
