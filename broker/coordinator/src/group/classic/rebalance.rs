//! The way from a reason to rebalance to the next generation.
//!
//! Owns: starting the join phase, its end, the choice of leader and protocol for the generation.
//! Does not own: the assignment (`sync`), the deadlines' call (`timers`).
//! Invariant: a generation begins with all of its members' joins answered, each with the same
//! generation, protocol and leader; only the leader is told the members.

use std::time::Duration;

use crate::error::GroupError;
use crate::group::classic::effects::Effects;
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::join::{Joined, JoinedMember};
use crate::group::classic::state::GroupState;
use crate::ids::MemberId;
use crate::record;
use crate::timer::TimerKey;

/// The join phase of a group whose members are all static and all absent is repeated; a rebalance
/// timeout of 0 must not make that a busy loop.
const RETRY_MIN: Duration = Duration::from_millis(100);

/// The first rebalance of an empty group waits a little, again and again while members arrive,
/// but not longer than the rebalance timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InitialDelay {
    pub(crate) delay: Duration,
    pub(crate) remaining: Duration,
    pub(crate) new_member_added: bool,
}

impl ClassicGroup {
    /// Starts a rebalance where one may start, else looks whether the running one is complete.
    pub(super) fn rebalance_or_complete_join(&mut self, fx: &mut Effects<'_>) {
        if self.state.may_become(GroupState::PreparingRebalance) {
            self.prepare_rebalance(fx);
        } else {
            self.maybe_complete_join(fx);
        }
    }

    pub(crate) fn prepare_rebalance(&mut self, fx: &mut Effects<'_>) {
        if self.is_in(GroupState::CompletingRebalance) {
            self.refuse_parked_syncs(fx);
        }
        self.pending_sync.clear();
        fx.timers.cancel(&TimerKey::Sync(self.id.clone()));

        let is_initial = self.is_in(GroupState::Empty);
        self.transition_to(GroupState::PreparingRebalance, fx.now);
        if is_initial {
            let delay = fx.config.initial_rebalance_delay;
            self.initial_delay = Some(InitialDelay {
                delay,
                remaining: self.rebalance_timeout().saturating_sub(delay),
                new_member_added: false,
            });
            fx.schedule(TimerKey::Join(self.id.clone()), delay);
        } else if self.has_all_members_joined() {
            self.complete_join(fx);
        } else {
            fx.schedule(TimerKey::Join(self.id.clone()), self.rebalance_timeout());
        }
    }

    /// Ends the join phase when everybody is there. The first one of an empty group always waits
    /// for its delay.
    pub(super) fn maybe_complete_join(&mut self, fx: &mut Effects<'_>) {
        if self.is_in(GroupState::PreparingRebalance)
            && self.previous_state != GroupState::Empty
            && self.has_all_members_joined()
        {
            self.complete_join(fx);
        }
    }

    /// Ends the join phase with those who are there.
    pub(super) fn complete_join(&mut self, fx: &mut Effects<'_>) {
        fx.timers.cancel(&TimerKey::Join(self.id.clone()));
        self.initial_delay = None;
        let absent: Vec<MemberId> = self
            .members()
            .filter(|m| !m.is_awaiting_join() && !m.is_static())
            .map(|m| m.id.clone())
            .collect();
        for id in &absent {
            self.remove_and_answer(id, fx);
        }
        if self.members.is_empty() {
            self.begin_empty_generation(fx);
        } else if self.elect_joined_leader() {
            self.begin_generation(fx);
        } else {
            // Only static members, and none has joined: wait until they do or their sessions end.
            let again = self.rebalance_timeout().max(RETRY_MIN);
            fx.schedule(TimerKey::Join(self.id.clone()), again);
        }
    }

    /// Keeps a leader that has joined; else the oldest member that has. False when none has.
    pub(super) fn elect_joined_leader(&mut self) -> bool {
        let leader = self.leader.as_ref().and_then(|l| self.members.get(l));
        if leader.is_some_and(|l| l.is_awaiting_join()) {
            return true;
        }
        let joined = self.members().find(|m| m.is_awaiting_join());
        let joined = joined.map(|m| m.id.clone());
        if joined.is_some() {
            self.leader = joined;
            return true;
        }
        false
    }

    fn next_generation(&mut self) {
        // 2^31 rebalances: start over rather than hand out a negative number, which means "none".
        self.generation = self.generation.checked_add(1).unwrap_or(0);
        self.protocol = self.select_protocol();
        self.update_subscribed_topics();
    }

    fn begin_empty_generation(&mut self, fx: &mut Effects<'_>) {
        self.next_generation();
        self.transition_to(GroupState::Empty, fx.now);
        fx.write(record::group_metadata(self));
    }

    fn begin_generation(&mut self, fx: &mut Effects<'_>) {
        self.next_generation();
        self.transition_to(GroupState::CompletingRebalance, fx.now);
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            if let Some(token) = self.unpark_join(&id) {
                let joined = self.joined(&id);
                fx.joined(token, joined);
            }
            self.reschedule_session(&id, fx);
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
            }
            self.pending_sync.insert(id);
        }
        fx.schedule(TimerKey::Sync(self.id.clone()), self.rebalance_timeout());
    }

    /// The answer to a member's join in the current generation.
    pub(super) fn joined(&self, id: &MemberId) -> Joined {
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member: id.clone(),
            members: if self.is_leader(id) {
                self.joined_members()
            } else {
                Vec::new()
            },
        }
    }

    fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        self.members()
            .map(|m| JoinedMember {
                member: m.id.clone(),
                instance: m.instance.clone(),
                metadata: m.metadata(protocol),
            })
            .collect()
    }

    /// The assignment that these members wait for will not come.
    fn refuse_parked_syncs(&mut self, fx: &mut Effects<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            member.assignment.clear();
            if let Some(token) = member.awaiting_sync.take() {
                fx.synced(token, Err(GroupError::RebalanceInProgress));
                self.reschedule_session(&id, fx);
            }
        }
    }
}
