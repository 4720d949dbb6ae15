//! ListOffsets (key 2), v1–v11.
//!
//! Differs from Kafka: nothing is tiered apart from the store, so "earliest local" is the log start
//! and "latest tiered" answers −1.
//! v2 isolation level · v4 leader epochs · v6 flexible · v7 max timestamp · v8 earliest local ·
//! v9 latest tiered · v10 timeout · v11 earliest pending upload

use std::collections::BTreeSet;

use futures::{StreamExt, stream};

use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    },
};
use weir_tiering::log::{FoundRecord, PartitionLog};

use super::{Api, RequestContext};
use crate::{error_code::KafkaError, fetch::check_epoch, partition::Topic};

pub const API: Api = Api::new(ApiKey::ListOffsets, 1..=11)
    .differs("earliest-local is the log start, latest-tiered is unknown: the store is the log");

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// Timestamp, offset, leader epoch as the answer carries them; all −1 when there is none.
struct Found {
    timestamp: i64,
    offset: i64,
    leader_epoch: i32,
}

impl Found {
    const NOTHING: Found = Found {
        timestamp: -1,
        offset: -1,
        leader_epoch: -1,
    };
}

/// Partitions of one request that are searched at a time.
const SEARCHES_MAX: usize = 16;

pub async fn handle(ctx: &RequestContext, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let duplicates = duplicates(&request.topics);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let found = ctx.topics().by_name(&topic.name);
        let answer = |wanted: ListOffsetsPartition| {
            let key = (topic.name.as_str(), wanted.partition_index);
            let is_duplicate = duplicates.contains(&key);
            let found = found.as_deref();
            async move {
                let result = if is_duplicate {
                    Err(KafkaError::new(
                        ErrorCode::INVALID_REQUEST,
                        "the partition stands in the request twice",
                    ))
                } else {
                    list(ctx, found, &wanted).await
                };
                partition_response(wanted.partition_index, result)
            }
        };
        let partitions = stream::iter(topic.partitions.clone())
            .map(answer)
            .buffered(SEARCHES_MAX)
            .collect()
            .await;
        topics.push(ListOffsetsTopicResponse {
            name: topic.name.clone(),
            partitions,
            ..Default::default()
        });
    }
    ListOffsetsResponse {
        topics,
        ..Default::default()
    }
}

/// Partitions that the request names more than once.
fn duplicates(topics: &[ListOffsetsTopic]) -> BTreeSet<(&str, i32)> {
    let mut seen = BTreeSet::new();
    let partitions = topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|partition| (topic.name.as_str(), partition.partition_index))
    });
    partitions.filter(|key| !seen.insert(*key)).collect()
}

async fn list(
    ctx: &RequestContext,
    topic: Option<&Topic>,
    wanted: &ListOffsetsPartition,
) -> Result<Found, KafkaError> {
    check_version(wanted.timestamp, ctx.version)?;
    let unknown = || {
        KafkaError::new(
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            "no such topic or partition",
        )
    };
    let log = topic
        .and_then(|topic| topic.log(wanted.partition_index))
        .ok_or_else(unknown)?;
    let bounds = log.bounds();
    check_epoch(wanted.current_leader_epoch, bounds.leader_epoch)?;
    match wanted.timestamp {
        // Isolation makes no difference until there are transactions: the last stable offset is the
        // high watermark.
        LATEST => Ok(Found {
            timestamp: -1,
            offset: bounds.last_stable_offset.0,
            leader_epoch: bounds.leader_epoch.0,
        }),
        EARLIEST | EARLIEST_LOCAL => Ok(Found {
            timestamp: -1,
            offset: bounds.log_start.0,
            leader_epoch: log.epoch_at(bounds.log_start).0,
        }),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok(Found::NOTHING),
        MAX_TIMESTAMP => Ok(found(
            log.with_max_timestamp(&ctx.cold)
                .await
                .map_err(|e| KafkaError::from(&e))?,
        )),
        target => since(ctx, &log, target).await,
    }
}

async fn since(ctx: &RequestContext, log: &PartitionLog, target: i64) -> Result<Found, KafkaError> {
    let record = log.first_since(&ctx.cold, target).await;
    record.map(found).map_err(|error| KafkaError::from(&error))
}

fn found(record: Option<FoundRecord>) -> Found {
    record.map_or(Found::NOTHING, |record| Found {
        timestamp: record.timestamp,
        offset: record.offset.0,
        leader_epoch: record.leader_epoch.0,
    })
}

/// A special timestamp that the version does not know yet, or that does not exist.
fn check_version(timestamp: i64, version: i16) -> Result<(), KafkaError> {
    let since = match timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        unknown if unknown < EARLIEST_PENDING_UPLOAD => i16::MAX,
        _ => return Ok(()),
    };
    if version >= since {
        return Ok(());
    }
    let message =
        format!("timestamp {timestamp} needs a newer version of ListOffsets than {version}");
    Err(KafkaError::new(ErrorCode::UNSUPPORTED_VERSION, message))
}

fn partition_response(
    index: i32,
    result: Result<Found, KafkaError>,
) -> ListOffsetsPartitionResponse {
    let (found, code) = match result {
        Ok(found) => (found, ErrorCode::NONE),
        Err(error) => (Found::NOTHING, error.code),
    };
    ListOffsetsPartitionResponse {
        partition_index: index,
        error_code: code.0,
        timestamp: found.timestamp,
        offset: found.offset,
        leader_epoch: found.leader_epoch,
        ..Default::default()
    }
}
