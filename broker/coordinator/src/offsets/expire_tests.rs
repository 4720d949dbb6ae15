//! Which offsets and groups time takes, and when.

use weir_protocol::message::Message;
use weir_protocol::messages::{GroupMetadataKey, GroupMetadataValue};

use crate::CoordinatorRecord;
use crate::group::classic::join::JoinGroup;
use crate::group::classic::state::GroupState::*;
use crate::ids::MemberId;
use crate::testing::*;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// Retention of 7 days, looked at every 10 minutes.
fn test() -> GroupTest {
    GroupTest::new().topic("foo", 1, 4).topic("old", 2, 4)
}

fn patient() -> JoinGroup {
    join().session_ms(i32::MAX).rebalance_ms(60_000)
}

/// A stable group that consumes "foo" and "bar" and has 24 days to beat.
fn live(t: &mut GroupTest, request: JoinGroup) -> MemberId {
    t.shard.config.session_timeout_max_ms = i32::MAX;
    t.stabilize(vec![request])[0].member.clone()
}

#[test]
fn a_simple_group_keeps_an_offset_for_the_retention_since_its_commit() {
    let mut t = test();
    t.commit(commit("g", "foo", &[(0, 1)]));
    t.sleep_ms(DAY);
    t.commit(commit("g", "foo", &[(1, 1)]));
    t.sleep_ms(6 * DAY - 1);
    assert_eq!(t.fetch_all("g").len(), 2);
    t.sleep_ms(10 * MINUTE);
    assert_eq!(t.fetch_all("g"), [("foo".to_owned(), 1, 1)]);
    // The last one takes the group with it.
    t.sleep_ms(DAY);
    assert!(!t.shard.groups.contains_key("g"));
    assert_eq!(t.take_records().len(), 5);
    t.sleep_ms(DAY);
    t.expect_no_records();
}

#[test]
fn a_new_commit_starts_the_retention_anew() {
    let mut t = test();
    for _ in 0..4 {
        t.commit(commit("g", "foo", &[(0, 1)]));
        t.sleep_ms(6 * DAY);
    }
    assert_eq!(t.fetch_one("g", "foo", 0), 1);
}

#[test]
fn an_emptied_group_keeps_its_offsets_for_the_retention_since_then() {
    let mut t = test();
    let id = live(&mut t, patient());
    t.commit(commit(G, "foo", &[(0, 1)]).by(&id, 1));
    t.sleep_ms(20 * DAY);
    t.leave_errors(&[(id.as_str(), None)]);
    t.sleep_ms(7 * DAY - 10 * MINUTE);
    assert_eq!(t.fetch_one(G, "foo", 0), 1);
    t.sleep_ms(20 * MINUTE);
    assert!(!t.shard.groups.contains_key(G));
}

#[test]
fn the_moment_when_a_group_became_empty_survives_a_reload() {
    let mut t = test();
    let id = live(&mut t, patient());
    t.commit(commit(G, "foo", &[(0, 1)]).by(&id, 1));
    t.sleep_ms(20 * DAY);
    t.leave_errors(&[(id.as_str(), None)]);
    t.sleep_ms(6 * DAY);
    t.fail_over();
    t.sleep_ms(DAY - 10 * MINUTE);
    assert_eq!(t.fetch_one(G, "foo", 0), 1);
    t.sleep_ms(20 * MINUTE);
    assert!(!t.shard.groups.contains_key(G));
}

#[test]
fn a_stable_consumer_group_keeps_what_it_consumes_and_loses_the_rest() {
    let mut t = test();
    let id = live(&mut t, patient());
    t.commit(commit(G, "foo", &[(0, 1)]).by(&id, 1));
    t.commit(commit(G, "old", &[(0, 1)]).by(&id, 1));
    t.sleep_ms(7 * DAY - 1);
    assert_eq!(t.fetch_all(G).len(), 2);
    t.sleep_ms(10 * MINUTE);
    assert_eq!(t.fetch_all(G), [("foo".to_owned(), 0, 1)]);
    assert_eq!(t.state(G), Stable);
}

#[test]
fn groups_whose_topics_are_unknown_keep_all() {
    let connect = JoinGroup {
        protocol_type: "connect".into(),
        ..patient()
    };
    let mut unreadable = patient();
    unreadable.protocols[0].metadata = bytes::Bytes::from_static(b"?");
    for request in [connect, unreadable] {
        let mut t = test();
        let id = live(&mut t, request);
        t.commit(commit(G, "old", &[(0, 1)]).by(&id, 1));
        t.sleep_ms(20 * DAY);
        assert_eq!(t.fetch_one(G, "old", 0), 1);
        assert_eq!(t.state(G), Stable);
    }
}

