//! Loading, background work and the end of coordinators, on a store in memory and virtual time.

use std::time::Duration;

use weir_coordinator::{
    CommitPartition, CommitTopic, FetchTopic, GroupId, Heartbeat, JoinGroup, ListGroups, MemberId,
    MemberProtocol, OffsetCommit, OffsetFetch, Text, TopicName, TopicRef, partition_for,
};
use weir_protocol::types::{Offset, PartitionIndex};

use super::CoordinatorError;
use crate::{
    node::testing::{TestNode, TestStore},
    partition::OFFSETS_TOPIC,
};

pub(super) const PARTITIONS: i32 = 5;

/// A commit without membership: `count` partitions of "orders".
pub(super) fn commit(group: &str, count: i32, offset: i64, metadata: &str) -> OffsetCommit {
    let partition = |index| CommitPartition {
        partition: PartitionIndex(index),
        offset: Offset(offset),
        leader_epoch: None,
        metadata: Text::from(metadata),
    };
    OffsetCommit {
        group: GroupId::new(group),
        generation: -1,
        member: MemberId::default(),
        instance: None,
        retention_ms: None,
        supports_group_id_not_found: true,
        topics: vec![CommitTopic {
            topic: TopicRef::Name(TopicName::new("orders")),
            partitions: (0..count).map(partition).collect(),
        }],
    }
}

pub(super) fn join(group: &str) -> JoinGroup {
    JoinGroup {
        group: GroupId::new(group),
        member: MemberId::default(),
        instance: None,
        client_id: Text::from("test"),
        client_host: Text::from("/test"),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: Text::from("consumer"),
        protocols: vec![MemberProtocol {
            name: Text::from("range"),
            metadata: Default::default(),
        }],
        requires_known_member_id: false,
        supports_skip_assignment: true,
    }
}

/// A node with the topics "orders" and `__consumer_offsets`.
pub(super) async fn node(store: &TestStore) -> TestNode {
    let node = store.start().await;
    node.create_topic("orders", 1000).await;
    node.create_topic(OFFSETS_TOPIC, PARTITIONS).await;
    node
}

impl TestNode {
    pub(super) async fn commit(&self, ask: OffsetCommit) -> Result<(), CoordinatorError> {
        let group = ask.group.clone();
        let asked = self.broker.groups.ask(&self.broker, group.as_str(), ask);
        let topics = asked.await?;
        let mut errors = topics.iter().flat_map(|t| &t.partitions).map(|(_, e)| e);
        assert!(errors.all(Option::is_none), "{topics:?}");
        Ok(())
    }

    /// The offset that `group` has committed to partition 0 of "orders"; -1 for none.
    pub(super) async fn committed(&self, group: &str) -> Result<i64, CoordinatorError> {
        let ask = OffsetFetch {
            group: GroupId::new(group),
            topics: Some(vec![FetchTopic {
                topic: TopicRef::Name(TopicName::new("orders")),
                partitions: vec![PartitionIndex(0)],
            }]),
        };
        let fetched = self.broker.groups.ask(&self.broker, group, ask).await?;
        Ok(fetched.topics[0].partitions[0].offset.0)
    }

    /// The end of the partition that holds `group`; includes what is not durable.
    fn end_of_log(&self, group: &str) -> i64 {
        let topic = self.broker.topics().by_name(OFFSETS_TOPIC).unwrap();
        let partition = partition_for(group, PARTITIONS);
        let log = topic.log(partition.0).unwrap();
        log.bounds().offset_next.0
    }

    async fn sleep(&self, ms: u64) {
        self.broker.env.clock.sleep(Duration::from_millis(ms)).await;
    }

