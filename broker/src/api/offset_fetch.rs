//! OffsetFetch (key 9), v1–v10.
//!
//! Differs from Kafka: offsets of an earlier topic of the same name are hidden from requests by name
//! too. No offset is unstable until transactions can commit offsets.
//! v2 all topics, error of the group · v3 throttle time · v5 leader epoch · v6 flexible ·
//! v7 require stable · v8 several groups · v9 member id and epoch (KIP-848) · v10 topic ids

use futures::future::join_all;
use weir_coordinator::OffsetFetch;
use weir_coordinator::{FetchTopic, FetchedOffset, FetchedTopic, GroupId, TopicName, TopicRef};
use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        OffsetFetchRequest, OffsetFetchResponse,
        offset_fetch_request::{
            OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
        },
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
    str::Str,
    types::PartitionIndex,
};

use super::{Api, RequestContext};
use crate::{
    coordinator::CoordinatorError,
    error_code::{of_coordinator, of_group_or_none},
};

pub const API: Api = Api::new(ApiKey::OffsetFetch, 1..=10)
    .differs("offsets committed to an earlier topic of the same name are hidden in every version");

pub async fn handle(ctx: &RequestContext, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if ctx.version >= 8 {
        let groups = request.groups.into_iter().map(|group| of_group(ctx, group));
        return OffsetFetchResponse {
            groups: join_all(groups).await,
            ..Default::default()
        };
    }
    let asked = request.topics.as_ref().map(|topics| {
        let topic = |t: &OffsetFetchRequestTopic| by_name(&t.name, &t.partition_indexes);
        topics.iter().map(topic).collect()
    });
    match fetch(ctx, &request.group_id, asked).await {
        Ok(topics) => OffsetFetchResponse {
            topics: topics.into_iter().map(old_topic).collect(),
            ..Default::default()
        },
        // v1 has no error for the group: its partitions carry it.
        Err(error) if ctx.version < 2 => OffsetFetchResponse {
            topics: refused(request.topics.unwrap_or_default(), error),
            ..Default::default()
        },
        Err(error) => OffsetFetchResponse {
            error_code: error.0,
            ..Default::default()
        },
    }
}

fn by_name(name: &str, partitions: &[i32]) -> FetchTopic {
    FetchTopic {
        topic: TopicRef::Name(TopicName::new(name)),
        partitions: partitions.iter().copied().map(PartitionIndex).collect(),
    }
}

/// Clients before 3.9 retry no other error than NOT_COORDINATOR after a time-out.
fn error_code(error: CoordinatorError) -> ErrorCode {
    match error {
        CoordinatorError::TimedOut => ErrorCode::NOT_COORDINATOR,
        error => of_coordinator(error),
    }
}

/// `asked`: `None` for everything.
async fn fetch(
    ctx: &RequestContext,
    group: &str,
    asked: Option<Vec<FetchTopic>>,
) -> Result<Vec<FetchedTopic>, ErrorCode> {
    let fetch = OffsetFetch {
        group: GroupId::new(group),
        topics: asked,
    };
    let fetched = ctx.groups.ask(&ctx.broker, group, fetch).await;
    fetched.map(|f| f.topics).map_err(error_code)
}

/// The member id and epoch of v9 are checked for groups of KIP-848 only, in Kafka too.
async fn of_group(
    ctx: &RequestContext,
    group: OffsetFetchRequestGroup,
) -> OffsetFetchResponseGroup {
    let by_id = ctx.version >= 10;
    let asked = group.topics.map(|topics| {
        let topic = |t: OffsetFetchRequestTopics| {
            let mut topic = by_name(&t.name, &t.partition_indexes);
            if by_id {
                topic.topic = TopicRef::Id(t.topic_id);
            }
            topic
        };
        topics.into_iter().map(topic).collect()
    });
    let fetched = fetch(ctx, &group.group_id, asked).await;
    let (topics, error) = match fetched {
        Ok(topics) => (topics, ErrorCode::NONE),
        Err(error) => (Vec::new(), error),
    };
    OffsetFetchResponseGroup {
        group_id: group.group_id,
        topics: topics
            .into_iter()
            // A deleted topic has no id to be named by.
            .filter(|topic| !by_id || !topic.id.is_zero() || is_refused(topic))
            .map(new_topic)
            .collect(),
        error_code: error.0,
        ..Default::default()
    }
}

/// Asked for by the id zero: answered with its error.
fn is_refused(topic: &FetchedTopic) -> bool {
    topic.partitions.iter().any(|p| p.error.is_some())
}

fn leader_epoch(offset: &FetchedOffset) -> i32 {
    offset.leader_epoch.map_or(-1, |epoch| epoch.0)
}

fn old_topic(topic: FetchedTopic) -> OffsetFetchResponseTopic {
    let partition = |p: FetchedOffset| OffsetFetchResponsePartition {
        partition_index: p.partition.0,
        committed_offset: p.offset.0,
        committed_leader_epoch: leader_epoch(&p),
        metadata: Some(Str::from_str_copy(&p.metadata)),
        error_code: of_group_or_none(p.error).0,
        ..Default::default()
    };
    OffsetFetchResponseTopic {
        name: Str::from_str_copy(topic.name.as_str()),
        partitions: topic.partitions.into_iter().map(partition).collect(),
        ..Default::default()
    }
}

fn new_topic(topic: FetchedTopic) -> OffsetFetchResponseTopics {
    let partition = |p: FetchedOffset| OffsetFetchResponsePartitions {
        partition_index: p.partition.0,
        committed_offset: p.offset.0,
        committed_leader_epoch: leader_epoch(&p),
        metadata: Some(Str::from_str_copy(&p.metadata)),
        error_code: of_group_or_none(p.error).0,
        ..Default::default()
    };
    OffsetFetchResponseTopics {
        name: Str::from_str_copy(topic.name.as_str()),
        topic_id: topic.id,
        partitions: topic.partitions.into_iter().map(partition).collect(),
        ..Default::default()
    }
}

fn refused(
    topics: Vec<OffsetFetchRequestTopic>,
    error: ErrorCode,
) -> Vec<OffsetFetchResponseTopic> {
    let partition = |index: i32| OffsetFetchResponsePartition {
        partition_index: index,
        committed_offset: -1,
        error_code: error.0,
        ..Default::default()
    };
    let topic = |topic: OffsetFetchRequestTopic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partition_indexes.into_iter().map(partition).collect(),
        ..Default::default()
    };
    topics.into_iter().map(topic).collect()
}
