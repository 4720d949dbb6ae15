//! SyncGroup: the leader's assignment, who gets what, and who did not ask in time.

use bytes::Bytes;

use super::state::GroupState::*;
use super::sync::SyncGroup;
use crate::GroupError::{self, *};
use crate::api::Request;
use crate::ids::Text;
use crate::record::GroupRecord;
use crate::testing::*;

#[test]
fn a_group_becomes_stable_with_the_assignment_of_its_leader() {
    for leader_first in [true, false] {
        let mut t = GroupTest::new();
        let joined = t.join_all(vec![join(), join()]);
        let began = t.now.wall_ms;
        t.take_records();
        t.sleep_ms(10);
        let order = if leader_first { [0, 1] } else { [1, 0] };
        let tokens = order.map(|i| (i, t.sync(&joined[i])));
        assert_eq!(t.state(G), Stable);
        for (i, token) in tokens {
            let synced = t.synced(token).unwrap();
            let expected = format!("assignment of {}", joined[i].member);
            assert_eq!(synced.assignment, expected);
            assert_eq!(synced.protocol.as_deref(), Some("range"));
            assert_eq!(synced.protocol_type.as_deref(), Some("consumer"));
        }
        let records = t.take_records();
        let [
            GroupRecord::Group {
                value: Some(stored),
                ..
            },
        ] = &records[..]
        else {
            panic!("{records:?}");
        };
        assert_eq!(stored.state_since_ms, Some(began));
        assert_eq!(stored.generation, 1);
        assert_eq!(stored.leader.as_ref(), Some(&joined[0].member));
        assert_eq!(stored.members.len(), 2);
        assert_eq!(
            stored.members[1].assignment,
            format!("assignment of {}", joined[1].member)
        );
        assert_eq!(
            stored.members[1].subscription,
            subscription(&["foo", "bar"])
        );
    }
}

#[test]
fn a_follower_waits_for_the_leader_and_nothing_is_written() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![join(), join()]);
    t.take_records();
    let token = t.sync(&joined[1]);
    assert!(t.is_parked(token));
    assert_eq!(t.state(G), CompletingRebalance);
    t.expect_no_records();
}

#[test]
fn a_member_that_the_leader_forgot_gets_an_empty_assignment() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![join(), join()]);
    let waiting = t.sync(&joined[1]);
    let token = t.send(Request::SyncGroup(SyncGroup {
        assignments: vec![("nobody".into(), Bytes::from_static(b"lost"))],
        ..sync_request(&joined[0])
    }));
    for token in [token, waiting] {
        assert_eq!(t.synced(token).unwrap().assignment, Bytes::new());
    }
    assert_eq!(t.state(G), Stable);
}

#[test]
fn a_sync_in_a_stable_group_repeats_the_assignment() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join()]);
    t.take_records();
    for member in &joined {
        let token = t.send(Request::SyncGroup(SyncGroup {
            assignments: vec![(member.member.clone(), Bytes::from_static(b"ignored"))],
            ..sync_request(member)
        }));
        let assignment = t.synced(token).unwrap().assignment;
        assert_eq!(assignment, format!("assignment of {}", member.member));
    }
    t.expect_no_records();
}

#[test]
fn a_sync_must_name_the_member_generation_and_protocol_of_the_group() {
    type Change = fn(&mut SyncGroup);
    let cases: [(&str, Change, Option<GroupError>); 10] = [
        ("as it is", |_| {}, None),
        (
            "no type and name",
            |r| (r.protocol_type, r.protocol) = (None, None),
            None,
        ),
        ("no group id", |r| r.group = "".into(), Some(InvalidGroupId)),
        (
            "unknown group",
            |r| r.group = "other".into(),
            Some(UnknownMemberId),
        ),
        (
            "unknown member",
            |r| r.member = "other".into(),
            Some(UnknownMemberId),
        ),
        (
            "old generation",
            |r| r.generation -= 1,
            Some(IllegalGeneration),
        ),
        (
            "next generation",
            |r| r.generation += 1,
            Some(IllegalGeneration),
        ),
        (
            "another type",
            |r| r.protocol_type = Some(Text::from("connect")),
            Some(InconsistentGroupProtocol),
        ),
        (
            "another name",
            |r| r.protocol = Some(Text::from("sticky")),
            Some(InconsistentGroupProtocol),
        ),
        (
            "unknown instance",
            |r| r.instance = Some("i".into()),
            Some(UnknownMemberId),
        ),
    ];
    for (what, change, expected) in cases {
        for stable in [false, true] {
            let mut t = GroupTest::new();
            let joined = if stable {
                t.stabilize(vec![join()])
            } else {
                t.join_all(vec![join()])
            };
            let mut request = sync_request(&joined[0]);
            change(&mut request);
            let token = t.send(Request::SyncGroup(request));
            assert_eq!(t.synced(token).err(), expected, "{what}, stable: {stable}");
        }
    }
}

