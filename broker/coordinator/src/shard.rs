//! One partition of `__consumer_offsets`: its groups and their offsets.
//!
//! Owns: the order of things in a call (decide, write, replay), the groups that are alive, the
//! deadlines, loading and unloading.
//! Does not own: any rule of a request; each has its file in `group` and `offsets`.
//! Invariants: a live group exists exactly for every stored group; the records of a call have been
//! replayed when it returns; answers are only as durable as those records (see [`Output`]).
//! Crash: the runtime makes a new shard, replays the partition and calls [`Shard::on_loaded`].

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use weir_protocol::types::Offset;

use crate::api::{Answer, Context, Now, Output, Request, Token};
use crate::config::GroupConfig;
use crate::error::GroupError;
use crate::group::classic::effects::Effects;
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::state::GroupState;
use crate::ids::{GroupId, MemberId};
use crate::record::{CoordinatorRecord, GroupRecord};
use crate::stored::{ReplayError, Replayed, Stored};
use crate::timer::{TimerKey, TimerQueue};

/// The coordinator of the groups of one partition. Life: `new`, `replay` of every record of the
/// partition in order, `on_loaded`, then any number of the other calls, at last `on_unload`.
#[derive(Debug)]
pub struct Shard {
    pub(crate) config: GroupConfig,
    pub(crate) stored: Stored,
    pub(crate) groups: BTreeMap<GroupId, ClassicGroup>,
    pub(crate) timers: TimerQueue,
    /// Where an expiry that had more to do than one call may goes on.
    pub(crate) expiry_resumes_at: Option<GroupId>,
    is_loaded: bool,
}

/// Sizes, for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardStats {
    pub groups_by_state: BTreeMap<GroupState, usize>,
    pub offset_count: usize,
}

impl Shard {
    pub fn new(config: GroupConfig) -> Shard {
        Shard {
            config,
            stored: Stored::default(),
            groups: BTreeMap::new(),
            timers: TimerQueue::default(),
            expiry_resumes_at: None,
            is_loaded: false,
        }
    }

    /// Takes in a record of the partition, while loading. Control records are not for here.
    pub fn replay(
        &mut self,
        offset: Offset,
        key: Option<&Bytes>,
        value: Option<&Bytes>,
    ) -> Result<(), ReplayError> {
        assert!(!self.is_loaded, "a loaded shard replays its own records");
        let record =
            GroupRecord::decode(key, value).map_err(|error| ReplayError { offset, error })?;
        let _ = self.stored.replay(record);
        Ok(())
    }

    /// All records have been replayed: brings the groups to life. Every member gets a full session
    /// to be heard of again.
    pub fn on_loaded(&mut self, now: Now) -> Output {
        self.is_loaded = true;
        let mut out = Output::default();
        for (id, stored) in self.stored.groups() {
            let group = ClassicGroup::from_stored(id.clone(), stored, now);
            self.groups.insert(id.clone(), group);
        }
        let (groups, mut fx) = self.split(now, &mut out);
        for group in groups.values_mut() {
            let ids: Vec<MemberId> = group.members().map(|m| m.id.clone()).collect();
            for id in &ids {
                group.reschedule_session(id, &mut fx);
            }
            if ids.len() > fx.config.members_max {
                // The limit was lowered. The last to rejoin will not fit.
                group.prepare_rebalance(&mut fx);
            }
        }
        let interval = fx.config.offsets_retention_check_interval;
        fx.schedule(TimerKey::Expiry, interval);
        self.apply(&out.records, now);
        out
    }

    /// Ends the shard: ownership is lost or the broker stops. Every parked request is answered with
    /// `NotCoordinator`, so that its client looks for the new coordinator.
    pub fn on_unload(mut self) -> Output {
        let mut out = Output::default();
        let error = GroupError::NotCoordinator;
        for group in self.groups.values_mut() {
            for (token, member) in group.take_parked_joins() {
                let refused = crate::JoinRefused { error, member };
                out.answers.push((token, Answer::JoinGroup(Err(refused))));
            }
            for token in group.take_parked_syncs() {
                out.answers.push((token, Answer::SyncGroup(Err(error))));
            }
        }
        out
    }

