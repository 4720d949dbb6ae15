//! Fetch sessions as KIP-227 has them: epochs, eviction, the memory limit.

use std::{sync::Arc, time::Duration};

use weir_protocol::{str::Str, types::Uuid};
use weir_tiering::env::{
    Env, Tasks,
    testing::{ManualClock, SeededRand},
};

use super::*;

const PARTITION_BYTES: u64 = 256;

struct Cache {
    clock: ManualClock,
    sessions: FetchSessions,
}

fn cache(slots: usize, partitions: u64) -> Cache {
    let clock = ManualClock::default();
    let env = Env {
        clock: Arc::new(clock.clone()),
        rand: Arc::new(SeededRand::new(7)),
        tasks: Tasks::default(),
    };
    let sessions = FetchSessions::new(env, slots, partitions * PARTITION_BYTES);
    Cache { clock, sessions }
}

fn key(topic: &str, partition: i32) -> PartitionKey {
    PartitionKey {
        topic: TopicKey::Name(Str::from_str_copy(topic)),
        partition,
    }
}

fn partitions(of: std::ops::Range<i32>) -> Vec<FetchPartition> {
    let partition = |p| FetchPartition {
        key: key("t", p),
        fetch_offset: 0,
        partition_max_bytes: 100,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
    };
    of.map(partition).collect()
}

fn request(id: i32, epoch: i32, wanted: Vec<FetchPartition>) -> SessionRequest {
    SessionRequest {
        session_id: id,
        session_epoch: epoch,
        by_topic_id: false,
        partitions: wanted,
        forgotten: Vec::new(),
    }
}

fn quiet(high_watermark: i64) -> PartitionOutcome {
    PartitionOutcome {
        told: Cached {
            high_watermark,
            log_start_offset: 0,
        },
        has_records: false,
        is_error: false,
        is_diverging: false,
    }
}

impl Cache {
    /// Session id, and partitions of the answer.
    fn fetch(&self, request: SessionRequest) -> Result<(i32, Vec<i32>), SessionError> {
        let context = self.sessions.begin(request)?;
        let wanted = Arc::clone(&context.partitions);
        let outcomes = vec![quiet(1); wanted.len()];
        let (id, carried) = self.sessions.finish(context, &outcomes);
        let carried = wanted.iter().zip(carried).filter(|(_, carried)| *carried);
        Ok((id, carried.map(|(p, _)| p.key.partition).collect()))
    }

    fn create(&self, count: i32) -> i32 {
        let created = self.fetch(request(0, 0, partitions(0..count)));
        created.map(|(id, _)| id).unwrap_or(-1)
    }

