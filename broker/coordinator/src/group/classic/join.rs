//! JoinGroup (key 11), the rules of v0–v9.
//!
//! Owns: who may join, which id it gets, whether its join starts a rebalance.
//! Does not own: the rebalance itself, the take-over of an instance id (`static_member`).
//! Differs from Kafka: a join that is refused creates no group and writes nothing; a join that a
//! newer one of the same member replaces is answered (Kafka forgets it).
//! v0 rebalance timeout = session timeout · v4 known member id (KIP-394) · v5 static members
//! (KIP-345) · v7 protocol type · v9 skip assignment (KIP-814)

use bytes::Bytes;
use weir_protocol::types::Uuid;

use crate::api::{Context, Output, Token};
use crate::config::GroupConfig;
use crate::error::GroupError;
use crate::group::classic::effects::{Effects, millis};
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::member::{Member, MemberProtocol};
use crate::group::classic::state::GroupState;
use crate::ids::{GroupId, InstanceId, MemberId, Text};
use crate::record;
use crate::shard::Shard;

#[derive(Clone, Debug)]
pub struct JoinGroup {
    pub group: GroupId,
    /// Empty: a new member.
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub client_id: Text,
    /// As Kafka shows it: "/" and the address.
    pub client_host: Text,
    pub session_timeout_ms: i32,
    /// v0 has none: the session timeout takes its place.
    pub rebalance_timeout_ms: i32,
    pub protocol_type: Text,
    /// In the order of preference.
    pub protocols: Vec<MemberProtocol>,
    /// v4 and above.
    pub requires_known_member_id: bool,
    /// v9 and above.
    pub supports_skip_assignment: bool,
}

/// A member's part in the new generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub generation: i32,
    pub protocol_type: Option<Text>,
    pub protocol: Option<Text>,
    pub leader: MemberId,
    /// The leader is told the members but must not assign: the group is stable (v9).
    pub skip_assignment: bool,
    pub member: MemberId,
    /// All members, for the leader only.
    pub members: Vec<JoinedMember>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    /// The subscription in the selected protocol.
    pub metadata: Bytes,
}

/// The other fields of the answer have their "none" values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRefused {
    pub error: GroupError,
    /// The member id of the answer; with `MemberIdRequired`, the one to join with.
    pub member: MemberId,
}

impl JoinGroup {
    fn validate(&self, config: &GroupConfig) -> Result<(), GroupError> {
        if self.group.is_empty() || !record::fits(self.group.as_str()) {
            return Err(GroupError::InvalidGroupId);
        }
        let allowed = config.session_timeout_min_ms..=config.session_timeout_max_ms;
        if !allowed.contains(&self.session_timeout_ms) {
            return Err(GroupError::InvalidSessionTimeout);
        }
        let instance = self.instance.as_ref().map_or("", InstanceId::as_str);
        let texts = [
            self.member.as_str(),
            instance,
            &self.client_id,
            &self.client_host,
            &self.protocol_type,
        ];
        let names = self.protocols.iter().map(|p| &*p.name);
        if texts.into_iter().chain(names).all(record::fits) {
            Ok(())
        } else {
            Err(GroupError::InvalidRequest)
        }
    }

    fn to_member(&self, id: MemberId, token: Token) -> Member {
        Member {
            id,
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            protocols: self.owned_protocols(),
            assignment: Bytes::new(),
            is_new: true,
            awaiting_join: Some(token),
            awaiting_sync: None,
        }
    }

    /// Copies, because the group outlives the request's frame and must not pin it.
    pub(super) fn owned_protocols(&self) -> Vec<MemberProtocol> {
        let copy = |p: &MemberProtocol| MemberProtocol {
            name: p.name.clone(),
            metadata: Bytes::copy_from_slice(&p.metadata),
        };
        self.protocols.iter().map(copy).collect()
    }

    /// "client id or instance id"-"random UUID", as Kafka's, cut where it would not fit a record.
    fn new_member_id(&self, id: Uuid) -> MemberId {
        let prefix: &str = self
            .instance
            .as_ref()
            .map_or(&self.client_id, InstanceId::as_str);
        let hex: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let uuid = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ]
        .join("-");
        let room = record::STRING_BYTES_MAX - uuid.len() - 1;
        MemberId::new(&format!("{}-{uuid}", cut(prefix, room)))
    }
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

impl Shard {
    pub(crate) fn join_group(
        &mut self,
        ctx: &mut Context<'_>,
        token: Token,
        request: JoinGroup,
        out: &mut Output,
    ) {
        let (groups, mut fx) = self.split(ctx.now, out);
        if let Err(error) = request.validate(fx.config) {
            return fx.join_refused(token, error, request.member);
        }
        let is_new_group = !groups.contains_key(&request.group);
        if is_new_group && !request.member.is_empty() {
            return fx.join_refused(token, GroupError::UnknownMemberId, request.member);
        }
        let id = request.group.clone();
        let group = groups
            .entry(id.clone())
            .or_insert_with(|| ClassicGroup::new(id.clone(), ctx.now));
        group.join(&request, token, ctx.new_id, &mut fx);

        if is_new_group {
            if group.members().len() == 0 && !group.has_pending_members() {
                groups.remove(&id);
            } else {
                fx.write(record::new_group(group));
            }
        }
    }
}