    /// Handles a request. Its answer has its `token`, in this output or in a later one.
    pub fn handle(&mut self, ctx: &mut Context<'_>, token: Token, request: Request) -> Output {
        assert!(self.is_loaded, "requests are refused while loading");
        let mut out = Output::default();
        let now = ctx.now;
        match request {
            Request::JoinGroup(r) => self.join_group(ctx, token, r, &mut out),
            Request::SyncGroup(r) => self.sync_group(now, token, r, &mut out),
            Request::Heartbeat(r) => self.heartbeat(now, token, r, &mut out),
            Request::LeaveGroup(r) => self.leave_group(now, token, r, &mut out),
            Request::OffsetCommit(r) => self.offset_commit(ctx, token, r, &mut out),
            Request::OffsetFetch(r) => self.offset_fetch(ctx, token, r, &mut out),
            Request::DescribeGroups(r) => self.describe_groups(token, r, &mut out),
            Request::ListGroups(r) => self.list_groups(token, r, &mut out),
            Request::DeleteGroups(r) => self.delete_groups(token, r, &mut out),
            Request::OffsetDelete(r) => self.offset_delete(token, r, &mut out),
        }
        self.apply(&out.records, now);
        out
    }

    /// When `on_timer` has something to do; may lie in the past.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.timers.next_deadline()
    }

    /// Does what is due. Call it again for what then is: it may set deadlines at `now` or before.
    pub fn on_timer(&mut self, now: Now) -> Output {
        let mut out = Output::default();
        let mut applied = 0;
        // Bounded, should a deadline ever set itself again at once.
        let due_max = 2 * (self.groups.len() + self.timers.len()) + 1;
        for _ in 0..due_max {
            let Some(key) = self.timers.pop_due(now.boot) else {
                break;
            };
            self.on_deadline(key, now, &mut out);
            self.apply(&out.records[applied..], now);
            applied = out.records.len();
        }
        out
    }

    fn on_deadline(&mut self, key: TimerKey, now: Now, out: &mut Output) {
        let (groups, mut fx) = self.split(now, out);
        match key {
            TimerKey::Join(id) => {
                if let Some(group) = groups.get_mut(&id) {
                    group.on_join_deadline(&mut fx);
                }
            }
            TimerKey::Sync(id) => {
                if let Some(group) = groups.get_mut(&id) {
                    group.on_sync_deadline(&mut fx);
                }
            }
            TimerKey::Member(id, member) => {
                if let Some(group) = groups.get_mut(&id) {
                    group.on_member_deadline(&member, &mut fx);
                }
            }
            TimerKey::Expiry => self.expire(now, out),
        }
    }

    pub fn stats(&self) -> ShardStats {
        let mut stats = ShardStats::default();
        for group in self.groups.values() {
            *stats.groups_by_state.entry(group.state()).or_default() += 1;
        }
        let topics = self.stored.offsets().values().flat_map(|t| t.values());
        stats.offset_count = topics.map(BTreeMap::len).sum();
        stats
    }

    /// The groups, and what they may do, as two borrows.
    pub(crate) fn split<'a>(
        &'a mut self,
        now: Now,
        out: &'a mut Output,
    ) -> (&'a mut BTreeMap<GroupId, ClassicGroup>, Effects<'a>) {
        let fx = Effects {
            now,
            config: &self.config,
            timers: &mut self.timers,
            out,
        };
        (&mut self.groups, fx)
    }

    /// Replays records of this call, so that the durable state is what a reload would find, and
    /// lets groups live and die with it.
    pub(crate) fn apply(&mut self, records: &[CoordinatorRecord], now: Now) {
        for record in records {
            let record = GroupRecord::decode(Some(&record.key), record.value.as_ref())
                .expect("what was encoded here can be decoded here");
            match self.stored.replay(record) {
                Replayed::GroupPresent(id) => {
                    if !self.groups.contains_key(&id)
                        && let Some(stored) = self.stored.groups().get(&id)
                    {
                        let group = ClassicGroup::from_stored(id.clone(), stored, now);
                        self.groups.insert(id, group);
                    }
                }
                Replayed::GroupRemoved(id) => {
                    if let Some(group) = self.groups.remove(&id) {
                        group.cancel_timers(&mut self.timers);
                    }
                }
                Replayed::Nothing => {}
            }
        }
    }
}
