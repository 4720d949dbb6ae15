//! OffsetDelete (key 47), v0: offsets of topics that the group no longer consumes.
//!
//! Differs from Kafka: nothing.

use indexmap::IndexMap;
use weir_coordinator::{GroupId, OffsetDelete, OffsetDeleteTopic, TopicName};
use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        OffsetDeleteRequest, OffsetDeleteResponse,
        offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
    },
    str::Str,
    types::PartitionIndex,
};

use super::{Api, RequestContext};
use crate::error_code::{of_coordinator, of_group, of_group_or_none};

pub const API: Api = Api::new(ApiKey::OffsetDelete, 0..=0);

type Answered = IndexMap<Str, Vec<OffsetDeleteResponsePartition>>;

pub async fn handle(ctx: &RequestContext, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let table = ctx.topics();
    // A topic stands in the answer once.
    let mut answered: Answered = IndexMap::new();
    let mut asked = Vec::new();
    for topic in request.topics {
        let count = table
            .by_name(&topic.name)
            .map_or(0, |t| t.partition_count());
        let all = topic.partitions.iter().map(|p| p.partition_index);
        let (known, unknown): (Vec<i32>, Vec<i32>) = all.partition(|p| (0..count).contains(p));
        if !known.is_empty() {
            asked.push(OffsetDeleteTopic {
                name: TopicName::new(&topic.name),
                partitions: known.into_iter().map(PartitionIndex).collect(),
            });
        }
        let error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let unknown = unknown.into_iter().map(|p| partition(p, error));
        answered.entry(topic.name).or_default().extend(unknown);
    }
    if let Err(error) = delete(ctx, &request.group_id, asked, &mut answered).await {
        return OffsetDeleteResponse {
            error_code: error.0,
            ..Default::default()
        };
    }
    let topic = |(name, partitions)| OffsetDeleteResponseTopic { name, partitions };
    OffsetDeleteResponse {
        topics: answered.into_iter().map(topic).collect(),
        ..Default::default()
    }
}

async fn delete(
    ctx: &RequestContext,
    group: &str,
    topics: Vec<OffsetDeleteTopic>,
    answered: &mut Answered,
) -> Result<(), ErrorCode> {
    // Like Kafka: nothing that exists, nobody is asked.
    if topics.is_empty() {
        return Ok(());
    }
    let ask = OffsetDelete {
        group: GroupId::new(group),
        topics,
    };
    let answer = ctx.groups.ask(&ctx.broker, group, ask).await;
    for topic in answer.map_err(of_coordinator)?.map_err(of_group)? {
        let deleted = topic.partitions.into_iter();
        let deleted = deleted.map(|(at, error)| partition(at.0, of_group_or_none(error)));
        let name = Str::from_str_copy(topic.name.as_str());
        answered.entry(name).or_default().extend(deleted);
    }
    Ok(())
}

fn partition(index: i32, error: ErrorCode) -> OffsetDeleteResponsePartition {
    OffsetDeleteResponsePartition {
        partition_index: index,
        error_code: error.0,
    }
}
