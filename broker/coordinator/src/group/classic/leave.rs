//! LeaveGroup (key 13), the rules of v0–v5.
//!
//! v0–v2 carry one member: the handler makes it a list of one, and its error the answer's own.
//! v3 batches (KIP-345), with removal by instance id: the member id is empty then · v5 reasons

use crate::api::{Answer, Now, Output, Token};
use crate::error::GroupError;
use crate::group::classic::effects::Effects;
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::state::GroupState;
use crate::ids::{GroupId, InstanceId, MemberId};
use crate::shard::Shard;

#[derive(Clone, Debug)]
pub struct LeaveGroup {
    pub group: GroupId,
    pub members: Vec<LeavingMember>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    /// Empty: whoever holds the instance id.
    pub member: MemberId,
    pub instance: Option<InstanceId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    /// As the request names it.
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub error: Option<GroupError>,
}

impl Shard {
    pub(crate) fn leave_group(
        &mut self,
        now: Now,
        token: Token,
        request: LeaveGroup,
        out: &mut Output,
    ) {
        let (groups, mut fx) = self.split(now, out);
        let mut group = groups.get_mut(&request.group);
        let answer = if request.group.is_empty() {
            Err(GroupError::InvalidGroupId)
        } else {
            let mut leave = |member: LeavingMember| {
                let result = match &mut group {
                    Some(group) => group.leave(&member, &mut fx),
                    None => Err(GroupError::UnknownMemberId),
                };
                LeftMember {
                    member: member.member,
                    instance: member.instance,
                    error: result.err(),
                }
            };
            Ok(request.members.into_iter().map(&mut leave).collect())
        };
        let has_left = |left: &Vec<LeftMember>| left.iter().any(|m| m.error.is_none());
        if let Some(group) = group
            && answer.as_ref().is_ok_and(has_left)
        {
            group.after_leaving(&mut fx);
        }
        fx.answer(token, Answer::LeaveGroup(answer));
    }
}

impl ClassicGroup {
    fn leave(&mut self, leaving: &LeavingMember, fx: &mut Effects<'_>) -> Result<(), GroupError> {
        let instance = leaving.instance.as_ref();
        if leaving.member.is_empty() {
            let holder = instance.and_then(|i| self.static_members.get(i)).cloned();
            let holder = holder.ok_or(GroupError::UnknownMemberId)?;
            self.remove_and_answer(&holder, fx);
        } else if self.pending.contains(&leaving.member) {
            self.remove_and_answer(&leaving.member, fx);
        } else {
            self.validate_member(&leaving.member, instance)?;
            self.remove_and_answer(&leaving.member, fx);
        }
        Ok(())
    }

    fn after_leaving(&mut self, fx: &mut Effects<'_>) {
        match self.state() {
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.rebalance_or_complete_join(fx);
            }
            GroupState::PreparingRebalance => self.maybe_complete_join(fx),
            GroupState::Empty | GroupState::Dead => {}
        }
    }
}
