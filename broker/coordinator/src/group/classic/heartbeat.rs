//! Heartbeat (key 12), the rules of v0–v4.
//!
//! While the shard loads, the broker answers heartbeats with success without coming here, so that
//! a short take-over does not disturb the members.

use crate::api::{Answer, Now, Output, Token};
use crate::error::GroupError;
use crate::group::classic::effects::Effects;
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::state::GroupState;
use crate::ids::{GroupId, InstanceId, MemberId};
use crate::shard::Shard;

#[derive(Clone, Debug)]
pub struct Heartbeat {
    pub group: GroupId,
    pub generation: i32,
    pub member: MemberId,
    pub instance: Option<InstanceId>,
}

impl Shard {
    pub(crate) fn heartbeat(
        &mut self,
        now: Now,
        token: Token,
        request: Heartbeat,
        out: &mut Output,
    ) {
        let (groups, mut fx) = self.split(now, out);
        let result = if request.group.is_empty() {
            Err(GroupError::InvalidGroupId)
        } else {
            match groups.get(&request.group) {
                Some(group) => group.heartbeat(&request, &mut fx),
                None => Err(GroupError::UnknownMemberId),
            }
        };
        fx.answer(token, Answer::Heartbeat(result));
    }
}

impl ClassicGroup {
    fn heartbeat(&self, request: &Heartbeat, fx: &mut Effects<'_>) -> Result<(), GroupError> {
        self.validate_member(&request.member, request.instance.as_ref())?;
        if request.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.reschedule_session(&request.member, fx);
        match self.state() {
            // A member beats from its join on, before it has its assignment.
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            GroupState::Empty | GroupState::Dead => Err(GroupError::UnknownMemberId),
        }
    }
}
