//! Calls of the group APIs as their tests need them.

use bytes::Bytes;
use weir_protocol::{
    message::Message,
    messages::{
        ConsumerProtocolSubscription, DescribeGroupsRequest, FindCoordinatorRequest,
        HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
        OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest, SyncGroupResponse,
        describe_groups_response::DescribedGroup, join_group_request::JoinGroupRequestProtocol,
        leave_group_request::MemberIdentity, offset_commit_request as commit,
        offset_fetch_request as fetch, sync_group_request::SyncGroupRequestAssignment,
    },
    str::Str,
    types::Uuid,
};

use crate::client::{Client, eventually};

pub fn str(text: &str) -> Str {
    Str::from_str_copy(text)
}

/// What a consumer of `topics` sends as metadata of its protocol.
pub fn subscription(topics: &[&str]) -> Bytes {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().map(|t| str(t)).collect(),
        ..Default::default()
    };
    subscription.to_prefixed_bytes(0, 0).unwrap()
}

/// A join with the fields that all tests share; change what matters.
pub fn join(group: &str, member: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: str(group),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: str(member),
        protocol_type: str("consumer"),
        protocols: vec![JoinGroupRequestProtocol {
            name: str("range"),
            metadata: subscription(&["orders"]),
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub fn heartbeat(group: &str, member: &str, generation: i32) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: str(group),
        generation_id: generation,
        member_id: str(member),
        ..Default::default()
    }
}

/// A sync of the leader, if `assignments` are given.
pub fn sync(
    group: &str,
    joined: &JoinGroupResponse,
    assignments: &[(&str, &'static [u8])],
) -> SyncGroupRequest {
    SyncGroupRequest {
        group_id: str(group),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        protocol_type: Some(str("consumer")),
        protocol_name: Some(str("range")),
        assignments: assignments
            .iter()
            .map(|(member, assignment)| SyncGroupRequestAssignment {
                member_id: str(member),
                assignment: Bytes::from_static(assignment),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

/// A leave that is right for every version.
pub fn leave(group: &str, member: &str) -> LeaveGroupRequest {
    LeaveGroupRequest {
        group_id: str(group),
        member_id: str(member),
        members: vec![MemberIdentity {
            member_id: str(member),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A commit that is right for every version: one partition of a topic.
pub fn commit(
    group: &str,
    topic: (&str, Uuid),
    partition: i32,
    offset: i64,
    metadata: &str,
) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: str(group),
        topics: vec![commit::OffsetCommitRequestTopic {
            name: str(topic.0),
            topic_id: topic.1,
            partitions: vec![commit::OffsetCommitRequestPartition {
                partition_index: partition,
                committed_offset: offset,
                committed_leader_epoch: 3,
                committed_metadata: Some(str(metadata)),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A fetch that is right for every version: these partitions of a topic, or everything.
pub fn fetch(group: &str, topic: Option<(&str, Uuid)>, partitions: &[i32]) -> OffsetFetchRequest {
    let old = |(name, _): (&str, Uuid)| fetch::OffsetFetchRequestTopic {
        name: str(name),
        partition_indexes: partitions.to_vec(),
        ..Default::default()
    };
    let new = |(name, id): (&str, Uuid)| fetch::OffsetFetchRequestTopics {
        name: str(name),
        topic_id: id,
        partition_indexes: partitions.to_vec(),
        ..Default::default()
    };
    OffsetFetchRequest {
        group_id: str(group),
        topics: topic.map(|t| vec![old(t)]),
        groups: vec![fetch::OffsetFetchRequestGroup {
            group_id: str(group),
            topics: topic.map(|t| vec![new(t)]),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Index, offset, leader epoch, metadata, error.
pub type FetchedPartition = (i32, i64, i32, String, i16);

/// What an OffsetFetch of one group says, whatever its version: topics (name, id, partitions), error
/// of the group.
#[derive(Debug, PartialEq)]
pub struct Fetched {
    pub topics: Vec<(String, Uuid, Vec<FetchedPartition>)>,
    pub error: i16,
}

pub fn fetched(client: &mut Client, version: i16, request: &OffsetFetchRequest) -> Fetched {
    let answer = client.call(version, request);
    let text = |metadata: Option<Str>| metadata.unwrap().to_string();
    if version < 8 {
        let partition =
            |p: weir_protocol::messages::offset_fetch_response::OffsetFetchResponsePartition| {
                let epoch = p.committed_leader_epoch;
                (
                    p.partition_index,
                    p.committed_offset,
                    epoch,
                    text(p.metadata),
                    p.error_code,
                )
            };
        let topics = answer.topics.into_iter().map(|t| {
            let partitions = t.partitions.into_iter().map(partition).collect();
            (t.name.to_string(), Uuid::ZERO, partitions)
        });
        return Fetched {
            topics: topics.collect(),
            error: answer.error_code,
        };
    }
    let group = answer.groups.into_iter().next().unwrap();
    assert_eq!(group.group_id, request.groups[0].group_id);
    let topics = group.topics.into_iter().map(|t| {
        let partitions = t.partitions.into_iter().map(|p| {
            let epoch = p.committed_leader_epoch;
            (
                p.partition_index,
                p.committed_offset,
                epoch,
                text(p.metadata),
                p.error_code,
            )
        });
        (t.name.to_string(), t.topic_id, partitions.collect())
    });
    Fetched {
        topics: topics.collect(),
        error: group.error_code,
    }
}

impl Client {
    /// Makes sure that groups have coordinators.
    pub fn coordinator(&mut self) {
        let request = FindCoordinatorRequest {
            key: str("any"),
            ..Default::default()
        };
        eventually("a coordinator", || {
            let found = self.call(0, &request);
            assert!([0, 15].contains(&found.error_code), "{found:?}");
            (found.error_code == 0).then_some(())
        });
    }

    /// Joins a group as its only member (or the same member again) in any version, with the id that
    /// v4 and above demand.
    pub fn join_alone(&mut self, version: i16, request: &JoinGroupRequest) -> JoinGroupResponse {
        let mut request = request.clone();
        let mut joined = self.call(version, &request);
        if joined.error_code == 79 {
            assert!(version >= 4 && !joined.member_id.is_empty(), "{joined:?}");
            request.member_id = joined.member_id;
            joined = self.call(version, &request);
        }
        assert_eq!(joined.error_code, 0, "{joined:?}");
        joined
    }

    /// A member id that the coordinator has given out (v4).
    pub fn member_id(&mut self, group: &str) -> String {
        let refused = self.call(4, &join(group, ""));
        assert_eq!(refused.error_code, 79, "{refused:?}");
        refused.member_id.to_string()
    }

    /// A stable group of one member, who is assigned `assignment`; its member id and generation.
    pub fn stable_group(&mut self, group: &str, assignment: &'static [u8]) -> (String, i32) {
        let joined = self.join_alone(5, &join(group, ""));
        let member = joined.member_id.to_string();
        let synced: SyncGroupResponse =
            self.call(3, &sync(group, &joined, &[(&member, assignment)]));
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, assignment));
        (member, joined.generation_id)
    }

    pub fn describe(&mut self, version: i16, group: &str) -> DescribedGroup {
        let request = DescribeGroupsRequest {
            groups: vec![str(group)],
            include_authorized_operations: true,
            ..Default::default()
        };
        let mut answer = self.call(version, &request);
        assert_eq!(answer.groups.len(), 1);
        answer.groups.remove(0)
    }
}
