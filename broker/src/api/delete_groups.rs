//! DeleteGroups (key 42), v0–v2: empty groups, with their offsets.
//!
//! Differs from Kafka: nothing.
//! v2 flexible

use futures::future::join_all;
use weir_coordinator::{DeleteGroups, GroupId};
use weir_protocol::{
    api_key::ApiKey,
    messages::{
        DeleteGroupsRequest, DeleteGroupsResponse, delete_groups_response::DeletableGroupResult,
    },
    str::Str,
};

use super::{Api, RequestContext};
use crate::error_code::{of_coordinator, of_group_or_none};

pub const API: Api = Api::new(ApiKey::DeleteGroups, 0..=2);

pub async fn handle(ctx: &RequestContext, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let deleted = request.groups_names.into_iter().map(|g| delete(ctx, g));
    DeleteGroupsResponse {
        results: join_all(deleted).await,
        ..Default::default()
    }
}

async fn delete(ctx: &RequestContext, group: Str) -> DeletableGroupResult {
    let ask = DeleteGroups {
        groups: vec![GroupId::new(&group)],
    };
    let error = match ctx.groups.ask(&ctx.broker, &group, ask).await {
        Ok(deleted) => of_group_or_none(deleted.first().and_then(|group| group.error)),
        Err(error) => of_coordinator(error),
    };
    DeletableGroupResult {
        group_id: group,
        error_code: error.0,
        ..Default::default()
    }
}
