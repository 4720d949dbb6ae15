//! Idempotence: what a partition remembers of each producer, and what it says to the next batch.
//!
//! Owns: the last five batches per producer, duplicate and sequence checks (Kafka's
//! `ProducerStateEntry` and `ProducerAppendInfo`), expiry. Does not own: offsets, durability.
//! Two of these exist per partition: one runs ahead with every append and decides; one follows the
//! committed slots and goes into pages. Each batch knows the slot that makes it durable, so that an
//! answer derived from it can wait for exactly that slot.

use std::collections::{BTreeMap, VecDeque};

use weir_protocol::types::{Offset, ProducerEpoch, ProducerId};

use crate::ids::Slot;

/// Batches remembered per producer and partition, as in Kafka.
pub const BATCHES_MAX: usize = 5;

/// A batch that was appended. Sequences and offsets are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducedBatch {
    pub epoch: ProducerEpoch,
    pub sequence_first: i32,
    pub sequence_last: i32,
    pub offset_first: Offset,
    pub offset_last: Offset,
    /// Largest timestamp of the batch, milliseconds.
    pub timestamp: i64,
    /// The slot that holds it; `None` once known to be durable (recovered).
    pub slot: Option<Slot>,
}

/// What a batch says of its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequenced {
    pub producer: ProducerId,
    pub epoch: ProducerEpoch,
    /// Inclusive, ≥ 0; wraps to 0 behind `i32::MAX`.
    pub sequence_first: i32,
    pub sequence_last: i32,
}

/// The verdict on a batch. `after` is the slot that must be committed before the verdict may leave:
/// it was derived from what that slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Append,
    Duplicate {
        original: ProducedBatch,
    },
    Refuse {
        error: SequenceError,
        after: Option<Slot>,
    },
}

/// Why a sequenced batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    #[error(
        "the batch has epoch {found} of producer {producer}, the partition knows epoch {known}"
    )]
    StaleEpoch {
        producer: ProducerId,
        found: ProducerEpoch,
        known: ProducerEpoch,
    },
    #[error(
        "out of order sequence of producer {producer}: {found} (incoming), {expected} (expected)"
    )]
    OutOfOrder {
        producer: ProducerId,
        found: i32,
        expected: i32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    pub epoch: ProducerEpoch,
    /// Oldest first, at most [`BATCHES_MAX`], all of `epoch`.
    pub batches: VecDeque<ProducedBatch>,
    /// Broker's wall clock at the last append, milliseconds; expiry counts from here.
    pub last_append_ms: i64,
}

/// All producers of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    entries: BTreeMap<i64, ProducerEntry>,
}

impl Producers {
    /// Judges a batch; changes nothing.
    ///
    /// Kafka's order: a duplicate of one of the last five batches wins, then the epoch, then the
    /// sequence. Without any state, every sequence is accepted (KAFKA-17402 removed
    /// UNKNOWN_PRODUCER_ID); a new epoch must begin at 0.
    pub fn judge(&self, batch: &Sequenced) -> Verdict {
        let Some(entry) = self.entries.get(&batch.producer.0) else {
            return Verdict::Append;
        };
        if batch.epoch == entry.epoch {
            let same = |b: &&ProducedBatch| {
                b.sequence_first == batch.sequence_first && b.sequence_last == batch.sequence_last
            };
            if let Some(original) = entry.batches.iter().find(same) {
                return Verdict::Duplicate {
                    original: *original,
                };
            }
        }
        let after = entry.batches.back().and_then(|b| b.slot);
        if batch.epoch < entry.epoch {
            let error = SequenceError::StaleEpoch {
                producer: batch.producer,
                found: batch.epoch,
                known: entry.epoch,
            };
            return Verdict::Refuse { error, after };
        }
        let expected = match entry.batches.back() {
            Some(last) if batch.epoch == entry.epoch => next_sequence(last.sequence_last),
            Some(_) => 0,
            // Known by its epoch alone (a marker, later): Kafka accepts any sequence.
            None => batch.sequence_first,
        };
        if batch.sequence_first == expected {
            Verdict::Append
        } else {
            let error = SequenceError::OutOfOrder {
                producer: batch.producer,
                found: batch.sequence_first,
                expected,
            };
            Verdict::Refuse { error, after }
        }
    }

    /// Remembers an appended batch. A new epoch forgets the batches of the old one.
    pub fn record(&mut self, producer: ProducerId, batch: ProducedBatch, now_ms: i64) {
        let entry = self
            .entries
            .entry(producer.0)
            .or_insert_with(|| ProducerEntry {
                epoch: batch.epoch,
                batches: VecDeque::new(),
                last_append_ms: now_ms,
            });
        if batch.epoch != entry.epoch {
            entry.epoch = batch.epoch;
            entry.batches.clear();
        }
        if entry.batches.len() == BATCHES_MAX {
            entry.batches.pop_front();
        }
        entry.batches.push_back(batch);
        entry.last_append_ms = now_ms;
    }

