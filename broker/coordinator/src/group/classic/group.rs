//! The state of one classic group while its shard is loaded.
//!
//! Owns: members, pending members, leader, generation, and the counts derived from them, kept
//! consistent by the methods here; nothing else changes those fields.
//! Does not own: what happens next (`join`, `rebalance`, …), the durable image (`stored`).
//! Invariants: the leader is a member, if there are members; every instance id belongs to exactly
//! one member; `Empty` has no members; in `Stable` and `Empty` the durable image says the same.
//! Crash: everything but that image is gone, and is rebuilt by members that join again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;

use crate::api::{Now, Token};
use crate::error::GroupError;
use crate::group::classic::effects::{Effects, millis};
use crate::group::classic::member::{Member, MemberProtocol};
use crate::group::classic::rebalance::InitialDelay;
use crate::group::classic::state::GroupState;
use crate::ids::{GroupId, InstanceId, MemberId, Text, TopicName};
use crate::stored::StoredGroup;
use crate::subscription;
use crate::timer::TimerKey;

/// The protocol type whose subscriptions the coordinator can read.
pub(crate) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

#[derive(Debug)]
pub(crate) struct ClassicGroup {
    pub(crate) id: GroupId,
    pub(super) state: GroupState,
    pub(super) previous_state: GroupState,
    /// When the current state began, Unix ms. `None`: loaded from a record that does not tell.
    pub(crate) state_since_ms: Option<i64>,
    pub(crate) generation: i32,
    /// `None`: a simple group, which only stores offsets.
    pub(crate) protocol_type: Option<Text>,
    pub(crate) protocol: Option<Text>,
    pub(super) leader: Option<MemberId>,
    /// In the order of joining.
    pub(super) members: IndexMap<MemberId, Member>,
    pub(crate) static_members: BTreeMap<InstanceId, MemberId>,
    /// Ids given out that have not joined with them yet.
    pub(crate) pending: BTreeSet<MemberId>,
    /// Members that have not sent SyncGroup in this generation.
    pub(crate) pending_sync: BTreeSet<MemberId>,
    awaiting_join_count: usize,
    /// How many members offer each protocol.
    pub(crate) protocol_counts: BTreeMap<Text, usize>,
    /// What the members consume; `None` when that cannot be known.
    subscribed_topics: Option<BTreeSet<TopicName>>,
    /// While the first rebalance of an empty group runs.
    pub(super) initial_delay: Option<InitialDelay>,
}

impl ClassicGroup {
    pub(crate) fn new(id: GroupId, now: Now) -> ClassicGroup {
        ClassicGroup {
            id,
            state: GroupState::Empty,
            previous_state: GroupState::Dead,
            state_since_ms: Some(now.wall_ms),
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: IndexMap::new(),
            static_members: BTreeMap::new(),
            pending: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            awaiting_join_count: 0,
            protocol_counts: BTreeMap::new(),
            subscribed_topics: None,
            initial_delay: None,
        }
    }

    /// The group as a reload finds it.
    pub(crate) fn from_stored(id: GroupId, stored: &StoredGroup, now: Now) -> ClassicGroup {
        let mut group = ClassicGroup::new(id, now);
        group.generation = stored.generation;
        group.protocol = stored.protocol.clone();
        group.leader = stored.leader.clone();
        group.state_since_ms = stored.state_since_ms;
        let protocol_type = stored.protocol_type.clone();
        for member in &stored.members {
            let kind = protocol_type.clone().unwrap_or_default();
            group.add(member.to_member(stored.protocol.clone()), kind);
        }
        group.protocol_type = protocol_type;
        // A leader that is no member would never assign; the first member takes over.
        if !group
            .leader
            .as_ref()
            .is_some_and(|l| group.members.contains_key(l))
        {
            group.leader = group.members.keys().next().cloned();
        }
        if !group.members.is_empty() {
            group.state = GroupState::Stable;
        }
        group.update_subscribed_topics();
        group
    }

    pub(crate) fn state(&self) -> GroupState {
        self.state
    }

    pub(crate) fn is_in(&self, state: GroupState) -> bool {
        self.state == state
    }

    pub(crate) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub(crate) fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn leader(&self) -> Option<&MemberId> {
        self.leader.as_ref()
    }

