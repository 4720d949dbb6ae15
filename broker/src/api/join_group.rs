//! JoinGroup (key 11), v0–v9.
//!
//! Differs from Kafka: nothing. The connection takes no other request until the join is answered, as
//! there.
//! v1 rebalance timeout · v2 throttle time · v4 known member id (KIP-394) · v5 static members
//! (KIP-345) · v6 flexible · v7 protocol type · v8 reason · v9 skip assignment (KIP-814)

use weir_coordinator::{GroupId, InstanceId, JoinGroup, JoinRefused, Joined, MemberId, Text};
use weir_coordinator::{JoinedMember, MemberProtocol};
use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{JoinGroupRequest, JoinGroupResponse, join_group_response::JoinGroupResponseMember},
    str::Str,
};

use super::{Api, RequestContext};
use crate::error_code::{of_coordinator, of_group};

pub const API: Api = Api::new(ApiKey::JoinGroup, 0..=9);

pub async fn handle(ctx: &RequestContext, request: JoinGroupRequest) -> JoinGroupResponse {
    let version = ctx.version;
    let group = request.group_id.clone();
    let join = to_join(ctx, request);
    match ctx.groups.ask(&ctx.broker, &group, join).await {
        Ok(Ok(joined)) => success(version, joined),
        Ok(Err(JoinRefused { error, member })) => refusal(version, of_group(error), &member),
        Err(error) => refusal(version, of_coordinator(error), &MemberId::default()),
    }
}

fn to_join(ctx: &RequestContext, request: JoinGroupRequest) -> JoinGroup {
    JoinGroup {
        group: GroupId::new(&request.group_id),
        member: MemberId::new(&request.member_id),
        instance: request.group_instance_id.map(|i| InstanceId::new(&i)),
        client_id: Text::from(ctx.client_id.as_str()),
        client_host: Text::from(ctx.client_host()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match ctx.version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        },
        protocol_type: Text::from(request.protocol_type.as_str()),
        protocols: request
            .protocols
            .into_iter()
            .map(|protocol| MemberProtocol {
                name: Text::from(protocol.name.as_str()),
                metadata: protocol.metadata,
            })
            .collect(),
        requires_known_member_id: ctx.version >= 4,
        supports_skip_assignment: ctx.version >= 9,
    }
}

/// Before v7 "no protocol" is an empty name, then null.
fn protocol_name(version: i16, name: Option<&str>) -> Option<Str> {
    match name.filter(|name| !name.is_empty()) {
        Some(name) => Some(Str::from_str_copy(name)),
        None => (version < 7).then(Str::default),
    }
}

fn success(version: i16, joined: Joined) -> JoinGroupResponse {
    JoinGroupResponse {
        generation_id: joined.generation,
        protocol_type: joined.protocol_type.map(|t| Str::from_str_copy(&t)),
        protocol_name: protocol_name(version, joined.protocol.as_deref()),
        leader: Str::from_str_copy(joined.leader.as_str()),
        skip_assignment: joined.skip_assignment,
        member_id: Str::from_str_copy(joined.member.as_str()),
        members: joined.members.into_iter().map(member).collect(),
        ..Default::default()
    }
}

fn member(member: JoinedMember) -> JoinGroupResponseMember {
    JoinGroupResponseMember {
        member_id: Str::from_str_copy(member.member.as_str()),
        group_instance_id: member.instance.map(|i| Str::from_str_copy(i.as_str())),
        metadata: member.metadata,
        ..Default::default()
    }
}

fn refusal(version: i16, error: ErrorCode, member: &MemberId) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: error.0,
        protocol_name: protocol_name(version, None),
        member_id: Str::from_str_copy(member.as_str()),
        ..Default::default()
    }
}
