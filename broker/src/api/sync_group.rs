//! SyncGroup (key 14), v0–v5.
//!
//! Differs from Kafka: nothing.
//! v1 throttle time · v3 static members · v4 flexible · v5 protocol type and name

use weir_coordinator::{GroupId, InstanceId, MemberId, SyncGroup, Synced, Text};
use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{SyncGroupRequest, SyncGroupResponse},
    str::Str,
};

use super::{Api, RequestContext};
use crate::error_code::{of_coordinator, of_group};

pub const API: Api = Api::new(ApiKey::SyncGroup, 0..=5);

pub async fn handle(ctx: &RequestContext, request: SyncGroupRequest) -> SyncGroupResponse {
    let names_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if ctx.version >= 5 && !names_protocol {
        return refusal(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    let group = request.group_id.clone();
    match ctx.groups.ask(&ctx.broker, &group, to_sync(request)).await {
        Ok(Ok(synced)) => success(synced),
        Ok(Err(error)) => refusal(of_group(error)),
        Err(error) => refusal(of_coordinator(error)),
    }
}

fn to_sync(request: SyncGroupRequest) -> SyncGroup {
    let text = |text: Str| Text::from(text.as_str());
    SyncGroup {
        group: GroupId::new(&request.group_id),
        generation: request.generation_id,
        member: MemberId::new(&request.member_id),
        instance: request.group_instance_id.map(|i| InstanceId::new(&i)),
        protocol_type: request.protocol_type.map(text),
        protocol: request.protocol_name.map(text),
        assignments: request
            .assignments
            .into_iter()
            .map(|a| (MemberId::new(&a.member_id), a.assignment))
            .collect(),
    }
}

fn success(synced: Synced) -> SyncGroupResponse {
    SyncGroupResponse {
        protocol_type: synced.protocol_type.map(|t| Str::from_str_copy(&t)),
        protocol_name: synced.protocol.map(|p| Str::from_str_copy(&p)),
        assignment: synced.assignment,
        ..Default::default()
    }
}

fn refusal(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse {
        error_code: error.0,
        ..Default::default()
    }
}
