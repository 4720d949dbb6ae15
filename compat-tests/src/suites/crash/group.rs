//! A group that reads across the kills: members that come and go, and commit as they read.
//!
//! Checks while it runs: a member never starts behind a commit that was acknowledged, never skips a
//! record within its life, and no offset ever shows two different records.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
    time::Duration,
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};

use super::workload::{Mode, number};
use crate::{
    harness::{random::Random, time::Deadline},
    librdkafka::{config, with},
};

/// A partition of one of the two topics.
pub type Key = (String, i32);

/// Everything that the group saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// The number of the record at each offset, as first seen; `None`: a damaged record.
    pub records: HashMap<Key, BTreeMap<i64, Option<usize>>>,
    /// The highest commit that was acknowledged.
    pub committed: HashMap<Key, i64>,
    pub findings: Vec<String>,
    pub members: usize,
}

pub fn group_config(bootstrap: &str) -> ClientConfig {
    with(
        config(bootstrap),
        &[
            ("group.id", "crash-group"),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "300"),
            ("reconnect.backoff.ms", "20"),
            ("reconnect.backoff.max.ms", "200"),
            ("topic.metadata.refresh.interval.ms", "1000"),
        ],
    )
}

/// Where the group may stop.
#[derive(Debug)]
pub struct Goal {
    /// The ends (exclusive) of all partitions.
    pub ends: HashMap<Key, i64>,
    /// When it stops anyway.
    pub deadline: Deadline,
}

impl Goal {
    fn reached(&self, seen: &Seen) -> bool {
        let all_seen = |(key, end): (&Key, &i64)| {
            let last = seen.records.get(key).and_then(|r| r.keys().next_back());
            *end == 0 || last.is_some_and(|last| last + 1 >= *end)
        };
        self.deadline.passed() || self.ends.iter().all(all_seen)
    }
}

/// Set once it is known.
pub type SharedGoal = Arc<OnceLock<Goal>>;

/// Reads with one member after the other until the goal is set and reached.
pub fn read_until(bootstrap: &str, seed: u64, goal: &SharedGoal) -> Seen {
    let mut seen = Seen::default();
    let mut random = Random::new(seed ^ 0x5eed);
    while !goal.get().is_some_and(|goal| goal.reached(&seen)) {
        let life = Duration::from_millis(3000 + random.below(6000));
        seen.members += 1;
        one_member(bootstrap, seed, &Deadline::after(life), goal, &mut seen);
    }
    seen
}

fn one_member(bootstrap: &str, seed: u64, end: &Deadline, goal: &SharedGoal, seen: &mut Seen) {
    let consumer: BaseConsumer = group_config(bootstrap).create().expect("a consumer");
    let topics = Mode::ALL.map(Mode::topic);
    consumer.subscribe(&topics).expect("subscribed");
    let mut next: HashMap<Key, i64> = HashMap::new();
    let mut since_commit = 0;
    while !end.passed() && !goal.get().is_some_and(|goal| goal.reached(seen)) {
        // An error is the broker being away; the client goes on by itself.
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
            let key = (message.topic().to_owned(), message.partition());
            let record = message.payload().and_then(|bytes| number(seed, bytes));
            seen.note(&key, message.offset(), record, &mut next);
            since_commit += 1;
        }
        if since_commit >= 500 {
            since_commit = 0;
            commit(&consumer, &next, seen);
        }
    }
    commit(&consumer, &next, seen);
}

impl Seen {
    fn note(
        &mut self,
        key: &Key,
        offset: i64,
        record: Option<usize>,
        next: &mut HashMap<Key, i64>,
    ) {
        let committed = self.committed.get(key).copied().unwrap_or(0);
        let (topic, partition) = key;
        match next.get(key).copied() {
            None if offset < committed => self.findings.push(format!(
                "{topic}-{partition}: a member began at {offset}, though {committed} was committed"
            )),
            // After a rebalance the client may go back to the last commit.
            Some(expected) if offset > expected || offset < committed => {
                self.findings.push(format!(
                    "{topic}-{partition}: offset {offset} instead of {expected} (committed: {committed})"
                ));
            }
            _ => {}
        }
        next.insert(key.clone(), offset + 1);
        let records = self.records.entry(key.clone()).or_default();
        let first = *records.entry(offset).or_insert(record);
        if first != record {
            self.findings.push(format!(
                "{topic}-{partition}: offset {offset} held record {first:?}, then {record:?}"
            ));
        }
    }
}

/// What is acknowledged counts; what is not may count.
fn commit(consumer: &BaseConsumer, next: &HashMap<Key, i64>, seen: &mut Seen) {
    let mut offsets = TopicPartitionList::new();
    for ((topic, partition), offset) in next {
        let offset = Offset::Offset(*offset);
        let added = offsets.add_partition_offset(topic, *partition, offset);
        added.expect("a valid offset");
    }
    if next.is_empty() || consumer.commit(&offsets, CommitMode::Sync).is_err() {
        return;
    }
    for (key, offset) in next {
        let highest = seen.committed.entry(key.clone()).or_default();
        *highest = *offset;
    }
}
