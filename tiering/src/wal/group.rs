//! The batches of one partition in one object: its run, its producers, and what its commit needs.

use std::{collections::BTreeMap, sync::Arc};

use weir_protocol::types::{Offset, ProducerId};

use super::buffer::Buffered;
use crate::{
    format::wal::{ControlRecord, ProducerBatch, RunInput, RunRow},
    ids::Slot,
    log::{BATCHES_MAX, PartitionLog, ProducedBatch, Run, TailBatch, WalIndex, produced_batch},
};

/// What a committed run does to its partition.
pub struct CommittedRun {
    pub log: Arc<PartitionLog>,
    pub run: Run,
    pub batches: Vec<TailBatch>,
    pub producers: Vec<(ProducerId, ProducedBatch)>,
}

/// The batches of one partition in one object.
pub struct Group {
    log: Arc<PartitionLog>,
    pub batches: Vec<Buffered>,
}

/// In the order of the object: user topics first, then by topic and partition; batches stay in offset
/// order because that is the order in which they came.
pub fn group_by_partition(batches: Vec<Buffered>) -> Vec<Group> {
    let mut groups: BTreeMap<_, Group> = BTreeMap::new();
    for batch in batches {
        let key = (batch.log.is_internal(), batch.log.id());
        let log = batch.log.clone();
        groups
            .entry(key)
            .or_insert_with(|| Group {
                log,
                batches: Vec::new(),
            })
            .batches
            .push(batch);
    }
    groups.into_values().collect()
}

impl Group {
    pub fn run_input(&self) -> RunInput {
        let (first, last) = (&self.batches[0], &self.batches[self.batches.len() - 1]);
        RunInput {
            topic_partition: self.log.id(),
            ownership_epoch: self.log.ownership_epoch(),
            leader_epoch: self.log.leader_epoch(),
            offset_first: first.offset_first,
            offset_last: last.offset_last,
            // Counts of batches whose records were not walked are the client's word.
            record_count: self
                .batches
                .iter()
                .fold(0, |sum: u32, b| sum.saturating_add(b.record_count)),
            max_timestamp: self
                .batches
                .iter()
                .map(|b| b.max_timestamp)
                .max()
                .unwrap_or(-1),
            internal: self.log.is_internal(),
            batches: self.batches.iter().map(|b| b.bytes.clone()).collect(),
        }
    }

    /// Per producer its last five batches of this object.
    fn producers(&self) -> Vec<(ProducerId, ProducedBatch)> {
        let sequenced = self.batches.iter().filter_map(|b| {
            let s = b.sequenced?;
            Some((
                s.producer,
                produced_batch(&s, b.offset_first, b.offset_last, b.max_timestamp, None),
            ))
        });
        let mut by_producer: BTreeMap<i64, Vec<ProducedBatch>> = BTreeMap::new();
        for (producer, batch) in sequenced {
            by_producer.entry(producer.0).or_default().push(batch);
        }
        let last_five =
            |list: Vec<ProducedBatch>| list[list.len().saturating_sub(BATCHES_MAX)..].to_vec();
        by_producer
            .into_iter()
            .flat_map(|(id, list)| {
                last_five(list)
                    .into_iter()
                    .map(move |batch| (ProducerId(id), batch))
            })
            .collect()
    }

    pub fn producer_deltas(&self) -> Vec<ControlRecord> {
        let mut deltas: Vec<ControlRecord> = Vec::new();
        for (id, b) in self.producers() {
            let batch = ProducerBatch {
                epoch: b.epoch,
                sequence_first: b.sequence_first,
                sequence_last: b.sequence_last,
                offset_first: b.offset_first,
                offset_last: b.offset_last,
                timestamp: b.timestamp,
            };
            match deltas.last_mut() {
                Some(ControlRecord::ProducerDelta {
                    producer, batches, ..
                }) if *producer == id => batches.push(batch),
                _ => deltas.push(ControlRecord::ProducerDelta {
                    topic_partition: self.log.id(),
                    producer: id,
                    batches: vec![batch],
                }),
            }
        }
        deltas
    }

    pub fn committed_run(self, wal: WalIndex, slot: Slot, row: &RunRow) -> CommittedRun {
        let fits = "an object is cut far below 4 GiB";
        let run = Run {
            wal,
            slot,
            position: u32::try_from(row.position).expect(fits),
            len: u32::try_from(row.len).expect(fits),
            offset_first: row.offset_first,
            offset_end: Offset(row.offset_last.0 + 1),
            max_timestamp: row.max_timestamp,
        };
        let producers = self.producers();
        let batches = self
            .batches
            .into_iter()
            .map(|b| TailBatch {
                offset_first: b.offset_first,
                bytes: b.bytes,
            })
            .collect();
        CommittedRun {
            log: self.log,
            run,
            batches,
            producers,
        }
    }
}
