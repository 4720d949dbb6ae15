//! The loop of put_if_absent: unclear answers, own success, other writers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    Body, DynStore, Key, PutIdentity, PutOutcome, Store, StoreError, StoreErrorKind, Verb,
    faulty::{Chances, Fault, FaultyStore},
    memory::MemoryStore,
    put::{Patience, START_PATIENCE, put_if_absent_until_clear},
    retry::{ReadPatience, RetryingStore},
};
use crate::{
    env::{Env, testing},
    format::envelope::{ObjectIdentity, ObjectKind, SealedObject, seal_object},
    ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation, PutId},
};

struct PutTest {
    env: Env,
    memory: Arc<MemoryStore>,
    faulty: Arc<FaultyStore>,
    key: Key,
}

fn object(put_id: u8, content: &'static str) -> SealedObject {
    let identity = ObjectIdentity {
        kind: ObjectKind::Wal,
        cluster: ClusterId(weir_protocol::types::Uuid([1; 16])),
        writer: Incarnation {
            broker: BrokerId(1),
            epoch: BrokerEpoch(1),
        },
        lane: 0,
        number: 0,
        put_id: PutId([put_id; 16]),
    };
    seal_object(&identity, [], Bytes::from_static(content.as_bytes()))
}

impl PutTest {
    fn new(seed: u64) -> PutTest {
        let env = testing::env(seed);
        let memory = Arc::new(MemoryStore::default());
        let faulty = FaultyStore::new(memory.clone(), env.clone());
        PutTest {
            env,
            memory,
            faulty,
            key: Key::new("wal/0"),
        }
    }

    async fn put(&self, object: &SealedObject) -> Result<PutOutcome, StoreError> {
        self.put_patiently(object, Patience::Forever).await
    }

