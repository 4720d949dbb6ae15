//! OffsetCommit: who may commit what, and what is written.

use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex};

use super::commit::{CommitTopic, OffsetCommit};
use crate::GroupError::{self, *};
use crate::api::{Answer, Request, TopicRef};
use crate::group::classic::state::GroupState::*;
use crate::ids::MemberId;
use crate::record::GroupRecord;
use crate::stored::CommittedOffset;
use crate::testing::*;

fn test() -> GroupTest {
    GroupTest::new().topic("foo", 1, 4)
}

fn one(group: &str, offset: i64) -> OffsetCommit {
    commit(group, "foo", &[(0, offset)])
}

#[test]
fn a_commit_without_a_group_makes_a_simple_group() {
    let mut t = test();
    let request = commit("simple", "foo", &[(0, 10), (3, 13)]);
    assert_eq!(t.commit(request), [None, None]);
    let record = |partition, offset| GroupRecord::Offset {
        group: "simple".into(),
        topic: "foo".into(),
        partition: PartitionIndex(partition),
        value: Some(CommittedOffset {
            offset: Offset(offset),
            leader_epoch: Some(LeaderEpoch(7)),
            metadata: "metadata".into(),
            commit_timestamp_ms: 1_700_000_000_000,
            expire_timestamp_ms: None,
            topic_id: uuid(1),
        }),
    };
    assert_eq!(t.take_records(), [record(0, 10), record(3, 13)]);
    assert_eq!(t.fetch_one("simple", "foo", 0), 10);
    assert_eq!(t.fetch_one("simple", "foo", 1), -1);
    let described = t.describe("simple");
    assert_eq!((described.state, &*described.protocol_type), (Empty, ""));
    t.fail_over();
    assert_eq!(t.fetch_one("simple", "foo", 3), 13);
}

#[test]
fn the_last_commit_counts_also_when_it_goes_back() {
    let mut t = test();
    for offset in [10, 20, 5] {
        assert_eq!(t.commit(one("simple", offset)), [None]);
        assert_eq!(t.fetch_one("simple", "foo", 0), offset);
    }
}

#[test]
fn the_group_id_may_be_empty_but_must_fit_a_record() {
    let mut t = test();
    assert_eq!(t.commit(one("", 1)), [None]);
    assert_eq!(t.fetch_one("", "foo", 0), 1);
    let long = "g".repeat(32_768);
    assert_eq!(t.commit(one(&long, 1)), [Some(InvalidGroupId)]);
}

#[test]
fn a_member_commits_to_its_group() {
    let mut t = test();
    let id = t.stabilize(vec![join()])[0].member.clone();
    assert_eq!(t.commit(one(G, 8).by(&id, 1)), [None]);
    assert_eq!(t.fetch_one(G, "foo", 0), 8);
}

#[test]
fn the_sender_must_fit_the_group() {
    // (member or "" for none, instance, generation, error), in a stable group of a dynamic and a
    // static member.
    let cases: [(&str, Option<&str>, i32, Option<GroupError>); 11] = [
        ("dynamic", None, 1, None),
        ("static", None, 1, None),
        ("static", Some("i"), 1, None),
        ("dynamic", None, 0, Some(IllegalGeneration)),
        ("dynamic", None, 2, Some(IllegalGeneration)),
        ("dynamic", None, -1, Some(IllegalGeneration)),
        ("", None, -1, Some(UnknownMemberId)),
        ("", None, 1, Some(UnknownMemberId)),
        ("nobody", None, 1, Some(UnknownMemberId)),
        ("static", Some("j"), 1, Some(UnknownMemberId)),
        ("dynamic", Some("i"), 1, Some(FencedInstanceId)),
    ];
    for (who, instance, generation, expected) in cases {
        let mut t = test();
        let joined = t.stabilize(vec![join(), join().instance("i")]);
        let id: MemberId = match who {
            "dynamic" => joined[0].member.clone(),
            "static" => joined[1].member.clone(),
            other => other.into(),
        };
        let mut request = one(G, 1).by(&id, generation);
        request.instance = instance.map(Into::into);
        let what = format!("{who} {instance:?} {generation}");
        assert_eq!(t.commit(request), [expected], "{what}");
        let stored = if expected.is_none() { 1 } else { -1 };
        assert_eq!(t.fetch_one(G, "foo", 0), stored, "{what}");
    }
}

