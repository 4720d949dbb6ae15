//! LeaveGroup: one by one, in batches, by an administrator.

use super::state::GroupState::*;
use crate::GroupError::*;
use crate::api::{Answer, Request};
use crate::group::classic::leave::{LeaveGroup, LeavingMember};
use crate::testing::*;

#[test]
fn leaving_what_does_not_exist() {
    let mut t = GroupTest::new();
    let token = t.send(Request::LeaveGroup(LeaveGroup {
        group: "".into(),
        members: Vec::new(),
    }));
    assert_eq!(t.answer(token), &Answer::LeaveGroup(Err(InvalidGroupId)));

    let unknown = Some(UnknownMemberId);
    assert_eq!(
        t.leave_errors(&[("m", None), ("", Some("i"))]),
        [unknown, unknown]
    );
    t.expect_no_records();
    t.stabilize(vec![join()]);
    let leaving = [("m", None), ("", Some("i")), ("", None), ("m", Some("i"))];
    assert_eq!(t.leave_errors(&leaving), [unknown; 4]);
    assert_eq!(t.state(G), Stable);
}

#[test]
fn the_answer_names_the_members_as_the_request_does() {
    let mut t = GroupTest::new();
    t.stabilize(vec![join().instance("a")]);
    let left = t.leave(&[("", Some("a")), ("m", Some("b"))]).unwrap();
    let named: Vec<_> = left
        .iter()
        .map(|m| (m.member.as_str(), m.instance.as_ref().unwrap().as_str()))
        .collect();
    assert_eq!(named, [("", "a"), ("m", "b")]);
}

#[test]
fn the_last_member_leaves_an_empty_group_behind() {
    let mut t = GroupTest::new();
    let id = t.stabilize(vec![join()])[0].member.clone();
    t.take_records();
    assert_eq!(t.leave_errors(&[(id.as_str(), None)]), [None]);
    assert_eq!((t.state(G), t.group(G).generation), (Empty, 2));
    assert_eq!(t.take_records().len(), 1);
    // Nothing of it fires later.
    t.sleep_ms(60_000);
    t.expect_no_records();
}

#[test]
fn a_leaving_member_makes_the_others_rebalance() {
    for stable in [true, false] {
        let mut t = GroupTest::new();
        let requests = vec![join(), join()];
        let joined = if stable {
            t.stabilize(requests)
        } else {
            t.join_all(requests)
        };
        assert_eq!(t.leave_errors(&[(joined[0].member.as_str(), None)]), [None]);
        assert_eq!(t.state(G), PreparingRebalance);
        assert_eq!(t.group(G).leader(), Some(&joined[1].member));
        let token = t.join(join().member(&joined[1].member));
        assert_eq!(t.joined(token).members.len(), 1);
    }
}

#[test]
fn a_parked_join_of_a_leaving_member_is_answered() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join()]);
    let token = t.join(join().member(&joined[0].member));
    t.leave_errors(&[(joined[0].member.as_str(), None)]);
    assert_eq!(t.join_refused(token), (UnknownMemberId, "".into()));
    // The other one completes the rebalance alone.
    let token = t.join(join().member(&joined[1].member));
    assert_eq!(t.joined(token).leader, joined[1].member);
}

#[test]
fn the_last_awaited_member_leaves_and_the_join_completes() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join()]);
    let token = t.join(join().member(&joined[0].member));
    t.leave_errors(&[(joined[1].member.as_str(), None)]);
    assert_eq!(t.joined(token).generation, 2);
}

#[test]
fn static_members_leave_by_instance_id_member_id_or_both() {
    let mut t = GroupTest::new();
    let requests = ["a", "b", "c", "d"].map(|i| join().instance(i));
    let joined = t.stabilize(requests.to_vec());
    let id = |i: usize| joined[i].member.as_str();
    let leaving = [
        ("", Some("a")),
        (id(1), None),
        (id(2), Some("c")),
        ("other", Some("d")),
    ];
    let errors = t.leave_errors(&leaving);
    assert_eq!(errors, [None, None, None, Some(FencedInstanceId)]);
    assert_eq!(t.member_count(G), 1);
    assert_eq!(t.state(G), PreparingRebalance);
    assert_eq!(t.leave_errors(&[("", Some("d"))]), [None]);
    assert_eq!(t.state(G), Empty);
}

#[test]
fn a_batch_in_which_nobody_leaves_starts_no_rebalance() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join().instance("a"), join().instance("b")]);
    let leaving = [("other", Some("a")), (joined[0].member.as_str(), Some("x"))];
    let errors = t.leave_errors(&leaving);
    assert_eq!(errors, [Some(FencedInstanceId), Some(UnknownMemberId)]);
    assert_eq!(t.state(G), Stable);
}

#[test]
fn pending_members_leave_too() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join()]);
    let token = t.join(join().version(4));
    let (_, pending) = t.join_refused(token);
    let leaving = [
        (pending.as_str(), None),
        (joined[0].member.as_str(), None),
        ("other", None),
    ];
    assert_eq!(
        t.leave_errors(&leaving),
        [None, None, Some(UnknownMemberId)]
    );
    assert_eq!(t.state(G), Empty);
    assert!(t.group(G).pending.is_empty());
}

#[test]
fn pending_members_that_leave_an_empty_group_change_nothing() {
    let mut t = GroupTest::new();
    let token = t.join(join().version(4));
    let (_, pending) = t.join_refused(token);
    t.take_records();
    assert_eq!(t.leave_errors(&[(pending.as_str(), None)]), [None]);
    assert_eq!((t.state(G), t.group(G).generation), (Empty, 0));
    t.expect_no_records();
}

#[test]
fn a_member_named_twice_leaves_once() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join()]);
    let id = joined[0].member.as_str();
    let errors = t.leave_errors(&[(id, None), (id, None)]);
    assert_eq!(errors, [None, Some(UnknownMemberId)]);
}

#[test]
fn an_empty_batch_is_an_empty_answer() {
    let mut t = GroupTest::new();
    t.stabilize(vec![join()]);
    let token = t.send(Request::LeaveGroup(LeaveGroup {
        group: G.into(),
        members: Vec::<LeavingMember>::new(),
    }));
    assert_eq!(t.answer(token), &Answer::LeaveGroup(Ok(Vec::new())));
    assert_eq!(t.state(G), Stable);
}
