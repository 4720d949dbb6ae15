//! One incremental fetch session (KIP-227): what the client asks for and what it was told last.
//!
//! Owns: the partitions of a session in their order, and which of them belong into an incremental
//! answer. Does not own: ids, epochs and eviction (`session_cache`).

use std::{collections::HashSet, sync::Arc};

use indexmap::IndexMap;
use weir_protocol::{str::Str, types::Uuid};

/// A topic as the request names it: by name up to v12, by id from v13.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicKey {
    Name(Str),
    Id(Uuid),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionKey {
    pub topic: TopicKey,
    pub partition: i32,
}

/// What a client wants of a partition; fields as in FetchRequest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    pub key: PartitionKey,
    pub fetch_offset: i64,
    pub partition_max_bytes: i32,
    /// -1 = do not check.
    pub current_leader_epoch: i32,
    /// -1 = do not check.
    pub last_fetched_epoch: i32,
}

/// What the client was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cached {
    pub high_watermark: i64,
    pub log_start_offset: i64,
}

impl Cached {
    /// Never told: differs from every real value.
    pub const UNTOLD: Cached = Cached {
        high_watermark: -1,
        log_start_offset: -1,
    };
}

/// The part of a partition's answer that decides whether it must be told.
#[derive(Clone, Copy, Debug)]
pub struct PartitionOutcome {
    pub told: Cached,
    pub has_records: bool,
    pub is_error: bool,
    pub is_diverging: bool,
}

/// So many changes of the order are made one by one; more in one go.
const MOVES_MAX: usize = 4;

#[derive(Default)]
pub(super) struct FetchSession {
    partitions: IndexMap<PartitionKey, (FetchPartition, Cached)>,
    /// What `wanted` gave last, while it holds.
    wanted: Option<Arc<[FetchPartition]>>,
}

impl FetchSession {
    /// Adds or changes a partition; a change keeps its place and what was told.
    pub fn want(&mut self, partition: FetchPartition) {
        self.wanted = None;
        match self.partitions.get_mut(&partition.key) {
            Some((wanted, _)) => *wanted = partition,
            None => {
                let key = partition.key.clone();
                self.partitions.insert(key, (partition, Cached::UNTOLD));
            }
        }
    }

    pub fn forget(&mut self, keys: &[PartitionKey]) {
        if keys.is_empty() {
            return;
        }
        self.wanted = None;
        let keys: HashSet<&PartitionKey> = keys.iter().collect();
        self.partitions.retain(|key, _| !keys.contains(key));
    }

    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// All partitions, in the order in which they are to be served.
    pub fn wanted(&mut self) -> Arc<[FetchPartition]> {
        let values = self.partitions.values();
        let wanted = self
            .wanted
            .get_or_insert_with(|| values.map(|(wanted, _)| wanted.clone()).collect());
        wanted.clone()
    }

    /// Notes what the answers of `wanted` are, in its order; returns for each whether an incremental
    /// answer must carry it.
    ///
    /// Errors and diverging epochs are always told, and what was told before is forgotten with them,
    /// so that the recovery is told too. Partitions that got records go to the end of the order.
    pub fn tell(&mut self, wanted: &[FetchPartition], outcomes: &[PartitionOutcome]) -> Vec<bool> {
        let mut served = Vec::new();
        let mut carried = Vec::with_capacity(outcomes.len());
        for (partition, outcome) in wanted.iter().zip(outcomes) {
            carried.push(self.tell_one(&partition.key, outcome));
            if outcome.has_records {
                served.push(&partition.key);
            }
        }
        self.move_to_end(&served);
        carried
    }

    /// Notes what a full answer tells. As in Kafka, only incremental answers change the order.
    pub fn remember(&mut self, wanted: &[FetchPartition], outcomes: &[PartitionOutcome]) {
        for (partition, outcome) in wanted.iter().zip(outcomes) {
            self.tell_one(&partition.key, outcome);
        }
    }

