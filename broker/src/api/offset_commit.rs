//! OffsetCommit (key 8), v2–v10.
//!
//! Differs from Kafka: nothing.
//! v2–v4 retention time · v3 throttle time · v6 leader epoch · v7 static members · v8 flexible ·
//! v9 GROUP_ID_NOT_FOUND (KIP-848) · v10 topic ids

use weir_coordinator::{
    CommitPartition, CommitTopic, CommittedTopic, GroupId, InstanceId, MemberId, OffsetCommit,
    Text, TopicName, TopicRef,
};
use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        OffsetCommitRequest, OffsetCommitResponse,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
    },
    str::Str,
    types::{LeaderEpoch, Offset, PartitionIndex},
};

use super::{Api, RequestContext};
use crate::error_code::{of_coordinator, of_group_or_none};

pub const API: Api = Api::new(ApiKey::OffsetCommit, 2..=10);

pub async fn handle(ctx: &RequestContext, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let commit = OffsetCommit {
        group: GroupId::new(&request.group_id),
        generation: request.generation_id_or_member_epoch,
        member: MemberId::new(&request.member_id),
        instance: request.group_instance_id.map(|i| InstanceId::new(&i)),
        retention_ms: Some(request.retention_time_ms).filter(|ms| *ms >= 0),
        supports_group_id_not_found: ctx.version >= 9,
        topics: request
            .topics
            .iter()
            .map(|topic| to_topic(ctx.version, topic))
            .collect(),
    };
    let answer = ctx.groups.ask(&ctx.broker, &request.group_id, commit).await;
    OffsetCommitResponse {
        topics: match answer {
            Ok(topics) => topics.into_iter().map(committed).collect(),
            Err(error) => refused(request.topics, of_coordinator(error)),
        },
        ..Default::default()
    }
}

fn to_topic(version: i16, topic: &OffsetCommitRequestTopic) -> CommitTopic {
    let partition = |p: &OffsetCommitRequestPartition| CommitPartition {
        partition: PartitionIndex(p.partition_index),
        offset: Offset(p.committed_offset),
        leader_epoch: (p.committed_leader_epoch >= 0)
            .then_some(LeaderEpoch(p.committed_leader_epoch)),
        metadata: Text::from(p.committed_metadata.as_deref().unwrap_or_default()),
    };
    CommitTopic {
        topic: if version >= 10 {
            TopicRef::Id(topic.topic_id)
        } else {
            TopicRef::Name(TopicName::new(&topic.name))
        },
        partitions: topic.partitions.iter().map(partition).collect(),
    }
}

fn committed(topic: CommittedTopic) -> OffsetCommitResponseTopic {
    let mut answer = OffsetCommitResponseTopic {
        partitions: topic
            .partitions
            .into_iter()
            .map(|(at, error)| partition(at.0, of_group_or_none(error)))
            .collect(),
        ..Default::default()
    };
    match topic.topic {
        TopicRef::Name(name) => answer.name = Str::from_str_copy(name.as_str()),
        TopicRef::Id(id) => answer.topic_id = id,
    }
    answer
}

/// There is no error for the whole request: each partition carries it.
fn refused(
    topics: Vec<OffsetCommitRequestTopic>,
    error: ErrorCode,
) -> Vec<OffsetCommitResponseTopic> {
    let topic = |topic: OffsetCommitRequestTopic| OffsetCommitResponseTopic {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|p| partition(p.partition_index, error))
            .collect(),
        ..Default::default()
    };
    topics.into_iter().map(topic).collect()
}

fn partition(index: i32, error: ErrorCode) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition {
        partition_index: index,
        error_code: error.0,
        ..Default::default()
    }
}