impl ClassicGroup {
    fn join(
        &mut self,
        request: &JoinGroup,
        token: Token,
        new_id: &mut dyn FnMut() -> Uuid,
        fx: &mut Effects<'_>,
    ) {
        if !self.accepts(&request.member, fx.config) {
            self.remove_and_answer(&request.member, fx);
            fx.join_refused(token, GroupError::GroupMaxSizeReached, MemberId::default());
        } else if !self.supports_protocols(&request.protocol_type, &request.protocols) {
            let error = GroupError::InconsistentGroupProtocol;
            fx.join_refused(token, error, request.member.clone());
        } else if request.member.is_empty() {
            self.join_new(request, token, request.new_member_id(new_id()), fx);
        } else if self.pending.contains(&request.member) {
            self.join_pending(request, token, fx);
        } else {
            match self.validate_member(&request.member, request.instance.as_ref()) {
                Ok(()) => self.rejoin(request, token, fx),
                Err(error) => fx.join_refused(token, error, request.member.clone()),
            }
        }
    }

    /// Whether `members_max` leaves room for this member. While a rebalance is prepared, those
    /// who have joined count: a group that is too large (the limit was lowered) so loses the last
    /// to rejoin.
    fn accepts(&self, member: &MemberId, config: &GroupConfig) -> bool {
        let known = self.member(member.as_str());
        match self.state() {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                known.is_some_and(Member::is_awaiting_join)
                    || self.awaiting_join_count() < config.members_max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                known.is_some() || self.members.len() < config.members_max
            }
        }
    }

    fn join_new(&mut self, request: &JoinGroup, token: Token, id: MemberId, fx: &mut Effects<'_>) {
        let held_by = request
            .instance
            .as_ref()
            .and_then(|i| self.static_members.get(i));
        if let Some(old) = held_by.cloned() {
            self.replace_static_member(request, token, &old, id, fx);
        } else if request.instance.is_none() && request.requires_known_member_id {
            self.join_as_pending(request, token, id, fx);
        } else {
            self.add_and_rebalance(request, token, id, fx);
        }
    }

    /// KIP-394: a member exists only once the client has shown that it knows its id, so that a
    /// client that retries its first join does not leave phantoms behind.
    fn join_as_pending(
        &mut self,
        request: &JoinGroup,
        token: Token,
        id: MemberId,
        fx: &mut Effects<'_>,
    ) {
        if self.pending.len() >= fx.config.pending_members_max {
            return fx.join_refused(token, GroupError::GroupMaxSizeReached, MemberId::default());
        }
        self.pending.insert(id.clone());
        fx.schedule(self.member_timer(&id), millis(request.session_timeout_ms));
        fx.join_refused(token, GroupError::MemberIdRequired, id);
    }

    fn join_pending(&mut self, request: &JoinGroup, token: Token, fx: &mut Effects<'_>) {
        if request.instance.is_some() {
            // Pending ids are given to dynamic members only.
            let error = GroupError::InvalidRequest;
            return fx.join_refused(token, error, request.member.clone());
        }
        self.add_and_rebalance(request, token, request.member.clone(), fx);
    }

    fn add_and_rebalance(
        &mut self,
        request: &JoinGroup,
        token: Token,
        id: MemberId,
        fx: &mut Effects<'_>,
    ) {
        if let Some(initial) = &mut self.initial_delay {
            initial.new_member_added = true;
        }
        self.add(
            request.to_member(id.clone(), token),
            request.protocol_type.clone(),
        );
        fx.schedule(self.member_timer(&id), fx.config.new_member_join_timeout);
        self.rebalance_or_complete_join(fx);
    }

    fn rejoin(&mut self, request: &JoinGroup, token: Token, fx: &mut Effects<'_>) {
        let id = &request.member;
        let is_unchanged = self
            .member(id.as_str())
            .is_some_and(|m| m.protocols == request.protocols);
        match self.state() {
            // The answer may have been lost: repeat it.
            GroupState::CompletingRebalance if is_unchanged => {
                let joined = self.joined(id);
                fx.joined(token, joined);
            }
            // A leader rejoins when something that the members cannot see has changed, such as
            // the number of partitions.
            GroupState::Stable if is_unchanged && !self.is_leader(id) => {
                let joined = self.joined(id);
                fx.joined(token, joined);
            }
            GroupState::PreparingRebalance
            | GroupState::CompletingRebalance
            | GroupState::Stable => {
                self.update_member(id, request);
                self.park_join(id, token, fx);
                self.rebalance_or_complete_join(fx);
            }
            GroupState::Empty | GroupState::Dead => {
                fx.join_refused(token, GroupError::UnknownMemberId, id.clone());
            }
        }
    }

    /// What a join may change about a known member.
    pub(super) fn update_member(&mut self, id: &MemberId, request: &JoinGroup) {
        self.set_protocols(id, request.owned_protocols());
        if let Some(member) = self.members.get_mut(id) {
            member.rebalance_timeout_ms = request.rebalance_timeout_ms;
            member.session_timeout_ms = request.session_timeout_ms;
        }
    }
}