    fn tell_one(&mut self, key: &PartitionKey, outcome: &PartitionOutcome) -> bool {
        let Some((_, cached)) = self.partitions.get_mut(key) else {
            return true;
        };
        let changed = *cached != outcome.told;
        *cached = if outcome.is_error {
            Cached::UNTOLD
        } else {
            outcome.told
        };
        outcome.has_records || outcome.is_error || outcome.is_diverging || changed
    }

    fn move_to_end(&mut self, keys: &[&PartitionKey]) {
        if keys.is_empty() || keys.len() == self.partitions.len() {
            return;
        }
        self.wanted = None;
        if keys.len() <= MOVES_MAX {
            for key in keys {
                if let Some((key, entry)) = self.partitions.shift_remove_entry(*key) {
                    self.partitions.insert(key, entry);
                }
            }
            return;
        }
        let served: HashSet<&PartitionKey> = keys.iter().copied().collect();
        let all = std::mem::take(&mut self.partitions);
        let (last, first): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(key, _)| served.contains(key));
        self.partitions = first.into_iter().chain(last).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(partition: i32) -> PartitionKey {
        PartitionKey {
            topic: TopicKey::Name(Str::from("t")),
            partition,
        }
    }

    fn wanted(partition: i32) -> FetchPartition {
        FetchPartition {
            key: key(partition),
            fetch_offset: 0,
            partition_max_bytes: 1,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
        }
    }

    fn outcome(high_watermark: i64, has_records: bool, is_error: bool) -> PartitionOutcome {
        PartitionOutcome {
            told: Cached {
                high_watermark,
                log_start_offset: 0,
            },
            has_records,
            is_error,
            is_diverging: false,
        }
    }

    fn tell(session: &mut FetchSession, partition: i32, outcome: PartitionOutcome) -> bool {
        session.tell(&[wanted(partition)], &[outcome])[0]
    }

    fn order(session: &mut FetchSession) -> Vec<i32> {
        let wanted = session.wanted();
        wanted.iter().map(|w| w.key.partition).collect()
    }

    #[test]
    fn only_news_is_told() {
        let mut session = FetchSession::default();
        session.want(wanted(0));
        let cases = [
            (outcome(5, false, false), true, "first time"),
            (outcome(5, false, false), false, "nothing new"),
            (outcome(6, false, false), true, "high watermark moved"),
            (outcome(6, true, false), true, "records"),
            (outcome(-1, false, true), true, "error"),
            (outcome(-1, false, true), true, "error again"),
            (outcome(6, false, false), true, "recovery from an error"),
        ];
        for (outcome, told, what) in cases {
            assert_eq!(tell(&mut session, 0, outcome), told, "{what}");
        }
    }

    #[test]
    fn partitions_with_records_go_to_the_end() {
        let mut session = FetchSession::default();
        for p in 0..3 {
            session.want(wanted(p));
        }
        tell(&mut session, 0, outcome(1, true, false));
        assert_eq!(order(&mut session), [1, 2, 0]);
        session.want(FetchPartition {
            fetch_offset: 9,
            ..wanted(2)
        });
        assert_eq!(order(&mut session), [1, 2, 0], "a change keeps the place");
        assert_eq!(session.wanted()[1].fetch_offset, 9);
        session.forget(&[key(1), key(7)]);
        assert_eq!(order(&mut session), [2, 0]);
    }

    #[test]
    fn many_moves_at_once_keep_the_order_among_themselves() {
        let mut session = FetchSession::default();
        for p in 0..20 {
            session.want(wanted(p));
        }
        let all: Vec<_> = session.wanted().to_vec();
        let outcomes: Vec<_> = (0..20).map(|p| outcome(1, p % 2 == 0, false)).collect();
        assert_eq!(session.tell(&all, &outcomes), [true; 20]);
        let expected: Vec<i32> = (0..20)
            .filter(|p| p % 2 == 1)
            .chain((0..20).filter(|p| p % 2 == 0))
            .collect();
        assert_eq!(order(&mut session), expected);
        let quiet: Vec<_> = (0..20).map(|_| outcome(1, false, false)).collect();
        let all: Vec<_> = session.wanted().to_vec();
        assert_eq!(session.tell(&all, &quiet), [false; 20]);
    }
}
