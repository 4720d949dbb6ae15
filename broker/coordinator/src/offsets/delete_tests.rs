//! OffsetDelete and deleted topics.

use weir_protocol::types::PartitionIndex;

use super::delete::{DeletedTopic, OffsetDelete, OffsetDeleteTopic};
use crate::GroupError::{self, *};
use crate::api::{Answer, Request};
use crate::group::classic::join::JoinGroup;
use crate::record::GroupRecord;
use crate::testing::*;

fn delete(
    t: &mut GroupTest,
    group: &str,
    topic: &str,
    at: &[i32],
) -> Result<Vec<Option<GroupError>>, GroupError> {
    let token = t.send(Request::OffsetDelete(OffsetDelete {
        group: group.into(),
        topics: vec![OffsetDeleteTopic {
            name: topic.into(),
            partitions: at.iter().map(|p| PartitionIndex(*p)).collect(),
        }],
    }));
    match t.answer(token) {
        Answer::OffsetDelete(Ok(topics)) => {
            assert_eq!(topics[0].name.as_str(), topic);
            Ok(topics[0].partitions.iter().map(|(_, e)| *e).collect())
        }
        Answer::OffsetDelete(Err(error)) => Err(*error),
        other => panic!("{other:?}"),
    }
}

/// "foo" and "bar" are what the tests' members subscribe to, "old" is not.
fn test() -> GroupTest {
    GroupTest::new()
        .topic("foo", 1, 4)
        .topic("old", 2, 4)
        .topic("foo2", 3, 4)
}

#[test]
fn offsets_of_an_empty_group_are_deleted() {
    let mut t = test();
    t.commit(commit("g", "foo", &[(0, 1), (1, 2)]));
    t.take_records();
    // What is not there is no error, and not written.
    assert_eq!(delete(&mut t, "g", "foo", &[0, 3]), Ok(vec![None, None]));
    let tombstone = GroupRecord::Offset {
        group: "g".into(),
        topic: "foo".into(),
        partition: PartitionIndex(0),
        value: None,
    };
    assert_eq!(t.take_records(), [tombstone]);
    assert_eq!(t.fetch_all("g"), [("foo".to_owned(), 1, 2)]);
    assert_eq!(delete(&mut t, "g", "other", &[0]), Ok(vec![None]));
}

#[test]
fn without_a_group_nothing_is_deleted() {
    let mut t = test();
    assert_eq!(delete(&mut t, "", "foo", &[0]), Err(InvalidGroupId));
    assert_eq!(delete(&mut t, "missing", "foo", &[0]), Err(GroupIdNotFound));
}

#[test]
fn a_live_consumer_group_keeps_the_offsets_of_what_it_consumes() {
    let mut t = test();
    let id = t.stabilize(vec![join()])[0].member.clone();
    t.commit(commit(G, "foo", &[(0, 1)]).by(&id, 1));
    t.commit(commit(G, "old", &[(0, 1)]).by(&id, 1));
    let subscribed = Ok(vec![Some(GroupSubscribedToTopic)]);
    assert_eq!(delete(&mut t, G, "foo", &[0]), subscribed);
    assert_eq!(delete(&mut t, G, "old", &[0]), Ok(vec![None]));
    assert_eq!(t.fetch_all(G), [("foo".to_owned(), 0, 1)]);
    // Also during a rebalance.
    t.join(join());
    assert_eq!(delete(&mut t, G, "foo", &[0]), subscribed);
}

#[test]
fn a_live_group_of_another_type_keeps_all() {
    let mut t = test();
    t.join(JoinGroup {
        protocol_type: "connect".into(),
        ..join()
    });
    assert_eq!(delete(&mut t, G, "foo", &[0]), Err(NonEmptyGroup));
}

fn delete_topic(t: &mut GroupTest, name: &str, id: u8) {
    let topic = DeletedTopic {
        name: name.into(),
        id: uuid(id),
    };
    let out = t.shard.on_topics_deleted(t.now, &[topic]);
    t.absorb(out);
}

#[test]
fn the_offsets_of_a_deleted_topic_go_from_all_groups() {
    let mut t = test();
    for group in ["a", "b"] {
        t.commit(commit(group, "foo", &[(0, 1), (1, 1)]));
        t.commit(commit(group, "foo2", &[(0, 1)]));
    }
    t.take_records();
    delete_topic(&mut t, "foo", 1);
    assert_eq!(t.take_records().len(), 4);
    for group in ["a", "b"] {
        assert_eq!(t.fetch_all(group), [("foo2".to_owned(), 0, 1)]);
    }
    delete_topic(&mut t, "foo", 1);
    t.expect_no_records();
}

#[test]
fn the_offsets_of_a_new_topic_of_the_same_name_stay() {
    let mut t = test();
    t.commit(commit("g", "foo", &[(0, 1)]));
    t.set_topic("foo", Some((9, 4)));
    t.commit(commit("g", "foo", &[(1, 2)]));
    // Without an id, from before there were any.
    let mut old = commit("g", "foo", &[(2, 3)]);
    old.retention_ms = Some(1_000_000);
    t.commit(old);
    delete_topic(&mut t, "foo", 1);
    assert_eq!(t.fetch_all("g"), [("foo".to_owned(), 1, 2)]);
}