#[test]
fn a_commit_of_a_generation_to_a_missing_group_depends_on_the_version() {
    for (supported, expected) in [(false, IllegalGeneration), (true, GroupIdNotFound)] {
        let mut t = test();
        let mut request = one("missing", 1).by(&"m".into(), 0);
        request.supports_group_id_not_found = supported;
        assert_eq!(t.commit(request), [Some(expected)]);
        assert!(t.shard.groups.is_empty());
        t.expect_no_records();
    }
}

#[test]
fn an_administrator_commits_to_an_empty_group_only() {
    let mut t = test();
    let joined = t.stabilize(vec![join()]);
    assert_eq!(t.commit(one(G, 1)), [Some(UnknownMemberId)]);
    t.leave_errors(&[(joined[0].member.as_str(), None)]);
    assert_eq!(t.state(G), Empty);
    assert_eq!(t.commit(one(G, 1)), [None]);
    // Without a generation nobody asks who it is.
    assert_eq!(t.commit(one(G, 2).by(&"anybody".into(), -1)), [None]);
    assert_eq!(t.commit(one(G, 3).instance("any")), [None]);
    let with_generation = one(G, 4).by(&joined[0].member, 2);
    assert_eq!(t.commit(with_generation), [Some(UnknownMemberId)]);
    assert_eq!(t.fetch_one(G, "foo", 0), 3);
}

#[test]
fn a_rebalance_takes_commits_until_the_new_generation_begins() {
    let mut t = test();
    let joined = t.stabilize(vec![join(), join()]);
    let token = t.join(join().member(&joined[0].member));
    assert_eq!(t.state(G), PreparingRebalance);
    assert_eq!(t.commit(one(G, 1).by(&joined[1].member, 1)), [None]);
    t.join(join().member(&joined[1].member));
    assert_eq!(t.state(G), CompletingRebalance);
    let old = one(G, 2).by(&joined[1].member, 1);
    assert_eq!(t.commit(old), [Some(IllegalGeneration)]);
    let new = one(G, 2).by(&joined[1].member, 2);
    assert_eq!(t.commit(new.clone()), [Some(RebalanceInProgress)]);
    let leader = t.joined(token);
    t.sync(&leader);
    assert_eq!(t.commit(new), [None]);
}

#[test]
fn a_commit_keeps_the_session_alive() {
    for rebalancing in [false, true] {
        let mut t = test();
        let slow = || join().rebalance_ms(60_000);
        let joined = t.stabilize(vec![slow(), slow()]);
        let id = &joined[1].member;
        if rebalancing {
            t.join(slow().member(&joined[0].member));
        }
        for _ in 0..4 {
            t.sleep_ms(4000);
            let _ = t.heartbeat(&joined[0].member, 1);
            assert_eq!(t.commit(one(G, 1).by(id, 1)), [None]);
        }
        // A refused one does not.
        t.sleep_ms(4000);
        let _ = t.heartbeat(&joined[0].member, 1);
        assert_eq!(t.commit(one(G, 1).by(id, 9)), [Some(IllegalGeneration)]);
        t.sleep_ms(1000);
        assert_eq!(t.commit(one(G, 1).by(id, 1)), [Some(UnknownMemberId)]);
    }
}

#[test]
fn a_commit_keeps_nobody_alive_who_has_no_assignment() {
    let mut t = test();
    let joined = t.join_all(vec![join()]);
    t.sleep_ms(4000);
    let request = one(G, 1).by(&joined[0].member, 1);
    assert_eq!(t.commit(request), [Some(RebalanceInProgress)]);
    t.sleep_ms(1000);
    assert_eq!(t.state(G), Empty);
}

