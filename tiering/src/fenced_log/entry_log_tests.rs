use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;

use super::{
    Appended, EntryLog, IDLE_MAX,
    test_support::{Event, FaultStore, PutFault, incarnation, object, settle},
};
use crate::{
    env::{Env, TaskKind, testing},
    format::envelope::{ObjectKind, SealedObject, open_object},
    ids::Slot,
    keys,
    store::Store,
};

fn entry(env: &Env, slot: u64, payload: &str) -> SealedObject {
    object(
        env,
        ObjectKind::MetadataEntry,
        incarnation(1),
        Slot(slot),
        payload,
    )
}

fn log(env: &Env, store: &Arc<FaultStore>) -> EntryLog {
    EntryLog::new(env.clone(), store.clone(), Arc::new(|_| false))
}

fn payload(bytes: &Bytes) -> String {
    String::from_utf8(open_object(bytes).unwrap().footer.to_vec()).unwrap()
}

async fn plant_snapshot(env: &Env, store: &FaultStore, slot: u64) {
    let snapshot = object(
        env,
        ObjectKind::MetadataSnapshot,
        incarnation(2),
        Slot(slot),
        "snapshot",
    );
    store
        .plant(&keys::metadata_snapshot(Slot(slot)), snapshot)
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_append_says_whether_the_slot_is_ours_or_what_is_there() {
    let env = testing::env(1);
    let store = FaultStore::new(&env);
    let log = log(&env, &store);
    store.fail_puts(
        keys::metadata_log(Slot(0)),
        [PutFault::LoseReply, PutFault::LoseReply],
    );
    assert_eq!(
        log.try_append(Slot(0), entry(&env, 0, "a")).await.unwrap(),
        Appended::Created
    );
    let Appended::Exists(there) = log.try_append(Slot(0), entry(&env, 0, "b")).await.unwrap()
    else {
        panic!("slot 0 is taken");
    };
    assert_eq!(payload(&there), "a");
    assert_eq!(log.read(Slot(1)).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn reads_stop_at_the_first_missing_slot() {
    let env = testing::env(2);
    let store = FaultStore::new(&env);
    let log = log(&env, &store);
    for slot in (0..40).chain(41..43) {
        let object = entry(&env, slot, &slot.to_string());
        store.plant(&keys::metadata_log(Slot(slot)), object).await;
    }
    let read = log.read_from(Slot(3), 1_000).await.unwrap();
    let expected: Vec<_> = (3..40).map(|slot| slot.to_string()).collect();
    assert_eq!(read.iter().map(payload).collect::<Vec<_>>(), expected);
    assert_eq!(log.read_from(Slot(3), 20).await.unwrap().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_exists_but_does_not_show_yet_is_read_again() {
    let env = testing::env(3);
    let store = FaultStore::new(&env);
    let key = keys::metadata_log(Slot(0));
    store.plant(&key, entry(&env, 0, "a")).await;
    store.hide(key, 20);
    let appended = log(&env, &store)
        .try_append(Slot(0), entry(&env, 0, "b"))
        .await
        .unwrap();
    assert!(matches!(appended, Appended::Exists(bytes) if payload(&bytes) == "a"));
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_slept_is_superseded_by_a_snapshot_of_somebody_else() {
    for (idle, snapshot, own, expected) in [
        (
            IDLE_MAX * 2,
            Some(5),
            false,
            Appended::Superseded { snapshot: Slot(5) },
        ),
        (
            IDLE_MAX * 2,
            Some(9),
            false,
            Appended::Superseded { snapshot: Slot(9) },
        ),
        (IDLE_MAX * 2, Some(4), false, Appended::Created),
        (IDLE_MAX * 2, Some(5), true, Appended::Created),
        (IDLE_MAX * 2, None, false, Appended::Created),
        (IDLE_MAX / 2, None, false, Appended::Created),
    ] {
        let env = testing::env(4);
        let store = FaultStore::new(&env);
        let log = EntryLog::new(env.clone(), store.clone(), Arc::new(move |_| own));
        if let Some(slot) = snapshot {
            plant_snapshot(&env, &store, slot).await;
        }
        env.clock.sleep(idle).await;
        let appended = log.try_append(Slot(5), entry(&env, 5, "a")).await.unwrap();
        assert_eq!(
            appended, expected,
            "idle {idle:?}, snapshot {snapshot:?}, own {own}"
        );
        let looked = store.take_events().contains(&Event::List);
        assert_eq!(
            looked,
            idle > IDLE_MAX,
            "a busy writer does not pay for a LIST"
        );
        if appended == Appended::Created {
            let again = log.try_append(Slot(6), entry(&env, 6, "b")).await.unwrap();
            assert_eq!(again, Appended::Created);
            assert!(!store.take_events().contains(&Event::List));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn to_one_who_slept_a_missing_entry_is_no_proof_of_the_end() {
    for (slept, expected) in [
        (IDLE_MAX * 2, Appended::Superseded { snapshot: Slot(5) }),
        (IDLE_MAX / 2, Appended::Created),
    ] {
        let env = testing::env(9);
        let store = FaultStore::new(&env);
        let log = log(&env, &store);
        env.clock.sleep(slept).await;
        assert_eq!(log.read(Slot(5)).await.unwrap(), None);
        if slept > IDLE_MAX {
            plant_snapshot(&env, &store, 5).await;
        }
        env.clock.sleep(IDLE_MAX / 2 + Duration::from_secs(1)).await;
        let appended = log.try_append(Slot(5), entry(&env, 5, "a")).await.unwrap();
        assert_eq!(appended, expected, "slept {slept:?}");
        assert_eq!(store.take_events().contains(&Event::List), slept > IDLE_MAX);
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_that_hung_counts_as_idle() {
    let env = testing::env(5);
    let store = FaultStore::new(&env);
    let log = log(&env, &store);
    store.hold(keys::metadata_log(Slot(0)));
    let append = log.try_append(Slot(0), entry(&env, 0, "a"));
    tokio::pin!(append);
    assert!(env.timeout(IDLE_MAX * 2, &mut append).await.is_err());
    plant_snapshot(&env, &store, 3).await;
    store.open(&keys::metadata_log(Slot(0)));
    assert_eq!(
        append.await.unwrap(),
        Appended::Superseded { snapshot: Slot(3) }
    );
}

#[tokio::test(start_paused = true)]
async fn a_taken_slot_whose_entry_was_deleted_is_superseded() {
    let env = testing::env(6);
    let store = FaultStore::new(&env);
    let key = keys::metadata_log(Slot(0));
    store.plant(&key, entry(&env, 0, "a")).await;
    plant_snapshot(&env, &store, 0).await;
    store.hide(key, u32::MAX);
    let appended = log(&env, &store)
        .try_append(Slot(0), entry(&env, 0, "b"))
        .await
        .unwrap();
    assert_eq!(appended, Appended::Superseded { snapshot: Slot(0) });
}

#[tokio::test(start_paused = true)]
async fn dropping_an_append_does_not_cancel_its_put() {
    let env = testing::env(7);
    let store = FaultStore::new(&env);
    let key = keys::metadata_log(Slot(0));
    store.hold(key.clone());
    let log = log(&env, &store);
    let append = log.try_append(Slot(0), entry(&env, 0, "a"));
    assert!(env.timeout(Duration::from_millis(5), append).await.is_err());
    store.open(&key);
    settle(&env).await;
    assert_eq!(payload(&store.get(&key).await.unwrap()), "a");
}

#[tokio::test(start_paused = true)]
async fn racing_appenders_share_the_slots_without_loss() {
    const APPENDERS: u64 = 5;
    const EACH: u64 = 20;
    let env = testing::env(8);
    let store = FaultStore::new(&env);
    let created = Arc::new(AtomicU64::new(0));
    for appender in 0..APPENDERS {
        let (log, env_, created) = (log(&env, &store), env.clone(), created.clone());
        env.tasks.spawn(TaskKind::Test, async move {
            let mut slot = 0;
            for n in 0..EACH {
                let text = format!("{appender}-{n}");
                while log
                    .try_append(Slot(slot), entry(&env_, slot, &text))
                    .await
                    .unwrap()
                    != Appended::Created
                {
                    slot += 1;
                }
                slot += 1;
                created.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    env.tasks.stop();
    env.tasks.ended().await;
    let entries = log(&env, &store).read_from(Slot(0), 1_000).await.unwrap();
    let mut payloads: Vec<_> = entries.iter().map(payload).collect();
    payloads.sort();
    payloads.dedup();
    let total = (APPENDERS * EACH) as usize;
    assert_eq!((entries.len(), payloads.len()), (total, total));
    assert_eq!(created.load(Ordering::Relaxed), APPENDERS * EACH);
}
