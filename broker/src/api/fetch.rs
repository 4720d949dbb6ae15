//! Fetch (key 1), v4–v18.
//!
//! Differs from Kafka: only whole batches are returned (clients ignore partial ones); there are no
//! followers, so a replica id is treated like a consumer's, and no preferred read replica is named.
//! v5 log start · v7 sessions (KIP-227) · v9 leader epoch · v11 rack · v12 flexible, diverging epoch ·
//! v13 topic ids · v15 replica state · v16 node endpoints · v17 directory id · v18 replica watermark

use std::{sync::Arc, time::Duration};

use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        FetchRequest, FetchResponse,
        fetch_response::{EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData},
    },
    str::Str,
    types::{LeaderEpoch, Offset, Uuid},
    wire::Records,
};
use weir_tiering::log::{Bounds, PartitionLog, Waker};

use super::{Api, RequestContext};
use crate::{
    error_code::KafkaError,
    fetch::{
        Cached, FetchContext, FetchPartition, PartitionKey, PartitionOutcome, SessionRequest,
        TopicKey,
    },
};

pub const API: Api = Api::new(ApiKey::Fetch, 4..=18)
    .differs("only whole batches are returned; no preferred read replica is named");

/// Request fields that hold for all partitions.
struct Terms {
    bytes_max: usize,
    bytes_min: usize,
    read_committed: bool,
    wait: Duration,
}

