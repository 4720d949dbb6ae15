//! What happens when a deadline of a group passes.

use crate::group::classic::effects::Effects;
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::state::GroupState;
use crate::ids::MemberId;
use crate::timer::TimerKey;

impl ClassicGroup {
    /// The join phase has lasted long enough, unless it is the initial one and a member has come
    /// since the last look.
    pub(crate) fn on_join_deadline(&mut self, fx: &mut Effects<'_>) {
        if !self.is_in(GroupState::PreparingRebalance) {
            return;
        }
        match &mut self.initial_delay {
            Some(initial) if initial.new_member_added && !initial.remaining.is_zero() => {
                let next = fx.config.initial_rebalance_delay.min(initial.remaining);
                initial.remaining = initial.remaining.saturating_sub(initial.delay);
                initial.delay = next;
                initial.new_member_added = false;
                fx.schedule(TimerKey::Join(self.id.clone()), next);
            }
            _ => self.complete_join(fx),
        }
    }

    /// Members that have not asked for their assignment since the generation began are gone, even
    /// when they send heartbeats (KAFKA-13435).
    pub(crate) fn on_sync_deadline(&mut self, fx: &mut Effects<'_>) {
        let may_expire = matches!(
            self.state,
            GroupState::CompletingRebalance | GroupState::Stable
        );
        if !may_expire || self.pending_sync.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.pending_sync) {
            self.remove_and_answer(&id, fx);
        }
        self.prepare_rebalance(fx);
    }

    /// A session has ended. A member that waits for us is kept; its session starts again with
    /// the answer.
    pub(crate) fn on_member_deadline(&mut self, id: &MemberId, fx: &mut Effects<'_>) {
        if self.pending.remove(id) {
            if self.is_in(GroupState::PreparingRebalance) && self.has_all_members_joined() {
                self.complete_join(fx);
            }
            return;
        }
        if self
            .member(id.as_str())
            .is_none_or(|m| m.has_satisfied_heartbeat())
        {
            return;
        }
        self.remove_and_answer(id, fx);
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.rebalance_or_complete_join(fx);
            }
            GroupState::PreparingRebalance if self.has_all_members_joined() => {
                self.complete_join(fx);
            }
            _ => {}
        }
    }
}
