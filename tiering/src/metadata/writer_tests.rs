//! The log on a store: group commit, races, faults, restarts, damage.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use weir_protocol::types::Uuid;

use super::{
    Command, CommandRejected, ENTRIES_PER_SNAPSHOT, EntryHash, MetadataErrorKind, MetadataLog,
    RegisterError, Term,
    entry::Entry,
    image::{
        incarnations::{IncarnationState, SealIncarnation},
        topics::DeleteTopic,
    },
    open, snapshot,
    testing::{CLUSTER, create_topic, incarnation, process, registration},
    verify,
};
use crate::{
    env::{Env, TaskKind, testing},
    ids::{BrokerId, PutId, Slot},
    keys,
    store::{
        Body, DynStore, Key, Verb,
        faulty::{Chances, Fault, FaultyStore},
        memory::MemoryStore,
        put::Patience,
    },
};

fn setup() -> (Env, Arc<FaultyStore>, DynStore) {
    let env = testing::env(11);
    let store = FaultyStore::new(Arc::new(MemoryStore::default()), env.clone());
    (env, store.clone(), store)
}

async fn started(env: &Env, store: &DynStore, process_number: u8) -> MetadataLog {
    let replayed = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
        .await
        .unwrap();
    let (log, epoch) = replayed
        .register(registration(1, process_number))
        .await
        .unwrap();
    assert_eq!(log.incarnation(), incarnation(1, epoch.0));
    log
}

/// A topic with an id of its own.
fn topic(n: u32) -> Command {
    let Command::CreateTopic(mut command) = create_topic(&format!("t{n}"), 1) else {
        unreachable!("create_topic creates a topic");
    };
    let mut id = [1; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    command.id = Uuid(id);
    Command::CreateTopic(command)
}

async fn overwrite(store: &DynStore, key: &Key, bytes: Bytes) {
    store.put_large(key, &Body::from(bytes)).await.unwrap();
}

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

#[tokio::test(start_paused = true)]
async fn snapshots_are_written_and_stand_for_the_entries_below() {
    let (env, _, store) = setup();
    let log = started(&env, &store, 1).await;
    for n in 0..ENTRIES_PER_SNAPSHOT as u32 + 20 {
        let command = match n % 3 {
            2 => Command::DeleteTopic(DeleteTopic {
                id: log
                    .image()
                    .topics
                    .by_name(&format!("t{}", n - 1))
                    .unwrap()
                    .id,
            }),
            _ => topic(n),
        };
        log.append_one(command).await.unwrap().unwrap();
    }
    env.clock.sleep(Duration::from_secs(1)).await;
    let listed = store
        .list(keys::METADATA_SNAPSHOT_PREFIX, None, 10)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    let number = Slot(ENTRIES_PER_SNAPSHOT - 1);
    assert_eq!(listed[0].key, keys::metadata_snapshot(number));
    let found = verify(&env, &store, CLUSTER).await.unwrap();
    assert_eq!((found.snapshots, found.damage_count), (1, 0));
    let image = log.image();
    log.close().await;
    // As if the collector had been here.
    let below: Vec<Key> = (0..=number.0)
        .map(|n| keys::metadata_log(Slot(n)))
        .collect();
    store.delete_many(&below).await.unwrap();
    let replayed = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
        .await
        .unwrap();
    assert_eq!(*replayed.image(), *image);
    let found = verify(&env, &store, CLUSTER).await.unwrap();
    assert_eq!((found.entries, found.damage_count), (21, 0));
    // Without the snapshot there is nothing to begin with: an error, not an empty cluster.
    overwrite(
        &store,
        &keys::metadata_snapshot(number),
        Bytes::from_static(b"torn"),
    )
    .await;
    let error = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("meta/snap/"), "{error}");
    assert_eq!(error.kind(), MetadataErrorKind::Damage);
}

