//! InitProducerId (key 22), v0–v5.
//!
//! Differs from Kafka: transactions are not served yet; a transactional id answers
//! TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which clients do not retry.
//! v2 flexible · v3 producer id and epoch of a bump · v6 (two-phase commit) is unstable in Kafka

use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{InitProducerIdRequest, InitProducerIdResponse},
};

use super::{Api, RequestContext};

pub const API: Api = Api::new(ApiKey::InitProducerId, 0..=5)
    .differs("a transactional id is refused with error 53 until transactions are served");

pub async fn handle(
    ctx: &RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    if let Some(error) = refusal(&request) {
        return refused(error);
    }
    // Without a transactional id Kafka gives a fresh producer id, whatever id came along.
    match ctx.producer_ids.next().await {
        Ok(id) => InitProducerIdResponse {
            producer_id: id.0,
            producer_epoch: 0,
            ..Default::default()
        },
        // As Kafka while it has no block: clients ask again, without looking for a coordinator.
        Err(_) => refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
    }
}

fn refusal(request: &InitProducerIdRequest) -> Option<ErrorCode> {
    match request.transactional_id.as_deref() {
        Some("") => return Some(ErrorCode::INVALID_REQUEST),
        Some(_) => return Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        None => {}
    }
    let half = (request.producer_id == -1) != (request.producer_epoch == -1);
    half.then_some(ErrorCode::INVALID_REQUEST)
}

fn refused(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code: error.0,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    }
}
