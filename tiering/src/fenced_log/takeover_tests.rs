use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::FutureExt;

use super::{
    EndBounds, SLOTS_IN_FLIGHT_MAX, TakeoverError, WalEnd, WalTaker, read_end,
    test_support::{
        CLUSTER, Event, FaultStore, TestWal, Weather, incarnation, object, wal, wal_object,
    },
};
use crate::{
    env::{Env, TaskKind, testing},
    format::envelope::{ObjectKind, decode_header, open_object},
    ids::Slot,
    store::{DynStore, Store, put::Patience},
};

const NOTHING_KNOWN: EndBounds = EndBounds {
    checkpointed: Slot(0),
    committed: Slot(0),
};

fn taker(env: &Env, store: &Arc<FaultStore>, epoch: u64) -> WalTaker {
    WalTaker {
        env: env.clone(),
        store: store.clone() as DynStore,
        cluster: CLUSTER,
        incarnation: incarnation(epoch),
        patience: Patience::Forever,
    }
}

async fn plant(env: &Env, store: &FaultStore, slots: impl IntoIterator<Item = u64>) {
    for slot in slots.into_iter().map(Slot) {
        store
            .plant(&wal().key(slot), wal_object(env, slot, "entry"))
            .await;
    }
}

async fn end_as_read(env: &Env, store: &Arc<FaultStore>) -> WalEnd {
    let store: DynStore = store.clone();
    read_end(env, &store, CLUSTER, wal(), Slot(0), Patience::Forever)
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_first_hole_is_sealed_and_what_lies_above_is_void() {
    for (slots, end) in [(vec![], 0), (vec![0, 1, 2], 3), (vec![0, 1, 3, 5], 2)] {
        let env = testing::env(1);
        let store = FaultStore::new(&env);
        plant(&env, &store, slots.clone()).await;
        let sealed = taker(&env, &store, 9)
            .seal(wal(), NOTHING_KNOWN)
            .await
            .unwrap();
        assert_eq!(sealed, Slot(end), "{slots:?}");
        for (slot, kind) in (0..end + SLOTS_IN_FLIGHT_MAX).zip(store.kinds(wal(), end + 16).await) {
            let expected = if slots.contains(&slot) {
                ObjectKind::Wal
            } else {
                ObjectKind::Seal
            };
            assert_eq!(kind, Some(expected), "slot {slot} of {slots:?}");
        }
        let read = end_as_read(&env, &store).await;
        assert_eq!(
            read,
            WalEnd {
                end: Slot(end),
                sealed: true
            }
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_taker_adopts_the_seals_and_writes_no_others() {
    let env = testing::env(2);
    let store = FaultStore::new(&env);
    plant(&env, &store, [0, 1, 4]).await;
    assert_eq!(
        taker(&env, &store, 9)
            .seal(wal(), NOTHING_KNOWN)
            .await
            .unwrap(),
        Slot(2)
    );
    let before = store.kinds(wal(), 40).await;
    for committed in 0..=2 {
        let bounds = EndBounds {
            checkpointed: Slot(0),
            committed: Slot(committed),
        };
        let end = taker(&env, &store, 10).seal(wal(), bounds).await.unwrap();
        assert_eq!(
            (end, store.kinds(wal(), 40).await),
            (Slot(2), before.clone())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_wal_has_its_end_and_needs_no_seal() {
    let t = TestWal::fresh(3);
    for _ in 0..3 {
        t.put("entry").await;
    }
    assert_eq!(t.writer.close().await, Ok(Slot(3)));
    let end = end_as_read(&t.env, &t.store).await;
    assert_eq!(
        end,
        WalEnd {
            end: Slot(3),
            sealed: true
        }
    );
    assert_eq!(
        taker(&t.env, &t.store, 9)
            .seal(wal(), NOTHING_KNOWN)
            .await
            .unwrap(),
        Slot(3)
    );
    assert_eq!(t.store.kinds(wal(), 8).await[4..], [None; 4]);
}

#[tokio::test(start_paused = true)]
async fn when_data_won_every_slot_of_a_round_the_next_round_follows() {
    let env = testing::env(4);
    let store = FaultStore::new(&env);
    plant(&env, &store, 0..5).await;
    let (hook_env, mut filled) = (env.clone(), false);
    store.before_put(move |inner, _, kind| {
        if kind == ObjectKind::Seal && !std::mem::replace(&mut filled, true) {
            for slot in (5..21).map(Slot) {
                let object = wal_object(&hook_env, slot, "just before the SEAL");
                let key = wal().key(slot);
                let put = inner.put_if_absent(&key, &object.body, object.put);
                put.now_or_never().expect("memory never waits").unwrap();
            }
        }
    });
    assert_eq!(
        taker(&env, &store, 9)
            .seal(wal(), NOTHING_KNOWN)
            .await
            .unwrap(),
        Slot(21)
    );
    let end = end_as_read(&env, &store).await;
    assert_eq!(
        end,
        WalEnd {
            end: Slot(21),
            sealed: true
        }
    );
}

#[tokio::test(start_paused = true)]
async fn names_are_made_durable_after_the_look_and_before_the_first_seal() {
    let env = testing::env(5);
    let store = FaultStore::new(&env);
    plant(&env, &store, 0..40).await;
    let bounds = EndBounds {
        checkpointed: Slot(7),
        committed: Slot(30),
    };
    taker(&env, &store, 9).seal(wal(), bounds).await.unwrap();
    let events = store.take_events();
    let sync = events
        .iter()
        .position(|e| *e == Event::SyncDirs(wal().key(Slot(7))))
        .unwrap();
    let is_put = |e: &Event| matches!(e, Event::Put(_, ObjectKind::Seal));
    assert!(events[..sync].iter().all(|e| !is_put(e)));
    assert!(
        events[sync..]
            .iter()
            .all(|e| is_put(e) || *e == events[sync]),
        "{events:?}"
    );
    assert!(events[sync..].iter().any(is_put));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_long_wal_takes_few_requests_and_reading_it_writes_nothing() {
    let env = testing::env(6);
    let store = FaultStore::new(&env);
    plant(&env, &store, 0..20_000).await;
    let end = end_as_read(&env, &store).await;
    assert_eq!(
        end,
        WalEnd {
            end: Slot(20_000),
            sealed: false
        }
    );
    let events = store.take_events();
    assert!(events.len() < 100, "{} requests", events.len());
    assert!(
        events
            .iter()
            .all(|e| matches!(e, Event::Read(_) | Event::List))
    );
}

#[tokio::test(start_paused = true)]
async fn a_foreign_object_in_a_slot_is_damage_not_an_end() {
    let env = testing::env(7);
    for kind in [ObjectKind::Wal, ObjectKind::MetadataEntry] {
        let store = FaultStore::new(&env);
        plant(&env, &store, 0..3).await;
        let foreign = object(
            &env,
            kind,
            incarnation(6),
            Slot(3),
            "of another incarnation",
        );
        store.plant(&wal().key(Slot(3)), foreign).await;
        let result = taker(&env, &store, 9).seal(wal(), NOTHING_KNOWN).await;
        assert!(
            matches!(result, Err(TakeoverError::Damaged { .. })),
            "{result:?}"
        );
    }
}

/// One run of a writer in bad weather, with takers that come while it is alive.
struct Race {
    /// Slots that the writer's clients saw acknowledged, with what they had put there.
    acknowledged: BTreeMap<Slot, String>,
    ends: Vec<Slot>,
    /// What a taker would have believed that put no SEALs.
    end_without_seal: Slot,
    store: Arc<FaultStore>,
}

async fn race(seed: u64) -> Race {
    let env = testing::env(seed);
    let weather = Weather {
        fault_percent: 25,
        latency_max: Duration::from_millis(20),
        late_max: Duration::from_millis(500),
    };
    let store = FaultStore::in_weather(&env, Some(weather));
    let t = TestWal::start(&env, &store);
    let payloads: Arc<Mutex<BTreeMap<Slot, String>>> = Arc::default();
    let (noted, writer, writer_env) = (payloads.clone(), t.writer.clone(), env.clone());
    env.tasks.spawn(TaskKind::Test, async move {
        while let Ok(permit) = writer.reserve().await {
            let slot = permit.slot();
            let payload = format!("entry {slot} {}", writer_env.random_u64());
            noted.lock().unwrap().insert(slot, payload.clone());
            permit.put(wal_object(&writer_env, slot, &payload));
        }
    });
    let start = Duration::from_millis(testing::below(env.rand.as_ref(), 200));
    env.clock.sleep(start).await;
    let (first, second) = (taker(&env, &store, 9), taker(&env, &store, 10));
    let look: DynStore = store.clone();
    let (unsealed, a, b) = tokio::join!(
        read_end(&env, &look, CLUSTER, wal(), Slot(0), Patience::Forever),
        first.seal(wal(), NOTHING_KNOWN),
        second.seal(
            wal(),
            EndBounds {
                checkpointed: Slot(0),
                committed: t.writer.committed()
            }
        ),
    );
    // Late puts land, and the writer learns that it is over.
    env.clock.sleep(Duration::from_secs(120)).await;
    let third = taker(&env, &store, 11).seal(wal(), NOTHING_KNOWN).await;
    let committed = t.commits();
    assert_eq!(
        committed,
        (0..committed.len() as u64).collect::<Vec<_>>(),
        "in order, once"
    );
    let payloads = payloads.lock().unwrap();
    Race {
        acknowledged: committed
            .iter()
            .map(|s| (Slot(*s), payloads[&Slot(*s)].clone()))
            .collect(),
        ends: vec![a.unwrap(), b.unwrap(), third.unwrap()],
        end_without_seal: unsealed.unwrap().end,
        store,
    }
}

/// Every acknowledged entry is below `end` and in its slot; every slot below `end` holds an entry.
async fn check(race: &Race, end: Slot) -> Result<(), String> {
    for (slot, payload) in &race.acknowledged {
        if *slot >= end {
            return Err(format!(
                "slot {slot} was acknowledged and lies above the end {end}"
            ));
        }
        let bytes = race
            .store
            .peek(&wal().key(*slot))
            .await
            .ok_or("a slot is empty")?;
        let found = open_object(&bytes).map_err(|e| e.to_string())?.footer;
        if found != payload.as_bytes() {
            return Err(format!("slot {slot} holds {found:?}, not {payload}"));
        }
    }
    for slot in (0..end.0).map(Slot) {
        let bytes = race
            .store
            .peek(&wal().key(slot))
            .await
            .ok_or("a hole below the end")?;
        if decode_header(&bytes).unwrap().identity.kind != ObjectKind::Wal {
            return Err(format!("slot {slot} below the end holds no data"));
        }
    }
    Ok(())
}

const SEEDS: u64 = 60;

#[tokio::test(start_paused = true)]
async fn whatever_the_weather_takers_agree_and_no_acknowledged_entry_is_lost() {
    let mut acknowledged = 0;
    for seed in 0..SEEDS {
        let race = race(seed).await;
        assert!(
            race.ends.iter().all(|end| *end == race.ends[0]),
            "seed {seed}: {:?}",
            race.ends
        );
        check(&race, race.ends[0])
            .await
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        acknowledged += race.acknowledged.len();
    }
    assert!(
        acknowledged > SEEDS as usize,
        "hardly anything was acknowledged: {acknowledged}"
    );
}

#[tokio::test(start_paused = true)]
async fn canary_an_end_without_seals_loses_acknowledged_entries() {
    for seed in 0..SEEDS {
        let race = race(seed).await;
        if check(&race, race.end_without_seal).await.is_err() {
            return;
        }
    }
    panic!("the checker did not notice an end that nobody had sealed");
}
