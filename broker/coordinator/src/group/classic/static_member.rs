//! A static member (KIP-345) that comes back without its member id takes over its instance id.
//!
//! Invariant: the holder of an instance id always knows the newest member id; requests with an
//! older one are fenced, also those that are parked.
//! Differs from Kafka: a take-over in a stable group also refreshes what the group is known to be
//! subscribed to, so that it is the same before and after a reload.

use crate::api::Token;
use crate::error::GroupError;
use crate::group::classic::effects::Effects;
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::join::{JoinGroup, Joined};
use crate::group::classic::state::GroupState;
use crate::ids::MemberId;
use crate::record;

impl ClassicGroup {
    pub(super) fn replace_static_member(
        &mut self,
        request: &JoinGroup,
        token: Token,
        old: &MemberId,
        new: MemberId,
        fx: &mut Effects<'_>,
    ) {
        let leader_before = self.leader.clone().unwrap_or_default();
        self.rename_static_member(old, &new, fx);
        // Still the old session timeout; the new one starts with the first heartbeat.
        self.reschedule_session(&new, fx);
        self.update_member(&new, request);

        match self.state() {
            GroupState::Stable if self.select_protocol() == self.protocol => {
                self.update_subscribed_topics();
                fx.write(record::group_metadata(self));
                fx.joined(token, self.joined_again(request, new, leader_before));
            }
            GroupState::Stable => {
                self.park_join(&new, token, fx);
                self.rebalance_or_complete_join(fx);
            }
            // The leader may already be assigning to the old id, which nobody would ask for.
            GroupState::CompletingRebalance => {
                self.park_join(&new, token, fx);
                self.prepare_rebalance(fx);
            }
            GroupState::PreparingRebalance | GroupState::Empty | GroupState::Dead => {
                self.park_join(&new, token, fx);
                self.maybe_complete_join(fx);
            }
        }
    }

    /// The current generation, without a rebalance. Before v9 the answer names the leader's *old*
    /// id, so that a returning leader does not take itself for the leader and assign: the group
    /// is stable and would ignore it. v9 tells it that it leads and need not assign (KIP-814).
    fn joined_again(&self, request: &JoinGroup, id: MemberId, leader_before: MemberId) -> Joined {
        let mut joined = self.joined(&id);
        if request.supports_skip_assignment {
            joined.skip_assignment = self.is_leader(&id);
        } else {
            joined.leader = leader_before;
            joined.members.clear();
        }
        joined
    }

    /// The same member under another id; whatever the old id has parked is fenced.
    fn rename_static_member(&mut self, old: &MemberId, new: &MemberId, fx: &mut Effects<'_>) {
        if let Some(token) = self.unpark_join(old) {
            fx.join_refused(token, GroupError::FencedInstanceId, old.clone());
        }
        fx.timers.cancel(&self.member_timer(old));
        self.pending_sync.remove(old);
        let Some((position, _, mut member)) = self.members.shift_remove_full(old) else {
            return;
        };
        if let Some(token) = member.awaiting_sync.take() {
            fx.synced(token, Err(GroupError::FencedInstanceId));
        }
        if let Some(instance) = &member.instance {
            self.static_members.insert(instance.clone(), new.clone());
        }
        member.id = new.clone();
        member.is_new = false;
        self.members.shift_insert(position, new.clone(), member);
        if self.is_leader(old) {
            self.leader = Some(new.clone());
        }
    }
}
