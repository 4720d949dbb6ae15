//! Offsets that go because somebody wants it: OffsetDelete (key 47, v0) and the deletion of topics.

use weir_protocol::types::{PartitionIndex, Uuid};

use crate::api::{Answer, Now, Output, Token};
use crate::error::GroupError;
use crate::group::classic::group::ClassicGroup;
use crate::group::classic::state::GroupState;
use crate::ids::{GroupId, TopicName};
use crate::record;
use crate::shard::Shard;

#[derive(Clone, Debug)]
pub struct OffsetDelete {
    pub group: GroupId,
    /// Existing partitions only; the handler answers for the others.
    pub topics: Vec<OffsetDeleteTopic>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetDeleteTopic {
    pub name: TopicName,
    pub partitions: Vec<PartitionIndex>,
}

/// An error is about the whole group.
pub type OffsetDeleteAnswer = Result<Vec<DeletedOffsets>, GroupError>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedOffsets {
    pub name: TopicName,
    pub partitions: Vec<(PartitionIndex, Option<GroupError>)>,
}

/// A topic that no longer exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    pub name: TopicName,
    pub id: Uuid,
}

impl Shard {
    pub(crate) fn offset_delete(&self, token: Token, request: OffsetDelete, out: &mut Output) {
        let answer = self.delete_offsets(request, out);
        out.answers.push((token, Answer::OffsetDelete(answer)));
    }

    fn delete_offsets(&self, request: OffsetDelete, out: &mut Output) -> OffsetDeleteAnswer {
        if request.group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let group = self.groups.get(&request.group);
        let group = group.ok_or(GroupError::GroupIdNotFound)?;
        group.validate_offset_delete()?;

        let mut answer = Vec::new();
        for topic in request.topics {
            let error = group
                .is_subscribed_to(topic.name.as_str())
                .then_some(GroupError::GroupSubscribedToTopic);
            for at in &topic.partitions {
                let exists = self.stored.has_offset(&group.id, topic.name.as_str(), *at);
                if error.is_none() && exists {
                    out.records
                        .push(record::offset_tombstone(&group.id, &topic.name, *at));
                }
            }
            answer.push(DeletedOffsets {
                partitions: topic.partitions.iter().map(|at| (*at, error)).collect(),
                name: topic.name,
            });
        }
        Ok(answer)
    }

    /// Topics were deleted: so are the offsets that were committed to them, or to their names
    /// before ids were stored. Those of a new topic of the same name stay.
    pub fn on_topics_deleted(&mut self, now: Now, topics: &[DeletedTopic]) -> Output {
        let mut out = Output::default();
        for (group, offsets) in self.stored.offsets() {
            for topic in topics {
                for (at, offset) in offsets.get(&topic.name).into_iter().flatten() {
                    if offset.topic_id.is_zero() || offset.topic_id == topic.id {
                        let tombstone = record::offset_tombstone(group, &topic.name, *at);
                        out.records.push(tombstone);
                    }
                }
            }
        }
        self.apply(&out.records, now);
        out
    }
}

impl ClassicGroup {
    /// Live consumer groups may lose the offsets of topics that they have left; of other types the
    /// coordinator does not know the topics.
    fn validate_offset_delete(&self) -> Result<(), GroupError> {
        match self.state() {
            GroupState::Empty => Ok(()),
            GroupState::Dead => Err(GroupError::GroupIdNotFound),
            _ if self.uses_consumer_protocol() => Ok(()),
            _ => Err(GroupError::NonEmptyGroup),
        }
    }
}
