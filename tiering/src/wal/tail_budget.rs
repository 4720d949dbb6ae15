//! How much of the newest committed data stays in memory: oldest slots leave first.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use crate::{ids::Slot, log::PartitionLog};

/// Memory of one batch beside its bytes (list entry, reference count, allocation).
pub const BATCH_OVERHEAD_BYTES: usize = 96;

pub struct TailBudget {
    bytes_max: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    bytes: usize,
    slots: VecDeque<(Slot, usize, Vec<Arc<PartitionLog>>)>,
}

impl TailBudget {
    pub fn new(bytes_max: usize) -> TailBudget {
        TailBudget {
            bytes_max,
            held: Mutex::default(),
        }
    }

    /// A slot's batches went into the tails of `logs`; evicts the oldest slots above the limit. Called
    /// in slot order.
    pub fn add(&self, slot: Slot, bytes: usize, logs: Vec<Arc<PartitionLog>>) {
        let mut evicted = Vec::new();
        let mut held = self.held.lock().expect("no code panics under this lock");
        held.bytes += bytes;
        held.slots.push_back((slot, bytes, logs));
        while held.bytes > self.bytes_max {
            let Some((slot, bytes, logs)) = held.slots.pop_front() else {
                break;
            };
            held.bytes -= bytes;
            evicted.push((slot, logs));
        }
        drop(held);
        for (slot, logs) in evicted {
            for log in logs {
                log.evict(slot);
            }
        }
    }

    /// Bytes in all tails.
    pub fn bytes(&self) -> usize {
        self.held
            .lock()
            .expect("no code panics under this lock")
            .bytes
    }
}
