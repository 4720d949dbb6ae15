//! DescribeGroups (key 15, v0–v6) and ListGroups (key 16, v0–v5): what a shard knows of its groups.
//!
//! Both show the state of this moment; their answers wait until it is durable, like all answers.

use bytes::Bytes;

use crate::api::{Answer, Output, Token};
use crate::error::GroupError;
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::member::Member;
use crate::group::classic::state::GroupState;
use crate::ids::{GroupId, InstanceId, MemberId, Text};
use crate::shard::Shard;

/// Kafka's name of the only type of group that exists here so far.
const CLASSIC: &str = "classic";

#[derive(Clone, Debug)]
pub struct DescribeGroups {
    /// Those of the request that belong to this shard.
    pub groups: Vec<GroupId>,
    /// v6 and above; before, a missing group is just dead.
    pub supports_group_id_not_found: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    pub group: GroupId,
    pub error: Option<GroupError>,
    pub state: GroupState,
    /// Empty for a simple or missing group.
    pub protocol_type: Text,
    /// The selected protocol; empty unless the group is stable.
    pub protocol: Text,
    pub members: Vec<DescribedMember>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub client_id: Text,
    pub client_host: Text,
    /// The subscription in the selected protocol; empty unless the group is stable.
    pub metadata: Bytes,
    pub assignment: Bytes,
}

#[derive(Clone, Debug, Default)]
pub struct ListGroups {
    /// Names of states, in any case; empty: all (v4, KIP-518).
    pub states: Vec<Text>,
    /// Names of group types, in any case; empty: all (v5, KIP-848).
    pub types: Vec<Text>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    pub group: GroupId,
    pub protocol_type: Text,
    pub state: GroupState,
    /// "classic".
    pub group_type: &'static str,
}

impl Shard {
    pub(crate) fn describe_groups(&self, token: Token, request: DescribeGroups, out: &mut Output) {
        let describe = |id: GroupId| match self.groups.get(&id) {
            Some(group) => group.describe(),
            None => DescribedGroup {
                group: id,
                error: request
                    .supports_group_id_not_found
                    .then_some(GroupError::GroupIdNotFound),
                state: GroupState::Dead,
                protocol_type: Text::default(),
                protocol: Text::default(),
                members: Vec::new(),
            },
        };
        let described = request.groups.into_iter().map(describe).collect();
        out.answers.push((token, Answer::DescribeGroups(described)));
    }

    pub(crate) fn list_groups(&self, token: Token, request: ListGroups, out: &mut Output) {
        let is_wanted = |filter: &[Text], name: &str| {
            filter.is_empty() || filter.iter().any(|f| f.trim().eq_ignore_ascii_case(name))
        };
        let listed = self
            .groups
            .values()
            .filter(|g| is_wanted(&request.states, g.state().name()))
            .filter(|_| is_wanted(&request.types, CLASSIC))
            .map(|g| ListedGroup {
                group: g.id.clone(),
                protocol_type: g.protocol_type.clone().unwrap_or_default(),
                state: g.state(),
                group_type: CLASSIC,
            })
            .collect();
        out.answers.push((token, Answer::ListGroups(listed)));
    }
}

impl ClassicGroup {
    fn describe(&self) -> DescribedGroup {
        let is_stable = self.is_in(GroupState::Stable);
        let protocol = self.protocol.clone().filter(|_| is_stable);
        DescribedGroup {
            group: self.id.clone(),
            error: None,
            state: self.state(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.clone().unwrap_or_default(),
            members: self
                .members()
                .map(|m| m.describe(protocol.as_deref()))
                .collect(),
        }
    }
}

impl Member {
    fn describe(&self, protocol: Option<&str>) -> DescribedMember {
        DescribedMember {
            member: self.id.clone(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            metadata: protocol.map(|p| self.metadata(p)).unwrap_or_default(),
            assignment: self.assignment.clone(),
        }
    }
}
