//! A page: the durable index state of one placement group, as of exactly one committed WAL slot.
//!
//! Owns: what a page says, and what makes it impossible. Does not own: when one is written (the
//! checkpointer), its bytes (`page_codec`), the object that holds it (`checkpoint`).
//! A page is a root: runs are not copied into it, it lists the WAL ranges whose footers are the run
//! index. Its cost grows with the partitions and the producers that changed.

use std::collections::BTreeSet;

use weir_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::{FormatError, ObjectRef, PageRef, WalRange, wal::ProducerBatch};
use crate::ids::{Incarnation, OwnershipEpoch, PgId, Slot, TopicPartition};

/// State of one placement group after exactly the slots `0..as_of` of its writer's WAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub pg: PgId,
    pub ownership_epoch: OwnershipEpoch,
    /// The owner that wrote the page: `as_of` counts slots of its WAL.
    pub writer: Incarnation,
    pub lane: u16,
    /// Exclusive: 0 = none of the writer's own slots yet.
    pub as_of: Slot,
    /// Ordered by topic id and partition.
    pub partitions: Vec<PartitionRoot>,
    /// The WAL slots that still hold data of the group, ordered, one range per incarnation and lane.
    pub live_wal: Vec<WalRange>,
    /// Reserved for merged objects; empty today.
    pub merged: Vec<ObjectRef>,
    /// The page on which the producers of this one are a delta; `None` = all are listed.
    pub producers_base: Option<PageRef>,
}

/// One partition in a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRoot {
    pub topic_partition: TopicPartition,
    pub log_start: Offset,
    /// Exclusive.
    pub log_end: Offset,
    /// Exclusive.
    pub high_watermark: Offset,
    /// Growing in both fields.
    pub leader_epochs: Vec<EpochStart>,
    /// Reserved; empty until transactions exist.
    pub open_transactions: Vec<OpenTransaction>,
    /// Reserved for frozen pages of cold runs; empty today.
    pub child_pages: Vec<ChildPage>,
    /// Ordered by producer id: all of them, or the changed ones when the page has a base.
    pub producers: Vec<ProducerEntry>,
    /// Producers of the base that are gone, ordered; only in a page with a base.
    pub producers_removed: Vec<ProducerId>,
}

impl PartitionRoot {
    /// A partition without records.
    pub fn empty(topic_partition: TopicPartition) -> PartitionRoot {
        PartitionRoot {
            topic_partition,
            log_start: Offset(0),
            log_end: Offset(0),
            high_watermark: Offset(0),
            leader_epochs: Vec::new(),
            open_transactions: Vec::new(),
            child_pages: Vec::new(),
            producers: Vec::new(),
            producers_removed: Vec::new(),
        }
    }
}

/// The first offset of a leader epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    pub leader_epoch: LeaderEpoch,
    pub start_offset: Offset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    pub producer: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub first_offset: Offset,
}

/// A frozen page with the index of an older part of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildPage {
    pub page: PageRef,
    pub offset_first: Offset,
    /// Inclusive.
    pub offset_last: Offset,
    pub max_timestamp: i64,
}

/// What a partition knows of an idempotent producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    pub producer: ProducerId,
    pub producer_epoch: ProducerEpoch,
    /// Milliseconds; decides the expiry.
    pub last_timestamp: i64,
    /// At most five, oldest first.
    pub batches: Vec<ProducerBatch>,
    /// Of the last transaction marker.
    pub coordinator_epoch: Option<i32>,
    /// First offset of the open transaction.
    pub transaction_first_offset: Option<Offset>,
}

impl Page {
    /// The rules that every page obeys; checked when a page is written and when it is read.
    pub fn check(&self) -> Result<(), FormatError> {
        let mut before: Option<&PartitionRoot> = None;
        for root in &self.partitions {
            root.check(self.producers_base.is_some())?;
            if before.is_some_and(|before| before.topic_partition >= root.topic_partition) {
                return Err(root.invalid("it is not in order"));
            }
            before = Some(root);
        }
        let mut seen = BTreeSet::new();
        for range in &self.live_wal {
            if range.from > range.to || !seen.insert((range.incarnation, range.lane)) {
                return Err(FormatError::Invalid {
                    what: "page",
                    message: format!("WAL range {range:?}"),
                });
            }
        }
        Ok(())
    }
}

impl PartitionRoot {
    fn check(&self, has_base: bool) -> Result<(), FormatError> {
        let offsets = [Offset(0), self.log_start, self.high_watermark, self.log_end];
        if self.topic_partition.partition.0 < 0 || !offsets.is_sorted() {
            return Err(self.invalid("its offsets are out of order"));
        }
        let epochs_grow = self.leader_epochs.is_sorted_by(|a, b| {
            a.leader_epoch < b.leader_epoch && a.start_offset <= b.start_offset
        });
        let epochs_inside = self
            .leader_epochs
            .iter()
            .all(|epoch| epoch.start_offset.0 >= 0 && epoch.start_offset <= self.log_end);
        if !epochs_grow || !epochs_inside {
            return Err(self.invalid("its leader epochs are out of order"));
        }
        let removed = &self.producers_removed;
        let ordered = self.producers.is_sorted_by(|a, b| a.producer < b.producer)
            && removed.is_sorted_by(|a, b| a < b);
        if !ordered || (!has_base && !removed.is_empty()) {
            return Err(self.invalid("its producers are out of order"));
        }
        let both = |entry: &ProducerEntry| removed.binary_search(&entry.producer).is_ok();
        if self.producers.iter().any(both) {
            return Err(self.invalid("a producer is both changed and removed"));
        }
        self.producers.iter().try_for_each(|entry| {
            entry
                .is_plausible()
                .then_some(())
                .ok_or_else(|| self.invalid("a producer's batches are impossible"))
        })
    }

    fn invalid(&self, message: &str) -> FormatError {
        FormatError::Invalid {
            what: "partition in a page",
            message: format!("{}: {message}", self.topic_partition),
        }
    }
}

impl ProducerEntry {
    fn is_plausible(&self) -> bool {
        self.producer.0 >= 0
            && self.batches.len() <= super::wal::PRODUCER_BATCHES_MAX
            && self
                .batches
                .is_sorted_by(|a, b| a.offset_last < b.offset_first)
            && self.batches.iter().all(|batch| {
                batch.offset_first.0 >= 0
                    && batch.offset_first <= batch.offset_last
                    && batch.sequence_first >= 0
                    && batch.sequence_last >= 0
            })
    }
}
