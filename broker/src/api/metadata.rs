//! Metadata (key 3), v0–v13.
//!
//! Differs from Kafka: the owner is a partition's only replica, whatever replication factor was
//! asked for: durability is the store's. A name that cannot be created because it collides with
//! another answers INVALID_TOPIC_EXCEPTION, where Kafka lets clients ask until they give up.
//! v1 controller, racks · v2 cluster id · v4 auto-creation flag · v5 offline replicas · v7 leader
//! epoch · v8 authorised operations · v9 flexible · v10 topic ids · v12 request by id · v13 top-level
//! error

use std::collections::BTreeSet;

use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        MetadataRequest, MetadataResponse,
        metadata_request::MetadataRequestTopic,
        metadata_response::{
            MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
        },
    },
    str::Str,
    types::Uuid,
};

use super::{
    Api, RequestContext,
    describe_cluster::{CLUSTER_OPERATIONS, OPERATIONS_OMITTED},
};
use crate::partition::{AutoCreation, INTERNAL_TOPICS, Topic, TopicTable};

pub const API: Api =
    Api::new(ApiKey::Metadata, 0..=13).differs("the owner is a partition's only replica");

/// Operations that a topic knows (ACL operation codes): Read 3, Write 4, Create 5, Delete 6, Alter 7,
/// Describe 8, DescribeConfigs 10, AlterConfigs 11.
pub(super) const TOPIC_OPERATIONS: i32 =
    1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;

pub async fn handle(ctx: &RequestContext, request: MetadataRequest) -> MetadataResponse {
    if let Some(refused) = refuse_ids(ctx.version, &request) {
        return refused;
    }
    let endpoint = ctx.endpoint_of(&ctx.connection);
    let operations = |wanted: bool, all: i32| if wanted { all } else { OPERATIONS_OMITTED };
    MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: ctx.node_id(),
            host: Str::from(endpoint.host.clone()),
            port: i32::from(endpoint.port),
            rack: ctx.config.rack.clone().map(Str::from),
            ..Default::default()
        }],
        cluster_id: Some(Str::from(ctx.cluster.to_string())),
        controller_id: ctx.node_id(),
        topics: topics(ctx, &request),
        cluster_authorized_operations: operations(
            request.include_cluster_authorized_operations,
            CLUSTER_OPERATIONS,
        ),
        ..Default::default()
    }
}

/// Versions 10 and 11 have a field for the id, and yet no request by id: the whole request is refused.
fn refuse_ids(version: i16, request: &MetadataRequest) -> Option<MetadataResponse> {
    let topics = request.topics.as_ref().filter(|_| version < 12)?;
    let by_id = |topic: &MetadataRequestTopic| topic.name.is_none() || !topic.topic_id.is_zero();
    topics.iter().any(by_id).then(|| MetadataResponse {
        error_code: ErrorCode::INVALID_REQUEST.0,
        topics: topics.iter().map(invalid_request).collect(),
        ..Default::default()
    })
}

fn topics(ctx: &RequestContext, request: &MetadataRequest) -> Vec<MetadataResponseTopic> {
    let table = ctx.topics();
    let wanted = match &request.topics {
        // Version 0 cannot send null: an empty list means all.
        Some(topics) if !(topics.is_empty() && ctx.version == 0) => topics,
        _ => {
            let all = table.sorted();
            return all
                .iter()
                .map(|topic| describe(ctx, topic, request))
                .collect();
        }
    };
    // As in Kafka: ids win over names, and each topic is described once.
    let by_id = wanted.iter().any(|topic| !topic.topic_id.is_zero());
    let mut seen = BTreeSet::new();
    wanted
        .iter()
        .filter(|topic| !by_id || !topic.topic_id.is_zero())
        .filter(|topic| match by_id {
            true => seen.insert((None, topic.topic_id)),
            false => seen.insert((topic.name.as_ref(), Uuid::ZERO)),
        })
        .map(|topic| describe_wanted(ctx, &table, topic, request))
        .collect()
}

fn describe_wanted(
    ctx: &RequestContext,
    table: &TopicTable,
    wanted: &MetadataRequestTopic,
    request: &MetadataRequest,
) -> MetadataResponseTopic {
    if !wanted.topic_id.is_zero() {
        return match table.by_id(wanted.topic_id) {
            Some(topic) => describe(ctx, &topic, request),
            None => MetadataResponseTopic {
                error_code: ErrorCode::UNKNOWN_TOPIC_ID.0,
                name: None,
                topic_id: wanted.topic_id,
                topic_authorized_operations: OPERATIONS_OMITTED,
                ..Default::default()
            },
        };
    }
    // Only version 12 and later get here with neither.
    let Some(name) = &wanted.name else {
        return invalid_request(wanted);
    };
    match table.by_name(name) {
        Some(topic) => describe(ctx, &topic, request),
        None => MetadataResponseTopic {
            error_code: missing(ctx, name, request).0,
            name: Some(name.clone()),
            is_internal: INTERNAL_TOPICS.contains(&name.as_str()),
            topic_authorized_operations: topic_operations(request),
            ..Default::default()
        },
    }
}

/// A name that is not there: creates it when the client and the broker allow it, and lets the client
/// ask again, as Kafka does.
fn missing(ctx: &RequestContext, name: &str, request: &MetadataRequest) -> ErrorCode {
    if !AutoCreation::is_legal(name) {
        return ErrorCode::INVALID_TOPIC_EXCEPTION;
    }
    // Versions before 4 have no flag and always allowed it; the default says so.
    let wanted = request.allow_auto_topic_creation && ctx.config.topic_creation.auto_create;
    if wanted && AutoCreation::is_creatable(name) {
        if ctx.image().topics.collision(name).is_some() {
            return ErrorCode::INVALID_TOPIC_EXCEPTION;
        }
        ctx.auto_creation.begin(&ctx.broker, name);
    }
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
}

fn invalid_request(wanted: &MetadataRequestTopic) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST.0,
        // Null only from version 12 on.
        name: Some(wanted.name.clone().unwrap_or_default()),
        topic_id: wanted.topic_id,
        topic_authorized_operations: OPERATIONS_OMITTED,
        ..Default::default()
    }
}

fn topic_operations(request: &MetadataRequest) -> i32 {
    if request.include_topic_authorized_operations {
        TOPIC_OPERATIONS
    } else {
        OPERATIONS_OMITTED
    }
}

fn describe(
    ctx: &RequestContext,
    topic: &Topic,
    request: &MetadataRequest,
) -> MetadataResponseTopic {
    let node = ctx.node_id();
    let partition = |index: i32| MetadataResponsePartition {
        partition_index: index,
        leader_id: node,
        leader_epoch: topic.leader_epoch(index).0,
        replica_nodes: vec![node],
        isr_nodes: vec![node],
        ..Default::default()
    };
    MetadataResponseTopic {
        name: Some(Str::from(topic.name().to_string())),
        topic_id: topic.id(),
        is_internal: topic.is_internal(),
        partitions: (0..topic.partition_count()).map(partition).collect(),
        topic_authorized_operations: topic_operations(request),
        ..Default::default()
    }
}
