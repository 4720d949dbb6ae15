//! LeaveGroup (key 13), v0–v5.
//!
//! Differs from Kafka: nothing.
//! v1 throttle time · v3 several members, each with its own error; before, the one member's error is
//! the answer's · v4 flexible · v5 reason

use weir_coordinator::{GroupId, InstanceId, LeaveGroup, LeavingMember, LeftMember, MemberId};
use weir_protocol::{
    api_key::ApiKey,
    messages::{LeaveGroupRequest, LeaveGroupResponse, leave_group_response::MemberResponse},
    str::Str,
};

use super::{Api, RequestContext};
use crate::error_code::{of_coordinator, of_group, of_group_or_none};

pub const API: Api = Api::new(ApiKey::LeaveGroup, 0..=5);

pub async fn handle(ctx: &RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let group = request.group_id.clone();
    let leave = to_leave(ctx.version, request);
    let error = match ctx.groups.ask(&ctx.broker, &group, leave).await {
        Ok(Ok(members)) => return success(ctx.version, members),
        Ok(Err(error)) => of_group(error),
        Err(error) => of_coordinator(error),
    };
    LeaveGroupResponse {
        error_code: error.0,
        ..Default::default()
    }
}

fn to_leave(version: i16, request: LeaveGroupRequest) -> LeaveGroup {
    let members = if version < 3 {
        vec![LeavingMember {
            member: MemberId::new(&request.member_id),
            instance: None,
        }]
    } else {
        let leaving = request.members.into_iter().map(|m| LeavingMember {
            member: MemberId::new(&m.member_id),
            instance: m.group_instance_id.map(|i| InstanceId::new(&i)),
        });
        leaving.collect()
    };
    LeaveGroup {
        group: GroupId::new(&request.group_id),
        members,
    }
}

fn success(version: i16, members: Vec<LeftMember>) -> LeaveGroupResponse {
    if version < 3 {
        let error = members.first().and_then(|member| member.error);
        return LeaveGroupResponse {
            error_code: of_group_or_none(error).0,
            ..Default::default()
        };
    }
    let member = |member: LeftMember| MemberResponse {
        member_id: Str::from_str_copy(member.member.as_str()),
        group_instance_id: member.instance.map(|i| Str::from_str_copy(i.as_str())),
        error_code: of_group_or_none(member.error).0,
        ..Default::default()
    };
    LeaveGroupResponse {
        members: members.into_iter().map(member).collect(),
        ..Default::default()
    }
}
