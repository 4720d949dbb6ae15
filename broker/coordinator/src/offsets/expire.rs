//! Offsets that go because time has passed, and the groups that this leaves with nothing.
//!
//! Which clock counts (KIP-211): in an empty group the moment when it became empty; in a stable
//! consumer group the commit, and only for topics it does not consume; in a simple group the
//! commit. A commit with an expiry of its own (v2–v4) goes by that. Other groups keep everything.

use std::ops::Bound;
use std::time::Duration;

use crate::api::{Now, Output};
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::state::GroupState;
use crate::ids::GroupId;
use crate::record;
use crate::shard::Shard;
use crate::stored::CommittedOffset;
use crate::timer::TimerKey;

/// Since when an offset counts as unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RetentionFrom {
    Commit,
    /// Unix ms.
    Moment(i64),
}

impl RetentionFrom {
    fn has_expired(self, offset: &CommittedOffset, now: Now, retention: Duration) -> bool {
        if let Some(expire_timestamp_ms) = offset.expire_timestamp_ms {
            return now.wall_ms >= expire_timestamp_ms;
        }
        let from = match self {
            RetentionFrom::Commit => offset.commit_timestamp_ms,
            RetentionFrom::Moment(ms) => ms,
        };
        let retention_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        now.wall_ms.saturating_sub(from) >= retention_ms
    }
}

impl ClassicGroup {
    fn retention_from(&self) -> Option<RetentionFrom> {
        if self.protocol_type.is_none() {
            return Some(RetentionFrom::Commit);
        }
        match self.state() {
            // Old records do not tell since when the group is empty.
            GroupState::Empty => Some(match self.state_since_ms {
                Some(ms) => RetentionFrom::Moment(ms),
                None => RetentionFrom::Commit,
            }),
            // Known for consumers only.
            GroupState::Stable => self.subscribed_topics().map(|_| RetentionFrom::Commit),
            _ => None,
        }
    }
}

impl Shard {
    /// One call's worth of expiry: all groups, or as many as the limit allows, the rest at the
    /// next timer call.
    pub(crate) fn expire(&mut self, now: Now, out: &mut Output) {
        let from = match self.expiry_resumes_at.take() {
            Some(id) => Bound::Included(id),
            None => Bound::Unbounded,
        };
        let records_before = out.records.len();
        let mut resumes_at = None;
        for (id, group) in self.groups.range((from, Bound::Unbounded)) {
            if out.records.len() - records_before >= self.config.expired_records_max {
                resumes_at = Some(id.clone());
                break;
            }
            self.expire_group(id, group, now, out);
        }
        let next = match resumes_at {
            // Not at once: what this call may write is used up.
            Some(_) => Duration::from_millis(1),
            None => self.config.offsets_retention_check_interval,
        };
        self.expiry_resumes_at = resumes_at;
        self.timers
            .schedule(TimerKey::Expiry, now.boot.saturating_add(next));
    }

    fn expire_group(&self, id: &GroupId, group: &ClassicGroup, now: Now, out: &mut Output) {
        let retention = self.config.offsets_retention;
        let mut is_bare = true;
        let retention_from = group.retention_from();
        for (topic, partitions) in self.stored.group_offsets(id).into_iter().flatten() {
            let is_subscribed = group.is_subscribed_to(topic.as_str());
            for (at, offset) in partitions {
                let expires = !is_subscribed
                    && retention_from.is_some_and(|from| from.has_expired(offset, now, retention));
                if expires {
                    out.records.push(record::offset_tombstone(id, topic, *at));
                }
                is_bare &= expires;
            }
        }
        // Somebody who was just given a member id is about to join.
        if is_bare && group.is_in(GroupState::Empty) && !group.has_pending_members() {
            out.records.push(record::group_tombstone(id));
        }
    }
}
