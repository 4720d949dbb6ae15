//! SyncGroup (key 14), the rules of v0–v5.
//!
//! The leader brings the assignment of the generation; everybody gets their part of it once it is
//! durable. The handler refuses v5 requests without protocol type or name before it comes here.
//! Differs from Kafka: the group is `Stable` as soon as the assignment is written, not when it is
//! durable; no answer can tell of it before (see [`crate::Output`]).
//! v3 static members · v5 protocol type and name are checked

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::api::{Now, Output, Token};
use crate::error::GroupError;
use crate::group::classic::effects::Effects;
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::state::GroupState;
use crate::ids::{GroupId, InstanceId, MemberId, Text};
use crate::record;
use crate::shard::Shard;
use crate::timer::TimerKey;

#[derive(Clone, Debug)]
pub struct SyncGroup {
    pub group: GroupId,
    pub generation: i32,
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    /// `None` below v5; compared where present.
    pub protocol_type: Option<Text>,
    /// `None` below v5; compared where present.
    pub protocol: Option<Text>,
    /// From the leader; ignored from others.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// The sender's part of the assignment; empty when the leader gave it none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    pub protocol_type: Option<Text>,
    pub protocol: Option<Text>,
    pub assignment: Bytes,
}

impl Shard {
    pub(crate) fn sync_group(
        &mut self,
        now: Now,
        token: Token,
        request: SyncGroup,
        out: &mut Output,
    ) {
        let (groups, mut fx) = self.split(now, out);
        if request.group.is_empty() {
            return fx.synced(token, Err(GroupError::InvalidGroupId));
        }
        match groups.get_mut(&request.group) {
            Some(group) if !group.is_in(GroupState::Empty) => group.sync(request, token, &mut fx),
            _ => fx.synced(token, Err(GroupError::UnknownMemberId)),
        }
    }
}

impl ClassicGroup {
    fn sync(&mut self, request: SyncGroup, token: Token, fx: &mut Effects<'_>) {
        if let Err(error) = self.validate_sync(&request) {
            return fx.synced(token, Err(error));
        }
        match self.state() {
            GroupState::CompletingRebalance => self.sync_generation(request, token, fx),
            GroupState::Stable => {
                self.has_synced(&request.member, fx);
                let synced = self.synced(&request.member);
                fx.synced(token, Ok(synced));
            }
            _ => fx.synced(token, Err(GroupError::RebalanceInProgress)),
        }
    }

    fn validate_sync(&self, request: &SyncGroup) -> Result<(), GroupError> {
        self.validate_member(&request.member, request.instance.as_ref())?;
        let differs = |asked: &Option<Text>, is: &Option<Text>| {
            asked.is_some() && is.is_some() && asked != is
        };
        if request.generation != self.generation {
            Err(GroupError::IllegalGeneration)
        } else if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            Err(GroupError::InconsistentGroupProtocol)
        } else {
            Ok(())
        }
    }

    fn sync_generation(&mut self, request: SyncGroup, token: Token, fx: &mut Effects<'_>) {
        let id = request.member;
        if let Some(member) = self.members.get_mut(&id)
            && let Some(old) = member.awaiting_sync.replace(token)
        {
            // From a connection that the client gave up.
            fx.synced(old, Err(GroupError::RebalanceInProgress));
        }
        self.has_synced(&id, fx);
        if self.is_leader(&id) {
            self.assign(request.assignments, fx);
        }
    }

    /// Takes the leader's word, writes it, and gives everybody who waits their part.
    fn assign(&mut self, assignments: Vec<(MemberId, Bytes)>, fx: &mut Effects<'_>) {
        let assignments: BTreeMap<MemberId, Bytes> = assignments.into_iter().collect();
        for member in self.members.values_mut() {
            let part = assignments.get(&member.id).map_or(&[][..], |part| part);
            member.assignment = Bytes::copy_from_slice(part);
        }
        // The record tells since when the generation exists, as Kafka's does.
        fx.write(record::group_metadata(self));
        self.transition_to(GroupState::Stable, fx.now);
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let token = self
                .members
                .get_mut(&id)
                .and_then(|m| m.awaiting_sync.take());
            if let Some(token) = token {
                let synced = self.synced(&id);
                fx.synced(token, Ok(synced));
                // The session of a waiting member may have ended unnoticed.
                self.reschedule_session(&id, fx);
            }
        }
    }

    fn synced(&self, id: &MemberId) -> Synced {
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self
                .member(id.as_str())
                .map(|m| m.assignment.clone())
                .unwrap_or_default(),
        }
    }

    fn has_synced(&mut self, id: &MemberId, fx: &mut Effects<'_>) {
        self.pending_sync.remove(id);
        if self.pending_sync.is_empty() {
            fx.timers.cancel(&TimerKey::Sync(self.id.clone()));
        }
    }
}
