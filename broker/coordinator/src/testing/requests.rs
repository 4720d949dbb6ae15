//! Requests as the tests make them, with Kafka's test defaults.

use bytes::Bytes;
use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex};

use crate::api::TopicRef;
use crate::group::classic::join::{JoinGroup, Joined};
use crate::group::classic::member::MemberProtocol;
use crate::group::classic::sync::SyncGroup;
use crate::ids::{GroupId, InstanceId, MemberId, Text, TopicName};
use crate::offsets::commit::{CommitPartition, CommitTopic, OffsetCommit};
use crate::testing::G;

/// A v0 subscription to topics, as consumers send it.
pub(crate) fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend(u32::try_from(topics.len()).unwrap().to_be_bytes());
    for topic in topics {
        bytes.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1i32).to_be_bytes());
    Bytes::from(bytes)
}

pub(crate) fn protocols(names: &[&str]) -> Vec<MemberProtocol> {
    let protocol = |name: &&str| MemberProtocol {
        name: Text::from(*name),
        metadata: subscription(&["foo", "bar"]),
    };
    names.iter().map(protocol).collect()
}

/// A join of a new dynamic member of "group-id", in version 3: no round for the member id.
pub(crate) fn join() -> JoinGroup {
    JoinGroup {
        group: GroupId::new(G),
        member: MemberId::default(),
        instance: None,
        client_id: Text::from("client-id"),
        client_host: Text::from("/127.0.0.1"),
        session_timeout_ms: 5000,
        rebalance_timeout_ms: 10_000,
        protocol_type: Text::from("consumer"),
        protocols: protocols(&["range"]),
        requires_known_member_id: false,
        supports_skip_assignment: false,
    }
}

impl JoinGroup {
    pub(crate) fn group(mut self, id: &str) -> JoinGroup {
        self.group = GroupId::new(id);
        self
    }

    pub(crate) fn member(mut self, id: &MemberId) -> JoinGroup {
        self.member = id.clone();
        self
    }

    pub(crate) fn instance(mut self, id: &str) -> JoinGroup {
        self.instance = Some(InstanceId::new(id));
        self
    }

    pub(crate) fn session_ms(mut self, ms: i32) -> JoinGroup {
        self.session_timeout_ms = ms;
        self
    }

    pub(crate) fn rebalance_ms(mut self, ms: i32) -> JoinGroup {
        self.rebalance_timeout_ms = ms;
        self
    }

    pub(crate) fn offering(mut self, names: &[&str]) -> JoinGroup {
        self.protocols = protocols(names);
        self
    }

    pub(crate) fn version(mut self, version: i16) -> JoinGroup {
        self.requires_known_member_id = version >= 4;
        self.supports_skip_assignment = version >= 9;
        self
    }
}

pub(crate) fn sync_request(joined: &Joined) -> SyncGroup {
    let assignment = |id: &MemberId| (id.clone(), Bytes::from(format!("assignment of {id}")));
    SyncGroup {
        group: GroupId::new(G),
        generation: joined.generation,
        member: joined.member.clone(),
        instance: None,
        protocol_type: joined.protocol_type.clone(),
        protocol: joined.protocol.clone(),
        assignments: joined
            .members
            .iter()
            .map(|m| assignment(&m.member))
            .collect(),
    }
}

/// A commit of a consumer without group management: no member, no generation.
pub(crate) fn commit(group: &str, topic: &str, offsets: &[(i32, i64)]) -> OffsetCommit {
    let partition = |(at, offset): &(i32, i64)| CommitPartition {
        partition: PartitionIndex(*at),
        offset: Offset(*offset),
        leader_epoch: Some(LeaderEpoch(7)),
        metadata: Text::from("metadata"),
    };
    OffsetCommit {
        group: GroupId::new(group),
        generation: -1,
        member: MemberId::default(),
        instance: None,
        retention_ms: None,
        supports_group_id_not_found: true,
        topics: vec![CommitTopic {
            topic: TopicRef::Name(TopicName::new(topic)),
            partitions: offsets.iter().map(partition).collect(),
        }],
    }
}

impl OffsetCommit {
    pub(crate) fn by(mut self, member: &MemberId, generation: i32) -> OffsetCommit {
        self.member = member.clone();
        self.generation = generation;
        self
    }

    pub(crate) fn instance(mut self, id: &str) -> OffsetCommit {
        self.instance = Some(InstanceId::new(id));
        self
    }
}
