//! OffsetCommit (key 8), the rules of v2–v10.
//!
//! The handler takes out topics that the client may not read before it comes here.
//! Differs from Kafka: a commit all of whose partitions are refused creates no group.
//! v2–v4 retention time · v6 leader epoch · v7 static members · v9 GROUP_ID_NOT_FOUND (KIP-848)
//! v10 topic ids (KIP-848)

use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex, Uuid};

use crate::api::{Answer, Context, Output, Token, TopicInfo, TopicLookup, TopicRef};
use crate::error::GroupError;
use crate::group::classic::effects::Effects;
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::state::GroupState;
use crate::ids::{GroupId, InstanceId, MemberId, Text, TopicName};
use crate::record;
use crate::shard::Shard;
use crate::stored::CommittedOffset;

#[derive(Clone, Debug)]
pub struct OffsetCommit {
    /// May be empty, for clients without a group.
    pub group: GroupId,
    /// Below 0: not a member's commit.
    pub generation: i32,
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    /// v2–v4; `None` for -1 and in the other versions.
    pub retention_ms: Option<i64>,
    /// v9 and above; before, a member of a missing group has an illegal generation.
    pub supports_group_id_not_found: bool,
    pub topics: Vec<CommitTopic>,
}

#[derive(Clone, Debug)]
pub struct CommitTopic {
    pub topic: TopicRef,
    pub partitions: Vec<CommitPartition>,
}

#[derive(Clone, Debug)]
pub struct CommitPartition {
    pub partition: PartitionIndex,
    pub offset: Offset,
    /// `None`: -1 or not in the version.
    pub leader_epoch: Option<LeaderEpoch>,
    /// null counts as empty.
    pub metadata: Text,
}

/// What became of the partitions of one topic of the request, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedTopic {
    pub topic: TopicRef,
    pub partitions: Vec<(PartitionIndex, Option<GroupError>)>,
}

impl Shard {
    pub(crate) fn offset_commit(
        &mut self,
        ctx: &mut Context<'_>,
        token: Token,
        request: OffsetCommit,
        out: &mut Output,
    ) {
        // Like Kafka: a commit to nothing that exists does not touch the group.
        let has_valid = request.topics.iter().any(|topic| {
            let found = resolve(&topic.topic, ctx.topics);
            found.is_ok_and(|(_, info)| topic.partitions.iter().any(|p| exists(p.partition, info)))
        });
        let (groups, mut fx) = self.split(ctx.now, out);
        let accepted = if has_valid {
            validate(groups.get(&request.group), &request, &mut fx)
        } else {
            Ok(())
        };
        let commit = Accepted {
            accepted,
            commit_timestamp_ms: ctx.now.wall_ms,
            expire_timestamp_ms: request
                .retention_ms
                .map(|retention| ctx.now.wall_ms.saturating_add(retention)),
            group: request.group,
        };
        let answer = request
            .topics
            .into_iter()
            .map(|topic| commit.write_topic(topic, ctx.topics, &mut fx))
            .collect();
        fx.answer(token, Answer::OffsetCommit(answer));
    }
}

/// A commit whose sender has been looked at.
struct Accepted {
    group: GroupId,
    accepted: Result<(), GroupError>,
    commit_timestamp_ms: i64,
    expire_timestamp_ms: Option<i64>,
}

impl Accepted {
    fn write_topic(
        &self,
        topic: CommitTopic,
        topics: &dyn TopicLookup,
        fx: &mut Effects<'_>,
    ) -> CommittedTopic {
        let found = resolve(&topic.topic, topics);
        let mut write = |asked: CommitPartition| -> Result<(), GroupError> {
            let (name, info) = found.as_ref().map_err(|error| *error)?;
            if !exists(asked.partition, *info) {
                return Err(GroupError::UnknownTopicOrPartition);
            }
            self.accepted?;
            check_metadata(&asked.metadata, fx.config.offset_metadata_max_units)?;
            let value = CommittedOffset {
                offset: asked.offset,
                leader_epoch: asked.leader_epoch,
                metadata: asked.metadata,
                commit_timestamp_ms: self.commit_timestamp_ms,
                expire_timestamp_ms: self.expire_timestamp_ms,
                topic_id: info.id,
            };
            let record = record::offset_commit(&self.group, name, asked.partition, &value);
            fx.write(record);
            Ok(())
        };
        let partitions = topic.partitions.into_iter();
        let partitions = partitions.map(|p| (p.partition, write(p).err())).collect();
        CommittedTopic {
            topic: topic.topic,
            partitions,
        }
    }
}

fn resolve(
    topic: &TopicRef,
    topics: &dyn TopicLookup,
) -> Result<(TopicName, TopicInfo), GroupError> {
    match topic {
        TopicRef::Name(name) => topics
            .by_name(name.as_str())
            .map(|info| (name.clone(), info))
            .ok_or(GroupError::UnknownTopicOrPartition),
        TopicRef::Id(id) if *id == Uuid::ZERO => Err(GroupError::UnknownTopicId),
        TopicRef::Id(id) => topics.by_id(*id).ok_or(GroupError::UnknownTopicId),
    }
}

fn exists(partition: PartitionIndex, topic: TopicInfo) -> bool {
    (0..topic.partition_count).contains(&partition.0)
}

/// The limit counts UTF-16 units, as Java's `String.length` does.
fn check_metadata(metadata: &str, units_max: usize) -> Result<(), GroupError> {
    if metadata.encode_utf16().count() > units_max || !record::fits(metadata) {
        Err(GroupError::OffsetMetadataTooLarge)
    } else {
        Ok(())
    }
}

/// Whether the sender may commit to the group. A member's commit also keeps its session alive.
fn validate(
    group: Option<&ClassicGroup>,
    request: &OffsetCommit,
    fx: &mut Effects<'_>,
) -> Result<(), GroupError> {
    if !record::fits(request.group.as_str()) {
        return Err(GroupError::InvalidGroupId);
    }
    let Some(group) = group else {
        // Without a generation it is an administrator, or a consumer that only stores offsets
        // here: the commit makes a simple group.
        return match request.generation {
            ..0 => Ok(()),
            _ if request.supports_group_id_not_found => Err(GroupError::GroupIdNotFound),
            _ => Err(GroupError::IllegalGeneration),
        };
    };
    if request.generation < 0 && group.is_in(GroupState::Empty) {
        return Ok(());
    }
    group.validate_commit(request)?;
    if matches!(
        group.state(),
        GroupState::Stable | GroupState::PreparingRebalance
    ) {
        group.reschedule_session(&request.member, fx);
    }
    Ok(())
}

impl ClassicGroup {
    fn validate_commit(&self, request: &OffsetCommit) -> Result<(), GroupError> {
        let is_member =
            request.generation >= 0 || !request.member.is_empty() || request.instance.is_some();
        if is_member {
            self.validate_member(&request.member, request.instance.as_ref())?;
            if request.generation != self.generation {
                return Err(GroupError::IllegalGeneration);
            }
        } else if !self.is_in(GroupState::Empty) {
            return Err(GroupError::UnknownMemberId);
        }
        // The member knows the generation but not yet its assignment: nothing to commit.
        if self.is_in(GroupState::CompletingRebalance) {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }
}
