//! Coordinators over a store in trouble: nothing is acknowledged that is not durable, and everybody
//! gets an answer.

use std::time::Duration;

use futures::{FutureExt, future::join_all};
use weir_coordinator::{GroupError, ListGroups, OffsetCommit, partition_for};

use super::{
    CoordinatorError,
    runtime_tests::{PARTITIONS, commit, join, node},
};
use crate::node::testing::TestStore;

#[tokio::test(start_paused = true)]
async fn answers_wait_for_the_store_and_time_out_as_kafkas_do() {
    let store = TestStore::new(&["offsets.commit.timeout.ms=3000"]);
    let node = node(&store).await;
    node.commit(commit("g", 1, 1, "")).await.unwrap();
    store.fail();
    let clock = node.broker.env.clock.clone();
    let began = clock.boot();
    let mut second = Box::pin(node.commit(commit("g", 1, 2, "")));
    assert!((&mut second).now_or_never().is_none());
    clock.sleep(Duration::from_secs(1)).await;
    assert!((&mut second).now_or_never().is_none());
    // An answer without records of its own tells of the commit before it, and waits like it.
    let (second, seen) = tokio::join!(second, node.committed("g"));
    assert_eq!(second, Err(CoordinatorError::TimedOut));
    assert_eq!(seen, Err(CoordinatorError::TimedOut));
    let took = clock.boot() - began;
    assert!(
        (Duration::from_secs(4)..Duration::from_secs(5)).contains(&took),
        "{took:?}"
    );
    // Other partitions, which have written nothing, are not held up.
    let asked = ListGroups::default();
    let listed = node.broker.groups.ask_all(&node.broker, &asked);
    let waits = listed.await.iter().filter(|l| l.is_err()).count();
    assert_eq!(waits, 1);
    // The write was not undone: the store may confirm it at any time.
    store.store.calm();
    clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(node.committed("g").await, Ok(2));
    assert_eq!(node.commit(commit("g", 1, 3, "")).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_lost_log_answers_everybody_and_the_successor_goes_on() {
    let store = TestStore::new(&["group.initial.rebalance.delay.ms=60000"]);
    let old = node(&store).await;
    old.commit(commit("g", 1, 1, "")).await.unwrap();
    let new = store.start().await;
    // One waits for a rebalance, one for the store, which now has another owner's seal.
    let parked = old.broker.groups.ask(&old.broker, "parked", join("parked"));
    let (parked, unsaved) = tokio::join!(parked, old.commit(commit("g", 1, 2, "")));
    assert_eq!(parked.unwrap_err(), CoordinatorError::NotCoordinator);
    assert_eq!(unsaved, Err(CoordinatorError::NotCoordinator));
    assert_eq!(
        old.committed("g").await,
        Err(CoordinatorError::NotCoordinator)
    );
    assert_eq!(new.committed("g").await, Ok(1));
    new.commit(commit("g", 1, 3, "")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn records_that_fit_no_batch_are_refused_and_leave_no_trace() {
    let settings = [
        "message.max.bytes=3000",
        "group.initial.rebalance.delay.ms=60000",
    ];
    let store = TestStore::new(&settings);
    let node = node(&store).await;
    node.commit(commit("g", 1, 1, "")).await.unwrap();
    let large = large_in_the_partition_of("g");
    let name = large.group.clone();

    // Somebody of the same partition waits for a rebalance.
    let parked = node.broker.groups.ask(&node.broker, "g", join("g"));
    let mut parked = Box::pin(parked);
    assert!((&mut parked).now_or_never().is_none());
    let (parked, refused) = tokio::join!(parked, node.commit(large));
    assert_eq!(refused, Err(CoordinatorError::TooLarge));
    let refused = parked.unwrap().unwrap_err();
    assert_eq!(refused.error, GroupError::NotCoordinator);

    assert_eq!(node.committed(name.as_str()).await, Ok(-1));
    assert_eq!(node.committed("g").await, Ok(1));
    let small = commit(name.as_str(), 1, 9, "");
    node.commit(small).await.unwrap();
    assert_eq!(node.committed(name.as_str()).await, Ok(9));
}

/// 100 partitions with notes, by a group whose coordinator is that of `group`.
fn large_in_the_partition_of(group: &str) -> OffsetCommit {
    let names = (0..).map(|i| format!("large-{i}"));
    let partition = |name: &str| partition_for(name, PARTITIONS);
    let same = |name: &String| partition(name) == partition(group);
    let name = names.into_iter().find(same).unwrap();
    commit(&name, 100, 5, &"x".repeat(100))
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_a_bounded_amount_is_taken() {
    let store = TestStore::new(&["message.max.bytes=10000000"]);
    let node = node(&store).await;
    store.fail();
    let note = "x".repeat(4000);
    // 4 MB each: 32 MiB and the one that goes over it are taken.
    let commits = (0..20).map(|i| node.commit(commit(&format!("g{i}"), 1000, i, &note)));
    let results = join_all(commits).await;
    let count = |error| results.iter().filter(|r| **r == Err(error)).count();
    let taken = count(CoordinatorError::TimedOut);
    assert!((8..=10).contains(&taken), "{taken}");
    assert_eq!(taken + count(CoordinatorError::NotAvailable), 20);
    store.store.calm();
    node.broker.env.clock.sleep(Duration::from_secs(120)).await;
    for i in 0..20 {
        node.commit(commit(&format!("g{i}"), 1, 100, ""))
            .await
            .unwrap();
    }
}
