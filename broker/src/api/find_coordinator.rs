//! FindCoordinator (key 10), v0–v6.
//!
//! Differs from Kafka: transactional ids answer TRANSACTIONAL_ID_AUTHORIZATION_FAILED until
//! transactions are served, and share groups INVALID_REQUEST: clients retry neither. The first
//! request for a group waits a little for `__consumer_offsets`, which it creates, instead of sending
//! the client away at once.
//! v1 key type, error message · v3 flexible · v4 several keys · v6 share groups

use std::time::Duration;

use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        FindCoordinatorRequest, FindCoordinatorResponse, find_coordinator_response::Coordinator,
    },
    str::Str,
};

use super::{Api, RequestContext};
use crate::{error_code::KafkaError, partition::OFFSETS_TOPIC};

pub const API: Api = Api::new(ApiKey::FindCoordinator, 0..=6)
    .differs("transactional ids answer error 53 and share groups error 42 until they are served");

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// How long a request waits for the topic of the groups to come into being.
const CREATION_WAIT: Duration = Duration::from_millis(500);

pub async fn handle(
    ctx: &RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let found = find(ctx, request.key_type).await;
    if ctx.version < 4 {
        let coordinator = answer(ctx, &found, request.key);
        let message = coordinator.error_message.filter(|m| !m.is_empty());
        return FindCoordinatorResponse {
            error_code: coordinator.error_code,
            // Kafka's text for "no error".
            error_message: message.or(Some(Str::from("NONE"))),
            node_id: coordinator.node_id,
            host: coordinator.host,
            port: coordinator.port,
            ..Default::default()
        };
    }
    FindCoordinatorResponse {
        coordinators: request
            .coordinator_keys
            .into_iter()
            .map(|key| answer(ctx, &found, key))
            .collect(),
        ..Default::default()
    }
}

/// Whether keys of this type have their coordinator here. An empty group id is legal.
async fn find(ctx: &RequestContext, key_type: i8) -> Result<(), KafkaError> {
    match key_type {
        GROUP if has_offsets_topic(ctx).await => Ok(()),
        GROUP => Err(KafkaError::new(
            ErrorCode::COORDINATOR_NOT_AVAILABLE,
            "__consumer_offsets is being created",
        )),
        TRANSACTION => Err(KafkaError::new(
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "this broker does not serve transactions yet; use a producer without transactional.id",
        )),
        other => Err(KafkaError::new(
            ErrorCode::INVALID_REQUEST,
            format!("this broker has no coordinators of type {other}"),
        )),
    }
}

async fn has_offsets_topic(ctx: &RequestContext) -> bool {
    if ctx.metadata.load().topics.by_name(OFFSETS_TOPIC).is_some() {
        return true;
    }
    let mut images = ctx.metadata.watch();
    ctx.auto_creation.begin(&ctx.broker, OFFSETS_TOPIC);
    let exists = async {
        let exists = images.wait_for(|image| image.topics.by_name(OFFSETS_TOPIC).is_some());
        exists.await.is_ok()
    };
    ctx.env.timeout(CREATION_WAIT, exists).await == Ok(true)
}

fn answer(ctx: &RequestContext, found: &Result<(), KafkaError>, key: Str) -> Coordinator {
    match found {
        Ok(()) => {
            let endpoint = ctx.endpoint_of(&ctx.connection);
            Coordinator {
                key,
                node_id: ctx.node_id(),
                host: Str::from(endpoint.host.clone()),
                port: i32::from(endpoint.port),
                ..Default::default()
            }
        }
        Err(error) => Coordinator {
            key,
            node_id: -1,
            port: -1,
            error_code: error.code.0,
            error_message: Some(Str::from(error.message.clone())),
            ..Default::default()
        },
    }
}
