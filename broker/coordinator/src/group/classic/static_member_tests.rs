//! Static members (KIP-345): the instance id outlives member ids.

use super::join::JoinGroup;
use super::state::GroupState::*;
use crate::GroupError::*;
use crate::Joined;
use crate::api::Request;
use crate::group::classic::sync::SyncGroup;
use crate::ids::MemberId;
use crate::record::GroupRecord;
use crate::testing::*;

fn request(instance: &str) -> JoinGroup {
    join().instance(instance)
}

/// A stable group of a leader "a" and a follower "b".
fn leader_and_follower() -> (GroupTest, Joined, Joined) {
    let mut t = GroupTest::new();
    let superset = |i| request(i).offering(&["range", "roundrobin"]);
    let joined = t.stabilize(vec![superset("a"), superset("b")]);
    t.take_records();
    (t, joined[0].clone(), joined[1].clone())
}

fn superset(instance: &str) -> JoinGroup {
    request(instance).offering(&["range", "roundrobin"])
}

fn holder(t: &GroupTest, instance: &str) -> MemberId {
    t.group(G).static_members[instance].clone()
}

#[test]
fn a_returning_member_takes_its_place_without_a_rebalance() {
    for (instance, version) in [("a", 8), ("a", 9), ("b", 8), ("b", 9)] {
        let (mut t, leader, follower) = leader_and_follower();
        let old = if instance == "a" { &leader } else { &follower };
        let token = t.join(superset(instance).version(version));
        let joined = t.joined(token);
        let what = format!("{instance} in version {version}");

        assert_eq!(t.state(G), Stable, "{what}");
        assert_eq!(joined.generation, 1, "{what}");
        assert_ne!(joined.member, old.member, "{what}");
        assert_eq!(holder(&t, instance), joined.member, "{what}");
        let leads = instance == "a";
        assert_eq!(joined.skip_assignment, leads && version == 9, "{what}");
        // Before version 9 a leader is shown its old id, so that it does not assign.
        let shown = if leads && version == 9 {
            &joined.member
        } else {
            &leader.member
        };
        assert_eq!(&joined.leader, shown, "{what}");
        let told = if leads && version == 9 { 2 } else { 0 };
        assert_eq!(joined.members.len(), told, "{what}");

        // The new id is durable before the answer leaves.
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
        assert!(
            stored.members.iter().any(|m| m.id == joined.member),
            "{what}"
        );
        assert!(stored.members.iter().all(|m| m.id != old.member), "{what}");
        assert_eq!(stored.members.len(), 2);

        // It gets its old assignment, and its old self is fenced.
        let token = t.send(Request::SyncGroup(SyncGroup {
            instance: Some(instance.into()),
            assignments: Vec::new(),
            ..sync_request(&joined)
        }));
        let assignment = t.synced(token).unwrap().assignment;
        assert_eq!(
            assignment,
            format!("assignment of {}", old.member),
            "{what}"
        );
        let beat = t.heartbeat_as(&old.member, Some(instance), 1);
        assert_eq!(beat, Err(FencedInstanceId), "{what}");
        assert_eq!(
            t.heartbeat_as(&joined.member, Some(instance), 1),
            Ok(()),
            "{what}"
        );
    }
}

#[test]
fn the_place_of_a_returning_member_is_kept_across_a_reload() {
    let (mut t, _, follower) = leader_and_follower();
    let token = t.join(superset("b"));
    let joined = t.joined(token);
    t.fail_over();
    assert_eq!(t.heartbeat_as(&joined.member, Some("b"), 1), Ok(()));
    assert_eq!(
        t.heartbeat_as(&follower.member, Some("b"), 1),
        Err(FencedInstanceId)
    );
}

#[test]
fn a_return_that_changes_the_selected_protocol_rebalances() {
    let (mut t, leader, _) = leader_and_follower();
    let token = t.join(request("b").offering(&["roundrobin"]));
    assert!(t.is_parked(token));
    assert_eq!(t.state(G), PreparingRebalance);
    t.expect_no_records();
    let other = t.join(superset("a").member(&leader.member));
    let joined = t.joined(token);
    assert_eq!(joined.protocol.as_deref(), Some("roundrobin"));
    assert_eq!(joined.generation, 2);
    assert_eq!(joined.leader, t.joined(other).member);
}

#[test]
fn a_return_with_other_protocols_but_the_same_selection_does_not_rebalance() {
    let (mut t, ..) = leader_and_follower();
    let token = t.join(request("b").offering(&["range", "sticky"]));
    assert_eq!(t.joined(token).generation, 1);
    assert_eq!(t.state(G), Stable);
}