    /// Puts back a producer as a page has it.
    pub fn restore(&mut self, producer: ProducerId, entry: ProducerEntry) {
        self.entries.insert(producer.0, entry);
    }

    pub fn remove(&mut self, producer: ProducerId) {
        self.entries.remove(&producer.0);
    }

    /// Forgets producers whose last append is `expiration_ms` or more ago (Kafka's
    /// `producer.id.expiration.ms`); returns how many.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) -> usize {
        let before = self.entries.len();
        self.entries
            .retain(|_, e| now_ms.saturating_sub(e.last_append_ms) < expiration_ms);
        before - self.entries.len()
    }

    /// By producer id, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &ProducerEntry)> {
        self.entries
            .iter()
            .map(|(id, entry)| (ProducerId(*id), entry))
    }

    pub fn get(&self, producer: ProducerId) -> Option<&ProducerEntry> {
        self.entries.get(&producer.0)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The sequence behind `sequence`; 0 follows `i32::MAX`.
pub fn next_sequence(sequence: i32) -> i32 {
    if sequence == i32::MAX {
        0
    } else {
        sequence + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: ProducerId = ProducerId(7);

    fn sequenced(epoch: i16, first: i32, last: i32) -> Sequenced {
        Sequenced {
            producer: P,
            epoch: ProducerEpoch(epoch),
            sequence_first: first,
            sequence_last: last,
        }
    }

    fn produced(epoch: i16, first: i32, last: i32, offset: i64) -> ProducedBatch {
        ProducedBatch {
            epoch: ProducerEpoch(epoch),
            sequence_first: first,
            sequence_last: last,
            offset_first: Offset(offset),
            offset_last: Offset(offset + i64::from(last.wrapping_sub(first))),
            timestamp: 0,
            slot: Some(Slot(offset as u64)),
        }
    }

    fn out_of_order(found: i32, expected: i32, after: u64) -> Verdict {
        let error = SequenceError::OutOfOrder {
            producer: P,
            found,
            expected,
        };
        Verdict::Refuse {
            error,
            after: Some(Slot(after)),
        }
    }

    #[test]
    fn an_unknown_producer_may_begin_anywhere() {
        assert_eq!(
            Producers::default().judge(&sequenced(3, 17, 20)),
            Verdict::Append
        );
    }

    #[test]
    fn the_last_five_batches_are_recognised_and_older_ones_are_out_of_order() {
        let mut producers = Producers::default();
        for i in 0..6 {
            producers.record(P, produced(0, i * 2, i * 2 + 1, i64::from(i) * 2), 0);
        }
        assert_eq!(
            producers.judge(&sequenced(0, 0, 1)),
            out_of_order(0, 12, 10)
        );
        for i in 1..6 {
            let original = produced(0, i * 2, i * 2 + 1, i64::from(i) * 2);
            assert_eq!(
                producers.judge(&sequenced(0, i * 2, i * 2 + 1)),
                Verdict::Duplicate { original }
            );
        }
        assert_eq!(producers.judge(&sequenced(0, 12, 12)), Verdict::Append);
        assert_eq!(
            producers.judge(&sequenced(0, 10, 12)),
            out_of_order(10, 12, 10),
            "overlap is no duplicate"
        );
    }

    #[test]
    fn epochs_only_grow_and_a_new_one_begins_at_zero() {
        let mut producers = Producers::default();
        producers.record(P, produced(1, 0, 4, 0), 0);
        let stale = SequenceError::StaleEpoch {
            producer: P,
            found: ProducerEpoch(0),
            known: ProducerEpoch(1),
        };
        assert_eq!(
            producers.judge(&sequenced(0, 0, 4)),
            Verdict::Refuse {
                error: stale,
                after: Some(Slot(0))
            }
        );
        assert_eq!(producers.judge(&sequenced(2, 5, 5)), out_of_order(5, 0, 0));
        assert_eq!(producers.judge(&sequenced(2, 0, 0)), Verdict::Append);
        producers.record(P, produced(2, 0, 0, 5), 0);
        assert_eq!(producers.get(P).map(|e| e.batches.len()), Some(1));
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut producers = Producers::default();
        producers.record(P, produced(0, i32::MAX - 1, i32::MAX, 0), 0);
        assert_eq!(producers.judge(&sequenced(0, 0, 3)), Verdict::Append);
        assert_eq!(producers.judge(&sequenced(0, 1, 3)), out_of_order(1, 0, 0));
    }

    #[test]
    fn producers_expire_by_their_last_append() {
        let mut producers = Producers::default();
        producers.record(P, produced(0, 0, 0, 0), 1_000);
        assert_eq!(producers.expire(1_999, 1_000), 0);
        assert_eq!(producers.expire(2_000, 1_000), 1);
        assert!(producers.is_empty());
    }
}
