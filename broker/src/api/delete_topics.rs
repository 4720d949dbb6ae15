//! DeleteTopics (key 20), v1–v6.
//!
//! Differs from Kafka: internal topics are refused with INVALID_TOPIC_EXCEPTION, because groups would
//! lose their offsets; the results stand in the order of the request, Kafka shuffles them. Space is
//! not freed yet.
//! v4 flexible · v5 error message · v6 by topic id

use std::collections::BTreeSet;

use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        DeleteTopicsRequest, DeleteTopicsResponse, delete_topics_request::DeleteTopicState,
        delete_topics_response::DeletableTopicResult,
    },
    str::Str,
    types::Uuid,
};
use weir_tiering::metadata::{
    Command, Image,
    image::topics::{DeleteTopic, TopicRecord},
};

use super::{
    Api, RequestContext,
    topic_changes::{apply, repeated, repeated_name},
};
use crate::error_code::KafkaError;

pub const API: Api = Api::new(ApiKey::DeleteTopics, 1..=6)
    .differs("internal topics are refused with error 17; no space is freed yet");

pub async fn handle(ctx: &RequestContext, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let wanted = wanted(ctx.version, request.topics, request.topic_names);
    if !ctx.config.topic_creation.delete_enable {
        // Clients before version 3 do not know the better code.
        let code = if ctx.version < 3 {
            ErrorCode::INVALID_REQUEST
        } else {
            ErrorCode::TOPIC_DELETION_DISABLED
        };
        let refused = |topic: DeleteTopicState| DeletableTopicResult {
            name: topic.name,
            topic_id: topic.topic_id,
            error_code: code.0,
            ..Default::default()
        };
        return answer(wanted.into_iter().map(refused).collect());
    }
    let plan = plan(&ctx.image(), wanted);
    let mut responses = plan.refused;
    let deleted = plan.deleted.iter();
    let commands = deleted.map(|(id, _)| Command::DeleteTopic(DeleteTopic { id: *id }));
    let outcomes = apply(ctx, commands.collect(), request.timeout_ms, false).await;
    for ((id, name), outcome) in plan.deleted.into_iter().zip(outcomes) {
        responses.push(result(Some(name), id, outcome.err()));
    }
    answer(responses)
}

/// Every version's topics in the form of version 6.
fn wanted(version: i16, topics: Vec<DeleteTopicState>, names: Vec<Str>) -> Vec<DeleteTopicState> {
    if version >= 6 {
        return topics;
    }
    let by_name = |name| DeleteTopicState {
        name: Some(name),
        ..Default::default()
    };
    names.into_iter().map(by_name).collect()
}

#[derive(Default)]
struct Plan {
    refused: Vec<DeletableTopicResult>,
    deleted: Vec<(Uuid, Str)>,
}

/// Finds the topics; what cannot be deleted, or stands twice, is refused.
fn plan(image: &Image, wanted: Vec<DeleteTopicState>) -> Plan {
    let names = wanted.iter().filter(|one| one.topic_id.is_zero());
    let names_twice = repeated(names.filter_map(|one| one.name.clone()));
    let ids = wanted.iter().filter(|one| one.name.is_none());
    let ids_twice = repeated(ids.map(|one| one.topic_id).filter(|id| !id.is_zero()));
    let mut plan = Plan::default();
    for name in &names_twice {
        let twice = result(Some(name.clone()), Uuid::ZERO, Some(repeated_name()));
        plan.refused.push(twice);
    }
    for id in &ids_twice {
        plan.refused
            .push(result(None, *id, Some(invalid("Duplicate topic id."))));
    }
    let mut found = ids_twice.clone();
    let alone = |one: &DeleteTopicState| match &one.name {
        Some(name) => !one.topic_id.is_zero() || !names_twice.contains(name),
        None => !ids_twice.contains(&one.topic_id),
    };
    // Ids first, as in Kafka: a name of a topic whose id was given too is the one at fault.
    let (by_id, by_name): (Vec<_>, Vec<_>) = wanted
        .into_iter()
        .filter(alone)
        .partition(|one| one.name.is_none());
    for one in by_id.into_iter().chain(by_name) {
        match find(image, &one) {
            Err(error) => plan
                .refused
                .push(result(one.name, one.topic_id, Some(error))),
            Ok(topic) => plan.add(topic, &mut found),
        }
    }
    plan
}

impl Plan {
    /// `found`: ids that were met already.
    fn add(&mut self, topic: &TopicRecord, found: &mut BTreeSet<Uuid>) {
        let name = Str::from_str_copy(&topic.name);
        if !found.insert(topic.id) {
            let message = "The provided topic name maps to an ID that was already supplied.";
            self.deleted.retain(|(id, _)| *id != topic.id);
            self.refused
                .push(result(Some(name), topic.id, Some(invalid(message))));
        } else if topic.internal {
            let message = format!("The topic {name} is internal and cannot be deleted.");
            let error = KafkaError::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message);
            self.refused.push(result(Some(name), topic.id, Some(error)));
        } else {
            self.deleted.push((topic.id, name));
        }
    }
}

fn find<'a>(image: &'a Image, wanted: &DeleteTopicState) -> Result<&'a TopicRecord, KafkaError> {
    match (&wanted.name, wanted.topic_id.is_zero()) {
        (None, true) => Err(invalid("Neither topic name nor id were specified.")),
        (Some(_), false) => Err(invalid("You may not specify both topic name and topic id.")),
        (None, false) => image
            .topics
            .by_id(&wanted.topic_id)
            .map(|topic| &**topic)
            .ok_or_else(|| {
                let message = "This server does not host this topic ID.";
                KafkaError::new(ErrorCode::UNKNOWN_TOPIC_ID, message)
            }),
        (Some(name), true) => image
            .topics
            .by_name(name)
            .map(|topic| &**topic)
            .ok_or_else(|| {
                let message = "This server does not host this topic-partition.";
                KafkaError::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message)
            }),
    }
}

fn invalid(message: &str) -> KafkaError {
    KafkaError::new(ErrorCode::INVALID_REQUEST, message)
}

fn result(name: Option<Str>, topic_id: Uuid, error: Option<KafkaError>) -> DeletableTopicResult {
    let (code, message) = match error {
        None => (ErrorCode::NONE, None),
        Some(error) => (error.code, Some(Str::from(error.message))),
    };
    DeletableTopicResult {
        name,
        topic_id,
        error_code: code.0,
        error_message: message,
        ..Default::default()
    }
}

fn answer(responses: Vec<DeletableTopicResult>) -> DeleteTopicsResponse {
    DeleteTopicsResponse {
        responses,
        ..Default::default()
    }
}
