//! CreatePartitions (key 37), v0–v3.
//!
//! Differs from Kafka: internal topics are refused with INVALID_TOPIC_EXCEPTION, because a group's
//! partition of __consumer_offsets follows from their number. Manual assignments are checked (each
//! partition has one replica, its owner) and then forgotten. No mutation quotas.
//! v2 flexible · v3 mutation quota error

use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse,
        create_partitions_request::CreatePartitionsTopic,
        create_partitions_response::CreatePartitionsTopicResult,
    },
    str::Str,
};
use weir_tiering::metadata::{Command, Image, image::topics::CreatePartitions};

use super::{
    Api, RequestContext,
    topic_changes::{
        PARTITIONS_PER_REQUEST_MAX, REPLICAS, apply, check_assignment, live_brokers, repeated,
        repeated_name,
    },
};
use crate::error_code::KafkaError;

pub const API: Api =
    Api::new(ApiKey::CreatePartitions, 0..=3).differs("internal topics are refused with error 17");

pub async fn handle(
    ctx: &RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let image = ctx.image();
    let twice = repeated(request.topics.iter().map(|topic| topic.name.clone()));
    let mut results: Vec<_> = twice
        .iter()
        .map(|name| result(name.clone(), Some(repeated_name())))
        .collect();
    let (mut places, mut commands) = (Vec::new(), Vec::new());
    let mut room = PARTITIONS_PER_REQUEST_MAX;
    for topic in request.topics {
        if twice.contains(&topic.name) {
            continue;
        }
        let error = match plan(&image, &topic, &mut room) {
            Ok(command) => {
                places.push(results.len());
                commands.push(Command::CreatePartitions(command));
                None
            }
            Err(error) => Some(error),
        };
        results.push(result(topic.name, error));
    }
    let outcomes = apply(ctx, commands, request.timeout_ms, request.validate_only).await;
    for (place, outcome) in places.into_iter().zip(outcomes) {
        if let Err(error) = outcome {
            let name = results[place].name.clone();
            results[place] = result(name, Some(by_name(error)));
        }
    }
    CreatePartitionsResponse {
        results,
        ..Default::default()
    }
}

/// The command for one topic, or why there is none. `room`: partitions that the request may still add.
fn plan(
    image: &Image,
    topic: &CreatePartitionsTopic,
    room: &mut i64,
) -> Result<CreatePartitions, KafkaError> {
    let record = image.topics.by_name(&topic.name).ok_or_else(unknown)?;
    if record.internal {
        let message = format!(
            "The topic {} is internal; its partitions cannot change.",
            topic.name
        );
        return Err(KafkaError::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message));
    }
    let bad_count = |message| Err(KafkaError::new(ErrorCode::INVALID_PARTITIONS, message));
    let before = record.partitions;
    if topic.count == before {
        return bad_count(format!("Topic already has {before} partition(s)."));
    }
    if topic.count < before {
        return bad_count(format!(
            "The topic {} currently has {before} partition(s); {} would not be an increase.",
            topic.name, topic.count
        ));
    }
    let added = i64::from(topic.count) - i64::from(before);
    if added > *room {
        let message = "Unable to perform excessively large batch operation.";
        return Err(KafkaError::new(ErrorCode::POLICY_VIOLATION, message));
    }
    check_assignments(image, topic, added)?;
    *room -= added;
    Ok(CreatePartitions {
        id: record.id,
        partitions: topic.count,
        overrides: Vec::new(),
    })
}

fn check_assignments(
    image: &Image,
    topic: &CreatePartitionsTopic,
    added: i64,
) -> Result<(), KafkaError> {
    let Some(assignments) = &topic.assignments else {
        return Ok(());
    };
    if assignments.len() as i64 != added {
        return Err(KafkaError::new(
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            format!(
                "Attempted to add {added} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            ),
        ));
    }
    let live = live_brokers(image);
    let mut all = assignments.iter();
    all.try_for_each(|one| check_assignment(&one.broker_ids, &live, Some(REPLICAS)))
}

/// A topic that went away meanwhile is, for a request by name, unknown by name.
fn by_name(error: KafkaError) -> KafkaError {
    if error.code == ErrorCode::UNKNOWN_TOPIC_ID {
        unknown()
    } else {
        error
    }
}

fn unknown() -> KafkaError {
    KafkaError::new(
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        "This server does not host this topic-partition.",
    )
}

fn result(name: Str, error: Option<KafkaError>) -> CreatePartitionsTopicResult {
    let (code, message) = match error {
        None => (ErrorCode::NONE, None),
        Some(error) => (error.code, Some(Str::from(error.message))),
    };
    CreatePartitionsTopicResult {
        name,
        error_code: code.0,
        error_message: message,
        ..Default::default()
    }
}
