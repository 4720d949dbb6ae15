//! What holds after every call, whatever was called.

use std::collections::{BTreeMap, BTreeSet};

use crate::Shard;
use crate::api::Now;
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::state::GroupState;
use crate::ids::{MemberId, Text};
use crate::record::{self, GroupRecord};
use crate::stored::StoredGroup;
use crate::timer::TimerKey;

const ANY_TIME: Now = Now {
    wall_ms: 0,
    boot: std::time::Duration::ZERO,
};

pub(crate) fn check(shard: &Shard) {
    let stored = shard.stored.groups();
    assert!(
        stored.keys().eq(shard.groups.keys()),
        "a live group for every stored one"
    );
    check_no_timer_is_left_over(shard);
    for (id, group) in &shard.groups {
        check_group(group);
        check_timers(shard, group);
        if matches!(group.state(), GroupState::Empty | GroupState::Stable) {
            let image = ClassicGroup::from_stored(id.clone(), &stored[id], ANY_TIME);
            assert_eq!(group.subscribed_topics(), image.subscribed_topics());
            let (live, image) = (comparable(group), comparable(&image));
            assert_eq!(live, image, "the durable image of {id} is the group");
        }
    }
}

pub(crate) fn check_group(group: &ClassicGroup) {
    let ids: BTreeSet<&MemberId> = group.members().map(|m| &m.id).collect();
    match group.leader() {
        Some(leader) => assert!(ids.contains(leader), "the leader is a member"),
        None => assert!(ids.is_empty(), "a group with members has a leader"),
    }
    match group.state() {
        GroupState::Empty => assert!(ids.is_empty()),
        GroupState::CompletingRebalance | GroupState::Stable => assert!(!ids.is_empty()),
        GroupState::PreparingRebalance => {}
        GroupState::Dead => panic!("dead groups are forgotten"),
    }
    assert!(group.pending.iter().all(|id| !ids.contains(id)));
    assert!(group.pending_sync.iter().all(|id| ids.contains(id)));

    if matches!(
        group.state(),
        GroupState::Empty | GroupState::PreparingRebalance
    ) {
        assert!(group.pending_sync.is_empty());
    }
    let awaiting = group.members().filter(|m| m.is_awaiting_join()).count();
    assert_eq!(group.awaiting_join_count(), awaiting);
    if group.state() != GroupState::PreparingRebalance {
        assert_eq!(awaiting, 0, "joins are parked only while preparing");
    }
    if group.state() != GroupState::CompletingRebalance {
        assert!(group.members().all(|m| m.awaiting_sync.is_none()));
    }

    let held: BTreeMap<_, _> = group
        .members()
        .filter_map(|m| m.instance.clone().map(|i| (i, m.id.clone())))
        .collect();
    assert_eq!(group.static_members, held, "instance ids and their holders");

    let mut counts: BTreeMap<Text, usize> = BTreeMap::new();
    for member in group.members() {
        let names: BTreeSet<_> = member.protocols.iter().map(|p| p.name.clone()).collect();
        for name in names {
            *counts.entry(name).or_default() += 1;
        }
    }
    assert_eq!(group.protocol_counts, counts);
}

fn check_no_timer_is_left_over(shard: &Shard) {
    for key in shard.timers.keys() {
        let is_needed = match key {
            TimerKey::Expiry => true,
            TimerKey::Join(id) | TimerKey::Sync(id) => shard.groups.contains_key(id),
            TimerKey::Member(id, member) => shard.groups.get(id).is_some_and(|group| {
                group.member(member.as_str()).is_some() || group.pending.contains(member)
            }),
        };
        assert!(is_needed, "{key:?}");
    }
}

/// Nobody can be forgotten: whoever may fail has a deadline.
fn check_timers(shard: &Shard, group: &ClassicGroup) {
    let has = |key: &TimerKey| shard.timers.deadline(key).is_some();
    for member in group.members().filter(|m| !m.has_satisfied_heartbeat()) {
        assert!(has(&group.member_timer(&member.id)), "{:?}", member.id);
    }
    for id in &group.pending {
        assert!(has(&group.member_timer(id)), "pending {id:?}");
    }
    let join = has(&TimerKey::Join(group.id.clone()));
    assert_eq!(join, group.is_in(GroupState::PreparingRebalance));
    let sync = has(&TimerKey::Sync(group.id.clone()));
    if group.is_in(GroupState::CompletingRebalance) {
        assert!(sync);
    }
    if matches!(
        group.state(),
        GroupState::Empty | GroupState::PreparingRebalance
    ) {
        assert!(!sync);
    }
}

/// What a reload must bring back of a group, in the form of its record. Since when it is stable
/// is not among it: the record has the beginning of the generation, and nothing reads it.
pub(crate) fn comparable(group: &ClassicGroup) -> StoredGroup {
    let record = record::group_metadata(group);
    match GroupRecord::decode(Some(&record.key), record.value.as_ref()) {
        Ok(GroupRecord::Group {
            value: Some(mut value),
            ..
        }) => {
            value
                .state_since_ms
                .take_if(|_| group.is_in(GroupState::Stable));
            value
        }
        other => panic!("{other:?}"),
    }
}
