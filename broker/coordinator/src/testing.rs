//! The context of this crate's tests: a shard with a clock, topics, ids and a log of its own.
//!
//! Every call checks the invariants of every group; every test ends with `check_reload`, which
//! replays the log from empty and compares (see `Drop`).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use weir_protocol::types::{Offset, Uuid};

use crate::api::{Answer, Context, Now, Output, Request, Token, TopicInfo, TopicLookup};
use crate::group::classic::group::ClassicGroup;
use crate::ids::TopicName;
use crate::record::{CoordinatorRecord, GroupRecord};
use crate::{GroupConfig, GroupState, Shard};

mod calls;
mod invariants;
mod requests;

pub(crate) use invariants::{check_group, comparable};
pub(crate) use requests::{commit, join, protocols, subscription, sync_request};

pub(crate) const G: &str = "group-id";

/// The topics of a test, changed while it runs.
#[derive(Debug, Default)]
pub(crate) struct Topics(RefCell<BTreeMap<TopicName, TopicInfo>>);

impl TopicLookup for Topics {
    fn by_name(&self, name: &str) -> Option<TopicInfo> {
        self.0.borrow().get(name).copied()
    }

    fn by_id(&self, id: Uuid) -> Option<(TopicName, TopicInfo)> {
        let topics = self.0.borrow();
        let mut found = topics.iter().filter(|(_, info)| info.id == id);
        found.next().map(|(name, info)| (name.clone(), *info))
    }
}

pub(crate) fn uuid(n: u8) -> Uuid {
    Uuid([n; 16])
}

pub(crate) struct GroupTest {
    pub(crate) shard: Shard,
    pub(crate) now: Now,
    pub(crate) topics: Topics,
    pub(crate) log: Vec<CoordinatorRecord>,
    /// Records of the log that `take_records` has not shown yet begin here.
    seen: usize,
    answers: BTreeMap<Token, Answer>,
    tokens: u64,
    ids: u64,
}

impl GroupTest {
    pub(crate) fn new() -> GroupTest {
        GroupTest::with(|_| {})
    }

    /// Kafka's own tests use session timeouts below the broker's minimum; so do these.
    pub(crate) fn with(change: impl FnOnce(&mut GroupConfig)) -> GroupTest {
        let mut config = GroupConfig {
            session_timeout_min_ms: 0,
            ..GroupConfig::default()
        };
        change(&mut config);
        let mut shard = Shard::new(config);
        let now = Now {
            wall_ms: 1_700_000_000_000,
            boot: Duration::from_secs(1000),
        };
        let loaded = shard.on_loaded(now);
        assert_eq!(loaded, Output::default());
        GroupTest {
            shard,
            now,
            topics: Topics::default(),
            log: Vec::new(),
            seen: 0,
            answers: BTreeMap::new(),
            tokens: 0,
            ids: 0,
        }
    }

    pub(crate) fn topic(self, name: &str, id: u8, partition_count: i32) -> GroupTest {
        self.set_topic(name, Some((id, partition_count)));
        self
    }

    pub(crate) fn set_topic(&self, name: &str, info: Option<(u8, i32)>) {
        let mut topics = self.topics.0.borrow_mut();
        topics.remove(name);
        if let Some((id, partition_count)) = info {
            let id = uuid(id);
            let info = TopicInfo {
                id,
                partition_count,
            };
            topics.insert(TopicName::new(name), info);
        }
    }

    pub(crate) fn send(&mut self, request: Request) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        let ids = &mut self.ids;
        let mut new_id = || {
            *ids += 1;
            Uuid(u128::from(*ids).to_be_bytes())
        };
        let mut ctx = Context {
            now: self.now,
            topics: &self.topics,
            new_id: &mut new_id,
        };
        let out = self.shard.handle(&mut ctx, token, request);
        self.absorb(out);
        token
    }

    pub(crate) fn absorb(&mut self, out: Output) {
        self.log.extend(out.records);
        for (token, answer) in out.answers {
            let earlier = self.answers.insert(token, answer);
            assert_eq!(earlier, None, "{token:?} was answered twice");
        }
        invariants::check(&self.shard);
    }

    /// Lets time pass, calling the timer whenever it asks to be called.
    pub(crate) fn sleep_ms(&mut self, ms: u64) {
        let end = self.now.boot + Duration::from_millis(ms);
        while let Some(next) = self.shard.next_deadline().filter(|next| *next <= end) {
            self.advance_to(next.max(self.now.boot));
            let out = self.shard.on_timer(self.now);
            self.absorb(out);
        }
        self.advance_to(end);
    }

    fn advance_to(&mut self, boot: Duration) {
        let passed = boot - self.now.boot;
        self.now.boot = boot;
        self.now.wall_ms += i64::try_from(passed.as_millis()).unwrap();
    }

    pub(crate) fn answer(&self, token: Token) -> &Answer {
        self.answers.get(&token).expect("still parked")
    }

    pub(crate) fn is_parked(&self, token: Token) -> bool {
        !self.answers.contains_key(&token)
    }

    /// The records since the last call, decoded.
    pub(crate) fn take_records(&mut self) -> Vec<GroupRecord> {
        let records = self.log[self.seen..].iter().map(decode).collect();
        self.seen = self.log.len();
        records
    }

    /// Asserts that nothing was written since the last look at the records.
    pub(crate) fn expect_no_records(&mut self) {
        assert_eq!(self.take_records(), []);
    }

    pub(crate) fn group(&self, id: &str) -> &ClassicGroup {
        self.shard.groups.get(id).expect("the group exists")
    }

    pub(crate) fn state(&self, id: &str) -> GroupState {
        self.group(id).state()
    }

    pub(crate) fn member_count(&self, id: &str) -> usize {
        self.group(id).members().len()
    }

    /// Replays the log from empty: the durable state is equal, and every group that is not in the
    /// middle of a rebalance comes back as it is.
    pub(crate) fn check_reload(&self) {
        let reloaded = self.reload();
        assert_eq!(reloaded.stored, self.shard.stored);
        assert!(reloaded.groups.keys().eq(self.shard.groups.keys()));
        for (id, group) in &self.shard.groups {
            if matches!(group.state(), GroupState::Empty | GroupState::Stable) {
                check_group(&reloaded.groups[id]);
                assert_eq!(comparable(&reloaded.groups[id]), comparable(group));
                assert_eq!(reloaded.groups[id].state(), group.state());
            }
        }
    }

    pub(crate) fn reload(&self) -> Shard {
        let mut shard = Shard::new(self.shard.config.clone());
        for (offset, record) in (0..).zip(&self.log) {
            let replayed = shard.replay(Offset(offset), Some(&record.key), record.value.as_ref());
            assert_eq!(replayed, Ok(()));
        }
        let out = shard.on_loaded(self.now);
        assert_eq!(out, Output::default());
        invariants::check(&shard);
        shard
    }

    /// The broker crashes and another one takes over; what was parked is forgotten.
    pub(crate) fn fail_over(&mut self) {
        self.shard = self.reload();
    }
}

impl Drop for GroupTest {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_reload();
        }
    }
}

pub(crate) fn decode(record: &CoordinatorRecord) -> GroupRecord {
    GroupRecord::decode(Some(&record.key), record.value.as_ref()).unwrap()
}
