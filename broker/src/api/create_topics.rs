//! CreateTopics (key 19), v2–v7.
//!
//! Differs from Kafka: any replication factor is accepted, because durability is the store's, unless
//! weir.replication.factor.strict is on; the answer shows one replica, the owner, as Metadata does.
//! Manual assignments are checked and then forgotten. No policy classes, no mutation quotas.
//! v4 -1 means the broker's defaults · v5 flexible, answers partitions and configs · v7 topic id

use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        CreateTopicsRequest, CreateTopicsResponse,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
    },
    str::Str,
};
use weir_tiering::metadata::{Command, Image, image::topics::CreateTopic};

use super::{
    Api, RequestContext,
    topic_changes::{
        PARTITIONS_PER_REQUEST_MAX, REPLICAS, apply, check_assignment, check_name, live_brokers,
        repeated, repeated_name,
    },
};
use crate::{
    config::{self, ConfigEntry, ConfigSource, Overrides, Settings},
    error_code::KafkaError,
    partition::{METADATA_TOPIC, create_command},
};

pub const API: Api = Api::new(ApiKey::CreateTopics, 2..=7).differs(
    "any replication factor is accepted unless weir.replication.factor.strict is on; the owner is the only replica",
);

/// The number that asks for the broker's default.
const DEFAULT: i32 = -1;

pub async fn handle(ctx: &RequestContext, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let twice = repeated(request.topics.iter().map(|topic| topic.name.as_str()));
    let alone = |topic: &&CreatableTopic| !twice.contains(topic.name.as_str());
    let is_wanted = |topic: &&CreatableTopic| topic.name.as_str() != METADATA_TOPIC;
    let wanted: Vec<_> = request
        .topics
        .iter()
        .filter(alone)
        .filter(is_wanted)
        .collect();
    if partitions(ctx, &wanted) > PARTITIONS_PER_REQUEST_MAX {
        let error = KafkaError::new(
            ErrorCode::POLICY_VIOLATION,
            "Excessively large number of partitions per request.",
        );
        let all = request.topics.iter();
        return answer(all.map(|topic| failed(&topic.name, &error)).collect());
    }
    let mut results = create(ctx, &wanted, request.timeout_ms, request.validate_only).await;
    let repeats = twice.iter().copied().map(Str::from_str_copy);
    results.extend(repeats.map(|name| failed(&name, &repeated_name())));
    let metadata = request
        .topics
        .iter()
        .filter(alone)
        .find(|topic| !is_wanted(topic));
    results.extend(metadata.map(|topic| {
        let message = format!("Creation of internal topic {METADATA_TOPIC} is prohibited.");
        failed(
            &topic.name,
            &KafkaError::new(ErrorCode::INVALID_REQUEST, message),
        )
    }));
    answer(results)
}

/// Partitions that all topics of the request would have.
fn partitions(ctx: &RequestContext, topics: &[&CreatableTopic]) -> i64 {
    let of = |topic: &&CreatableTopic| match topic.num_partitions {
        _ if !topic.assignments.is_empty() => topic.assignments.len() as i64,
        DEFAULT => i64::from(ctx.config.topic_creation.partitions_default),
        count => i64::from(count.max(0)),
    };
    topics.iter().map(of).sum()
}

async fn create(
    ctx: &RequestContext,
    topics: &[&CreatableTopic],
    timeout_ms: i32,
    validate_only: bool,
) -> Vec<CreatableTopicResult> {
    let image = ctx.image();
    let mut results = Vec::with_capacity(topics.len());
    let (mut places, mut commands) = (Vec::new(), Vec::new());
    for topic in topics {
        match plan(ctx, &image, topic) {
            Ok(command) => {
                places.push(results.len());
                results.push(created(ctx, &command));
                commands.push(Command::CreateTopic(command));
            }
            Err(error) => results.push(failed(&topic.name, &error)),
        }
    }
    let outcomes = apply(ctx, commands, timeout_ms, validate_only).await;
    for (place, outcome) in places.into_iter().zip(outcomes) {
        if let Err(error) = outcome {
            results[place] = failed(&results[place].name, &error);
        }
    }
    results
}

/// The command for one topic, or why there is none; checks in Kafka's order.
fn plan(
    ctx: &RequestContext,
    image: &Image,
    topic: &CreatableTopic,
) -> Result<CreateTopic, KafkaError> {
    let name = topic.name.as_str();
    if image.topics.by_name(name).is_some() {
        let message = format!("Topic '{name}' already exists.");
        return Err(KafkaError::new(ErrorCode::TOPIC_ALREADY_EXISTS, message));
    }
    if let Some(existing) = image.topics.collision(name) {
        let message = format!("Topic '{name}' collides with existing topic: {existing}");
        return Err(KafkaError::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message));
    }
    check_name(name)?;
    let configs = overrides(ctx, &topic.configs)?;
    let partitions = if topic.assignments.is_empty() {
        counted(ctx, image, topic)?
    } else {
        assigned(image, topic)?
    };
    Ok(create_command(&ctx.env, name, partitions, configs))
}