    fn groups_shown(&self) -> String {
        let text = self.broker.metrics.render();
        let line = text.lines().find(|l| l.starts_with("weir_groups "));
        line.unwrap_or("none").to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_is_there_after_a_take_over() {
    let store = TestStore::new(&[]);
    let first = node(&store).await;
    for i in 0..40 {
        let ask = commit(&format!("g{i}"), 3, i, "note");
        first.commit(ask).await.unwrap();
    }
    let second = store.start().await;
    for i in 0..40 {
        assert_eq!(second.committed(&format!("g{i}")).await, Ok(i));
    }
    // The old one knows by its log that it is over.
    let refused = first.commit(commit("g1", 1, 99, "")).await;
    assert_eq!(refused, Err(CoordinatorError::NotCoordinator));
    assert_eq!(second.committed("g1").await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn all_partitions_load_at_start_without_being_asked_and_are_counted() {
    let store = TestStore::new(&[]);
    let first = node(&store).await;
    assert_eq!(
        first
            .broker
            .groups
            .ask_all(&first.broker, &ListGroups::default())
            .await
            .len(),
        5
    );
    for i in 0..7 {
        first
            .commit(commit(&format!("g{i}"), 1, i, ""))
            .await
            .unwrap();
    }
    first.sleep(2000).await;
    assert_eq!(first.groups_shown(), "weir_groups 7");
    let second = store.start().await;
    second.sleep(100).await;
    assert_eq!(second.groups_shown(), "weir_groups 7");
    // What has ended is not counted any more.
    second.broker.groups.unload().await;
    second.sleep(100).await;
    assert_eq!(second.groups_shown(), "weir_groups 0");
}

#[tokio::test(start_paused = true)]
async fn while_the_store_cannot_be_read_requests_are_told_to_come_back() {
    let store = TestStore::new(&[]);
    let first = node(&store).await;
    first.commit(commit("g", 1, 4, "")).await.unwrap();
    let second = store.start().await;
    store.fail();
    let refused = Err(CoordinatorError::LoadInProgress);
    assert_eq!(second.committed("g").await, refused);
    second.sleep(10_000).await;
    assert_eq!(second.committed("g").await, refused);
    let asked = ListGroups::default();
    let listed = second.broker.groups.ask_all(&second.broker, &asked);
    let listed = listed.await;
    let (loaded, loading): (Vec<_>, Vec<_>) = listed.into_iter().partition(Result::is_ok);
    assert_eq!(
        (loaded.len(), loading.len()),
        (4, 1),
        "empty partitions need no read"
    );
    store.store.calm();
    second.sleep(2000).await;
    assert_eq!(second.committed("g").await, Ok(4));
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_deleted_topic_get_tombstones() {
    let store = TestStore::new(&[]);
    let node = store.start().await;
    let orders = node.create_topic("orders", 3).await;
    node.create_topic(OFFSETS_TOPIC, PARTITIONS).await;
    node.commit(commit("g", 3, 8, "")).await.unwrap();
    let before = node.end_of_log("g");
    node.delete_topic(orders).await;
    node.sleep(1000).await;
    assert_eq!(node.end_of_log("g"), before + 3);
    // A new topic of that name begins without offsets, also after a take-over.
    node.create_topic("orders", 3).await;
    assert_eq!(node.committed("g").await, Ok(-1));
    let next = store.start().await;
    assert_eq!(next.committed("g").await, Ok(-1));
}

#[tokio::test(start_paused = true)]
async fn a_clean_stop_answers_the_parked_and_takes_nothing_more() {
    let store = TestStore::new(&["group.initial.rebalance.delay.ms=60000"]);
    let node = node(&store).await;
    node.commit(commit("other", 1, 5, "")).await.unwrap();
    let broker = node.broker.clone();
    let parked = broker.groups.ask(&broker, "g", join("g"));
    let close = async {
        node.sleep(100).await;
        node.running.close().await
    };
    let (parked, closed) = tokio::join!(parked, close);
    let refused = parked.unwrap().unwrap_err();
    assert_eq!(refused.error, weir_coordinator::GroupError::NotCoordinator);
    closed.unwrap();
    assert_eq!(
        node.committed("other").await,
        Err(CoordinatorError::NotAvailable)
    );
    assert_eq!(store.start().await.committed("other").await, Ok(5));
}

#[tokio::test(start_paused = true)]
async fn without_the_topic_nobody_coordinates() {
    let store = TestStore::new(&[]);
    let node = store.start().await;
    let beat = Heartbeat {
        group: GroupId::new("g"),
        generation: 1,
        member: MemberId::new("m"),
        instance: None,
    };
    let answer = node.broker.groups.ask(&node.broker, "g", beat).await;
    assert_eq!(answer, Err(CoordinatorError::NotCoordinator));
    let asked = ListGroups::default();
    let all = node.broker.groups.ask_all(&node.broker, &asked).await;
    assert!(all.is_empty());
}
