//! Produce (key 0), v3–v13.
//!
//! Differs from Kafka: acks=1 is as durable as acks=all. Transactions are not served yet: a
//! transactional batch answers TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which clients do not retry.
//! Min 0 is advertised though 0–2 close the connection, as Kafka does (KAFKA-18659).
//! v7 zstd · v8 record_errors · v9 flexible · v10 current leader (KIP-951) · v13 topic ids
//!
//! Pipelined: this function appends; the answer, which waits for the store, leaves later. By then
//! nothing of the request's frame is referred to.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        ProduceRequest, ProduceResponse,
        produce_request::{PartitionProduceData, TopicProduceData},
        produce_response::{
            BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
            TopicProduceResponse,
        },
    },
    str::Str,
    types::Uuid,
};
use weir_tiering::{budget::Permit, log::PartitionLog};

use super::{Answer, Api, Call, Outgoing, Refused, RequestContext, RequestError};
use crate::{
    error_code::KafkaError,
    partition::{ProduceOutcome, ProduceRefused, Topic, no_transactions, produce_batch},
};

pub const API: Api = Api::new(ApiKey::Produce, 3..=13)
    .advertised_from(0)
    .differs("acks=1 is as durable as acks=all; transactional batches are refused with error 53");

/// A client that waits longer than this for the store is answered all the same.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// The error of a topic that does not exist, by how the request names topics.
fn unknown_topic(version: i16) -> ErrorCode {
    if version >= 13 {
        ErrorCode::UNKNOWN_TOPIC_ID
    } else {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    }
}

/// A topic's name and id as the request gave them, and its partitions under way.
struct PendingTopic {
    name: Str,
    id: Uuid,
    partitions: Vec<PendingPartition>,
}

struct PendingPartition {
    index: i32,
    /// For the answer that says who leads.
    log: Option<Arc<PartitionLog>>,
    outcome: Result<ProduceOutcome, ProduceRefused>,
}

/// What holds for all batches of a request.
struct Terms {
    acks_known: bool,
    /// The request names a transactional id.
    is_transactional: bool,
    permit: Option<Arc<Permit>>,
}

pub fn call(call: Call) -> BoxFuture<'static, Result<Answer, RequestError>> {
    Box::pin(async move {
        let (mut ctx, request, mut reply) = call.decode::<ProduceRequest>().await?;
        let limit = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        // Runs from here on, not from when the answers before this one have left.
        let expires = ctx.env.clock.sleep(limit.min(TIMEOUT_MAX));
        let acks = request.acks;
        let pending = append_all(&ctx, request, reply.take_frame());
        // A slice of the frame.
        ctx.client_id = Str::default();
        if acks == 0 {
            return Ok(Answer::Later(Box::pin(async move {
                refuse_errors(&pending).map(|()| Outgoing::default())
            })));
        }
        Ok(Answer::Later(Box::pin(async move {
            let response = respond(&ctx, pending, expires).await;
            reply
                .encode(&response)
                .map_err(|error| Refused(error.to_string()))
        })))
    })
}

/// With acks=0 Kafka tells a client of an error by closing the connection.
fn refuse_errors(pending: &[PendingTopic]) -> Result<(), Refused> {
    let errors = pending
        .iter()
        .flat_map(|t| &t.partitions)
        .filter_map(|p| p.outcome.as_ref().err());
    match errors.into_iter().next() {
        Some(refused) => Err(Refused(refused.error.message.clone())),
        None => Ok(()),
    }
}

fn append_all(
    ctx: &RequestContext,
    request: ProduceRequest,
    permit: Option<Permit>,
) -> Vec<PendingTopic> {
    let terms = Terms {
        acks_known: matches!(request.acks, -1..=1),
        is_transactional: request.transactional_id.is_some(),
        permit: permit.map(Arc::new),
    };
    let topics = ctx.topics();
    let append_topic = |topic: TopicProduceData| {
        let found = if ctx.version >= 13 {
            topics.by_id(topic.topic_id)
        } else {
            topics.by_name(&topic.name)
        };
        let partitions = topic.partition_data.into_iter().map(|data| {
            let index = data.index;
            let log = found.as_deref().and_then(|topic| topic.log(index));
            let outcome = append_one(ctx, found.as_deref(), log.as_ref(), data, &terms);
            PendingPartition {
                index,
                log,
                outcome,
            }
        });
        PendingTopic {
            partitions: partitions.collect(),
            name: topic.name.detach(),
            id: topic.topic_id,
        }
    };
    request.topic_data.into_iter().map(append_topic).collect()
}