pub async fn handle(ctx: &RequestContext, request: FetchRequest) -> FetchResponse {
    let terms = Terms {
        bytes_max: usize::try_from(request.max_bytes)
            .unwrap_or(0)
            .min(ctx.config.fetch.response_bytes_max as usize),
        bytes_min: usize::try_from(request.min_bytes).unwrap_or(0),
        read_committed: request.isolation_level == 1,
        wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
    };
    let context = match ctx
        .fetch_sessions
        .begin(session_request(ctx.version, request))
    {
        Ok(context) => context,
        Err(error) => {
            return FetchResponse {
                error_code: KafkaError::from(&error).code.0,
                ..Default::default()
            };
        }
    };
    let answers = fetch_until_enough(ctx, &context.partitions, &terms).await;
    let bytes: usize = answers
        .iter()
        .filter_map(|a| Some(a.records.as_ref()?.len()))
        .sum();
    ctx.metrics.serving.fetched_bytes.increment(bytes as u64);
    respond(ctx, context, answers)
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

/// Reads until there are `min_bytes`, the time is over, or a partition has something to say that
/// cannot wait (KIP-74; an error answers at once).
async fn fetch_until_enough(
    ctx: &RequestContext,
    wanted: &[FetchPartition],
    terms: &Terms,
) -> Vec<PartitionData> {
    let waker = Waker::default();
    let mut _waiting = Vec::new();
    let mut deadline = std::pin::pin!(ctx.env.clock.sleep(terms.wait));
    let mut stopping = std::pin::pin!(ctx.env.tasks.stopping());
    let mut first = true;
    loop {
        let (answers, bytes, at_once) = read_all(ctx, wanted, terms).await;
        if at_once || bytes >= terms.bytes_min || terms.wait.is_zero() || wanted.is_empty() {
            return answers;
        }
        if first {
            // Registered before the second look, so that nothing is missed in between.
            first = false;
            _waiting = logs_of(ctx, wanted)
                .iter()
                .map(|log| log.wait(&waker))
                .collect();
            continue;
        }
        tokio::select! {
            biased;
            () = waker.notified() => {}
            () = &mut deadline => return answers,
            () = &mut stopping => return answers,
        }
    }
}

fn logs_of(ctx: &RequestContext, wanted: &[FetchPartition]) -> Vec<Arc<PartitionLog>> {
    let topics = ctx.topics();
    let log = |p: &FetchPartition| {
        let topic = match &p.key.topic {
            TopicKey::Name(name) => topics.by_name(name),
            TopicKey::Id(id) => topics.by_id(*id),
        };
        topic.and_then(|topic| topic.log(p.key.partition))
    };
    wanted.iter().filter_map(log).collect()
}

/// One pass over all partitions in their order: answers, bytes of records, and whether an answer
/// must leave at once.
async fn read_all(
    ctx: &RequestContext,
    wanted: &[FetchPartition],
    terms: &Terms,
) -> (Vec<PartitionData>, usize, bool) {
    let mut answers = Vec::with_capacity(wanted.len());
    let mut bytes = 0;
    let mut at_once = false;
    for partition in wanted {
        let left = terms.bytes_max.saturating_sub(bytes);
        let answer = read_one(ctx, partition, left, bytes == 0, terms.read_committed).await;
        let answer = answer
            .unwrap_or_else(|(error, log)| error_data(ctx, partition, &error, log.as_deref()));
        at_once |= answer.error_code != 0 || answer.diverging_epoch.end_offset >= 0;
        bytes += answer.records.as_ref().map_or(0, Records::len);
        answers.push(answer);
    }
    (answers, bytes, at_once)
}

type ReadFailure = (KafkaError, Option<Arc<PartitionLog>>);

async fn read_one(
    ctx: &RequestContext,
    wanted: &FetchPartition,
    bytes_left: usize,
    one_at_least: bool,
    read_committed: bool,
) -> Result<PartitionData, ReadFailure> {
    let log = find(ctx, &wanted.key)?;
    let bounds = log.bounds();
    check_epoch(wanted.current_leader_epoch, bounds.leader_epoch)
        .map_err(|error| (error, Some(log.clone())))?;
    if let Some(diverging) = diverging_epoch(wanted, &log)? {
        return Ok(PartitionData {
            diverging_epoch: diverging,
            ..partition_data(wanted, &bounds, read_committed)
        });
    }
    let limit = bytes_left.min(usize::try_from(wanted.partition_max_bytes).unwrap_or(0));
    let read = log
        .read(&ctx.cold, Offset(wanted.fetch_offset), limit, one_at_least)
        .await;
    let chunks = read.map_err(|error| (KafkaError::from(&error), None))?;
    // Read after the records, so that it never lies below what is returned.
    let bounds = log.bounds();
    Ok(PartitionData {
        records: Some(chunks.into_iter().collect()),
        ..partition_data(wanted, &bounds, read_committed)
    })
}

fn find(ctx: &RequestContext, key: &PartitionKey) -> Result<Arc<PartitionLog>, ReadFailure> {
    let topics = ctx.topics();
    let (topic, unknown) = match &key.topic {
        TopicKey::Name(name) => (topics.by_name(name), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        TopicKey::Id(id) => (topics.by_id(*id), ErrorCode::UNKNOWN_TOPIC_ID),
    };
    let topic = topic.ok_or((KafkaError::new(unknown, "no such topic"), None))?;
    let no_partition =
        || KafkaError::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "no such partition");
    topic
        .log(key.partition)
        .ok_or_else(|| (no_partition(), None))
}

/// KIP-320: a client with older or newer metadata is told so. −1 = do not check.
pub(super) fn check_epoch(claimed: i32, current: LeaderEpoch) -> Result<(), KafkaError> {
    match claimed {
        -1 => Ok(()),
        claimed if claimed < current.0 => Err(KafkaError::new(
            ErrorCode::FENCED_LEADER_EPOCH,
            "older leader epoch",
        )),
        claimed if claimed > current.0 => Err(KafkaError::new(
            ErrorCode::UNKNOWN_LEADER_EPOCH,
            "newer leader epoch",
        )),
        _ => Ok(()),
    }
}

/// KIP-595: where the client's log leaves ours, if it does.
fn diverging_epoch(
    wanted: &FetchPartition,
    log: &PartitionLog,
) -> Result<Option<EpochEndOffset>, ReadFailure> {
    if wanted.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let Some((epoch, end)) = log.end_of_epoch(LeaderEpoch(wanted.last_fetched_epoch)) else {
        let message = "the last fetched epoch is not known here";
        return Err((
            KafkaError::new(ErrorCode::OFFSET_OUT_OF_RANGE, message),
            None,
        ));
    };
    let diverges = epoch.0 < wanted.last_fetched_epoch || end.0 < wanted.fetch_offset;
    Ok(diverges.then(|| EpochEndOffset {
        epoch: epoch.0,
        end_offset: end.0,
        ..Default::default()
    }))
}

fn partition_data(wanted: &FetchPartition, bounds: &Bounds, read_committed: bool) -> PartitionData {
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
    error: &KafkaError,
    log: Option<&PartitionLog>,
) -> PartitionData {
    // KIP-951: tell who leads.
    let current_leader = match (error.code, log) {
        (ErrorCode::FENCED_LEADER_EPOCH | ErrorCode::NOT_LEADER_OR_FOLLOWER, Some(log)) => {
            LeaderIdAndEpoch {
                leader_id: ctx.node_id(),
                leader_epoch: log.leader_epoch().0,
                ..Default::default()
            }
        }
        _ => LeaderIdAndEpoch::default(),
    };
    PartitionData {
        partition_index: wanted.key.partition,
        error_code: error.code.0,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        current_leader,
        records: Some(Records::default()),
        ..Default::default()
    }
}

fn respond(
    ctx: &RequestContext,
    context: FetchContext,
    answers: Vec<PartitionData>,
) -> FetchResponse {
    let outcomes: Vec<_> = answers.iter().map(outcome).collect();
    let keys: Vec<_> = context.partitions.iter().map(|p| p.key.clone()).collect();
    let (session_id, carried) = ctx.fetch_sessions.finish(context, &outcomes);
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    let mut last_topic: Option<TopicKey> = None;
    for ((key, answer), carried) in keys.into_iter().zip(answers).zip(carried) {
        if !carried {
            continue;
        }
        if last_topic.as_ref() != Some(&key.topic) {
            responses.push(topic_response(&key.topic));
            last_topic = Some(key.topic);
        }
        if let Some(topic) = responses.last_mut() {
            topic.partitions.push(answer);
        }
    }
    FetchResponse {
        session_id,
        responses,
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

fn outcome(answer: &PartitionData) -> PartitionOutcome {
    PartitionOutcome {
        told: Cached {
            high_watermark: answer.high_watermark,
            log_start_offset: answer.log_start_offset,
        },
        has_records: answer.records.as_ref().is_some_and(|r| !r.is_empty()),
        is_error: answer.error_code != 0,
        is_diverging: answer.diverging_epoch.end_offset >= 0,
    }
}