#[test]
fn metadata_is_limited_in_utf16_units() {
    // (text, limit, error)
    let cases = [
        ("abcd".to_owned(), 4, None),
        ("abcde".to_owned(), 4, Some(OffsetMetadataTooLarge)),
        // Two bytes each in UTF-8, one unit.
        ("éééé".to_owned(), 4, None),
        // Four bytes, two units.
        ("😀😀".to_owned(), 4, None),
        ("😀😀😀".to_owned(), 5, Some(OffsetMetadataTooLarge)),
        ("".to_owned(), 0, None),
        // A limit above what a record can hold.
        ("a".repeat(32_768), 100_000, Some(OffsetMetadataTooLarge)),
        ("a".repeat(32_767), 100_000, None),
    ];
    for (metadata, limit, expected) in cases {
        let mut t = GroupTest::with(|c| c.offset_metadata_max_units = limit);
        t.set_topic("foo", Some((1, 4)));
        let mut request = commit("g", "foo", &[(0, 1), (1, 1)]);
        for partition in &mut request.topics[0].partitions {
            partition.metadata = "".into();
        }
        request.topics[0].partitions[0].metadata = metadata.as_str().into();
        // The others of the request are not affected.
        assert_eq!(t.commit(request), [expected, None]);
        assert_eq!(t.fetch_one("g", "foo", 1), 1);
    }
}

#[test]
fn partitions_that_do_not_exist_are_refused_one_by_one() {
    let mut t = test();
    let request = commit("g", "foo", &[(-1, 1), (0, 1), (3, 1), (4, 1)]);
    let unknown = Some(UnknownTopicOrPartition);
    assert_eq!(t.commit(request), [unknown, None, None, unknown]);
    assert_eq!(t.commit(commit("g", "other", &[(0, 1)])), [unknown]);
    assert_eq!(t.fetch_all("g").len(), 2);
}

#[test]
fn a_commit_to_nothing_that_exists_does_not_ask_who_sends_it() {
    let mut t = test();
    t.stabilize(vec![join()]);
    let request = commit(G, "other", &[(0, 1)]).by(&"nobody".into(), 9);
    assert_eq!(t.commit(request), [Some(UnknownTopicOrPartition)]);
    // With one that does, the wrong ones keep their own error.
    let request = commit(G, "foo", &[(0, 1), (9, 1)]).by(&"nobody".into(), 9);
    let expected = [Some(UnknownMemberId), Some(UnknownTopicOrPartition)];
    assert_eq!(t.commit(request), expected);
    let before = t.log.len();
    t.commit(commit("never", "other", &[(0, 1)]));
    assert!(!t.shard.groups.contains_key("never"));
    assert_eq!(t.log.len(), before);
}

#[test]
fn topics_can_be_meant_by_id() {
    let mut t = test();
    let mut request = one("g", 5);
    request.topics = [uuid(1), uuid(9), uuid(0)]
        .map(|id| CommitTopic {
            topic: TopicRef::Id(id),
            ..request.topics[0].clone()
        })
        .to_vec();
    let token = t.send(Request::OffsetCommit(request));
    let Answer::OffsetCommit(answer) = t.answer(token) else {
        panic!();
    };
    let topics: Vec<_> = answer.iter().map(|t| t.topic.clone()).collect();
    assert_eq!(topics, [1, 9, 0].map(|n| TopicRef::Id(uuid(n))));
    let errors: Vec<_> = answer.iter().map(|t| t.partitions[0].1).collect();
    assert_eq!(errors, [None, Some(UnknownTopicId), Some(UnknownTopicId)]);
    assert_eq!(t.fetch_one("g", "foo", 0), 5);
}

#[test]
fn a_retention_of_its_own_becomes_an_expire_timestamp() {
    let mut t = test();
    let mut request = one("g", 5);
    request.retention_ms = Some(1234);
    t.commit(request);
    let value = t.log[0].value.clone().unwrap();
    assert_eq!(value[..2], [0, 1], "the only version with one");
    let records = t.take_records();
    let [
        GroupRecord::Offset {
            value: Some(value), ..
        },
    ] = &records[..]
    else {
        panic!();
    };
    assert_eq!(value.expire_timestamp_ms, Some(1_700_000_001_234));
    // Version 1 knows neither topic ids nor leader epochs.
    assert_eq!((value.topic_id, value.leader_epoch), (uuid(0), None));

    let mut request = one("g", 5);
    request.retention_ms = Some(i64::MAX);
    assert_eq!(t.commit(request), [None]);
}
