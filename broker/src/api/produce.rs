//! Produce (key 0), v3–v13.
//!
//! Differs from Kafka: acks=1 is as durable as acks=all. Transactions are not served yet: a
//! transactional batch answers TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which clients do not retry.
//! Min 0 is advertised though 0–2 close the connection, as Kafka does (KAFKA-18659).
//! v7 zstd · v8 record_errors · v9 flexible · v10 current leader (KIP-951) · v13 topic ids
//!
//! Pipelined: this function appends; the answer, which waits for the store, leaves later.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        ProduceRequest, ProduceResponse,
        produce_request::PartitionProduceData,
        produce_response::{
            BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
        },
    },
    str::Str,
    types::Uuid,
};
use weir_tiering::budget::Permit;

use super::{Answer, Api, Call, Refused, RequestContext, RequestError};
use crate::partition::{ProduceOutcome, ProduceRefused, Topic, produce_batch};

pub const API: Api = Api::new(ApiKey::Produce, 3..=13)
    .advertised_from(0)
    .differs("acks=1 is as durable as acks=all; transactional batches are refused with error 53");

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
    outcome: Result<ProduceOutcome, ProduceRefused>,
}

pub fn call(call: Call) -> BoxFuture<'static, Result<Answer, RequestError>> {
    Box::pin(async move {
        let (ctx, request, reply, permit) = call.decode::<ProduceRequest>()?;
        let acks = request.acks;
        let limit = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        let pending = append_all(&ctx, request, Arc::new(permit));
        if acks == 0 {
            return Ok(Answer::Later(Box::pin(async move {
                refuse_errors(&pending).map(|()| Vec::new())
            })));
        }
        Ok(Answer::Later(Box::pin(async move {
            let response = respond(&ctx, pending, limit).await;
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
    permit: Arc<Permit>,
) -> Vec<PendingTopic> {
    let acks_known = matches!(request.acks, -1..=1);
    request
        .topic_data
        .into_iter()
        .map(|topic| {
            let found = if ctx.version >= 13 {
                ctx.topics().by_id(topic.topic_id)
            } else {
                ctx.topics().by_name(&topic.name)
            };
            let partitions = topic
                .partition_data
                .into_iter()
                .map(|data| PendingPartition {
                    index: data.index,
                    outcome: if acks_known {
                        append_one(ctx, found.as_deref(), data, &permit)
                    } else {
                        Err(ProduceRefused::new(
                            ErrorCode::INVALID_REQUIRED_ACKS,
                            "acks must be -1, 0 or 1",
                        ))
                    },
                });
            PendingTopic {
                partitions: partitions.collect(),
                name: topic.name,
                id: topic.topic_id,
            }
        })
        .collect()
}

fn append_one(
    ctx: &RequestContext,
    topic: Option<&Topic>,
    data: PartitionProduceData,
    permit: &Arc<Permit>,
) -> Result<ProduceOutcome, ProduceRefused> {
    let unknown = || {
        ProduceRefused::new(
            unknown_topic(ctx.version),
            "this broker knows no such topic or partition",
        )
    };
    let topic = topic.ok_or_else(unknown)?;
    // Kafka's own admin client may write to internal topics.
    if topic.is_internal() && &*ctx.client_id != "__admin_client" {
        return Err(ProduceRefused::new(
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            "clients may not write to internal topics",
        ));
    }
    // A topic that is known by its id has partitions by number: no version says UNKNOWN_TOPIC_ID here.
    let log = topic.log(data.index).ok_or_else(|| {
        ProduceRefused::new(
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            "this broker knows no such partition",
        )
    })?;
    let records = data
        .records
        .map(|records| records.into_bytes())
        .unwrap_or_default();
    produce_batch(ctx, topic, &log, records, permit)
}

async fn respond(
    ctx: &RequestContext,
    pending: Vec<PendingTopic>,
    limit: Duration,
) -> ProduceResponse {
    let mut responses = Vec::with_capacity(pending.len());
    let mut wait_is_over = std::pin::pin!(ctx.env.clock.sleep(limit));
    let mut expired = false;
    for topic in pending {
        let mut partition_responses = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let durable = tokio::select! {
                biased;
                outcome = settle(ctx, partition.outcome) => Some(outcome),
                () = &mut wait_is_over, if !expired => { expired = true; None }
                () = std::future::ready(()), if expired => None,
            };
            let outcome = durable.unwrap_or_else(|| {
                Err(ProduceRefused::new(
                    ErrorCode::REQUEST_TIMED_OUT,
                    "the store did not confirm the write in time; it may still do so",
                ))
            });
            partition_responses.push(partition_response(ctx, partition.index, outcome));
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