#[test]
fn a_sync_to_an_empty_group_is_from_an_unknown_member() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join()]);
    t.leave_errors(&[(joined[0].member.as_str(), None)]);
    let token = t.sync(&joined[0]);
    assert_eq!(t.synced(token), Err(UnknownMemberId));
}

#[test]
fn a_sync_during_a_rebalance_tells_to_rejoin() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join()]);
    t.join(join());
    assert_eq!(t.state(G), PreparingRebalance);
    let token = t.sync(&joined[1]);
    assert_eq!(t.synced(token), Err(RebalanceInProgress));
}

#[test]
fn a_sync_that_replaces_a_parked_one_answers_it() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![join(), join()]);
    let given_up = t.sync(&joined[1]);
    let token = t.sync(&joined[1]);
    assert_eq!(t.synced(given_up), Err(RebalanceInProgress));
    t.sync(&joined[0]);
    assert!(t.synced(token).is_ok());
}

#[test]
fn when_the_leader_fails_before_it_assigns_the_others_rejoin() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![join(), join().session_ms(20_000)]);
    let waiting = t.sync(&joined[1]);
    t.sleep_ms(5000);
    assert_eq!(t.synced(waiting), Err(RebalanceInProgress));
    assert_eq!(t.state(G), PreparingRebalance);
    let token = t.join(join().member(&joined[1].member));
    let rejoined = t.joined(token);
    assert_eq!((rejoined.generation, rejoined.members.len()), (2, 1));
    assert_eq!(rejoined.leader, joined[1].member);
}

#[test]
fn a_waiting_member_that_is_removed_is_answered() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![join(), join()]);
    let waiting = t.sync(&joined[1]);
    assert_eq!(t.leave_errors(&[(joined[1].member.as_str(), None)]), [None]);
    assert_eq!(t.synced(waiting), Err(UnknownMemberId));
}

/// Three members with long sessions; `syncing` of them sync, all send heartbeats. Returns who is
/// left after the rebalance timeout.
fn left_after_sync_deadline(syncing: &[usize]) -> (GroupTest, Vec<usize>) {
    let mut t = GroupTest::new();
    let joined = t.join_all((0..3).map(|_| join()).collect());
    for i in syncing {
        t.sync(&joined[*i]);
    }
    for _ in 0..9 {
        t.sleep_ms(1000);
        for member in &joined {
            assert_eq!(t.heartbeat(&member.member, 1), Ok(()));
        }
    }
    t.sleep_ms(1000);
    let group = t.group(G);
    let is_left = |i: &usize| group.member(joined[*i].member.as_str()).is_some();
    let left = (0..3).filter(is_left).collect();
    (t, left)
}

#[test]
fn members_that_do_not_sync_within_the_rebalance_timeout_are_removed() {
    let cases: [(&[usize], &[usize]); 5] = [
        (&[], &[]),
        (&[0], &[0]),
        (&[1, 2], &[1, 2]),
        (&[0, 1], &[0, 1]),
        (&[0, 1, 2], &[0, 1, 2]),
    ];
    for (syncing, expected) in cases {
        let (t, left) = left_after_sync_deadline(syncing);
        assert_eq!(left, expected, "{syncing:?}");
        let state = match expected.len() {
            0 => Empty,
            3 => Stable,
            _ => PreparingRebalance,
        };
        assert_eq!(t.state(G), state, "{syncing:?}");
    }
}

#[test]
fn those_who_did_sync_are_told_when_the_sync_deadline_starts_a_rebalance() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![join(), join()]);
    let waiting = t.sync(&joined[1]);
    for _ in 0..3 {
        t.sleep_ms(3333);
        let _ = t.heartbeat(&joined[0].member, 1);
    }
    t.sleep_ms(1);
    assert_eq!(t.synced(waiting), Err(RebalanceInProgress));
    assert_eq!(t.heartbeat(&joined[0].member, 1), Err(UnknownMemberId));
}