    async fn put_patiently(
        &self,
        object: &SealedObject,
        patience: Patience,
    ) -> Result<PutOutcome, StoreError> {
        let store: &dyn Store = &*self.faulty;
        let (body, identity) = (&object.body, object.put);
        put_if_absent_until_clear(&self.env, store, &self.key, body, identity, patience).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_created_and_another_writer_exists() {
    let t = PutTest::new(1);
    let ours = object(1, "footer");
    t.faulty.script(Verb::Put, Fault::LoseReply);
    assert_eq!(t.put(&ours).await.unwrap(), PutOutcome::Created);
    // Same put id with another footer, and the same footer with another put id, are not ours.
    for other in [object(1, "other"), object(2, "footer")] {
        assert_eq!(t.put(&other).await.unwrap(), PutOutcome::Exists);
    }
    assert_eq!(t.memory.get(&t.key).await.unwrap(), ours.body.to_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_late_landing_of_our_own_put_is_created() {
    let t = PutTest::new(2);
    t.faulty
        .script(Verb::Put, Fault::LandLate(Duration::from_millis(1)));
    t.faulty
        .script(Verb::Put, Fault::LandLate(Duration::from_secs(60)));
    assert_eq!(t.put(&object(1, "x")).await.unwrap(), PutOutcome::Created);
    // The other one lands on the taken name.
    t.env.clock.sleep(Duration::from_secs(100)).await;
    assert_eq!(
        t.memory.get(&t.key).await.unwrap(),
        object(1, "x").body.to_bytes()
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_object_behind_exists_is_not_final() {
    let t = PutTest::new(3);
    let ours = object(1, "x");
    t.memory
        .put_if_absent(&t.key, &ours.body, ours.put)
        .await
        .unwrap();
    for verb in [Verb::GetSuffix, Verb::GetRange] {
        t.faulty.script(verb, Fault::Fail(StoreErrorKind::NotFound));
    }
    t.faulty.script(Verb::GetRange, Fault::FlipBit);
    assert_eq!(t.put(&ours).await.unwrap(), PutOutcome::Created);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_object_of_ours_is_somebody_elses() {
    for bytes in ["", "short", &"x".repeat(500)] {
        let t = PutTest::new(4);
        let body = Body::from(Bytes::copy_from_slice(bytes.as_bytes()));
        let identity = PutIdentity {
            put_id: PutId([0; 16]),
            footer_crc: 0,
        };
        t.memory
            .put_if_absent(&t.key, &body, identity)
            .await
            .unwrap();
        assert_eq!(
            t.put(&object(1, "x")).await.unwrap(),
            PutOutcome::Exists,
            "{bytes:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn before_ready_the_store_gets_ten_seconds_and_a_refusal_none() {
    let t = PutTest::new(5);
    t.faulty.set_chances(Chances {
        fail: 1000,
        ..Chances::default()
    });
    let started = t.env.clock.boot();
    let error = t
        .put_patiently(&object(1, "x"), START_PATIENCE)
        .await
        .unwrap_err();
    let waited = (t.env.clock.boot() - started).as_secs();
    assert!(
        error.kind == StoreErrorKind::Retry && (10..14).contains(&waited),
        "{error} {waited}"
    );

    t.faulty.calm();
    t.faulty
        .script(Verb::Put, Fault::Fail(StoreErrorKind::Refused));
    let error = t
        .put_patiently(&object(1, "x"), START_PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn after_ready_only_a_failed_fsync_ends_it() {
    let t = PutTest::new(6);
    for kind in [
        StoreErrorKind::Refused,
        StoreErrorKind::Full,
        StoreErrorKind::Retry,
    ] {
        for _ in 0..50 {
            t.faulty.script(Verb::Put, Fault::Fail(kind));
        }
    }
    assert_eq!(t.put(&object(1, "x")).await.unwrap(), PutOutcome::Created);
    assert!(
        t.env.clock.boot() > Duration::from_secs(100),
        "it was retried at length"
    );
    t.faulty
        .script(Verb::Put, Fault::Fail(StoreErrorKind::Fatal));
    let error = t.put(&object(1, "x")).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Fatal);
}

/// Sixteen writers race through a store in trouble: one is told that it won, and it did.
#[tokio::test(start_paused = true)]
async fn in_any_storm_one_writer_wins_and_knows_it() {
    for seed in 0..100 {
        let t = PutTest::new(seed);
        t.faulty.set_chances(Chances {
            fail: 150,
            lose_reply: 200,
            land_late: 200,
            delay: 200,
            delay_max: Duration::from_millis(300),
            ..Chances::default()
        });
        let objects: Vec<_> = (0..16)
            .map(|writer| object(writer, "same footer"))
            .collect();
        let outcomes = futures::future::join_all(objects.iter().map(|o| t.put(o))).await;
        let there = t.memory.get(&t.key).await.unwrap();
        for (outcome, object) in outcomes.into_iter().zip(&objects) {
            let won = there == object.body.to_bytes();
            assert_eq!(outcome.unwrap() == PutOutcome::Created, won, "seed {seed}");
        }
    }
}

/// Canary of the storm: a loop that takes the store's word for it is found out.
#[tokio::test(start_paused = true)]
async fn the_storm_finds_a_loop_that_believes_exists() {
    let mut found = 0;
    for seed in 0..100 {
        let t = PutTest::new(seed);
        t.faulty.set_chances(Chances {
            lose_reply: 500,
            ..Chances::default()
        });
        let ours = object(1, "x");
        let outcome = loop {
            match t.faulty.put_if_absent(&t.key, &ours.body, ours.put).await {
                Ok(outcome) => break outcome,
                Err(_) => t.env.clock.sleep(Duration::from_millis(1)).await,
            }
        };
        found += u32::from(outcome != PutOutcome::Created);
    }
    assert!(found > 10, "only {found}");
}

#[tokio::test(start_paused = true)]
async fn reads_are_repeated_a_bounded_number_of_times() {
    let t = PutTest::new(7);
    let ours = object(1, "x");
    t.put(&ours).await.unwrap();
    let patience = ReadPatience {
        attempts_max: 3,
        total_max: Duration::from_secs(60),
    };
    let faulty: DynStore = t.faulty.clone();
    let store = RetryingStore::new(faulty, t.env.clone(), patience);
    let fail = |times| {
        for _ in 0..times {
            t.faulty
                .script(Verb::Get, Fault::Fail(StoreErrorKind::Retry));
        }
    };
    fail(2);
    assert_eq!(store.get(&t.key).await.unwrap(), ours.body.to_bytes());
    fail(3);
    assert_eq!(
        store.get(&t.key).await.unwrap_err().kind,
        StoreErrorKind::Retry
    );
    // What is clear is not repeated.
    t.faulty
        .script(Verb::Head, Fault::Fail(StoreErrorKind::NotFound));
    assert_eq!(
        store.head(&t.key).await.unwrap_err().kind,
        StoreErrorKind::NotFound
    );
    assert!(store.head(&t.key).await.is_ok());
    // Puts pass through.
    t.faulty
        .script(Verb::Put, Fault::Fail(StoreErrorKind::Retry));
    assert!(
        store
            .put_if_absent(&t.key, &ours.body, ours.put)
            .await
            .is_err()
    );
    t.faulty
        .script(Verb::GetSuffix, Fault::Fail(StoreErrorKind::Retry));
    let suffixes = store
        .get_suffix_many(&[t.key.clone(), t.key.clone()], 4)
        .await;
    assert!(suffixes.into_iter().all(|suffix| suffix.is_ok()));
}