    fn sleep(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[test]
fn a_session_is_made_continued_and_closed() {
    let cache = cache(10, 100);
    let (id, told) = cache
        .fetch(request(0, 0, partitions(0..3)))
        .unwrap_or_default();
    assert!(id > 0);
    assert_eq!(told, [0, 1, 2]);
    assert_eq!(cache.fetch(request(id, 1, vec![])), Ok((id, vec![])));
    let added = request(id, 2, partitions(3..4));
    assert_eq!(cache.fetch(added), Ok((id, vec![3])), "the new one is news");
    let forgets = SessionRequest {
        forgotten: vec![key("t", 0), key("other", 1)],
        ..request(id, 3, vec![])
    };
    let context = cache.sessions.begin(forgets);
    let left = context.map(|c| c.partitions.len());
    assert_eq!(left, Ok(3));
    // Closing answers everything that was asked for, without a session.
    assert_eq!(
        cache.fetch(request(id, -1, partitions(0..1))),
        Ok((0, vec![0]))
    );
    assert!(cache.sessions.is_empty());
    assert_eq!(
        cache.fetch(request(id, 4, vec![])),
        Err(SessionError::NotFound)
    );
}

#[test]
fn a_full_fetch_without_session_makes_none() {
    let cache = cache(10, 100);
    let twice = [partitions(0..2), partitions(0..1)].concat();
    assert_eq!(
        cache.fetch(request(0, -1, partitions(0..2))),
        Ok((0, vec![0, 1]))
    );
    assert_eq!(
        cache.fetch(request(0, 0, vec![])),
        Ok((0, vec![])),
        "of nothing"
    );
    assert!(cache.sessions.is_empty());
    // A partition that is named twice is one.
    let (id, told) = cache.fetch(request(0, 0, twice)).unwrap_or_default();
    assert_eq!((id > 0, told), (true, vec![0, 1]));
}

#[test]
fn a_full_fetch_with_an_id_replaces_that_session() {
    let cache = cache(10, 100);
    let old = cache.create(2);
    let (new, told) = cache
        .fetch(request(old, 0, partitions(5..6)))
        .unwrap_or_default();
    assert!(new > 0 && new != old);
    assert_eq!((told, cache.sessions.len()), (vec![5], 1));
}

#[test]
fn wrong_ids_epochs_and_modes_are_refused_and_change_nothing() {
    let cache = cache(10, 100);
    let id = cache.create(2);
    let other = id.wrapping_add(1) & i32::MAX;
    assert_eq!(
        cache.fetch(request(other, 1, vec![])),
        Err(SessionError::NotFound)
    );
    assert_eq!(
        cache.fetch(request(0, 1, vec![])),
        Err(SessionError::NotFound)
    );
    for epoch in [2, -2, i32::MIN, i32::MAX] {
        let refused = cache.fetch(request(id, epoch, vec![]));
        assert_eq!(refused, Err(SessionError::InvalidEpoch), "{epoch}");
    }
    let by_id = SessionRequest {
        by_topic_id: true,
        partitions: vec![FetchPartition {
            key: PartitionKey {
                topic: TopicKey::Id(Uuid([1; 16])),
                partition: 0,
            },
            ..partitions(0..1).remove(0)
        }],
        ..request(id, 1, vec![])
    };
    assert_eq!(cache.fetch(by_id), Err(SessionError::TopicIdMismatch));
    assert_eq!(cache.fetch(request(id, 1, vec![])), Ok((id, vec![])));
    assert_eq!(
        cache.fetch(request(id, 1, vec![])),
        Err(SessionError::InvalidEpoch),
        "each epoch once"
    );
}

#[test]
fn epochs_wrap_to_one() {
    assert_eq!(session_cache::next_epoch(0), 1);
    assert_eq!(session_cache::next_epoch(i32::MAX - 1), i32::MAX);
    assert_eq!(session_cache::next_epoch(i32::MAX), 1);
}

#[test]
fn a_session_that_forgets_everything_ends() {
    let cache = cache(10, 100);
    let id = cache.create(1);
    let forgets = SessionRequest {
        forgotten: vec![key("t", 0)],
        ..request(id, 1, vec![])
    };
    assert_eq!(cache.fetch(forgets), Ok((0, vec![])));
    assert!(cache.sessions.is_empty());
}

#[test]
fn nobody_is_evicted_while_fresh_then_the_idle_then_the_smaller() {
    let cache = cache(2, 100);
    let small = cache.create(1);
    let large = cache.create(5);
    assert_eq!(cache.create(9), 0, "both are fresh");
    cache.sleep(121);
    assert!(cache.fetch(request(small, 1, vec![])).is_ok());
    assert!(cache.fetch(request(large, 1, vec![])).is_ok());
    assert_eq!(cache.create(1), 0, "not larger than the smallest");
    let larger = cache.create(2);
    assert!(larger > 0, "the old small one makes room");
    assert_eq!(
        cache.fetch(request(small, 2, vec![])),
        Err(SessionError::NotFound)
    );
    cache.sleep(60);
    assert!(cache.fetch(request(larger, 1, vec![])).is_ok());
    cache.sleep(61);
    assert!(
        cache.create(1) > 0,
        "the one that was idle longest makes room"
    );
    assert_eq!(
        cache.fetch(request(large, 2, vec![])),
        Err(SessionError::NotFound)
    );
    assert!(cache.fetch(request(larger, 2, vec![])).is_ok());
}

#[test]
fn without_slots_there_are_no_sessions() {
    assert_eq!(cache(0, 100).create(1), 0);
}

#[test]
fn partitions_of_all_sessions_stay_within_their_memory() {
    let cache = cache(10, 10);
    assert_eq!(cache.create(11), 0);
    let first = cache.create(6);
    assert!(first > 0);
    assert_eq!(cache.create(5), 0);
    assert!(cache.create(4) > 0);
    // One that grows beyond is ended: its client makes a new one.
    let grown = request(first, 1, partitions(6..7));
    assert_eq!(cache.fetch(grown), Err(SessionError::NotFound));
    assert_eq!(cache.sessions.len(), 1);
    assert!(cache.create(6) > 0, "and its memory is free");
}
