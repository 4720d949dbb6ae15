//! The newest committed batches of a partition, in memory.
//!
//! Owns: slices of batches, found by offset. Does not own: the byte limit (`wal::TailBudget`, which
//! calls [`Tail::evict`] slot by slot, oldest first).
//! Invariant: the batches are contiguous and end at the partition's high watermark.

use std::collections::VecDeque;

use bytes::Bytes;
use weir_protocol::types::Offset;

use crate::ids::Slot;

/// One batch: its bytes and its first offset, inclusive.
#[derive(Clone, Debug)]
pub struct TailBatch {
    pub offset_first: Offset,
    pub bytes: Bytes,
}

struct TailRun {
    slot: Slot,
    offset_first: Offset,
    batches: Vec<TailBatch>,
}

#[derive(Default)]
pub struct Tail {
    runs: VecDeque<TailRun>,
}

impl Tail {
    /// Adds the batches of one committed run; not empty, in offset order.
    pub fn push(&mut self, slot: Slot, batches: Vec<TailBatch>) {
        if let Some(first) = batches.first() {
            self.runs.push_back(TailRun {
                slot,
                offset_first: first.offset_first,
                batches,
            });
        }
    }

    /// Drops what slots up to and including `slot` brought.
    pub fn evict(&mut self, slot: Slot) {
        while self.runs.front().is_some_and(|run| run.slot <= slot) {
            self.runs.pop_front();
        }
    }

    pub fn clear(&mut self) {
        self.runs.clear();
    }

    /// Whole batches from the one that holds `offset` on, up to `bytes_max`; at least one when
    /// `one_at_least`. `None` when `offset` lies before what is in memory.
    pub fn read(&self, offset: Offset, bytes_max: usize, one_at_least: bool) -> Option<Vec<Bytes>> {
        let run = self
            .runs
            .partition_point(|run| run.offset_first <= offset)
            .checked_sub(1)?;
        let first = self.runs[run]
            .batches
            .partition_point(|b| b.offset_first <= offset)
            .checked_sub(1)?;
        let batches = self.runs[run].batches[first..]
            .iter()
            .chain(self.runs.iter().skip(run + 1).flat_map(|run| &run.batches));
        let mut taken = 0;
        let mut chunks = Vec::new();
        for batch in batches {
            if taken + batch.bytes.len() > bytes_max && !(chunks.is_empty() && one_at_least) {
                break;
            }
            taken += batch.bytes.len();
            chunks.push(batch.bytes.clone());
        }
        Some(chunks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail() -> Tail {
        let mut tail = Tail::default();
        let batch = |offset, len| TailBatch {
            offset_first: Offset(offset),
            bytes: Bytes::from(vec![0; len]),
        };
        tail.push(Slot(3), vec![batch(10, 100), batch(15, 50)]);
        tail.push(Slot(4), vec![batch(20, 30)]);
        tail
    }

    #[test]
    fn reads_begin_with_the_batch_that_holds_the_offset_and_respect_the_limit() {
        let tail = tail();
        let lens = |offset, max, one| {
            tail.read(Offset(offset), max, one)
                .map(|c| c.iter().map(Bytes::len).collect::<Vec<_>>())
        };
        assert_eq!(lens(9, 1000, true), None);
        assert_eq!(lens(10, 1000, true), Some(vec![100, 50, 30]));
        assert_eq!(lens(17, 1000, true), Some(vec![50, 30]));
        assert_eq!(lens(12, 149, true), Some(vec![100]));
        assert_eq!(lens(12, 10, true), Some(vec![100]));
        assert_eq!(lens(12, 10, false), Some(vec![]));
    }

    #[test]
    fn eviction_goes_slot_by_slot() {
        let mut tail = tail();
        tail.evict(Slot(3));
        assert!(tail.read(Offset(19), 1000, true).is_none());
        assert!(tail.read(Offset(20), 1000, true).is_some());
        tail.evict(Slot(9));
        assert!(tail.read(Offset(20), 1000, true).is_none());
    }
}
