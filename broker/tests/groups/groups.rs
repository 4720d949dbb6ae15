//! Several members over several connections.

use weir_protocol::messages::{JoinGroupRequest, SyncGroupRequest};

use crate::{
    broker::Store,
    group_calls::{heartbeat, join, leave, str, subscription, sync},
};

const NO_DELAY: &str = "group.initial.rebalance.delay.ms=0";

#[test]
fn two_members_share_and_the_one_that_stays_gets_everything_back() {
    let store = Store::new();
    let broker = store.start(&[NO_DELAY]);
    let (mut one, mut two) = (broker.connect(), broker.connect());
    one.coordinator();
    let (first, generation) = one.stable_group("g", b"all");
    let second = two.member_id("g");

    // The second one waits until the first one has heard of it and joins again.
    two.send(4, &join("g", &second));
    assert!(!two.has_answer());
    assert_eq!(
        one.call(4, &heartbeat("g", &first, generation)).error_code,
        27
    );
    let of_first = one.call(5, &join("g", &first));
    let of_second = two.receive::<JoinGroupRequest>(4);
    assert_eq!((of_first.error_code, of_first.generation_id), (0, 2));
    assert_eq!((of_second.error_code, of_second.generation_id), (0, 2));
    assert_eq!((&*of_first.leader, &*of_second.leader), (&*first, &*first));
    let members: Vec<&str> = of_first.members.iter().map(|m| &*m.member_id).collect();
    assert_eq!(members, [first.as_str(), second.as_str()]);
    assert!(of_second.members.is_empty(), "only the leader is told");

    // The follower's sync waits for the leader's; its heartbeats succeed meanwhile.
    two.send(3, &sync("g", &of_second, &[]));
    assert!(!two.has_answer());
    assert_eq!(one.call(4, &heartbeat("g", &first, 2)).error_code, 0);
    let parts = [(first.as_str(), &b"left"[..]), (second.as_str(), b"right")];
    assert_eq!(
        &one.call(3, &sync("g", &of_first, &parts)).assignment[..],
        b"left"
    );
    let synced = two.receive::<SyncGroupRequest>(3);
    assert_eq!(
        (synced.error_code, &synced.assignment[..]),
        (0, &b"right"[..])
    );

    // The leader leaves: the follower joins again and leads.
    let left = one.call(3, &leave("g", &first));
    assert_eq!((left.error_code, left.members[0].error_code), (0, 0));
    assert_eq!(two.call(4, &heartbeat("g", &second, 2)).error_code, 27);
    let alone = two.call(5, &join("g", &second));
    assert_eq!((alone.generation_id, &*alone.leader), (3, second.as_str()));
    assert_eq!(alone.members[0].metadata, subscription(&["orders"]));
    assert_eq!(one.call(4, &heartbeat("g", &first, 3)).error_code, 25);
}

#[test]
fn a_connection_that_goes_away_with_a_parked_request_hurts_nobody() {
    let store = Store::new();
    let broker = store.start(&[NO_DELAY]);
    let mut one = broker.connect();
    one.coordinator();
    let (first, _) = one.stable_group("g", b"all");
    let mut gone = broker.connect();
    let lost = gone.member_id("g");
    gone.send(4, &join("g", &lost));
    assert!(!gone.has_answer());
    drop(gone);
    // The same client comes back: its new join takes the place of the lost one.
    let mut back = broker.connect();
    back.send(4, &join("g", &lost));
    assert!(!back.has_answer());
    let joined = one.call(5, &join("g", &first));
    assert_eq!((joined.error_code, joined.members.len()), (0, 2));
    let joined = back.receive::<JoinGroupRequest>(4);
    assert_eq!((joined.error_code, joined.generation_id), (0, 2));
    // A parked sync is lost too; the assignment is there for whoever asks next.
    back.send(3, &sync("g", &joined, &[]));
    assert!(!back.has_answer());
    drop(back);
    let of_first = one.call(5, &join("g", &first));
    let parts = [(lost.as_str(), &b"yours"[..])];
    assert_eq!(one.call(3, &sync("g", &of_first, &parts)).error_code, 0);
    let mut back = broker.connect();
    assert_eq!(
        &back.call(3, &sync("g", &joined, &[])).assignment[..],
        b"yours"
    );
}

#[test]
fn a_member_that_falls_silent_is_removed_after_its_session() {
    let store = Store::new();
    let broker = store.start(&[NO_DELAY, "group.min.session.timeout.ms=100"]);
    let (mut one, mut two) = (broker.connect(), broker.connect());
    one.coordinator();
    let mut request = join("g", "");
    request.session_timeout_ms = 400;
    let silent = one.join_alone(5, &request);
    one.call(3, &sync("g", &silent, &[(&silent.member_id, b"all")]));
    // It needs no further call of anybody: the join of another member ends by itself.
    let joined = two.join_alone(5, &join("g", ""));
    assert_eq!((joined.generation_id, joined.members.len()), (2, 1));
    let late = one.call(4, &heartbeat("g", &silent.member_id, 1));
    assert_eq!(late.error_code, 25);
}

#[test]
fn a_static_member_that_comes_back_causes_no_rebalance_and_fences_its_past() {
    let store = Store::new();
    let broker = store.start(&[NO_DELAY]);
    let (mut one, mut two) = (broker.connect(), broker.connect());
    one.coordinator();
    let mut request = join("g", "");
    request.group_instance_id = Some(str("instance"));
    for version in [5, 9] {
        let old = one.join_alone(5, &request);
        let mut assign = sync("g", &old, &[(&old.member_id, b"all")]);
        assign.group_instance_id = Some(str("instance"));
        assert_eq!(one.call(3, &assign).error_code, 0);
        let new = two.call(version, &request);
        assert_eq!((new.error_code, new.generation_id), (0, old.generation_id));
        assert_ne!(new.member_id, old.member_id);
        if version >= 9 {
            assert!(new.skip_assignment && new.members.len() == 1 && new.leader == new.member_id);
        } else {
            assert!(!new.skip_assignment && new.members.is_empty());
            assert_eq!(new.leader, old.member_id, "so that it does not assign");
        }
        let mut beat = heartbeat("g", &old.member_id, old.generation_id);
        beat.group_instance_id = Some(str("instance"));
        assert_eq!(one.call(4, &beat).error_code, 82);
        beat.member_id = new.member_id.clone();
        assert_eq!(two.call(4, &beat).error_code, 0);
        let left = one.call(3, &leave("g", &new.member_id));
        assert_eq!(left.members[0].error_code, 0);
    }
}
