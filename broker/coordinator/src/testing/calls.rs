//! The calls that most tests make, with their answers unwrapped.

use weir_protocol::types::PartitionIndex;

use crate::api::{Answer, Request, Token, TopicRef};
use crate::group::classic::heartbeat::Heartbeat;
use crate::group::classic::join::{JoinGroup, Joined};
use crate::group::classic::leave::{LeaveGroup, LeavingMember, LeftMember};
use crate::group::classic::sync::Synced;
use crate::ids::{GroupId, InstanceId, MemberId, TopicName};
use crate::offsets::commit::OffsetCommit;
use crate::offsets::fetch::{FetchTopic, FetchedOffset, OffsetFetch};
use crate::testing::{G, GroupTest, sync_request};
use crate::{DescribeGroups, DescribedGroup, GroupError, GroupState};

impl GroupTest {
    pub(crate) fn join(&mut self, request: JoinGroup) -> Token {
        self.send(Request::JoinGroup(request))
    }

    #[track_caller]
    pub(crate) fn joined(&self, token: Token) -> Joined {
        match self.answer(token) {
            Answer::JoinGroup(Ok(joined)) => joined.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// The error of a join, and the member id that comes with it.
    #[track_caller]
    pub(crate) fn join_refused(&self, token: Token) -> (GroupError, MemberId) {
        match self.answer(token) {
            Answer::JoinGroup(Err(refused)) => (refused.error, refused.member.clone()),
            other => panic!("{other:?}"),
        }
    }

    /// A member's sync; a leader assigns "assignment of {member}" to each of its members.
    pub(crate) fn sync(&mut self, joined: &Joined) -> Token {
        let request = sync_request(joined);
        self.send(Request::SyncGroup(request))
    }

    #[track_caller]
    pub(crate) fn synced(&self, token: Token) -> Result<Synced, GroupError> {
        match self.answer(token) {
            Answer::SyncGroup(result) => result.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn heartbeat(
        &mut self,
        member: &MemberId,
        generation: i32,
    ) -> Result<(), GroupError> {
        self.heartbeat_as(member, None, generation)
    }

    pub(crate) fn heartbeat_as(
        &mut self,
        member: &MemberId,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        let token = self.send(Request::Heartbeat(Heartbeat {
            group: GroupId::new(G),
            generation,
            member: member.clone(),
            instance: instance.map(InstanceId::new),
        }));
        match self.answer(token) {
            Answer::Heartbeat(result) => *result,
            other => panic!("{other:?}"),
        }
    }

    /// (member id, instance id) pairs leave; empty member ids are removed by an administrator.
    pub(crate) fn leave(
        &mut self,
        members: &[(&str, Option<&str>)],
    ) -> Result<Vec<LeftMember>, GroupError> {
        let member = |(member, instance): &(&str, Option<&str>)| LeavingMember {
            member: MemberId::new(member),
            instance: instance.map(InstanceId::new),
        };
        let token = self.send(Request::LeaveGroup(LeaveGroup {
            group: GroupId::new(G),
            members: members.iter().map(member).collect(),
        }));
        match self.answer(token) {
            Answer::LeaveGroup(result) => result.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// The errors of a leave, in order.
    pub(crate) fn leave_errors(
        &mut self,
        members: &[(&str, Option<&str>)],
    ) -> Vec<Option<GroupError>> {
        let left = self.leave(members).unwrap();
        left.into_iter().map(|m| m.error).collect()
    }

    pub(crate) fn describe(&mut self, group: &str) -> DescribedGroup {
        let token = self.send(Request::DescribeGroups(DescribeGroups {
            groups: vec![GroupId::new(group)],
            supports_group_id_not_found: true,
        }));
        match self.answer(token) {
            Answer::DescribeGroups(groups) => groups[0].clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Lets the given members join an empty group together, in one generation.
    pub(crate) fn join_all(&mut self, requests: Vec<JoinGroup>) -> Vec<Joined> {
        let tokens: Vec<Token> = requests.into_iter().map(|r| self.join(r)).collect();
        for _ in 0..100 {
            if tokens.iter().all(|t| !self.is_parked(*t)) {
                break;
            }
            let delay = self.shard.config.initial_rebalance_delay;
            self.sleep_ms(u64::try_from(delay.as_millis()).unwrap());
        }
        tokens.into_iter().map(|t| self.joined(t)).collect()
    }

    /// As `join_all`, and everybody syncs: the group is stable. The leader comes first.
    pub(crate) fn stabilize(&mut self, requests: Vec<JoinGroup>) -> Vec<Joined> {
        let joined = self.join_all(requests);
        for member in &joined {
            self.sync(member);
        }
        assert_eq!(self.state(G), GroupState::Stable);
        joined
    }

    pub(crate) fn commit(&mut self, request: OffsetCommit) -> Vec<Option<GroupError>> {
        let token = self.send(Request::OffsetCommit(request));
        match self.answer(token) {
            Answer::OffsetCommit(topics) => topics
                .iter()
                .flat_map(|t| t.partitions.iter().map(|(_, error)| *error))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    /// What the group has committed for partitions of a topic.
    pub(crate) fn fetch(&mut self, group: &str, topic: &str, at: &[i32]) -> Vec<FetchedOffset> {
        self.fetch_ref(group, TopicRef::Name(TopicName::new(topic)), at)
    }

    pub(crate) fn fetch_ref(
        &mut self,
        group: &str,
        topic: TopicRef,
        at: &[i32],
    ) -> Vec<FetchedOffset> {
        let partitions = at.iter().map(|p| PartitionIndex(*p)).collect();
        let token = self.send(Request::OffsetFetch(OffsetFetch {
            group: GroupId::new(group),
            topics: Some(vec![FetchTopic { topic, partitions }]),
        }));
        match self.answer(token) {
            Answer::OffsetFetch(fetched) => fetched.topics[0].partitions.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn fetch_one(&mut self, group: &str, topic: &str, at: i32) -> i64 {
        self.fetch(group, topic, &[at])[0].offset.0
    }

    /// Everything that the group has committed: (topic, partition, offset).
    pub(crate) fn fetch_all(&mut self, group: &str) -> Vec<(String, i32, i64)> {
        let token = self.send(Request::OffsetFetch(OffsetFetch {
            group: GroupId::new(group),
            topics: None,
        }));
        let Answer::OffsetFetch(fetched) = self.answer(token) else {
            panic!("{:?}", self.answer(token));
        };
        let all = fetched.topics.iter().flat_map(|topic| {
            let name = topic.name.to_string();
            let of_topic = |o: &FetchedOffset| (name.clone(), o.partition.0, o.offset.0);
            topic.partitions.iter().map(of_topic).collect::<Vec<_>>()
        });
        all.collect()
    }
}