fn append_one(
    ctx: &RequestContext,
    topic: Option<&Topic>,
    log: Option<&Arc<PartitionLog>>,
    data: PartitionProduceData,
    terms: &Terms,
) -> Result<ProduceOutcome, ProduceRefused> {
    // Kafka judges the right to the transactional id before anything else.
    if terms.is_transactional {
        return Err(no_transactions());
    }
    let unknown = |code| ProduceRefused::new(code, "this broker knows no such topic or partition");
    let topic = topic.ok_or_else(|| unknown(unknown_topic(ctx.version)))?;
    // A known topic has partitions by number, in every version.
    let log = log.ok_or_else(|| unknown(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
    // Kafka's own admin client may write to internal topics.
    if topic.is_internal() && &*ctx.client_id != "__admin_client" {
        return Err(ProduceRefused::new(
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            "clients may not write to internal topics",
        ));
    }
    if !terms.acks_known {
        return Err(ProduceRefused::new(
            ErrorCode::INVALID_REQUIRED_ACKS,
            "acks must be -1, 0 or 1",
        ));
    }
    let records = data
        .records
        .map(|records| records.into_bytes())
        .unwrap_or_default();
    produce_batch(ctx, topic, log, records, terms.permit.clone()).map_err(|refused| {
        match refused.error.code {
            // The topic was deleted while the request came.
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => ProduceRefused {
                error: KafkaError::new(unknown_topic(ctx.version), refused.error.message),
                ..refused
            },
            _ => refused,
        }
    })
}

async fn respond(
    ctx: &RequestContext,
    pending: Vec<PendingTopic>,
    mut expires: impl Future<Output = ()> + Unpin,
) -> ProduceResponse {
    let mut responses = Vec::with_capacity(pending.len());
    let mut expired = false;
    let mut tells_leader = false;
    for topic in pending {
        let mut partition_responses = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let durable = tokio::select! {
                biased;
                outcome = settle(ctx, partition.outcome) => Some(outcome),
                () = &mut expires, if !expired => { expired = true; None }
                () = std::future::ready(()), if expired => None,
            };
            let outcome = durable.unwrap_or_else(|| {
                Err(ProduceRefused::new(
                    ErrorCode::REQUEST_TIMED_OUT,
                    "the store did not confirm the write in time; it may still do so",
                ))
            });
            let mut response = partition_response(ctx, partition.index, outcome);
            if response.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER.0
                && let Some(log) = &partition.log
            {
                response.current_leader = current_leader(ctx, log);
                tells_leader = true;
            }
            partition_responses.push(response);
        }
        responses.push(TopicProduceResponse {
            name: topic.name,
            topic_id: topic.id,
            partition_responses,
            ..Default::default()
        });
    }
    ProduceResponse {
        responses,
        node_endpoints: tells_leader
            .then(|| node_endpoint(ctx))
            .into_iter()
            .collect(),
        ..Default::default()
    }
}

/// KIP-951: who leads now, so that the client need not ask.
fn current_leader(ctx: &RequestContext, log: &PartitionLog) -> LeaderIdAndEpoch {
    LeaderIdAndEpoch {
        leader_id: ctx.node_id(),
        leader_epoch: log.leader_epoch().0,
        ..Default::default()
    }
}

fn node_endpoint(ctx: &RequestContext) -> NodeEndpoint {
    let endpoint = ctx.endpoint_of(&ctx.connection);
    NodeEndpoint {
        node_id: ctx.node_id(),
        host: Str::from(endpoint.host.clone()),
        port: i32::from(endpoint.port),
        rack: ctx.config.rack.clone().map(Str::from),
        ..Default::default()
    }
}

/// Waits until what the outcome was derived from is durable. A topic that was deleted meanwhile is
/// unknown, whatever the store says.
async fn settle(
    ctx: &RequestContext,
    outcome: Result<ProduceOutcome, ProduceRefused>,
) -> Result<ProduceOutcome, ProduceRefused> {
    let slot = match &outcome {
        Ok(outcome) => outcome.appended.slot,
        Err(refused) => refused.after,
    };
    if let Some(slot) = slot {
        ctx.wal.committed(slot).await.map_err(|_| {
            ProduceRefused::new(
                ErrorCode::NOT_LEADER_OR_FOLLOWER,
                "this broker lost the partition",
            )
        })?;
    }
    match outcome {
        Ok(outcome) if outcome.log.is_deleted() => Err(ProduceRefused::new(
            unknown_topic(ctx.version),
            "the topic was deleted",
        )),
        outcome => outcome,
    }
}

fn partition_response(
    ctx: &RequestContext,
    index: i32,
    outcome: Result<ProduceOutcome, ProduceRefused>,
) -> PartitionProduceResponse {
    match outcome {
        Ok(outcome) => PartitionProduceResponse {
            index,
            base_offset: outcome.appended.offset_first.0,
            log_append_time_ms: outcome.log_append_time_ms,
            log_start_offset: outcome.appended.log_start.0,
            ..Default::default()
        },
        Err(refused) => PartitionProduceResponse {
            index,
            error_code: refused.error.code.0,
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: record_errors(ctx.version, &refused),
            error_message: Some(Str::from(refused.error.message)),
            ..Default::default()
        },
    }
}

fn record_errors(version: i16, refused: &ProduceRefused) -> Vec<BatchIndexAndErrorMessage> {
    if version < 8 {
        return Vec::new();
    }
    let error = |(index, message): &(i32, String)| BatchIndexAndErrorMessage {
        batch_index: *index,
        batch_index_error_message: Some(Str::from(message.clone())),
        ..Default::default()
    };
    refused.record_errors.iter().map(error).collect()
}
