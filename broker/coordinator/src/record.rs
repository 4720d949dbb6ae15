//! The records of `__consumer_offsets`, byte for byte as Kafka 4.3 writes them.
//!
//! Key: int16 record type and the key message, always version 0. Value: int16 version and the
//! value message; no value is a tombstone. Written: offsets in version 4 (1 with an expiry of
//! their own), groups in version 3. Read: every version that Kafka reads, and the legacy offset
//! key (type 0). Types that belong to other kinds of groups are skipped, as Kafka does with types
//! that it does not know.
//! Invariant: what was decoded owns its memory; nothing of it pins the batch that it came from.

use bytes::{Buf, Bytes};
use thiserror::Error;
use weir_protocol::message::Message;
use weir_protocol::messages::group_metadata_value::MemberMetadata;
use weir_protocol::messages::{
    GroupMetadataKey, GroupMetadataValue, LegacyOffsetCommitKey, LegacyOffsetCommitValue,
    OffsetCommitKey, OffsetCommitValue,
};
use weir_protocol::str::Str;
use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex};
use weir_protocol::wire::{DecodeError, Reader};

use crate::group::classic::group::ClassicGroup;
use crate::ids::{GroupId, InstanceId, MemberId, Text, TopicName};
use crate::stored::{CommittedOffset, StoredGroup, StoredMember};

/// Longest text that fits a record, in UTF-8 bytes.
pub(crate) const STRING_BYTES_MAX: usize = i16::MAX as usize;

const OFFSET_VALUE_VERSION: i16 = 4;
/// The only version with an expire timestamp.
const OFFSET_VALUE_VERSION_WITH_EXPIRY: i16 = 1;
const GROUP_VALUE_VERSION: i16 = 3;
/// -1 in timestamps, leader epochs and timeouts.
const NONE: i64 = -1;

/// A record to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRecord {
    pub key: Bytes,
    /// `None`: a tombstone.
    pub value: Option<Bytes>,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    #[error("it has no key")]
    NoKey,
    #[error("key: {0}")]
    Key(DecodeError),
    #[error("value: {0}")]
    Value(DecodeError),
    #[error("a key or value of {0} bytes has no type or version")]
    NoPrefix(usize),
}

/// A record, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupRecord {
    Offset {
        group: GroupId,
        topic: TopicName,
        partition: PartitionIndex,
        value: Option<CommittedOffset>,
    },
    Group {
        group: GroupId,
        value: Option<StoredGroup>,
    },
    /// Of a kind of group that does not exist here.
    Unknown { record_type: i16 },
}

/// Whether a text can be part of a record.
pub(crate) fn fits(text: &str) -> bool {
    text.len() <= STRING_BYTES_MAX
}

impl GroupRecord {
    pub(crate) fn decode(
        key: Option<&Bytes>,
        value: Option<&Bytes>,
    ) -> Result<GroupRecord, RecordError> {
        let (record_type, key) = prefixed(key.ok_or(RecordError::NoKey)?)?;
        match record_type {
            LegacyOffsetCommitKey::RECORD_TYPE => {
                let key: LegacyOffsetCommitKey = decode_key(key)?;
                Ok(GroupRecord::Offset {
                    group: GroupId::new(&key.group),
                    topic: TopicName::new(&key.topic),
                    partition: PartitionIndex(key.partition),
                    value: decode_value(value)?.map(legacy_offset),
                })
            }
            OffsetCommitKey::RECORD_TYPE => {
                let key: OffsetCommitKey = decode_key(key)?;
                Ok(GroupRecord::Offset {
                    group: GroupId::new(&key.group),
                    topic: TopicName::new(&key.topic),
                    partition: PartitionIndex(key.partition),
                    value: decode_value(value)?.map(offset),
                })
            }
            GroupMetadataKey::RECORD_TYPE => {
                let key: GroupMetadataKey = decode_key(key)?;
                Ok(GroupRecord::Group {
                    group: GroupId::new(&key.group),
                    value: decode_value(value)?.map(group),
                })
            }
            record_type => Ok(GroupRecord::Unknown { record_type }),
        }
    }
}

/// Splits the int16 in front of a key or value off.
fn prefixed(bytes: &Bytes) -> Result<(i16, Bytes), RecordError> {
    let mut bytes = bytes.clone();
    if bytes.len() < 2 {
        return Err(RecordError::NoPrefix(bytes.len()));
    }
    let prefix = bytes.get_i16();
    Ok((prefix, bytes))
}

fn decode_key<M: Message>(bytes: Bytes) -> Result<M, RecordError> {
    M::decode(&mut Reader::new(bytes), 0).map_err(RecordError::Key)
}

fn decode_value<M: Message>(value: Option<&Bytes>) -> Result<Option<M>, RecordError> {
    let Some(value) = value else {
        return Ok(None);
    };
    let (version, bytes) = prefixed(value)?;
    let decoded = M::decode(&mut Reader::new(bytes), version);
    decoded.map(Some).map_err(RecordError::Value)
}

fn text(text: &Str) -> Text {
    Text::from(text.as_str())
}

fn unless_none(value: i64) -> Option<i64> {
    (value != NONE).then_some(value)
}

fn legacy_offset(value: LegacyOffsetCommitValue) -> CommittedOffset {
    offset(OffsetCommitValue {
        offset: value.offset,
        metadata: value.metadata,
        commit_timestamp: value.commit_timestamp,
        ..OffsetCommitValue::default()
    })
}