#[test]
fn a_rebalancing_group_keeps_all() {
    let mut t = test();
    let slow = || patient().rebalance_ms(i32::MAX);
    let id = live(&mut t, slow());
    t.commit(commit(G, "old", &[(0, 1)]).by(&id, 1));
    t.shard.config.new_member_join_timeout = std::time::Duration::from_secs(3_000_000);
    t.join(slow());
    t.sleep_ms(20 * DAY);
    assert_eq!(t.state(G), PreparingRebalance);
    assert_eq!(t.fetch_one(G, "old", 0), 1);
}

#[test]
fn an_offset_with_an_expiry_of_its_own_goes_by_that() {
    let mut t = test();
    for (partition, retention) in [(0, DAY), (1, 30 * DAY)] {
        let mut request = commit("g", "foo", &[(partition, 1)]);
        request.retention_ms = Some(i64::try_from(retention).unwrap());
        t.commit(request);
    }
    t.sleep_ms(DAY - 1);
    assert_eq!(t.fetch_all("g").len(), 2);
    t.sleep_ms(10 * MINUTE);
    assert_eq!(t.fetch_all("g"), [("foo".to_owned(), 1, 1)]);
    t.sleep_ms(28 * DAY);
    assert_eq!(t.fetch_all("g").len(), 1);
    t.sleep_ms(2 * DAY);
    assert_eq!(t.fetch_all("g"), []);
}

#[test]
fn an_empty_group_from_an_old_record_goes_by_its_commits() {
    let key = GroupMetadataKey { group: "g".into() };
    let value = GroupMetadataValue {
        protocol_type: "consumer".into(),
        protocol: None,
        leader: None,
        ..GroupMetadataValue::default()
    };
    let mut t = test();
    t.log.push(CoordinatorRecord {
        key: key.to_prefixed_bytes(2, 0).unwrap(),
        value: Some(value.to_prefixed_bytes(1, 1).unwrap()),
    });
    t.fail_over();
    t.commit(commit("g", "foo", &[(0, 1)]));
    t.sleep_ms(7 * DAY - 10 * MINUTE);
    assert_eq!(t.fetch_all("g").len(), 1);
    t.sleep_ms(20 * MINUTE);
    assert!(!t.shard.groups.contains_key("g"));
}

#[test]
fn a_group_without_offsets_goes_when_it_is_empty() {
    let mut t = test();
    let id = live(&mut t, patient());
    t.sleep_ms(DAY);
    assert_eq!(t.state(G), Stable);
    t.leave_errors(&[(id.as_str(), None)]);
    t.sleep_ms(10 * MINUTE);
    assert!(!t.shard.groups.contains_key(G));
}

#[test]
fn a_group_waits_for_a_member_that_was_given_an_id() {
    let mut t = test();
    let token = t.join(join().version(4).session_ms(1_800_000));
    let (_, id) = t.join_refused(token);
    t.sleep_ms(20 * MINUTE);
    let token = t.join(join().version(4).member(&id));
    assert!(t.is_parked(token));
}

#[test]
fn what_one_call_writes_is_bounded_and_the_rest_follows() {
    let mut t = GroupTest::with(|c| c.expired_records_max = 5);
    t.set_topic("foo", Some((1, 4)));
    for i in 0..10 {
        t.commit(commit(&format!("g{i}"), "foo", &[(0, 1), (1, 1)]));
    }
    t.sleep_ms(7 * DAY - 1);
    t.take_records();
    let mut sizes = Vec::new();
    for _ in 0..50 {
        let next = t.shard.next_deadline().unwrap().max(t.now.boot);
        let passed = u64::try_from((next - t.now.boot).as_millis()).unwrap();
        t.now.boot = next;
        t.now.wall_ms += i64::try_from(passed).unwrap();
        let out = t.shard.on_timer(t.now);
        if !out.records.is_empty() {
            sizes.push(out.records.len());
        }
        t.absorb(out);
    }
    // Two offsets and the group each; a group is never split.
    assert_eq!(sizes, [6, 6, 6, 6, 6]);
    assert!(t.shard.groups.is_empty());
}
