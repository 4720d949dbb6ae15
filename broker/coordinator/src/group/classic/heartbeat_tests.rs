//! Heartbeat: what it answers in each state, and what it keeps alive.

use super::state::GroupState::*;
use crate::GroupError::*;
use crate::api::{Answer, Request};
use crate::group::classic::heartbeat::Heartbeat;
use crate::testing::*;

fn beat(t: &mut GroupTest, group: &str) -> Result<(), crate::GroupError> {
    let token = t.send(Request::Heartbeat(Heartbeat {
        group: group.into(),
        generation: -1,
        member: "m".into(),
        instance: None,
    }));
    match t.answer(token) {
        Answer::Heartbeat(result) => *result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_heartbeat_without_a_group_is_refused() {
    let mut t = GroupTest::new();
    assert_eq!(beat(&mut t, ""), Err(InvalidGroupId));
    assert_eq!(beat(&mut t, "missing"), Err(UnknownMemberId));
    t.expect_no_records();
}

#[test]
fn a_heartbeat_to_an_empty_group_is_from_an_unknown_member() {
    let mut t = GroupTest::new();
    let id = t.stabilize(vec![join()])[0].member.clone();
    t.leave_errors(&[(id.as_str(), None)]);
    assert_eq!(t.state(G), Empty);
    assert_eq!(t.heartbeat(&id, 2), Err(UnknownMemberId));
}

#[test]
fn a_heartbeat_must_name_a_member_and_its_generation() {
    let mut t = GroupTest::new();
    let id = t.stabilize(vec![join()])[0].member.clone();
    assert_eq!(t.heartbeat(&id, 1), Ok(()));
    assert_eq!(t.heartbeat(&id, 0), Err(IllegalGeneration));
    assert_eq!(t.heartbeat(&id, 2), Err(IllegalGeneration));
    assert_eq!(t.heartbeat(&"other".into(), 1), Err(UnknownMemberId));
    assert_eq!(t.heartbeat_as(&id, Some("i"), 1), Err(UnknownMemberId));
}

#[test]
fn heartbeats_succeed_from_the_join_answer_on() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![join(), join()]);
    assert_eq!(t.state(G), CompletingRebalance);
    assert_eq!(t.heartbeat(&joined[0].member, 1), Ok(()));
    assert_eq!(t.heartbeat(&joined[1].member, 1), Ok(()));
}

#[test]
fn a_heartbeat_during_a_rebalance_asks_to_rejoin_and_keeps_the_session() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![
        join().rebalance_ms(60_000),
        join().rebalance_ms(60_000),
    ]);
    t.join(join().member(&joined[0].member).rebalance_ms(60_000));
    assert_eq!(t.state(G), PreparingRebalance);
    for _ in 0..4 {
        t.sleep_ms(4000);
        let heartbeat = t.heartbeat(&joined[1].member, 1);
        assert_eq!(heartbeat, Err(RebalanceInProgress));
    }
    assert_eq!(t.member_count(G), 2);
}

#[test]
fn a_member_lives_while_its_heartbeats_come() {
    let mut t = GroupTest::new();
    let id = t.stabilize(vec![join()])[0].member.clone();
    for _ in 0..5 {
        t.sleep_ms(4999);
        assert_eq!(t.heartbeat(&id, 1), Ok(()));
    }
    t.sleep_ms(5000);
    assert_eq!(t.heartbeat(&id, 1), Err(UnknownMemberId));
    assert_eq!(t.state(G), Empty);
}

#[test]
fn a_wrong_heartbeat_keeps_nobody_alive() {
    let mut t = GroupTest::new();
    let id = t.stabilize(vec![join()])[0].member.clone();
    t.sleep_ms(3000);
    assert_eq!(t.heartbeat(&id, 7), Err(IllegalGeneration));
    t.sleep_ms(2000);
    assert_eq!(t.state(G), Empty);
}
