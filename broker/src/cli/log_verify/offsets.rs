//! Offsets of each partition over all objects: dense, whoever wrote them.

use std::collections::BTreeMap;

use weir_tiering::{
    format::wal::RunRow,
    ids::{OwnershipEpoch, TopicPartition},
};

use super::report::Report;

/// First and last offset of contiguous runs, both inclusive.
type Interval = (i64, i64);

/// Collects runs and joins them: a sound partition costs one interval per ownership epoch.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    partitions: BTreeMap<TopicPartition, BTreeMap<OwnershipEpoch, Vec<Interval>>>,
}

impl Offsets {
    /// Runs of one ownership epoch come in the order of their slots.
    pub(super) fn add(&mut self, row: &RunRow) {
        let epochs = self.partitions.entry(row.topic_partition).or_default();
        let intervals = epochs.entry(row.ownership_epoch).or_default();
        let (first, last) = (row.offset_first.0, row.offset_last.0);
        match intervals.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(first) => *end = last,
            _ => intervals.push((first, last)),
        }
    }

    /// Owners follow each other by epoch; each goes on where the one before ended.
    pub(super) fn check(&self, report: &mut Report) {
        for (partition, epochs) in &self.partitions {
            let mut intervals = epochs.values().flatten();
            let Some(&(_, mut last)) = intervals.next() else {
                continue;
            };
            for &(first, next_last) in intervals {
                if last.checked_add(1) != Some(first) {
                    let message = format!("offset {last} is followed by {first}");
                    report.damaged(format!("partition {partition}"), message);
                }
                last = next_last;
            }
        }
    }
}
