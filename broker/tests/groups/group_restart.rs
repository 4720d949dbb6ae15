//! What is left of groups after `kill -9`, and what a clean stop tells those who wait.

use weir_protocol::{
    messages::{JoinGroupRequest, SyncGroupRequest},
    types::Uuid,
};

use crate::{
    broker::Store,
    client::{Client, eventually},
    group_calls::{commit, fetch, fetched, heartbeat, join, str, sync},
};

const NO_DELAY: &str = "group.initial.rebalance.delay.ms=0";

#[test]
fn groups_and_offsets_survive_a_kill_and_members_go_on() {
    let store = Store::new();
    let broker = store.start(&[NO_DELAY]);
    let mut client = broker.connect();
    client.coordinator();
    let orders = ("orders", client.topic("orders"));
    // Groups in many partitions, with a hundred commits of which the last counts.
    let groups: Vec<String> = (0..20).map(|i| format!("group-{i}")).collect();
    let mut members = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        let (member, generation) = client.stable_group(group, b"part");
        for offset in 1..=5 {
            let mut request = commit(group, orders, 0, offset * 10 + i as i64, "note");
            request.member_id = str(&member);
            request.generation_id_or_member_epoch = generation;
            let answer = client.call(9, &request);
            assert_eq!(answer.topics[0].partitions[0].error_code, 0);
        }
        members.push((member, generation));
    }
    broker.kill();

    for round in 0..2 {
        let broker = store.start(&[NO_DELAY]);
        let mut client = broker.connect();
        for (i, (group, (member, generation))) in groups.iter().zip(&members).enumerate() {
            // 14: it is still being read.
            let found = eventually("the group", || {
                let found = fetched(&mut client, 9, &fetch(group, Some(orders), &[0]));
                assert!([0, 14].contains(&found.error), "{found:?}");
                (found.error == 0).then_some(found)
            });
            let expected = (0, 50 + i as i64, 3, "note".to_owned(), 0);
            assert_eq!(found.topics[0].2, [expected], "{group}, round {round}");
            let beat = client.call(4, &heartbeat(group, member, *generation));
            assert_eq!(beat.error_code, 0, "{group}, round {round}");
            let described = client.describe(5, group);
            assert_eq!(&*described.group_state, "Stable", "{group}, round {round}");
            assert_eq!(&described.members[0].member_assignment[..], b"part");
        }
        broker.kill();
    }
}

/// The offset of partition 0 that `group` has committed to `topic`, once its coordinator is loaded.
fn committed_offset(client: &mut Client, group: &str, topic: (&str, Uuid)) -> i64 {
    let found = eventually("the group", || {
        let found = fetched(client, 9, &fetch(group, Some(topic), &[0]));
        (found.error != 14).then_some(found)
    });
    assert_eq!(found.error, 0, "{found:?}");
    found.topics[0].2[0].1
}

/// Canary: the suite would notice a broker that forgets.
#[test]
fn a_store_that_forgets_is_noticed() {
    let (store, other) = (Store::new(), Store::new());
    for (store, expected) in [(&store, 5), (&other, -1)] {
        let broker = store.start(&[NO_DELAY]);
        let mut client = broker.connect();
        client.coordinator();
        let orders = ("orders", client.topic("orders"));
        if expected == 5 {
            let answer = client.call(9, &commit("g", orders, 0, 5, ""));
            assert_eq!(answer.topics[0].partitions[0].error_code, 0);
        }
        assert_eq!(committed_offset(&mut client, "g", orders), expected);
        broker.kill();
    }
}

#[test]
fn the_topics_own_partition_count_decides_after_a_restart() {
    let store = Store::new();
    let broker = store.start(&["offsets.topic.num.partitions=3"]);
    let mut client = broker.connect();
    client.coordinator();
    let orders = ("orders", client.topic("orders"));
    for i in 0..10 {
        let answer = client.call(9, &commit(&format!("g{i}"), orders, 0, i, ""));
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    }
    broker.kill();
    let broker = store.start(&["offsets.topic.num.partitions=50"]);
    let mut client = broker.connect();
    for i in 0..10 {
        let found = eventually("the group", || {
            let found = fetched(&mut client, 9, &fetch(&format!("g{i}"), Some(orders), &[0]));
            (found.error != 14).then_some(found)
        });
        assert_eq!((found.error, found.topics[0].2[0].1), (0, i));
    }
}

#[test]
fn a_clean_stop_answers_parked_requests_and_keeps_what_was_acknowledged() {
    let store = Store::new();
    let broker = store.start(&[NO_DELAY]);
    let (mut one, mut two, mut three) = (broker.connect(), broker.connect(), broker.connect());
    one.coordinator();
    let orders = ("orders", one.topic("orders"));
    // A parked join: the other member of the group does not come.
    one.stable_group("joins", b"all");
    let second = two.member_id("joins");
    two.send(5, &join("joins", &second));
    // A parked sync: the leader does not assign.
    let (leader, _) = one.stable_group("syncs", b"all");
    let follower = three.member_id("syncs");
    three.send(5, &join("syncs", &follower));
    assert!(!three.has_answer());
    assert_eq!(one.call(5, &join("syncs", &leader)).error_code, 0);
    let joined = three.receive::<JoinGroupRequest>(5);
    three.send(3, &sync("syncs", &joined, &[]));
    assert_eq!(
        one.call(9, &commit("simple", orders, 0, 77, "")).topics[0].partitions[0].error_code,
        0
    );
    assert!(!two.has_answer() && !three.has_answer());

    broker.terminate();
    assert_eq!(two.receive::<JoinGroupRequest>(5).error_code, 16);
    assert_eq!(three.receive::<SyncGroupRequest>(3).error_code, 16);
    let (code, said) = broker.wait();
    assert_eq!(code, Some(0), "{said}");

    let broker = store.start(&[NO_DELAY]);
    let mut client = broker.connect();
    assert_eq!(committed_offset(&mut client, "simple", orders), 77);
    assert_eq!(&*client.describe(5, "joins").group_state, "Stable");
}
