//! The writer on a store: restarts, group commit, races, faults.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;

use super::{
    Command, CommandRejected, MetadataErrorKind, RegisterError, Term,
    image::incarnations::{IncarnationState, SealIncarnation},
    open,
    testing::{CLUSTER, incarnation, process, registration, setup, started, topic},
    verify,
};
use crate::{
    env::{TaskKind, testing},
    ids::{BrokerId, Slot},
    store::{
        DynStore, Verb,
        faulty::{Chances, Fault, FaultyStore},
        local::{LocalStore, OpenMode},
        memory::MemoryStore,
        put::Patience,
    },
};

#[tokio::test(start_paused = true)]
async fn a_restart_reads_the_state_that_was_acknowledged() {
    let (env, _, store) = setup();
    let log = started(&env, &store, 1).await;
    for n in 0..20 {
        assert!(log.append_one(topic(n)).await.unwrap().is_ok());
    }
    let image = log.image();
    log.close().await;
    let closed = log.append_one(topic(99)).await.unwrap_err();
    assert_eq!(closed.kind(), MetadataErrorKind::Closed);

    let replayed = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
        .await
        .unwrap();
    assert_eq!(*replayed.image(), *image);
    assert_eq!(replayed.image().state_hash(), image.state_hash());
    assert_eq!((replayed.next_slot(), replayed.term()), (Slot(21), Term(1)));
    let (log, epoch) = replayed.register(registration(1, 2)).await.unwrap();
    assert_eq!((epoch.0, log.image().term), (21, Term(2)));
    let state = |i| log.image().incarnations.get(&i).unwrap().state;
    assert_eq!(state(incarnation(1, 0)), IncarnationState::Fenced);
    assert_eq!(state(incarnation(1, 21)), IncarnationState::Active);
    assert_eq!(
        log.image().incarnations.first_registered_broker(),
        Some(BrokerId(1))
    );
    let found = verify(&env, &store, CLUSTER).await.unwrap();
    assert_eq!((found.entries, found.damage_count), (22, 0));
    assert_eq!(found.tail.unwrap().image, *log.image());
}

#[tokio::test(start_paused = true)]
async fn commands_that_queue_while_an_entry_is_in_flight_share_the_next_one() {
    let (env, faults, store) = setup();
    let log = started(&env, &store, 1).await;
    faults.set_chances(Chances {
        delay: 1000,
        delay_max: Duration::from_millis(50),
        ..Chances::default()
    });
    let mut images = log.watch();
    let first = log.image().next_slot.0;
    // Each name is asked for twice, so that half of the answers depend on commands of the same entry.
    let appends = (0..100).map(|n| log.append_one(topic(n / 2)));
    let answers = join_all(appends).await;
    let entries = log.image().next_slot.0 - first;
    assert!(
        (1..=4).contains(&entries),
        "{entries} entries for 100 commands"
    );
    let accepted = answers
        .iter()
        .filter(|a| a.as_ref().unwrap().is_ok())
        .count();
    assert_eq!((accepted, log.image().topics.len()), (50, 50));
    for answer in answers
        .iter()
        .filter_map(|a| a.as_ref().unwrap().as_ref().err())
    {
        assert!(
            matches!(answer, CommandRejected::TopicExists(_)),
            "{answer}"
        );
    }
    assert_eq!(images.borrow_and_update().next_slot, log.image().next_slot);
    // Nothing is written for a rejection alone.
    let slot = log.image().next_slot;
    assert!(log.append_one(topic(0)).await.unwrap().is_err());
    let reserved = super::Fence {
        term: Term(2),
        controller: log.incarnation(),
        process: process(1),
    };
    let answer = log.append_one(Command::Fence(reserved)).await.unwrap();
    assert_eq!(answer, Err(CommandRejected::Reserved));
    assert_eq!(log.image().next_slot, slot);
    let replayed = open(env, store, CLUSTER, Patience::Forever).await.unwrap();
    assert_eq!(*replayed.image(), *log.image());
}

#[tokio::test(start_paused = true)]
async fn of_two_registrations_for_a_slot_one_is_lost_and_sees_the_other() {
    let (env, _, store) = setup();
    let one = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
        .await
        .unwrap();
    let two = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
        .await
        .unwrap();
    let (winner, epoch) = one.register(registration(1, 1)).await.unwrap();
    winner.append_one(topic(1)).await.unwrap().unwrap();
    let Err(RegisterError::Lost(mut lost)) = two.register(registration(2, 2)).await else {
        panic!("both got slot 0");
    };
    assert_eq!((epoch.0, lost.next_slot()), (0, Slot(2)));
    assert_eq!(
        lost.image().incarnations.first_registered_broker(),
        Some(BrokerId(1))
    );
    assert_eq!(*lost.image(), *winner.image());
    winner.append_one(topic(2)).await.unwrap().unwrap();
    assert_eq!(lost.catch_up().await.unwrap(), 1);
    // The start order ends in another try; the winner is fenced by it.
    let (second, epoch) = lost.register(registration(2, 2)).await.unwrap();
    assert_eq!(epoch.0, 3);
    let age = Duration::from_secs(3);
    let limit = Duration::from_secs(1);
    winner.check_controller(age, limit).await.unwrap();
    env.clock.sleep(Duration::from_secs(4)).await;
    let fenced = winner.check_controller(age, limit).await.unwrap_err();
    assert_eq!(fenced.kind(), MetadataErrorKind::NotController);
    second.check_controller(age, limit).await.unwrap();
    let ended = winner.ended().await.to_string();
    assert_eq!(ended, "fenced at metadata slot 3 by broker 2 epoch 3");
    let refused = winner.append_one(topic(3)).await.unwrap_err();
    assert_eq!(refused.kind(), MetadataErrorKind::NotController);
}

