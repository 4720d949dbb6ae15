//! Fetch (key 1), v4–v18.
//!
//! Differs from Kafka: only whole batches are returned (clients ignore partial ones); there are no
//! followers, so a replica id is treated like a consumer's, and no preferred read replica is named.
//! v5 log start · v7 sessions (KIP-227) · v9 leader epoch · v11 rack · v12 flexible, diverging epoch,
//! current leader (KIP-951) · v13 topic ids · v15 replica state · v16 node endpoints · v17 directory
//! id · v18 replica watermark

use std::time::Duration;

use futures::future::BoxFuture;
use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        FetchRequest, FetchResponse,
        fetch_response::{
            EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
        },
    },
    str::Str,
    types::{LeaderEpoch, Uuid},
    wire::Records,
};
use weir_tiering::log::Bounds;

use super::{Answer, Api, Call, RequestContext, RequestError};
use crate::{
    error_code::KafkaError,
    fetch::{
        Cached, FetchContext, FetchPartition, Fetched, Found, PartitionKey, PartitionOutcome,
        SessionRequest, Terms, TopicKey, fetch_until_enough,
    },
};

pub const API: Api = Api::new(ApiKey::Fetch, 4..=18)
    .differs("only whole batches are returned; no preferred read replica is named");

pub fn call(call: Call) -> BoxFuture<'static, Result<Answer, RequestError>> {
    Box::pin(async move {
        let (ctx, request, reply) = call.decode::<FetchRequest>().await?;
        let terms = terms(&ctx, &request);
        let read_committed = request.isolation_level == 1;
        let session = session_request(ctx.version, request);
        let (response, memory) = match ctx.fetch_sessions.begin(session) {
            Ok(context) => {
                let Fetched { found, memory } =
                    fetch_until_enough(&ctx, &context.partitions, &terms).await;
                count(&ctx, &found);
                (respond(&ctx, context, found, read_committed), memory)
            }
            Err(error) => {
                let response = FetchResponse {
                    error_code: KafkaError::from(&error).code.0,
                    ..Default::default()
                };
                (response, Vec::new())
            }
        };
        let mut outgoing = reply.encode(&response)?;
        outgoing.memory.extend(memory);
        Ok(Answer::Ready(outgoing))
    })
}

fn terms(ctx: &RequestContext, request: &FetchRequest) -> Terms {
    Terms {
        bytes_max: usize::try_from(request.max_bytes)
            .unwrap_or(0)
            .min(ctx.config.fetch.response_bytes_max as usize),
        bytes_min: usize::try_from(request.min_bytes).unwrap_or(0),
        wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
    }
}

fn count(ctx: &RequestContext, found: &[Found]) {
    let bytes = found.iter().map(|found| match found {
        Found::Records { records, .. } => records.iter().map(|batch| batch.len() as u64).sum(),
        _ => 0,
    });
    ctx.metrics.serving.fetched_bytes.increment(bytes.sum());
}

fn session_request(version: i16, request: FetchRequest) -> SessionRequest {
    let by_topic_id = version >= 13;
    let key = |name: &Str, id: Uuid| {
        if by_topic_id {
            TopicKey::Id(id)
        } else {
            TopicKey::Name(name.detach())
        }
    };
    let mut partitions = Vec::new();
    for topic in &request.topics {
        let topic_key = key(&topic.topic, topic.topic_id);
        partitions.extend(topic.partitions.iter().map(|p| FetchPartition {
            key: PartitionKey {
                topic: topic_key.clone(),
                partition: p.partition,
            },
            fetch_offset: p.fetch_offset,
            partition_max_bytes: p.partition_max_bytes,
            current_leader_epoch: p.current_leader_epoch,
            last_fetched_epoch: p.last_fetched_epoch,
        }));
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let topic_key = key(&topic.topic, topic.topic_id);
        let partition = |p: &i32| PartitionKey {
            topic: topic_key.clone(),
            partition: *p,
        };
        forgotten.extend(topic.partitions.iter().map(partition));
    }
    SessionRequest {
        session_id: request.session_id,
        session_epoch: request.session_epoch,
        by_topic_id,
        partitions,
        forgotten,
    }
}