/// The settings of the topic's own. Of a name that stands twice the last value counts.
fn overrides(
    ctx: &RequestContext,
    configs: &[CreatableTopicConfig],
) -> Result<Overrides, KafkaError> {
    let nulls = configs.iter().filter(|config| config.value.is_none());
    let nulls: Vec<&str> = nulls.map(|config| config.name.as_str()).collect();
    if !nulls.is_empty() {
        let message = format!(
            "Null value not supported for topic configs: {}",
            nulls.join(",")
        );
        return Err(KafkaError::new(ErrorCode::INVALID_CONFIG, message));
    }
    let pairs = configs.iter();
    let pairs = pairs.map(|config| (config.name.as_str(), config.value.as_deref()));
    config::validate_topic(pairs, &ctx.config.topic_defaults)
        .map_err(|error| KafkaError::new(ErrorCode::INVALID_CONFIG, error.to_string()))
}

/// Partitions of a topic whose partitions the broker places.
fn counted(ctx: &RequestContext, image: &Image, topic: &CreatableTopic) -> Result<i32, KafkaError> {
    let bad_factor =
        |message: String| KafkaError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message);
    let defaults = &ctx.config.topic_creation;
    let factor = match i32::from(topic.replication_factor) {
        DEFAULT => i32::from(defaults.replication_factor_default),
        factor => factor,
    };
    if factor < 1 {
        return Err(bad_factor(
            "Replication factor must be larger than 0, or -1 to use the default value.".to_owned(),
        ));
    }
    let partitions = match topic.num_partitions {
        DEFAULT => defaults.partitions_default,
        partitions => partitions,
    };
    if partitions < 1 {
        return Err(KafkaError::new(
            ErrorCode::INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.",
        ));
    }
    let brokers = live_brokers(image).len();
    if defaults.replication_factor_strict && factor as usize > brokers {
        return Err(bad_factor(format!(
            "Unable to replicate the partition {factor} time(s): The target replication factor of \
             {factor} cannot be reached because only {brokers} broker(s) are registered."
        )));
    }
    Ok(partitions)
}

/// Partitions of a topic whose partitions the client places.
fn assigned(image: &Image, topic: &CreatableTopic) -> Result<i32, KafkaError> {
    let invalid = |what: &str| {
        let message =
            format!("A manual partition assignment was specified, but {what} was not set to -1.");
        Err(KafkaError::new(ErrorCode::INVALID_REQUEST, message))
    };
    let bad = |message: String| {
        Err(KafkaError::new(
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            message,
        ))
    };
    if i32::from(topic.replication_factor) != DEFAULT {
        return invalid("replication factor");
    }
    if topic.num_partitions != DEFAULT {
        return invalid("numPartitions");
    }
    let live = live_brokers(image);
    let twice = repeated(topic.assignments.iter().map(|one| one.partition_index));
    if let Some(index) = twice.first() {
        return bad(format!(
            "Found multiple manual partition assignments for partition {index}"
        ));
    }
    let mut replicas = None;
    for assignment in &topic.assignments {
        check_assignment(&assignment.broker_ids, &live, replicas)?;
        replicas = Some(assignment.broker_ids.len());
    }
    // Each index stands once, so they are 0..count exactly if all are in that range.
    let count = i32::try_from(topic.assignments.len()).unwrap_or(i32::MAX);
    let in_range = |index: i32| (0..count).contains(&index);
    if !topic
        .assignments
        .iter()
        .all(|one| in_range(one.partition_index))
    {
        return bad("partitions should be a consecutive 0-based integer sequence".to_owned());
    }
    Ok(count)
}

fn answer(topics: Vec<CreatableTopicResult>) -> CreateTopicsResponse {
    CreateTopicsResponse {
        topics,
        ..Default::default()
    }
}

fn failed(name: &Str, error: &KafkaError) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.clone(),
        error_code: error.code.0,
        error_message: Some(Str::from(error.message.clone())),
        ..Default::default()
    }
}

fn created(ctx: &RequestContext, command: &CreateTopic) -> CreatableTopicResult {
    CreatableTopicResult {
        name: Str::from_str_copy(&command.name),
        topic_id: command.id,
        error_message: None,
        num_partitions: command.partitions,
        replication_factor: REPLICAS as i16,
        // Older versions have no place for it.
        configs: Some(if ctx.version >= 5 {
            effective_configs(ctx, &command.configs)
        } else {
            Vec::new()
        }),
        ..Default::default()
    }
}

fn effective_configs(ctx: &RequestContext, overrides: &Overrides) -> Vec<CreatableTopicConfigs> {
    let settings = &ctx.config.settings;
    let entries = config::describe_topic(overrides, &ctx.config.topic_defaults, settings);
    let shown = |entry: ConfigEntry| CreatableTopicConfigs {
        config_source: source(&entry, settings) as i8,
        name: Str::from_str_copy(entry.name),
        value: entry.value.map(Str::from),
        read_only: false,
        is_sensitive: entry.sensitive,
        ..Default::default()
    };
    entries.into_iter().map(shown).collect()
}

/// Kafka's controller (KafkaConfigSchema) names the broker as the source whenever one of the broker's
/// keys is set, while DescribeConfigs forgets some of them.
fn source(entry: &ConfigEntry, settings: &Settings) -> ConfigSource {
    if entry.source == ConfigSource::Topic {
        return ConfigSource::Topic;
    }
    let key = config::all_topic_keys().find(|topic_key| topic_key.key.name == entry.name);
    let mut synonyms = key.into_iter().flat_map(|topic_key| topic_key.synonyms);
    if synonyms.any(|synonym| settings.explicit(synonym.name).is_some()) {
        ConfigSource::StaticBroker
    } else {
        ConfigSource::Default
    }
}