#[tokio::test(start_paused = true)]
async fn damage_is_an_error_that_names_the_object_never_an_end() {
    let (env, _, store) = setup();
    let log = started(&env, &store, 1).await;
    for n in 1..8 {
        log.append_one(topic(n)).await.unwrap().unwrap();
    }
    log.close().await;
    let key = keys::metadata_log(Slot(4));
    let sound = store.get(&key).await.unwrap();
    let mut flipped = sound.to_vec();
    flipped[200] ^= 1;
    let cases = [
        ("flipped", Some(Bytes::from(flipped)), 1),
        ("torn", Some(sound.slice(..sound.len() - 9)), 1),
        (
            "foreign",
            Some(store.get(&keys::metadata_log(Slot(3))).await.unwrap()),
            1,
        ),
        ("missing", None, 1),
    ];
    for (what, bytes, damage) in cases {
        match bytes {
            Some(bytes) => overwrite(&store, &key, bytes).await,
            None => store.delete_many(std::slice::from_ref(&key)).await.unwrap(),
        }
        let error = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
            .await
            .err()
            .unwrap();
        assert_eq!(error.kind(), MetadataErrorKind::Damage, "{what}");
        assert!(error.to_string().contains(key.as_str()), "{what}: {error}");
        let found = verify(&env, &store, CLUSTER).await.unwrap();
        assert_eq!(found.damage_count, damage, "{what}");
        assert_eq!(found.damage[0].key, key.as_str(), "{what}");
        assert_eq!((found.next_slot, found.tail.is_none()), (Slot(8), true));
    }
    overwrite(&store, &key, sound).await;
    assert!(
        open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
            .await
            .is_ok()
    );
    // The last entry alone cannot be told from the end; a snapshot above it can.
    let replayed = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
        .await
        .unwrap();
    let number = snapshot::number(&replayed.tail).unwrap();
    let object = snapshot::encode(
        &replayed.tail,
        number,
        CLUSTER,
        incarnation(1, 0),
        PutId([1; 16]),
    );
    store
        .put_large(&keys::metadata_snapshot(number), &object.body)
        .await
        .unwrap();
    store
        .delete_many(&[keys::metadata_log(Slot(7))])
        .await
        .unwrap();
    assert_eq!(verify(&env, &store, CLUSTER).await.unwrap().damage_count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_another_state_is_found() {
    let (env, _, store) = setup();
    let log = started(&env, &store, 1).await;
    log.append_one(topic(1)).await.unwrap().unwrap();
    log.append_one(topic(2)).await.unwrap().unwrap();
    let mut tail = verify(&env, &store, CLUSTER).await.unwrap().tail.unwrap();
    tail.try_command(&topic(77)).unwrap();
    let number = snapshot::number(&tail).unwrap();
    let object = snapshot::encode(&tail, number, CLUSTER, incarnation(1, 0), PutId([1; 16]));
    let key = keys::metadata_snapshot(number);
    store.put_large(&key, &object.body).await.unwrap();
    let found = verify(&env, &store, CLUSTER).await.unwrap();
    assert_eq!(found.damage[0].key, key.as_str());
    // Whoever starts from it notices at the next entry, by the writer's state hash.
    log.append_one(topic(3)).await.unwrap().unwrap();
    let error = open(env, store, CLUSTER, Patience::Forever)
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("state hash"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn entries_of_a_zombie_are_void_and_the_controller_writes_on_behind_them() {
    let (env, _, store) = setup();
    let log = started(&env, &store, 1).await;
    let zombie = log.incarnation();
    log.close().await;
    let log = started(&env, &store, 2).await;
    let entry = Entry {
        term: Term(1),
        writer: zombie,
        process: process(1),
        previous: EntryHash(5),
        state: log.image().state_hash(),
        commands: vec![topic(66)],
    };
    let object = entry.encode(CLUSTER, Slot(2), PutId([3; 16]));
    let key = keys::metadata_log(Slot(2));
    store
        .put_if_absent(&key, &object.body, object.put)
        .await
        .unwrap();
    assert!(log.append_one(topic(1)).await.unwrap().is_ok());
    let replayed = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
        .await
        .unwrap();
    assert_eq!(*replayed.image(), *log.image());
    assert!(replayed.image().topics.by_name("t66").is_none());
    assert_eq!(replayed.next_slot(), Slot(4));
    let found = verify(&env, &store, CLUSTER).await.unwrap();
    assert_eq!((found.void, found.damage_count), (vec![Slot(2)], 0));
}

/// Writes a snapshot of the whole log and deletes every entry.
async fn cut(env: &Env, store: &DynStore, by: &MetadataLog) {
    let found = verify(env, store, CLUSTER).await.unwrap();
    let tail = found.tail.unwrap();
    let number = snapshot::number(&tail).unwrap();
    let object = snapshot::encode(&tail, number, CLUSTER, by.incarnation(), PutId([1; 16]));
    let key = keys::metadata_snapshot(number);
    store.put_large(&key, &object.body).await.unwrap();
    let below: Vec<Key> = (0..=number.0)
        .map(|n| keys::metadata_log(Slot(n)))
        .collect();
    store.delete_many(&below).await.unwrap();
}

/// Their slot is free again, so a read shows nothing and a put succeeds: neither may be believed.
#[tokio::test(start_paused = true)]
async fn one_that_slept_while_the_log_went_on_and_was_cut_is_fenced() {
    let (env, _, store) = setup();
    let appender = started(&env, &store, 1).await;
    let (log, cluster) = (store.clone(), CLUSTER);
    let mut starter = open(env.clone(), log, cluster, Patience::Forever)
        .await
        .unwrap();
    let other = started(&env, &store, 2).await;
    for n in 0..4 {
        other.append_one(topic(n)).await.unwrap().unwrap();
    }
    cut(&env, &store, &other).await;
    env.clock.sleep(Duration::from_secs(90)).await;
    let (age, limit) = (Duration::from_secs(3), Duration::from_secs(1));
    let looker = appender.clone();
    let fenced = looker.check_controller(age, limit).await.unwrap_err();
    assert_eq!(fenced.kind(), MetadataErrorKind::NotController);

    assert_eq!(starter.catch_up().await.unwrap(), 0);
    let Err(RegisterError::Lost(lost)) = starter.register(registration(1, 3)).await else {
        panic!("registered behind a log that is gone");
    };
    assert_eq!(*lost.image(), *other.image());
}

#[tokio::test(start_paused = true)]
async fn an_append_after_such_a_sleep_is_not_acknowledged() {
    let (env, _, store) = setup();
    let sleeper = started(&env, &store, 1).await;
    let other = started(&env, &store, 2).await;
    other.append_one(topic(1)).await.unwrap().unwrap();
    cut(&env, &store, &other).await;
    env.clock.sleep(Duration::from_secs(90)).await;
    let fenced = sleeper.append_one(topic(9)).await.unwrap_err();
    assert_eq!(fenced.kind(), MetadataErrorKind::NotController);
    let replayed = open(env, store, CLUSTER, Patience::Forever).await.unwrap();
    assert_eq!(*replayed.image(), *other.image());
}
