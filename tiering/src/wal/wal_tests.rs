//! The engine of the WAL over a disturbed store: what is acknowledged, in which order, and the end.

use std::{sync::Arc, time::Duration};

use weir_protocol::types::Offset;

use super::{WalEnded, WalRange, flush_policy::FlushPolicy, replay_range};
use crate::{
    budget::MemoryBudget,
    env::testing::below,
    fenced_log::{EndBounds, EndReason, WalName, WalTaker},
    format::{
        seal::{Seal, build_seal},
        wal::ControlRecord,
    },
    ids::{BrokerEpoch, Incarnation, Slot},
    keys,
    log::{
        AppendError, PartitionLog,
        test_support::{CLUSTER, Logs, batch, config, incarnation},
    },
    store::{
        StoreErrorKind, Verb,
        faulty::{Chances, Fault},
        put::Patience,
    },
};

const STORMY: Chances = Chances {
    fail: 150,
    lose_reply: 150,
    land_late: 150,
    delay: 300,
    short_read: 0,
    flip_bit: 0,
    delay_max: Duration::from_secs(3),
};

fn append(logs: &Logs, log: &Arc<PartitionLog>, value: &str) -> Result<Slot, AppendError> {
    let batch = batch(&[value]).append_batch();
    log.append(&logs.wal, batch, 0).map(|a| a.slot.unwrap())
}

