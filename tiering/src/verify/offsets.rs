//! Offsets of each partition over all objects: from the log start on every offset once, in the order
//! of the ownership epochs, and up to the page's end in the slots that the page covers.
//!
//! Owns: intervals that grow together as runs arrive; in a sound store one per partition remains,
//! whatever the order of the write-ahead logs.

use std::collections::BTreeMap;

use super::{
    expected::{Expected, RunClass},
    report::{LOOK, Report},
};
use crate::{
    format::wal::RunRow,
    ids::{OwnershipEpoch, TopicPartition},
    metadata::Image,
    store::Key,
};

/// Intervals kept per partition: a badly damaged store must not take all memory.
const INTERVALS_MAX: usize = 1_000;

/// Contiguous offsets, both ends inclusive, and the epochs at the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    first: i64,
    last: i64,
    epoch_first: OwnershipEpoch,
    epoch_last: OwnershipEpoch,
}

#[derive(Debug, Default)]
struct Partition {
    /// Sorted, neither touching nor overlapping.
    intervals: Vec<Interval>,
    /// Exclusive end of the runs that the page covers.
    paged_end: i64,
    /// Holes between intervals that were given up.
    holes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Offsets {
    partitions: BTreeMap<TopicPartition, Partition>,
}

impl Offsets {
    /// Takes a run that counts, of the object `key`.
    pub fn add(&mut self, key: &Key, row: &RunRow, class: RunClass, report: &mut Report) {
        let partition = self.partitions.entry(row.topic_partition).or_default();
        let run = Interval {
            first: row.offset_first.0,
            last: row.offset_last.0,
            epoch_first: row.ownership_epoch,
            epoch_last: row.ownership_epoch,
        };
        if class == RunClass::Paged {
            partition.paged_end = partition.paged_end.max(run.last.saturating_add(1));
        }
        if let Err(problem) = partition.add(run) {
            let what = format!("partition {}: {problem}", row.topic_partition);
            report.damaged(key, what, LOOK);
        }
    }

    /// Compares what the runs add up to with the pages.
    pub fn check(&self, expected: &Expected, image: &Image, report: &mut Report) {
        for (id, partition) in &self.partitions {
            let bounds = expected.partitions.get(id);
            let log_start = bounds.map_or(0, |bounds| bounds.log_start.0);
            let log_end = bounds.map_or(0, |bounds| bounds.log_end.0);
            for problem in partition.problems(log_start, log_end) {
                report.damaged(name_of(image, id), problem, LOOK);
            }
        }
        for (id, bounds) in &expected.partitions {
            if !self.partitions.contains_key(id) && bounds.log_start < bounds.log_end {
                let what = format!(
                    "offsets {} to {} are missing: no object holds any of them",
                    bounds.log_start,
                    bounds.log_end.0 - 1
                );
                report.damaged(name_of(image, id), what, LOOK);
            }
        }
        report.counts.partitions = self.partitions.len() as u64;
    }
}

/// Topic and partition, for people.
pub(super) fn name_of(image: &Image, id: &TopicPartition) -> String {
    match image.topics.by_id(&id.topic) {
        Some(topic) => format!("partition {}-{}", topic.name, id.partition),
        None => format!("partition {id}"),
    }
}

impl Partition {
    fn add(&mut self, run: Interval) -> Result<(), String> {
        let at = self.intervals.partition_point(|i| i.first <= run.first);
        let before = at.checked_sub(1).map(|at| self.intervals[at]);
        let after = self.intervals.get(at).copied();
        let overlaps = before.is_some_and(|before| before.last >= run.first)
            || after.is_some_and(|after| after.first <= run.last);
        if overlaps {
            return Err(format!(
                "offsets {} to {} are stored a second time",
                run.first, run.last
            ));
        }
        let joins_before = before.is_some_and(|before| before.last + 1 == run.first);
        let joins_after = after.is_some_and(|after| run.last + 1 == after.first);
        let epoch_back = (joins_before && before.is_some_and(|b| b.epoch_last > run.epoch_first))
            || (joins_after && after.is_some_and(|a| a.epoch_first < run.epoch_last));
        match (joins_before, joins_after) {
            (true, true) => {
                let after = self.intervals.remove(at);
                let before = &mut self.intervals[at - 1];
                (before.last, before.epoch_last) = (after.last, after.epoch_last);
            }
            (true, false) => {
                let before = &mut self.intervals[at - 1];
                (before.last, before.epoch_last) = (run.last, run.epoch_last);
            }
            (false, true) => {
                let after = &mut self.intervals[at];
                (after.first, after.epoch_first) = (run.first, run.epoch_first);
            }
            (false, false) => self.intervals.insert(at, run),
        }
        self.give_up_oldest();
        if epoch_back {
            return Err(format!(
                "offset {} goes on under an older ownership epoch than the offset before it",
                run.first
            ));
        }
        Ok(())
    }

    fn give_up_oldest(&mut self) {
        if self.intervals.len() > INTERVALS_MAX {
            self.holes += 1;
            let first = self.intervals.remove(0);
            let next = &mut self.intervals[0];
            (next.first, next.epoch_first) = (first.first, first.epoch_first);
        }
    }

    fn problems(&self, log_start: i64, log_end: i64) -> Vec<String> {
        let mut found = Vec::new();
        let missing = |from: i64, to: i64| format!("offsets {from} to {to} are missing");
        if let Some(first) = self.intervals.first().filter(|i| i.first > log_start) {
            found.push(missing(log_start, first.first - 1));
        }
        for pair in self.intervals.windows(2) {
            found.push(missing(pair[0].last + 1, pair[1].first - 1));
        }
        if self.holes > 0 {
            found.push(format!("{} more ranges of offsets are missing", self.holes));
        }
        if self.paged_end != log_end && (log_end > 0 || self.paged_end > 0) {
            found.push(format!(
                "its page says that it ends at offset {log_end}, the objects that the page covers end \
                 at {}",
                self.paged_end
            ));
        }
        found
    }
}
