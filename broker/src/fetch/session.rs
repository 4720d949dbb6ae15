//! One incremental fetch session (KIP-227): what the client asks for and what it was told last.
//!
//! Owns: the partitions of a session in their order, and which of them belong into an incremental
//! answer. Does not own: ids, epochs and eviction (`session_cache`).

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

/// Never told: differs from every real value.
const UNTOLD: Cached = Cached {
    high_watermark: -1,
    log_start_offset: -1,
};

/// The part of a partition's answer that decides whether it must be told.
#[derive(Clone, Copy, Debug)]
pub struct PartitionOutcome {
    pub told: Cached,
    pub has_records: bool,
    pub is_error: bool,
    pub is_diverging: bool,
}

#[derive(Default)]
pub(super) struct FetchSession {
    partitions: IndexMap<PartitionKey, (FetchPartition, Cached)>,
}

impl FetchSession {
    /// Adds or changes a partition; a change keeps its place and what was told.
    pub fn want(&mut self, partition: FetchPartition) {
        match self.partitions.get_mut(&partition.key) {
            Some((wanted, _)) => *wanted = partition,
            None => {
                let key = partition.key.clone();
                self.partitions.insert(key, (partition, UNTOLD));
            }
        }
    }

    pub fn forget(&mut self, key: &PartitionKey) {
        self.partitions.shift_remove(key);
    }

    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// All partitions, in the order in which they are to be served.
    pub fn wanted(&self) -> Vec<FetchPartition> {
        self.partitions
            .values()
            .map(|(wanted, _)| wanted.clone())
            .collect()
    }

    /// Notes what a partition's answer is; returns whether an incremental answer must carry it.
    ///
    /// Errors and diverging epochs are always told, and what was told before is forgotten with them,
    /// so that the recovery is told too. A partition that got records goes to the end of the order.
    pub fn tell(&mut self, key: &PartitionKey, outcome: &PartitionOutcome) -> bool {
        let Some((_, cached)) = self.partitions.get_mut(key) else {
            return true;
        };
        let changed = *cached != outcome.told;
        let must = outcome.has_records || outcome.is_error || outcome.is_diverging || changed;
        *cached = if outcome.is_error {
            UNTOLD
        } else {
            outcome.told
        };
        if outcome.has_records
            && let Some(entry) = self.partitions.shift_remove(key)
        {
            self.partitions.insert(key.clone(), entry);
        }
        must
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

    #[test]
    fn only_news_is_told() {
        let mut session = FetchSession::default();
        session.want(wanted(0));
        assert!(
            session.tell(&key(0), &outcome(5, false, false)),
            "first time"
        );
        assert!(
            !session.tell(&key(0), &outcome(5, false, false)),
            "nothing new"
        );
        assert!(
            session.tell(&key(0), &outcome(6, false, false)),
            "high watermark moved"
        );
        assert!(session.tell(&key(0), &outcome(6, true, false)), "records");
        assert!(session.tell(&key(0), &outcome(-1, false, true)), "error");
        assert!(
            session.tell(&key(0), &outcome(6, false, false)),
            "recovery from an error"
        );
    }

    #[test]
    fn a_partition_with_records_goes_to_the_end() {
        let mut session = FetchSession::default();
        for p in 0..3 {
            session.want(wanted(p));
        }
        session.tell(&key(0), &outcome(1, true, false));
        let order: Vec<_> = session.wanted().iter().map(|w| w.key.partition).collect();
        assert_eq!(order, [1, 2, 0]);
        session.want(FetchPartition {
            fetch_offset: 9,
            ..wanted(2)
        });
        let order: Vec<_> = session
            .wanted()
            .iter()
            .map(|w| (w.key.partition, w.fetch_offset))
            .collect();
        assert_eq!(order, [(1, 0), (2, 9), (0, 0)], "a change keeps the place");
    }
}
