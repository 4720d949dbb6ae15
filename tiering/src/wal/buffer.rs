//! The write-ahead buffer: batches of all partitions on their way into the next objects.
//!
//! Owns: which slot a batch will be in, decided when it enters. Does not own: when a buffer is cut
//! (`flush_policy`), the objects.
//! Invariant: slots are numbered in the order in which buffers begin, so a batch's slot never changes.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use weir_protocol::types::Offset;

use crate::{
    budget::Permit,
    ids::Slot,
    log::{PartitionLog, Sequenced},
};

/// A batch with its offsets assigned and its header patched.
pub struct Buffered {
    pub log: Arc<PartitionLog>,
    /// Inclusive.
    pub offset_first: Offset,
    /// Inclusive.
    pub offset_last: Offset,
    pub record_count: u32,
    pub max_timestamp: i64,
    pub sequenced: Option<Sequenced>,
    pub bytes: Bytes,
    pub permit: Option<Arc<Permit>>,
}

/// What will be one object.
pub struct Cut {
    pub slot: Slot,
    pub batches: Vec<Buffered>,
    pub bytes: usize,
    pub first_at: Duration,
    pub last_at: Duration,
    pub urgent: bool,
}

pub struct Buffer {
    /// The newest is filled, the oldest is cut first; never empty.
    open: VecDeque<Cut>,
    bytes_max: usize,
    /// Puts that had returned when the oldest buffer got its first batch.
    pub returned_at_first: u64,
    has_ended: bool,
}

impl Buffer {
    /// `first` is the slot of the first object; a buffer of `bytes_max` bytes or more begins the next.
    pub fn new(first: Slot, bytes_max: usize) -> Buffer {
        Buffer {
            open: VecDeque::from([Cut::empty(first)]),
            bytes_max,
            returned_at_first: 0,
            has_ended: false,
        }
    }

    /// Adds a batch; returns its slot. `None` once the log has ended.
    pub fn push(&mut self, batch: Buffered, now: Duration, returned: u64) -> Option<Slot> {
        if self.has_ended {
            return None;
        }
        if self.newest().bytes >= self.bytes_max {
            let next = self.newest().slot.next();
            self.open.push_back(Cut::empty(next));
        }
        if self.is_empty() {
            self.returned_at_first = returned;
        }
        let cut = self.open.back_mut().expect("a buffer is always open");
        if cut.batches.is_empty() {
            cut.first_at = now;
        }
        cut.last_at = now;
        cut.bytes += batch.bytes.len();
        cut.urgent |= batch.log.is_internal();
        let slot = cut.slot;
        cut.batches.push(batch);
        Some(slot)
    }

    /// Takes no more batches, and drops those that it has.
    pub fn end(&mut self) {
        self.has_ended = true;
        let next = Cut::empty(self.newest().slot.next());
        self.open = VecDeque::from([next]);
    }

    pub fn is_empty(&self) -> bool {
        self.oldest().batches.is_empty()
    }

    /// Whether a newer buffer was begun behind the oldest.
    pub fn oldest_is_full(&self) -> bool {
        self.open.len() > 1
    }

    pub fn oldest(&self) -> &Cut {
        self.open.front().expect("a buffer is always open")
    }

    fn newest(&self) -> &Cut {
        self.open.back().expect("a buffer is always open")
    }

    /// Takes the oldest buffer, which must not be empty.
    pub fn cut(&mut self, returned: u64) -> Cut {
        let cut = self.open.pop_front().expect("a buffer is always open");
        if self.open.is_empty() {
            self.open.push_back(Cut::empty(cut.slot.next()));
        }
        self.returned_at_first = returned;
        cut
    }
}

impl Cut {
    fn empty(slot: Slot) -> Cut {
        let zero = Duration::ZERO;
        Cut {
            slot,
            batches: Vec::new(),
            bytes: 0,
            first_at: zero,
            last_at: zero,
            urgent: false,
        }
    }
}