#[test]
fn a_return_before_the_assignment_starts_another_rebalance() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![request("a"), request("b")]);
    let waiting = t.sync(&joined[1]);
    let token = t.join(request("b"));
    // The old id is in the leader's hands already; whoever waited with it is fenced.
    assert_eq!(t.synced(waiting), Err(FencedInstanceId));
    assert!(t.is_parked(token));
    assert_eq!(t.state(G), PreparingRebalance);
    let other = t.join(request("a").member(&joined[0].member));
    assert_eq!(t.joined(token).generation, 2);
    assert_eq!(t.joined(other).members.len(), 2);
    assert_eq!(t.take_records().len(), 1, "only the group's creation");
}

#[test]
fn a_return_during_a_rebalance_fences_the_parked_join() {
    let (mut t, leader, follower) = leader_and_follower();
    let changed = |i, id| request(i).member(id).offering(&["range"]);
    let old = t.join(changed("b", &follower.member));
    let token = t.join(request("b"));
    assert_eq!(
        t.join_refused(old),
        (FencedInstanceId, follower.member.clone())
    );
    assert!(t.is_parked(token));
    let other = t.join(changed("a", &leader.member));
    assert_eq!(t.joined(token).generation, 2);
    assert_eq!(t.joined(other).members.len(), 2);
}

#[test]
fn two_starts_of_one_instance_during_the_initial_delay_are_one_member() {
    let mut t = GroupTest::new();
    let first = t.join(request("a"));
    let second = t.join(request("a"));
    assert_eq!(t.join_refused(first).0, FencedInstanceId);
    t.sleep_ms(6000);
    assert_eq!(t.joined(second).members.len(), 1);
}

#[test]
fn a_new_member_that_restarts_while_it_waits_is_no_longer_new() {
    let mut t = GroupTest::new();
    let slow = |i| request(i).session_ms(60_000).rebalance_ms(60_000);
    let leader = t.stabilize(vec![slow("a")])[0].member.clone();
    t.join(request("b"));
    let token = t.join(request("b"));
    // Longer than its session, which does not count while it waits.
    t.sleep_ms(30_000);
    assert!(t.is_parked(token));
    t.join(slow("a").member(&leader));
    assert_eq!(t.joined(token).generation, 2);
}

#[test]
fn a_return_counts_as_having_asked_for_the_assignment() {
    let mut t = GroupTest::new();
    let long = |i| request(i).session_ms(60_000);
    let joined = t.join_all(vec![long("a"), long("b")]);
    t.sync(&joined[0]);
    let token = t.join(long("b"));
    assert_eq!(t.joined(token).generation, 1);
    // The sync deadline passes without effect.
    t.sleep_ms(20_000);
    assert_eq!((t.state(G), t.member_count(G)), (Stable, 2));
}

#[test]
fn a_return_with_another_subscription_changes_what_the_group_consumes() {
    let mut t = GroupTest::new();
    t.stabilize(vec![request("a")]);
    let mut other = request("a");
    other.protocols[0].metadata = subscription(&["new"]);
    t.join(other);
    assert_eq!(t.state(G), Stable);
    assert!(t.group(G).is_subscribed_to("new"));
    assert!(!t.group(G).is_subscribed_to("foo"));
}

#[test]
fn every_return_gets_another_id() {
    let mut t = GroupTest::new();
    let mut ids = vec![t.stabilize(vec![request("a")])[0].member.clone()];
    for _ in 0..3 {
        let token = t.join(request("a"));
        let id = t.joined(token).member;
        assert!(!ids.contains(&id));
        ids.push(id);
    }
}

#[test]
fn a_known_member_rejoins_with_its_id() {
    // (who, offering, whether it rebalances)
    let cases: [(&str, &[&str], bool); 3] = [
        ("a", &["range", "roundrobin"], true),
        ("b", &["range", "roundrobin"], false),
        ("b", &["range"], true),
    ];
    for (who, offering, rebalances) in cases {
        let (mut t, leader, follower) = leader_and_follower();
        let id = if who == "a" {
            &leader.member
        } else {
            &follower.member
        };
        let token = t.join(request(who).member(id).offering(offering));
        assert_eq!(t.is_parked(token), rebalances, "{who} {offering:?}");
        assert_eq!(holder(&t, who), *id);
        if !rebalances {
            assert_eq!(t.joined(token).leader, leader.member);
        }
    }
}