fn respond(
    ctx: &RequestContext,
    context: FetchContext,
    found: Vec<Found>,
    read_committed: bool,
) -> FetchResponse {
    let outcomes: Vec<_> = found.iter().map(outcome).collect();
    let partitions = context.partitions.clone();
    let (session_id, carried) = ctx.fetch_sessions.finish(context, &outcomes);
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    let mut last_topic: Option<&TopicKey> = None;
    let mut tells_leader = false;
    for ((partition, found), carried) in partitions.iter().zip(found).zip(carried) {
        if !carried {
            continue;
        }
        if last_topic != Some(&partition.key.topic) {
            responses.push(topic_response(&partition.key.topic));
            last_topic = Some(&partition.key.topic);
        }
        let data = partition_data(ctx, partition, found, read_committed);
        tells_leader |= data.current_leader.leader_id >= 0;
        if let Some(topic) = responses.last_mut() {
            topic.partitions.push(data);
        }
    }
    FetchResponse {
        session_id,
        responses,
        node_endpoints: tells_leader
            .then(|| node_endpoint(ctx))
            .into_iter()
            .collect(),
        ..Default::default()
    }
}

fn outcome(found: &Found) -> PartitionOutcome {
    let (told, has_records) = match found {
        Found::Records { bounds, records } => (told(bounds), !records.is_empty()),
        Found::Diverging { bounds, .. } => (told(bounds), false),
        Found::Error { .. } => (Cached::UNTOLD, false),
    };
    PartitionOutcome {
        told,
        has_records,
        is_error: matches!(found, Found::Error { .. }),
        is_diverging: matches!(found, Found::Diverging { .. }),
    }
}

fn told(bounds: &Bounds) -> Cached {
    Cached {
        high_watermark: bounds.high_watermark.0,
        log_start_offset: bounds.log_start.0,
    }
}

fn partition_data(
    ctx: &RequestContext,
    wanted: &FetchPartition,
    found: Found,
    read_committed: bool,
) -> PartitionData {
    match found {
        Found::Records { bounds, records } => PartitionData {
            records: Some(records.into_iter().collect()),
            ..without_records(wanted, &bounds, read_committed)
        },
        Found::Diverging { bounds, epoch, end } => PartitionData {
            diverging_epoch: EpochEndOffset {
                epoch: epoch.0,
                end_offset: end.0,
                ..Default::default()
            },
            ..without_records(wanted, &bounds, read_committed)
        },
        Found::Error {
            error,
            leader_epoch,
        } => error_data(ctx, wanted, error.code, leader_epoch),
    }
}

fn without_records(
    wanted: &FetchPartition,
    bounds: &Bounds,
    read_committed: bool,
) -> PartitionData {
    PartitionData {
        partition_index: wanted.key.partition,
        high_watermark: bounds.high_watermark.0,
        last_stable_offset: bounds.last_stable_offset.0,
        log_start_offset: bounds.log_start.0,
        aborted_transactions: read_committed.then(Vec::new),
        records: Some(Records::default()),
        ..Default::default()
    }
}

/// An answer without data: no field of it is a plausible offset.
fn error_data(
    ctx: &RequestContext,
    wanted: &FetchPartition,
    code: ErrorCode,
    leader_epoch: Option<LeaderEpoch>,
) -> PartitionData {
    // KIP-951: tell who leads.
    let current_leader = match (code, leader_epoch) {
        (
            ErrorCode::FENCED_LEADER_EPOCH | ErrorCode::NOT_LEADER_OR_FOLLOWER,
            Some(leader_epoch),
        ) => LeaderIdAndEpoch {
            leader_id: ctx.node_id(),
            leader_epoch: leader_epoch.0,
            ..Default::default()
        },
        _ => LeaderIdAndEpoch::default(),
    };
    PartitionData {
        partition_index: wanted.key.partition,
        error_code: known_code(ctx.version, code).0,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        current_leader,
        records: Some(Records::default()),
        ..Default::default()
    }
}

/// Clients before v6 do not know the storage error; this one makes them try again too.
fn known_code(version: i16, code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::KAFKA_STORAGE_ERROR if version <= 5 => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        code => code,
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

fn topic_response(key: &TopicKey) -> FetchableTopicResponse {
    match key {
        TopicKey::Name(name) => FetchableTopicResponse {
            topic: name.clone(),
            ..Default::default()
        },
        TopicKey::Id(id) => FetchableTopicResponse {
            topic_id: *id,
            ..Default::default()
        },
    }
}