    pub(crate) fn is_leader(&self, id: &MemberId) -> bool {
        self.leader.as_ref() == Some(id)
    }

    pub(crate) fn has_pending_members(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    pub(crate) fn subscribed_topics(&self) -> Option<&BTreeSet<TopicName>> {
        self.subscribed_topics.as_ref()
    }

    /// A consumer group whose subscription cannot be read counts as subscribed to everything.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    /// The longest of its members' rebalance timeouts.
    pub(crate) fn rebalance_timeout(&self) -> Duration {
        let longest = self.members.values().map(|m| m.rebalance_timeout_ms).max();
        millis(longest.unwrap_or(0))
    }

    pub(crate) fn awaiting_join_count(&self) -> usize {
        self.awaiting_join_count
    }

    pub(super) fn has_all_members_joined(&self) -> bool {
        self.members.len() == self.awaiting_join_count && self.pending.is_empty()
    }

    pub(super) fn transition_to(&mut self, next: GroupState, now: Now) {
        assert!(
            self.state.may_become(next),
            "group {} cannot go from {:?} to {next:?}",
            self.id,
            self.state
        );
        self.previous_state = self.state;
        self.state = next;
        self.state_since_ms = Some(now.wall_ms);
    }

    /// Adds a member that passed [`ClassicGroup::supports_protocols`]. The first member sets the
    /// protocol type; a member of a group without leader becomes it.
    pub(super) fn add(&mut self, member: Member, protocol_type: Text) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type);
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        if let Some(instance) = &member.instance {
            self.static_members
                .insert(instance.clone(), member.id.clone());
        }
        self.count_protocols(&member.protocols);
        self.awaiting_join_count += usize::from(member.is_awaiting_join());
        self.pending.remove(&member.id);
        self.members.insert(member.id.clone(), member);
    }

    /// Removes a member or a pending member without answering what it has parked: see
    /// [`ClassicGroup::remove_and_answer`]. The oldest member becomes leader in its place.
    pub(super) fn remove(&mut self, id: &MemberId) -> Option<Member> {
        self.pending.remove(id);
        self.pending_sync.remove(id);
        let member = self.members.shift_remove(id)?;
        self.uncount_protocols(&member.protocols);
        self.awaiting_join_count -= usize::from(member.is_awaiting_join());
        if let Some(instance) = &member.instance {
            self.static_members.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Removes a member, ends its session, and answers what it has parked with
    /// `UnknownMemberId`, so that a client that still lives joins again from the start.
    pub(super) fn remove_and_answer(&mut self, id: &MemberId, fx: &mut Effects<'_>) {
        fx.timers.cancel(&self.member_timer(id));
        if let Some(member) = self.remove(id) {
            if let Some(token) = member.awaiting_join {
                fx.join_refused(token, GroupError::UnknownMemberId, MemberId::default());
            }
            if let Some(token) = member.awaiting_sync {
                fx.synced(token, Err(GroupError::UnknownMemberId));
            }
        }
    }

    /// Puts the request of a member on hold until the join phase ends. An earlier one is from a
    /// connection that the client gave up; it is answered so that nothing stays parked for ever.
    pub(super) fn park_join(&mut self, id: &MemberId, token: Token, fx: &mut Effects<'_>) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        match member.awaiting_join.replace(token) {
            None => self.awaiting_join_count += 1,
            Some(old) => fx.join_refused(old, GroupError::RebalanceInProgress, id.clone()),
        }
    }

    /// Takes the parked join of a member, to answer it.
    pub(super) fn unpark_join(&mut self, id: &MemberId) -> Option<Token> {
        let token = self.members.get_mut(id)?.awaiting_join.take()?;
        self.awaiting_join_count -= 1;
        Some(token)
    }

    /// All parked joins, when nobody will answer them any more.
    pub(crate) fn take_parked_joins(&mut self) -> Vec<(Token, MemberId)> {
        self.awaiting_join_count = 0;
        let take = |m: &mut Member| m.awaiting_join.take().map(|token| (token, m.id.clone()));
        self.members.values_mut().filter_map(take).collect()
    }

    /// All parked syncs, when nobody will answer them any more.
    pub(crate) fn take_parked_syncs(&mut self) -> Vec<Token> {
        let take = |m: &mut Member| m.awaiting_sync.take();
        self.members.values_mut().filter_map(take).collect()
    }

    pub(super) fn set_protocols(&mut self, id: &MemberId, protocols: Vec<MemberProtocol>) {
        if let Some(member) = self.members.get_mut(id) {
            let old = std::mem::replace(&mut member.protocols, protocols.clone());
            self.uncount_protocols(&old);
            self.count_protocols(&protocols);
        }
    }

    fn count_protocols(&mut self, protocols: &[MemberProtocol]) {
        for name in distinct_names(protocols) {
            *self.protocol_counts.entry(name).or_default() += 1;
        }
    }

    fn uncount_protocols(&mut self, protocols: &[MemberProtocol]) {
        for name in distinct_names(protocols) {
            if let Some(count) = self.protocol_counts.get_mut(&name) {
                *count -= 1;
                if *count == 0 {
                    self.protocol_counts.remove(&name);
                }
            }
        }
    }

    fn is_supported_by_all(&self, protocol: &str) -> bool {
        self.protocol_counts.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    /// Whether a member with these could be in this group: an empty group takes any, the others
    /// need the same type and one protocol that all members have.
    pub(super) fn supports_protocols(&self, kind: &str, protocols: &[MemberProtocol]) -> bool {
        if self.is_in(GroupState::Empty) {
            return !kind.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(kind)
            && protocols.iter().any(|p| self.is_supported_by_all(&p.name))
    }

    /// The protocol with most votes: each member votes for the first of its own that all members
    /// have. Among equals the oldest member's order decides (in Kafka, the order of a hash map).
    /// `None` only without members.
    pub(super) fn select_protocol(&self) -> Option<Text> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let vote = member
                .protocols
                .iter()
                .find(|p| self.is_supported_by_all(&p.name));
            if let Some(vote) = vote {
                *votes.entry(&*vote.name).or_default() += 1;
            }
        }
        let most = votes.values().copied().max().unwrap_or(0);
        let oldest = self.members.values().next()?;
        oldest
            .protocols
            .iter()
            .find(|p| votes.get(&*p.name).copied().unwrap_or(0) == most)
            .or(oldest.protocols.first())
            .map(|p| p.name.clone())
    }

    /// Reads the members' subscriptions in the selected protocol. One that cannot be read makes
    /// the whole unknown: then nothing of the group expires and none of its offsets is deleted.
    pub(super) fn update_subscribed_topics(&mut self) {
        self.subscribed_topics = None;
        if !self.uses_consumer_protocol() {
            return;
        }
        let Some(protocol) = self.protocol.clone() else {
            self.subscribed_topics = self.members.is_empty().then(BTreeSet::new);
            return;
        };
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            match subscription::topics(&member.metadata(&protocol)) {
                Some(of_member) => topics.extend(of_member),
                None => return,
            }
        }
        self.subscribed_topics = Some(topics);
    }

    /// Checks that the sender is who it says: a static member by its instance id, then by member
    /// id.
    pub(crate) fn validate_member(
        &self,
        id: &MemberId,
        instance: Option<&InstanceId>,
    ) -> Result<(), GroupError> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                None => return Err(GroupError::UnknownMemberId),
                Some(current) if current != id => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(id) {
            Ok(())
        } else {
            Err(GroupError::UnknownMemberId)
        }
    }

    pub(crate) fn member_timer(&self, id: &MemberId) -> TimerKey {
        TimerKey::Member(self.id.clone(), id.clone())
    }

    /// Starts the session of a member afresh.
    pub(crate) fn reschedule_session(&self, id: &MemberId, fx: &mut Effects<'_>) {
        if let Some(member) = self.members.get(id) {
            fx.schedule(self.member_timer(id), millis(member.session_timeout_ms));
        }
    }

    /// Ends all deadlines of this group, before it is forgotten.
    pub(crate) fn cancel_timers(&self, timers: &mut crate::timer::TimerQueue) {
        timers.cancel(&TimerKey::Join(self.id.clone()));
        timers.cancel(&TimerKey::Sync(self.id.clone()));
        for id in self.members.keys().chain(&self.pending) {
            timers.cancel(&self.member_timer(id));
        }
    }
}

/// A name counts once, also when a request repeats it.
fn distinct_names(protocols: &[MemberProtocol]) -> BTreeSet<Text> {
    protocols.iter().map(|p| p.name.clone()).collect()
}