fn offset(value: OffsetCommitValue) -> CommittedOffset {
    CommittedOffset {
        offset: Offset(value.offset),
        leader_epoch: (value.leader_epoch >= 0).then_some(LeaderEpoch(value.leader_epoch)),
        metadata: text(&value.metadata),
        commit_timestamp_ms: value.commit_timestamp,
        expire_timestamp_ms: unless_none(value.expire_timestamp),
        topic_id: value.topic_id,
    }
}

fn group(value: GroupMetadataValue) -> StoredGroup {
    let mut members: Vec<StoredMember> = Vec::new();
    for member in value.members.iter().map(member) {
        // Ids are distinct in what Kafka and we write; of two, the later counts.
        members.retain(|m| m.id != member.id);
        members.push(member);
    }
    StoredGroup {
        generation: value.generation,
        protocol_type: Some(text(&value.protocol_type)).filter(|t| !t.is_empty()),
        protocol: value.protocol.as_ref().map(text),
        leader: value.leader.as_ref().map(|l| MemberId::new(l)),
        state_since_ms: unless_none(value.current_state_timestamp),
        members,
    }
}

fn member(member: &MemberMetadata) -> StoredMember {
    StoredMember {
        id: MemberId::new(&member.member_id),
        instance: member
            .group_instance_id
            .as_ref()
            .map(|i| InstanceId::new(i)),
        client_id: text(&member.client_id),
        client_host: text(&member.client_host),
        // Version 0 has none.
        rebalance_timeout_ms: match member.rebalance_timeout {
            -1 => member.session_timeout,
            timeout => timeout,
        },
        session_timeout_ms: member.session_timeout,
        subscription: Bytes::copy_from_slice(&member.subscription),
        assignment: Bytes::copy_from_slice(&member.assignment),
    }
}

const FITS: &str = "every text passed `fits` on its way in";

fn str(text: &str) -> Str {
    Str::from_str_copy(text)
}

fn group_key(group: &GroupId) -> Bytes {
    GroupMetadataKey {
        group: str(group.as_str()),
    }
    .to_prefixed_bytes(GroupMetadataKey::RECORD_TYPE, 0)
    .expect(FITS)
}

fn offset_key(group: &GroupId, topic: &TopicName, partition: PartitionIndex) -> Bytes {
    OffsetCommitKey {
        group: str(group.as_str()),
        topic: str(topic.as_str()),
        partition: partition.0,
    }
    .to_prefixed_bytes(OffsetCommitKey::RECORD_TYPE, 0)
    .expect(FITS)
}

fn group_record(group: &GroupId, value: &GroupMetadataValue) -> CoordinatorRecord {
    let version = GROUP_VALUE_VERSION;
    CoordinatorRecord {
        key: group_key(group),
        value: Some(value.to_prefixed_bytes(version, version).expect(FITS)),
    }
}

/// A group that did not exist before: nothing but its name.
pub(crate) fn new_group(group: &ClassicGroup) -> CoordinatorRecord {
    let value = GroupMetadataValue {
        protocol: None,
        leader: None,
        current_state_timestamp: group.state_since_ms.unwrap_or(NONE),
        ..GroupMetadataValue::default()
    };
    group_record(&group.id, &value)
}

/// The group as it is: its members with their assignments.
pub(crate) fn group_metadata(group: &ClassicGroup) -> CoordinatorRecord {
    let protocol = group.protocol.as_deref();
    let value = GroupMetadataValue {
        protocol_type: str(group.protocol_type.as_deref().unwrap_or_default()),
        generation: group.generation,
        protocol: protocol.map(str),
        leader: group.leader().map(|l| str(l.as_str())),
        current_state_timestamp: group.state_since_ms.unwrap_or(NONE),
        members: group
            .members()
            .map(|m| MemberMetadata {
                member_id: str(m.id.as_str()),
                group_instance_id: m.instance.as_ref().map(|i| str(i.as_str())),
                client_id: str(&m.client_id),
                client_host: str(&m.client_host),
                rebalance_timeout: m.rebalance_timeout_ms,
                session_timeout: m.session_timeout_ms,
                subscription: m.metadata(protocol.unwrap_or_default()),
                assignment: m.assignment.clone(),
                ..MemberMetadata::default()
            })
            .collect(),
        ..GroupMetadataValue::default()
    };
    group_record(&group.id, &value)
}

pub(crate) fn group_tombstone(group: &GroupId) -> CoordinatorRecord {
    CoordinatorRecord {
        key: group_key(group),
        value: None,
    }
}

pub(crate) fn offset_commit(
    group: &GroupId,
    topic: &TopicName,
    partition: PartitionIndex,
    value: &CommittedOffset,
) -> CoordinatorRecord {
    let version = match value.expire_timestamp_ms {
        None => OFFSET_VALUE_VERSION,
        Some(_) => OFFSET_VALUE_VERSION_WITH_EXPIRY,
    };
    let message = OffsetCommitValue {
        offset: value.offset.0,
        leader_epoch: value.leader_epoch.map_or(-1, |epoch| epoch.0),
        metadata: str(&value.metadata),
        commit_timestamp: value.commit_timestamp_ms,
        expire_timestamp: value.expire_timestamp_ms.unwrap_or(NONE),
        topic_id: value.topic_id,
        ..OffsetCommitValue::default()
    };
    CoordinatorRecord {
        key: offset_key(group, topic, partition),
        value: Some(message.to_prefixed_bytes(version, version).expect(FITS)),
    }
}

pub(crate) fn offset_tombstone(
    group: &GroupId,
    topic: &TopicName,
    partition: PartitionIndex,
) -> CoordinatorRecord {
    CoordinatorRecord {
        key: offset_key(group, topic, partition),
        value: None,
    }
}
