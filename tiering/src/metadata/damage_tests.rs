//! Snapshots, damaged and missing objects, zombies, and those who slept.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Command, ENTRIES_PER_SNAPSHOT, EntryHash, MetadataErrorKind, MetadataLog, RegisterError, Term,
    entry::Entry,
    image::topics::DeleteTopic,
    open, snapshot,
    testing::{CLUSTER, incarnation, process, registration, setup, started, topic},
    verify,
};
use crate::{
    env::Env,
    ids::{PutId, Slot},
    keys,
    store::{Body, DynStore, Key, put::Patience},
};

async fn overwrite(store: &DynStore, key: &Key, bytes: Bytes) {
    store.put_large(key, &Body::from(bytes)).await.unwrap();
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
