//! Heartbeat (key 12), v0–v4.
//!
//! Differs from Kafka: nothing. While the group's coordinator loads, a heartbeat succeeds, so that a
//! short take-over disturbs nobody.
//! v1 throttle time · v3 static members · v4 flexible

use weir_coordinator::{GroupId, Heartbeat, InstanceId, MemberId};
use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{HeartbeatRequest, HeartbeatResponse},
};

use super::{Api, RequestContext};
use crate::{
    coordinator::CoordinatorError,
    error_code::{of_coordinator, of_group},
};

pub const API: Api = Api::new(ApiKey::Heartbeat, 0..=4);

pub async fn handle(ctx: &RequestContext, request: HeartbeatRequest) -> HeartbeatResponse {
    let heartbeat = Heartbeat {
        group: GroupId::new(&request.group_id),
        generation: request.generation_id,
        member: MemberId::new(&request.member_id),
        instance: request.group_instance_id.map(|i| InstanceId::new(&i)),
    };
    let answer = ctx
        .groups
        .ask(&ctx.broker, &request.group_id, heartbeat)
        .await;
    let error = match answer {
        Ok(Ok(())) | Err(CoordinatorError::LoadInProgress) => ErrorCode::NONE,
        Ok(Err(error)) => of_group(error),
        Err(error) => of_coordinator(error),
    };
    HeartbeatResponse {
        error_code: error.0,
        ..Default::default()
    }
}