/// Another incarnation's SEAL in `slot`.
async fn plant_seal(logs: &Logs, slot: Slot) {
    let seal = Seal {
        cluster: CLUSTER,
        taker: Incarnation {
            epoch: BrokerEpoch(8),
            ..incarnation()
        },
        sealed: incarnation(),
        lane: 0,
        slot,
    };
    let object = build_seal(&seal, logs.env.new_put_id());
    let key = keys::wal(incarnation(), 0, slot);
    logs.store
        .put_if_absent(&key, &object.body, object.put)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn lost_late_and_failed_puts_lose_and_double_nothing() {
    for seed in 0..20 {
        let logs = Logs::with_config(seed, &config(3_000));
        logs.faults.set_chances(STORMY);
        let partitions: Vec<_> = (0..3).map(|p| logs.partition(p)).collect();
        let mut expected = vec![Vec::new(); 3];
        let mut last = Slot(0);
        for i in 0..120 {
            let p = below(&*logs.env.rand, 3) as usize;
            let value = format!("{seed} {i}");
            last = append(&logs, &partitions[p], &value).unwrap();
            let offset = expected[p].len() as i64;
            expected[p].push(batch(&[&value]).stored(offset));
            let pause = Duration::from_millis(below(&*logs.env.rand, 40));
            logs.env.clock.sleep(pause).await;
        }
        logs.wal.committed(last).await.unwrap();
        logs.faults.calm();
        for (log, expected) in partitions.iter().zip(&expected) {
            assert_eq!(&logs.read_all(log).await, expected, "seed {seed}");
        }
        assert!(last.0 >= 10, "many objects: {last}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_lists_its_runs_by_partition_and_its_producers() {
    let logs = Logs::new(1);
    let (a, b) = (logs.partition(0), logs.partition(1));
    let send = |log: &Arc<PartitionLog>, producer, sequence| {
        let batch = batch(&["v", "w"])
            .from(producer, 0, sequence)
            .append_batch();
        log.append(&logs.wal, batch, 0).unwrap().slot.unwrap()
    };
    send(&b, 7, 0);
    for i in 0..7 {
        send(&a, 8, i * 2);
    }
    let slot = send(&b, 7, 2);
    assert_eq!(slot, Slot(0), "one object");
    logs.wal.committed(slot).await.unwrap();
    let range = WalRange {
        incarnation: incarnation(),
        from: Slot(0),
        to: Slot(1),
    };
    let mut objects = Vec::new();
    replay_range(&logs.store, CLUSTER, range, |object| objects.push(object))
        .await
        .unwrap();
    let rows: Vec<_> = objects[0]
        .footer
        .rows
        .iter()
        .map(|r| {
            (
                r.topic_partition,
                r.offset_first.0,
                r.offset_last.0,
                r.record_count,
            )
        })
        .collect();
    assert_eq!(rows, [(a.id(), 0, 13, 14), (b.id(), 0, 3, 4)]);
    let deltas: Vec<_> = objects[0]
        .controls
        .iter()
        .filter_map(|control| match control {
            ControlRecord::ProducerDelta {
                topic_partition,
                producer,
                batches,
            } => {
                let firsts: Vec<_> = batches.iter().map(|b| b.sequence_first).collect();
                Some((*topic_partition, producer.0, firsts))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        deltas,
        [(a.id(), 8, vec![4, 6, 8, 10, 12]), (b.id(), 7, vec![0, 2])],
        "the last five of each"
    );
}

#[tokio::test(start_paused = true)]
async fn drain_writes_everything_and_close_seals_the_end() {
    for interval in [Duration::ZERO, Duration::from_millis(100)] {
        let mut config = config(usize::MAX);
        config.policy = FlushPolicy {
            interval,
            burst: 1,
            bytes_max: 300,
            ..config.policy
        };
        let logs = Logs::with_config(2, &config);
        let log = logs.partition(0);
        let mut last = Slot(0);
        for i in 0..40 {
            last = append(&logs, &log, &format!("value {i}")).unwrap();
        }
        assert!(last.0 > 5, "several buffers wait: {last}");
        let end = logs.wal.drain().await.unwrap();
        assert_eq!(end, last.next());
        assert_eq!(log.bounds().high_watermark, Offset(40));
        assert_eq!(append(&logs, &log, "too late"), Err(AppendError::NotOwner));
        assert_eq!(logs.wal.close().await, Ok(end));
        assert_eq!(logs.wal.close().await, Ok(end), "may be repeated");
        assert_eq!(logs.read_all(&log).await.len(), 40);

        let taker = WalTaker {
            env: logs.env.clone(),
            store: logs.store.clone(),
            cluster: CLUSTER,
            incarnation: Incarnation {
                epoch: BrokerEpoch(9),
                ..incarnation()
            },
            patience: Patience::Forever,
        };
        let wal = WalName {
            incarnation: incarnation(),
            lane: 0,
        };
        let found = taker.seal(wal, EndBounds::from_checkpoint(Slot(0))).await;
        assert_eq!(found.unwrap(), end);
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_seal_ends_the_log_and_what_lies_above_is_never_acknowledged() {
    let mut config = config(usize::MAX);
    config.policy.bytes_max = 1;
    let logs = Logs::with_config(3, &config);
    let log = logs.partition(0);
    plant_seal(&logs, Slot(2)).await;
    logs.faults
        .script(Verb::Put, Fault::Delay(Duration::from_secs(5)));
    let slots: Vec<Slot> = (0..20)
        .map(|i| append(&logs, &log, &i.to_string()).unwrap())
        .collect();
    assert_eq!(slots[19], Slot(19), "one batch per object");
    let waits = slots.iter().map(|slot| logs.wal.committed(*slot));
    let outcomes = futures::future::join_all(waits).await;
    for (i, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(
            outcome,
            if i < 2 { Ok(()) } else { Err(WalEnded) },
            "slot {i}"
        );
    }
    assert_eq!(log.bounds().high_watermark, Offset(2));
    assert_eq!(logs.wal.ended().await.unwrap().reason, EndReason::Fenced);
    assert_eq!(append(&logs, &log, "later"), Err(AppendError::NotOwner));
    assert_eq!(logs.wal.drain().await, Err(WalEnded));
    assert_eq!(logs.read_all(&log).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_fsync_nothing_more_is_acknowledged() {
    let logs = Logs::new(4);
    let log = logs.partition(0);
    let first = append(&logs, &log, "first").unwrap();
    logs.wal.committed(first).await.unwrap();
    logs.faults
        .script(Verb::Put, Fault::Fail(StoreErrorKind::Fatal));
    let second = append(&logs, &log, "second").unwrap();
    assert_eq!(logs.wal.committed(second).await, Err(WalEnded));
    assert!(matches!(
        logs.wal.ended().await.unwrap().reason,
        EndReason::Fatal(_)
    ));
    assert_eq!(append(&logs, &log, "third"), Err(AppendError::NotOwner));
    assert_eq!(log.bounds().high_watermark, Offset(1));
    assert_eq!(logs.wal.committed(first).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn memory_returns_when_a_batch_is_committed_and_when_the_log_ends() {
    let budget = MemoryBudget::new(1_000);
    let logs = Logs::new(5);
    let log = logs.partition(0);
    let send = async |value: &str| {
        let batch = batch(&[value])
            .with_permit(budget.acquire(100).await)
            .append_batch();
        log.append(&logs.wal, batch, 0).unwrap().slot.unwrap()
    };
    logs.faults
        .script(Verb::Put, Fault::Delay(Duration::from_secs(1)));
    let first = send("a").await;
    logs.settle().await;
    assert_eq!(budget.available(), 900);
    logs.wal.committed(first).await.unwrap();
    assert_eq!(budget.available(), 1_000);

    // One on its way to the store, others that wait behind it.
    logs.faults
        .script(Verb::Put, Fault::Fail(StoreErrorKind::Fatal));
    let second = send("b").await;
    for _ in 0..5 {
        send("c").await;
    }
    assert_eq!(logs.wal.committed(second).await, Err(WalEnded));
    logs.settle().await;
    let Logs { wal, .. } = logs;
    drop(wal);
    assert_eq!(budget.available(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_window_is_in_flight_and_the_rest_waits_in_buffers() {
    let mut config = config(usize::MAX);
    config.policy.bytes_max = 1;
    let logs = Logs::with_config(6, &config);
    let log = logs.partition(0);
    for _ in 0..16 {
        logs.faults
            .script(Verb::Put, Fault::Delay(Duration::from_secs(1)));
    }
    let mut last = Slot(0);
    for i in 0..40 {
        last = append(&logs, &log, &i.to_string()).unwrap();
    }
    logs.env.clock.sleep(Duration::from_millis(900)).await;
    let in_store = logs.store.list("wal/", None, 100).await.unwrap().len();
    assert_eq!(in_store, 0, "the seventeenth waits for the first");
    logs.wal.committed(last).await.unwrap();
    assert_eq!(log.bounds().high_watermark, Offset(40));
}

#[tokio::test(start_paused = true)]
async fn between_two_slots_every_partition_shows_exactly_the_committed_ones() {
    let logs = Logs::new(7);
    logs.faults.set_chances(STORMY);
    let partitions: Vec<_> = (0..3).map(|p| logs.partition(p)).collect();
    // Every append goes to all three, so their ends agree at every slot's end.
    for i in 0..100 {
        for log in &partitions {
            append(&logs, log, "v").unwrap();
        }
        if i % 5 == 0 {
            logs.env.clock.sleep(Duration::from_millis(20)).await;
        }
        logs.wal.between_slots(|committed| {
            assert_eq!(committed, logs.wal.committed_now());
            let ends: Vec<_> = partitions
                .iter()
                .map(|log| log.snapshot().0.high_watermark)
                .collect();
            assert!(ends.windows(2).all(|w| w[0] == w[1]), "{ends:?}");
        });
    }
}

/// Canary: without the wait for the commit, a storm does lose what was "acknowledged".
#[tokio::test(start_paused = true)]
async fn canary_an_acknowledgement_before_the_commit_is_lost() {
    let logs = Logs::new(8);
    let log = logs.partition(0);
    plant_seal(&logs, Slot(0)).await;
    let acknowledged = append(&logs, &log, "v").is_ok();
    logs.settle().await;
    assert!(acknowledged && log.bounds().high_watermark == Offset(0));
}
