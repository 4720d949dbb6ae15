//! OffsetFetch: what a group has committed.

use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex};

use super::fetch::{FetchTopic, FetchedOffset, OffsetFetch};
use crate::GroupError::*;
use crate::api::{Answer, Request, TopicRef};
use crate::testing::*;

fn nothing(partition: i32) -> FetchedOffset {
    FetchedOffset {
        partition: PartitionIndex(partition),
        offset: Offset(-1),
        leader_epoch: None,
        metadata: "".into(),
        error: None,
    }
}

fn test() -> GroupTest {
    let mut t = GroupTest::new().topic("foo", 1, 4).topic("bar", 2, 1);
    t.commit(commit("g", "foo", &[(0, 10), (2, 12)]));
    t.commit(commit("g", "bar", &[(0, 20)]));
    t
}

#[test]
fn what_is_not_committed_is_minus_one_and_no_error() {
    let mut t = test();
    let committed = FetchedOffset {
        offset: Offset(12),
        leader_epoch: Some(LeaderEpoch(7)),
        metadata: "metadata".into(),
        ..nothing(2)
    };
    assert_eq!(
        t.fetch("g", "foo", &[1, 2, 99]),
        [nothing(1), committed, nothing(99)]
    );
    assert_eq!(t.fetch("g", "other", &[0]), [nothing(0)]);
    assert_eq!(t.fetch("missing", "foo", &[0]), [nothing(0)]);
    assert_eq!(t.fetch_all("missing"), []);
}

#[test]
fn everything_is_fetched_in_order() {
    let mut t = test();
    let foo = |at, offset| ("foo".to_owned(), at, offset);
    let all = [("bar".to_owned(), 0, 20), foo(0, 10), foo(2, 12)];
    assert_eq!(t.fetch_all("g"), all);
}

#[test]
fn topics_are_meant_by_id_since_version_10() {
    let mut t = test();
    let at = |t: &mut GroupTest, id| t.fetch_ref("g", TopicRef::Id(uuid(id)), &[0])[0].clone();
    assert_eq!(at(&mut t, 2).offset, Offset(20));
    let unknown = FetchedOffset {
        error: Some(UnknownTopicId),
        ..nothing(0)
    };
    assert_eq!(at(&mut t, 9), unknown);
    assert_eq!(at(&mut t, 0), unknown);
}

#[test]
fn the_answer_has_name_and_id_for_either_form() {
    let mut t = test();
    let topics = [
        TopicRef::Name("foo".into()),
        TopicRef::Id(uuid(1)),
        TopicRef::Name("other".into()),
        TopicRef::Id(uuid(9)),
    ];
    let topics = topics.map(|topic| FetchTopic {
        topic,
        partitions: Vec::new(),
    });
    let token = t.send(Request::OffsetFetch(OffsetFetch {
        group: "g".into(),
        topics: Some(topics.to_vec()),
    }));
    let Answer::OffsetFetch(fetched) = t.answer(token) else {
        panic!();
    };
    assert_eq!(fetched.group.as_str(), "g");
    let named: Vec<_> = fetched
        .topics
        .iter()
        .map(|t| (t.name.as_str(), t.id))
        .collect();
    let (foo, zero) = (uuid(1), uuid(0));
    assert_eq!(
        named,
        [("foo", foo), ("foo", foo), ("other", zero), ("", uuid(9))]
    );
}

#[test]
fn offsets_of_an_earlier_topic_of_the_name_are_hidden() {
    let mut t = test();
    t.set_topic("foo", Some((3, 4)));
    assert_eq!(t.fetch_one("g", "foo", 0), -1);
    assert_eq!(t.fetch_ref("g", TopicRef::Id(uuid(3)), &[0]), [nothing(0)]);
    assert_eq!(t.fetch_all("g"), [("bar".to_owned(), 0, 20)]);
    // A commit to the new one shows, the others stay hidden.
    t.commit(commit("g", "foo", &[(2, 1)]));
    assert_eq!(t.fetch_one("g", "foo", 2), 1);
    assert_eq!(t.fetch_one("g", "foo", 0), -1);
}

#[test]
fn offsets_of_a_topic_that_is_gone_are_shown_until_they_are_deleted() {
    let mut t = test();
    t.set_topic("foo", None);
    assert_eq!(t.fetch_one("g", "foo", 0), 10);
    assert_eq!(t.fetch_all("g").len(), 3);
}

#[test]
fn offsets_without_their_group_are_hidden() {
    let mut t = test();
    // A tombstone of the group alone, as nobody writes it today.
    t.log.push(crate::record::group_tombstone(&"g".into()));
    t.fail_over();
    assert_eq!(t.fetch("g", "foo", &[0]), [nothing(0)]);
    assert_eq!(t.fetch_all("g"), []);
}

#[test]
fn offsets_from_before_topic_ids_are_shown() {
    let mut t = test();
    let mut old = commit("g", "foo", &[(1, 11)]);
    // Written in version 1, which has no id.
    old.retention_ms = Some(1_000_000);
    t.commit(old);
    t.set_topic("foo", Some((3, 4)));
    assert_eq!(t.fetch_one("g", "foo", 1), 11);
}

#[test]
fn members_and_strangers_see_the_same() {
    let mut t = test();
    let id = t.stabilize(vec![join()])[0].member.clone();
    t.commit(commit(G, "foo", &[(0, 99)]).by(&id, 1));
    assert_eq!(t.fetch_one(G, "foo", 0), 99);
    t.leave_errors(&[(id.as_str(), None)]);
    assert_eq!(t.fetch_one(G, "foo", 0), 99);
}
