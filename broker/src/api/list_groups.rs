//! ListGroups (key 16), v0–v5: the groups that this broker coordinates. Clients ask every broker.
//!
//! Differs from Kafka: nothing.
//! v1 throttle time · v3 flexible · v4 states (KIP-518) · v5 types (KIP-848)

use weir_coordinator::{ListGroups, ListedGroup, Text};
use weir_protocol::{
    api_key::ApiKey,
    messages::{ListGroupsRequest, ListGroupsResponse, list_groups_response as response},
    str::Str,
};

use super::{Api, RequestContext};
use crate::{coordinator::CoordinatorError, error_code::of_coordinator};

pub const API: Api = Api::new(ApiKey::ListGroups, 0..=5);

pub async fn handle(ctx: &RequestContext, request: ListGroupsRequest) -> ListGroupsResponse {
    let texts = |names: Vec<Str>| names.iter().map(|n| Text::from(n.as_str())).collect();
    let list = ListGroups {
        states: texts(request.states_filter),
        types: texts(request.types_filter),
    };
    let mut groups = Vec::new();
    for answer in ctx.groups.ask_all(&ctx.broker, &list).await {
        match answer {
            Ok(listed) => groups.extend(listed.into_iter().map(listed_group)),
            // Another broker lists them.
            Err(CoordinatorError::NotCoordinator) => {}
            Err(error) => {
                return ListGroupsResponse {
                    error_code: of_coordinator(error).0,
                    ..Default::default()
                };
            }
        }
    }
    ListGroupsResponse {
        groups,
        ..Default::default()
    }
}

fn listed_group(group: ListedGroup) -> response::ListedGroup {
    response::ListedGroup {
        group_id: Str::from_str_copy(group.group.as_str()),
        protocol_type: Str::from_str_copy(&group.protocol_type),
        group_state: Str::from(group.state.name()),
        group_type: Str::from(group.group_type),
        ..Default::default()
    }
}