#[tokio::test(start_paused = true)]
async fn a_fenced_writer_acknowledges_nothing() {
    let (env, _, store) = setup();
    let old = started(&env, &store, 1).await;
    let new = started(&env, &store, 2).await;
    let answers = join_all((0..5).map(|n| old.append_one(topic(n)))).await;
    for answer in answers {
        assert_eq!(answer.unwrap_err().kind(), MetadataErrorKind::NotController);
    }
    assert!(new.append_one(topic(1)).await.unwrap().is_ok());
    let replayed = open(env, store, CLUSTER, Patience::Forever).await.unwrap();
    assert_eq!(replayed.image().topics.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn under_faults_every_acknowledged_command_is_in_the_log_exactly_once() {
    for seed in 0..12 {
        let env = testing::env(seed);
        let faults = FaultyStore::new(Arc::new(MemoryStore::default()), env.clone());
        let store: DynStore = faults.clone();
        let log = started(&env, &store, 1).await;
        faults.set_chances(Chances {
            fail: 150,
            lose_reply: 250,
            land_late: 100,
            delay: 200,
            delay_max: Duration::from_millis(300),
            ..Chances::default()
        });
        for wave in 0..6 {
            let appends = (0..5).map(|n| log.append_one(topic(wave * 5 + n)));
            for answer in join_all(appends).await {
                assert!(answer.unwrap().is_ok(), "seed {seed}: a command met itself");
            }
        }
        faults.calm();
        env.clock.sleep(Duration::from_secs(1)).await;
        let replayed = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
            .await
            .unwrap();
        assert_eq!(*replayed.image(), *log.image(), "seed {seed}");
        assert_eq!(replayed.image().topics.len(), 30);
        assert_eq!(verify(&env, &store, CLUSTER).await.unwrap().damage_count, 0);
        // And while reads come back spoilt.
        faults.set_chances(Chances {
            fail: 50,
            short_read: 50,
            flip_bit: 50,
            ..Chances::default()
        });
        let replayed = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
            .await
            .unwrap();
        assert_eq!(*replayed.image(), *log.image(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_cancel_its_command() {
    let (env, faults, store) = setup();
    let log = started(&env, &store, 1).await;
    let late = Fault::Delay(Duration::from_secs(5));
    faults.script(Verb::Put, late);
    let gone = env
        .timeout(Duration::from_secs(1), log.append_one(topic(1)))
        .await;
    assert!(gone.is_err());
    assert!(
        log.image().topics.is_empty(),
        "acknowledged before it was durable"
    );
    assert!(log.append_one(topic(2)).await.unwrap().is_ok());
    assert_eq!(log.image().topics.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_writer_ends_with_its_last_handle() {
    let (env, _, store) = setup();
    let log = started(&env, &store, 1).await;
    let seal = Command::SealIncarnation(SealIncarnation {
        incarnation: log.incarnation(),
        end: Slot(0),
        clean: true,
        assignments: Vec::new(),
    });
    let clone = log.clone();
    let pending = env.clone();
    let tasks = env.tasks.clone();
    pending.tasks.spawn(TaskKind::Test, async move {
        clone.append_one(seal).await.unwrap().unwrap();
    });
    drop(log);
    tasks.stop();
    tasks.ended().await;
    let replayed = open(env, store, CLUSTER, Patience::Forever).await.unwrap();
    let state = replayed
        .image()
        .incarnations
        .get(&incarnation(1, 0))
        .unwrap()
        .state;
    assert_eq!(state, IncarnationState::Closed { end: Slot(0) });
}

#[tokio::test]
async fn a_restart_on_a_local_directory_reads_the_state_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let open_store = |n| -> DynStore {
        Arc::new(LocalStore::open_dir(dir.path(), OpenMode::Create, process(n)).unwrap())
    };
    let env = testing::env(5);
    let log = started(&env, &open_store(1), 1).await;
    for answer in join_all((0..50).map(|n| log.append_one(topic(n)))).await {
        assert!(answer.unwrap().is_ok());
    }
    let image = log.image();
    let again = open_store(2);
    let replayed = open(env.clone(), again.clone(), CLUSTER, Patience::Forever)
        .await
        .unwrap();
    assert_eq!(*replayed.image(), *image);
    replayed.register(registration(1, 2)).await.unwrap();
    let fenced = log.append_one(topic(99)).await.unwrap_err();
    assert_eq!(fenced.kind(), MetadataErrorKind::NotController);
    let found = verify(&env, &again, CLUSTER).await.unwrap();
    assert_eq!(found.damage_count, 0);
}
