//! The deadlines of a shard, in boot time. Deadlines that fall together fire in the order of
//! their keys, so that the same calls always give the same records.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ids::{GroupId, MemberId};

/// What a deadline is for; at most one deadline per key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    /// End of the join phase of a group.
    Join(GroupId),
    /// Members that have not sent SyncGroup by now are removed.
    Sync(GroupId),
    /// End of a member's session, or of the patience with a new or pending member.
    Member(GroupId, MemberId),
    /// Expiry of offsets and empty groups, for the whole shard.
    Expiry,
}

#[derive(Debug, Default)]
pub(crate) struct TimerQueue {
    deadlines: BTreeMap<TimerKey, Duration>,
    order: BTreeSet<(Duration, TimerKey)>,
}

impl TimerQueue {
    /// Sets the deadline of `key`, in place of an earlier one.
    pub(crate) fn schedule(&mut self, key: TimerKey, deadline: Duration) {
        if let Some(old) = self.deadlines.insert(key.clone(), deadline) {
            self.order.remove(&(old, key.clone()));
        }
        self.order.insert((deadline, key));
    }

    pub(crate) fn cancel(&mut self, key: &TimerKey) {
        if let Some((key, old)) = self.deadlines.remove_entry(key) {
            self.order.remove(&(old, key));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.deadlines.len()
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.order.first().map(|(deadline, _)| *deadline)
    }

    /// Takes the first key whose deadline is at or before `now`.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<TimerKey> {
        if self.next_deadline()? > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.deadlines.remove(&key);
        Some(key)
    }

    #[cfg(test)]
    pub(crate) fn keys(&self) -> impl Iterator<Item = &TimerKey> {
        self.deadlines.keys()
    }

    #[cfg(test)]
    pub(crate) fn deadline(&self, key: &TimerKey) -> Option<Duration> {
        self.deadlines.get(key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(group: &str) -> TimerKey {
        TimerKey::Join(GroupId::new(group))
    }

    #[test]
    fn deadlines_fire_in_time_and_then_key_order() {
        let mut timers = TimerQueue::default();
        let at = Duration::from_secs;
        timers.schedule(TimerKey::Expiry, at(5));
        timers.schedule(join("b"), at(5));
        timers.schedule(join("a"), at(5));
        timers.schedule(join("c"), at(4));
        timers.schedule(join("late"), at(6));
        timers.schedule(join("moved"), at(1));
        timers.schedule(join("moved"), at(9));
        timers.schedule(join("gone"), at(1));
        timers.cancel(&join("gone"));

        assert_eq!(timers.next_deadline(), Some(at(4)));
        assert_eq!(timers.pop_due(at(3)), None);
        let fired: Vec<_> = std::iter::from_fn(|| timers.pop_due(at(5))).collect();
        assert_eq!(fired, [join("c"), join("a"), join("b"), TimerKey::Expiry]);
        assert_eq!(timers.next_deadline(), Some(at(6)));
        assert_eq!(timers.deadline(&join("moved")), Some(at(9)));
    }
}
