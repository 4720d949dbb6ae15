//! The durable state of a shard: what its records say, and nothing else.
//!
//! Owns: the groups and offsets that a reload finds; `replay` is the only way to change them.
//! Does not own: rebalances, sessions, pending members (`group::classic`), record bytes (`record`).
//! Invariant: replaying the same records in the same order gives an equal value; offsets of a
//! group exist only with the group, as in Kafka, unless the group alone was removed by a tombstone.
//! Crash: this is what comes back.

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;
use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex, Uuid};

use crate::group::classic::member::{Member, MemberProtocol};
use crate::ids::{GroupId, InstanceId, MemberId, Text, TopicName};
use crate::record::{GroupRecord, RecordError};

/// A record of the partition that is not what Kafka writes. The shard must not be used: what the
/// record said is lost.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("record at offset {offset}: {error}")]
pub struct ReplayError {
    pub offset: Offset,
    pub error: RecordError,
}

/// A group as its last GroupMetadata record has it. The default is a simple group: one that
/// exists only because offsets were committed to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredGroup {
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<Text>,
    pub(crate) protocol: Option<Text>,
    pub(crate) leader: Option<MemberId>,
    /// Unix ms; `None` in records before version 2.
    pub(crate) state_since_ms: Option<i64>,
    /// In the order of joining; ids are distinct.
    pub(crate) members: Vec<StoredMember>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredMember {
    pub(crate) id: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client_id: Text,
    pub(crate) client_host: Text,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// In the group's selected protocol; the member's other protocols are not durable.
    pub(crate) subscription: Bytes,
    pub(crate) assignment: Bytes,
}

impl StoredMember {
    pub(crate) fn to_member(&self, protocol: Option<Text>) -> Member {
        Member {
            id: self.id.clone(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            protocols: vec![MemberProtocol {
                name: protocol.unwrap_or_default(),
                metadata: self.subscription.clone(),
            }],
            assignment: self.assignment.clone(),
            is_new: false,
            awaiting_join: None,
            awaiting_sync: None,
        }
    }
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to consume, as the client means it; any value is stored.
    pub offset: Offset,
    pub leader_epoch: Option<LeaderEpoch>,
    pub metadata: Text,
    /// Unix ms.
    pub commit_timestamp_ms: i64,
    /// Unix ms; only from commits of v2–v4 that bring their own retention.
    pub expire_timestamp_ms: Option<i64>,
    /// The topic that was meant; zero in records before version 4.
    pub topic_id: Uuid,
}

pub(crate) type PartitionOffsets = BTreeMap<PartitionIndex, CommittedOffset>;
pub(crate) type TopicOffsets = BTreeMap<TopicName, PartitionOffsets>;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    groups: BTreeMap<GroupId, StoredGroup>,
    /// No empty maps inside.
    offsets: BTreeMap<GroupId, TopicOffsets>,
}

/// The group that a record made appear or disappear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Replayed {
    GroupPresent(GroupId),
    GroupRemoved(GroupId),
    Nothing,
}

impl Stored {
    pub(crate) fn groups(&self) -> &BTreeMap<GroupId, StoredGroup> {
        &self.groups
    }

    pub(crate) fn offsets(&self) -> &BTreeMap<GroupId, TopicOffsets> {
        &self.offsets
    }

    pub(crate) fn group_offsets(&self, group: &GroupId) -> Option<&TopicOffsets> {
        self.offsets.get(group)
    }

    pub(crate) fn has_offset(&self, group: &GroupId, topic: &str, at: PartitionIndex) -> bool {
        self.group_offsets(group)
            .and_then(|topics| topics.get(topic))
            .is_some_and(|partitions| partitions.contains_key(&at))
    }

    pub(crate) fn replay(&mut self, record: GroupRecord) -> Replayed {
        match record {
            GroupRecord::Group { group, value: None } => {
                self.groups.remove(&group);
                Replayed::GroupRemoved(group)
            }
            GroupRecord::Group {
                group,
                value: Some(value),
            } => {
                self.groups.insert(group.clone(), value);
                Replayed::GroupPresent(group)
            }
            GroupRecord::Offset {
                group,
                topic,
                partition,
                value: Some(value),
            } => {
                // The first commit makes a simple group.
                self.groups.entry(group.clone()).or_default();
                let topics = self.offsets.entry(group.clone()).or_default();
                topics.entry(topic).or_default().insert(partition, value);
                Replayed::GroupPresent(group)
            }
            GroupRecord::Offset {
                group,
                topic,
                partition,
                value: None,
            } => {
                self.remove_offset(&group, &topic, partition);
                Replayed::Nothing
            }
            GroupRecord::Unknown { .. } => Replayed::Nothing,
        }
    }

    fn remove_offset(&mut self, group: &GroupId, topic: &TopicName, partition: PartitionIndex) {
        let Some(topics) = self.offsets.get_mut(group) else {
            return;
        };
        if let Some(partitions) = topics.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                topics.remove(topic);
            }
        }
        if topics.is_empty() {
            self.offsets.remove(group);
        }
    }
}
