//! OffsetFetch (key 9), the rules of v1–v10, for one group.
//!
//! A missing group or commit is an answer (offset -1), not an error. `require_stable` (v7) needs
//! nothing: no offset is unstable until transactions can commit offsets.
//! Differs from Kafka: offsets of an earlier topic of the same name are hidden from requests by
//! name too, not only from those by id.
//! v2 all topics · v7 require stable · v8 several groups: one request each · v10 topic ids

use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex, Uuid};

use crate::api::{Answer, Context, Output, Token, TopicLookup, TopicRef};
use crate::error::GroupError;
use crate::ids::{GroupId, Text, TopicName};
use crate::shard::Shard;
use crate::stored::{CommittedOffset, PartitionOffsets};

#[derive(Clone, Debug)]
pub struct OffsetFetch {
    pub group: GroupId,
    /// `None`: everything that the group has committed.
    pub topics: Option<Vec<FetchTopic>>,
}

#[derive(Clone, Debug)]
pub struct FetchTopic {
    pub topic: TopicRef,
    pub partitions: Vec<PartitionIndex>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffsets {
    pub group: GroupId,
    /// In the order of the request, or of the names.
    pub topics: Vec<FetchedTopic>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    /// Empty for an unknown id.
    pub name: TopicName,
    /// Zero for an unknown name: v10 answers leave such a topic out.
    pub id: Uuid,
    pub partitions: Vec<FetchedOffset>,
}

/// Offset -1, no epoch and no metadata where nothing is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    pub partition: PartitionIndex,
    pub offset: Offset,
    pub leader_epoch: Option<LeaderEpoch>,
    pub metadata: Text,
    pub error: Option<GroupError>,
}

impl Shard {
    pub(crate) fn offset_fetch(
        &self,
        ctx: &Context<'_>,
        token: Token,
        request: OffsetFetch,
        out: &mut Output,
    ) {
        // Offsets that outlived their group are not shown.
        let is_known = self.groups.contains_key(&request.group);
        let stored = self
            .stored
            .group_offsets(&request.group)
            .filter(|_| is_known);
        let topics = match request.topics {
            Some(asked) => asked
                .into_iter()
                .map(|topic| {
                    let found = Found::of(topic.topic, ctx.topics);
                    let offsets = stored.and_then(|topics| topics.get(&found.name));
                    found.answer(&topic.partitions, offsets)
                })
                .collect(),
            None => stored
                .into_iter()
                .flatten()
                .map(|(name, offsets)| {
                    Found::of(TopicRef::Name(name.clone()), ctx.topics).answer_all(offsets)
                })
                .filter(|topic| !topic.partitions.is_empty())
                .collect(),
        };
        let fetched = FetchedOffsets {
            group: request.group,
            topics,
        };
        out.answers.push((token, Answer::OffsetFetch(fetched)));
    }
}

/// A topic of the request in the light of the metadata.
struct Found {
    name: TopicName,
    id: Uuid,
    error: Option<GroupError>,
}

impl Found {
    fn of(topic: TopicRef, topics: &dyn TopicLookup) -> Found {
        match topic {
            TopicRef::Name(name) => {
                let id = topics.by_name(name.as_str()).map_or(Uuid::ZERO, |t| t.id);
                Found {
                    name,
                    id,
                    error: None,
                }
            }
            TopicRef::Id(id) => {
                let name = topics.by_id(id).map(|(name, _)| name);
                let error = name.is_none().then_some(GroupError::UnknownTopicId);
                Found {
                    name: name.unwrap_or_default(),
                    id,
                    error,
                }
            }
        }
    }

    /// Whether the offset may have been committed to this topic: an offset without an id is from
    /// before ids were stored, and a name without an id proves nothing. Only an id that differs
    /// tells of an earlier topic of the name. (To hide an offset makes its consumer start over.)
    fn shows(&self, offset: &CommittedOffset) -> bool {
        let is_other_topic =
            !offset.topic_id.is_zero() && !self.id.is_zero() && offset.topic_id != self.id;
        self.error.is_none() && !is_other_topic
    }

    fn answer(self, asked: &[PartitionIndex], offsets: Option<&PartitionOffsets>) -> FetchedTopic {
        let partitions = asked
            .iter()
            .map(|at| {
                let offset = offsets.and_then(|o| o.get(at)).filter(|o| self.shows(o));
                FetchedOffset::new(*at, offset, self.error)
            })
            .collect();
        FetchedTopic {
            name: self.name,
            id: self.id,
            partitions,
        }
    }

    fn answer_all(self, offsets: &PartitionOffsets) -> FetchedTopic {
        let partitions = offsets
            .iter()
            .filter(|(_, offset)| self.shows(offset))
            .map(|(at, offset)| FetchedOffset::new(*at, Some(offset), None))
            .collect();
        FetchedTopic {
            name: self.name,
            id: self.id,
            partitions,
        }
    }
}

impl FetchedOffset {
    fn new(
        partition: PartitionIndex,
        offset: Option<&CommittedOffset>,
        error: Option<GroupError>,
    ) -> FetchedOffset {
        FetchedOffset {
            partition,
            offset: offset.map_or(Offset(-1), |o| o.offset),
            leader_epoch: offset.and_then(|o| o.leader_epoch),
            metadata: offset.map(|o| o.metadata.clone()).unwrap_or_default(),
            error,
        }
    }
}
