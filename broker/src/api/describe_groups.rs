//! DescribeGroups (key 15), v0–v6.
//!
//! Differs from Kafka: nothing. Each group is asked for by itself, so that one whose coordinator
//! loads does not hide the others.
//! v1 throttle time · v3 authorised operations · v4 static members · v5 flexible ·
//! v6 GROUP_ID_NOT_FOUND with a message; before, a missing group is just dead

use futures::future::join_all;
use weir_coordinator::{DescribeGroups, DescribedGroup, DescribedMember, GroupId};
use weir_protocol::{
    api_key::ApiKey,
    messages::{
        DescribeGroupsRequest, DescribeGroupsResponse,
        describe_groups_response::{self as response, DescribedGroupMember},
    },
    str::Str,
};

use super::{Api, RequestContext};
use crate::error_code::{of_coordinator, of_group};

pub const API: Api = Api::new(ApiKey::DescribeGroups, 0..=6);

/// Operations that a group knows (ACL operation codes): Read 3, Delete 6, Describe 8,
/// DescribeConfigs 10, AlterConfigs 11.
const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

pub async fn handle(
    ctx: &RequestContext,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let describe = |group| describe(ctx, group, request.include_authorized_operations);
    DescribeGroupsResponse {
        groups: join_all(request.groups.into_iter().map(describe)).await,
        ..Default::default()
    }
}

async fn describe(ctx: &RequestContext, group: Str, operations: bool) -> response::DescribedGroup {
    let ask = DescribeGroups {
        groups: vec![GroupId::new(&group)],
        supports_group_id_not_found: ctx.version >= 6,
    };
    let mut described = match ctx.groups.ask(&ctx.broker, &group, ask).await {
        Ok(groups) => groups.into_iter().next().map(found).unwrap_or_default(),
        Err(error) => response::DescribedGroup {
            error_code: of_coordinator(error).0,
            ..Default::default()
        },
    };
    if operations && described.error_code == 0 {
        described.authorized_operations = GROUP_OPERATIONS;
    }
    described.group_id = group;
    described
}

fn found(group: DescribedGroup) -> response::DescribedGroup {
    response::DescribedGroup {
        error_code: group.error.map_or(0, |error| of_group(error).0),
        error_message: group
            .error
            .map(|_| Str::from(format!("Group {} not found.", group.group))),
        group_state: Str::from(group.state.name()),
        protocol_type: Str::from_str_copy(&group.protocol_type),
        protocol_data: Str::from_str_copy(&group.protocol),
        members: group.members.into_iter().map(member).collect(),
        ..Default::default()
    }
}

fn member(member: DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember {
        member_id: Str::from_str_copy(member.member.as_str()),
        group_instance_id: member.instance.map(|i| Str::from_str_copy(i.as_str())),
        client_id: Str::from_str_copy(&member.client_id),
        client_host: Str::from_str_copy(&member.client_host),
        member_metadata: member.metadata,
        member_assignment: member.assignment,
        ..Default::default()
    }
}