#[test]
fn an_id_that_does_not_hold_the_instance_is_refused_by_every_request() {
    // (member, instance, error): who is meant is decided by the instance first.
    let cases = [
        ("a's id", "b", FencedInstanceId),
        ("nobody", "a", FencedInstanceId),
        ("a's id", "unknown", UnknownMemberId),
        ("nobody", "unknown", UnknownMemberId),
    ];
    for (who, instance, expected) in cases {
        let (mut t, leader, _) = leader_and_follower();
        t.set_topic("foo", Some((1, 1)));
        let id = if who == "nobody" {
            "nobody".into()
        } else {
            leader.member.clone()
        };
        let what = format!("{who} as {instance}");

        let token = t.join(superset(instance).member(&id));
        assert_eq!(t.join_refused(token), (expected, id.clone()), "join {what}");
        let token = t.send(Request::SyncGroup(SyncGroup {
            member: id.clone(),
            instance: Some(instance.into()),
            ..sync_request(&leader)
        }));
        assert_eq!(t.synced(token), Err(expected), "sync {what}");
        let beat = t.heartbeat_as(&id, Some(instance), 1);
        assert_eq!(beat, Err(expected), "heartbeat {what}");
        let errors = t.leave_errors(&[(id.as_str(), Some(instance))]);
        assert_eq!(errors, [Some(expected)], "leave {what}");
        let request = commit(G, "foo", &[(0, 1)]).by(&id, 1).instance(instance);
        assert_eq!(t.commit(request), [Some(expected)], "commit {what}");
        assert_eq!(t.state(G), Stable, "{what}");
    }
}

#[test]
fn a_static_member_may_leave_the_instance_out() {
    let (mut t, leader, _) = leader_and_follower();
    assert_eq!(t.heartbeat(&leader.member, 1), Ok(()));
}

#[test]
fn a_follower_that_misses_the_rebalance_keeps_its_place_until_its_session_ends() {
    let mut t = GroupTest::new();
    let long = |i| request(i).session_ms(15_000);
    let joined = t.stabilize(vec![long("a"), long("b")]);
    let token = t.join(long("a").member(&joined[0].member));
    t.sleep_ms(10_000);
    let rejoined = t.joined(token);
    assert_eq!((rejoined.generation, rejoined.members.len()), (2, 2));
    t.sync(&rejoined);
    // A heartbeat of the old generation tells it.
    let beat = t.heartbeat_as(&joined[1].member, Some("b"), 1);
    assert_eq!(beat, Err(IllegalGeneration));
    t.sleep_ms(9_999);
    assert_eq!(t.heartbeat_as(&rejoined.member, Some("a"), 2), Ok(()));
    // It never asked for its assignment: gone.
    t.sleep_ms(1);
    assert_eq!((t.member_count(G), t.state(G)), (1, PreparingRebalance));
}

#[test]
fn a_leader_that_misses_the_rebalance_is_replaced_and_stays_a_member() {
    let mut t = GroupTest::new();
    let long = |i| request(i).session_ms(60_000);
    let joined = t.stabilize(vec![long("a"), long("b")]);
    // A third one comes; only the follower notices.
    let third = t.join(long("c"));
    let token = t.join(long("b").member(&joined[1].member));
    t.sleep_ms(10_000);
    let rejoined = t.joined(token);
    assert_eq!(rejoined.leader, joined[1].member);
    assert_eq!(rejoined.members.len(), 3);
    assert_eq!(t.joined(third).leader, joined[1].member);
}

#[test]
fn the_session_of_a_returned_member_starts_with_its_return() {
    let (mut t, leader, _) = leader_and_follower();
    t.sleep_ms(4000);
    let token = t.join(superset("b"));
    let returned = t.joined(token).member;
    assert_eq!(t.heartbeat(&leader.member, 1), Ok(()));
    t.sleep_ms(4999);
    assert_eq!(t.member_count(G), 2);
    assert_eq!(t.heartbeat(&leader.member, 1), Ok(()));
    t.sleep_ms(1);
    assert_eq!(t.heartbeat(&returned, 1), Err(UnknownMemberId));
}

#[test]
fn an_administrator_removes_a_waiting_static_member() {
    let (mut t, leader, _) = leader_and_follower();
    let token = t.join(superset("a").member(&leader.member));
    assert_eq!(t.leave_errors(&[("", Some("a"))]), [None]);
    assert_eq!(t.join_refused(token), (UnknownMemberId, "".into()));
    // The instance id is free again.
    let token = t.join(superset("a"));
    assert!(t.is_parked(token));
    assert!(!matches!(t.state(G), Empty));
}

#[test]
fn describe_shows_the_instance() {
    let (mut t, ..) = leader_and_follower();
    let described = t.describe(G);
    let instances: Vec<_> = described
        .members
        .iter()
        .map(|m| m.instance.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(instances, ["a", "b"]);
}
