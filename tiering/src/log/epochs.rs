//! Leader epochs of a partition and where each begins (KIP-101, KIP-320).

use weir_protocol::types::{LeaderEpoch, Offset};

/// Epochs in ascending order, each with the offset of its first record. Starts and epochs strictly
/// grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochHistory {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl EpochHistory {
    pub fn new(entries: Vec<(LeaderEpoch, Offset)>) -> EpochHistory {
        EpochHistory { entries }
    }

    /// Notes that `epoch` writes a record at `offset`; the first call per epoch counts. An epoch
    /// that wrote nothing has no entry.
    pub fn assign(&mut self, epoch: LeaderEpoch, offset: Offset) {
        if self.entries.last().is_none_or(|(last, _)| *last < epoch) {
            self.entries.push((epoch, offset));
        }
    }

    pub fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    /// Epoch of the record at `offset`; `None` before the first entry.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|(_, start)| *start <= offset);
        after.checked_sub(1).map(|i| self.entries[i].0)
    }

    /// The largest known epoch ≤ `epoch` and the offset behind its last record, as
    /// OffsetForLeaderEpoch answers; `None` when no such epoch is known.
    ///
    /// `current` is the partition's epoch now and `offset_end` its end (exclusive): the current epoch
    /// ends there even when it wrote nothing.
    pub fn end_of(
        &self,
        epoch: LeaderEpoch,
        current: LeaderEpoch,
        offset_end: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        if epoch == current {
            return Some((current, offset_end));
        }
        let after = self.entries.partition_point(|(e, _)| *e <= epoch);
        let found = after.checked_sub(1).map(|i| self.entries[i].0)?;
        let end = self
            .entries
            .get(after)
            .map_or(offset_end, |(_, start)| *start);
        Some((found, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_ends_where_the_next_one_begins() {
        let mut history = EpochHistory::default();
        for (epoch, offset) in [(0, 0), (0, 5), (2, 10), (2, 12), (5, 20)] {
            history.assign(LeaderEpoch(epoch), Offset(offset));
        }
        let end = |epoch| {
            history
                .end_of(LeaderEpoch(epoch), LeaderEpoch(6), Offset(30))
                .map(|(e, o)| (e.0, o.0))
        };
        assert_eq!(end(0), Some((0, 10)));
        assert_eq!(end(1), Some((0, 10)));
        assert_eq!(end(2), Some((2, 20)));
        assert_eq!(end(5), Some((5, 30)));
        assert_eq!(end(6), Some((6, 30)));
        assert_eq!(history.epoch_at(Offset(11)), Some(LeaderEpoch(2)));
        assert_eq!(
            EpochHistory::default().end_of(LeaderEpoch(0), LeaderEpoch(1), Offset(0)),
            None
        );
    }
}
