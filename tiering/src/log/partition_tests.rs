//! A partition over a WAL in memory: what is visible when, where reads find it, what retries get.

use std::time::Duration;

use bytes::Bytes;
use weir_protocol::types::{LeaderEpoch, Offset};

use super::{
    AppendError, Appended, FoundRecord, PartitionLog, ReadError, SequenceError,
    test_support::{Batch, EPOCH, Logs, batch, config},
};
use crate::{
    ids::Slot,
    store::{
        Verb,
        faulty::{Chances, Fault},
    },
};

fn append(
    logs: &Logs,
    log: &std::sync::Arc<PartitionLog>,
    batch: &Batch,
) -> Result<Appended, AppendError> {
    log.append(&logs.wal, batch.append_batch(), logs.env.clock.wall_ms())
}

/// High watermark and next offset.
fn ends(log: &PartitionLog) -> (i64, i64) {
    let bounds = log.bounds();
    assert_eq!(bounds.last_stable_offset, bounds.high_watermark);
    (bounds.high_watermark.0, bounds.offset_next.0)
}

fn out_of_range(result: Result<Vec<Bytes>, ReadError>) -> bool {
    matches!(result, Err(ReadError::OutOfRange { .. }))
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_read_only_once_its_slot_is_committed() {
    let logs = Logs::new(1);
    let log = logs.partition(0);
    logs.faults
        .script(Verb::Put, Fault::Delay(Duration::from_secs(5)));
    let first = batch(&["a", "b"]);
    let appended = append(&logs, &log, &first).unwrap();
    assert_eq!(
        (appended.offset_first, appended.offset_last),
        (Offset(0), Offset(1))
    );
    assert_eq!((appended.slot, appended.duplicate), (Some(Slot(0)), false));

    logs.env.clock.sleep(Duration::from_secs(4)).await;
    assert_eq!(ends(&log), (0, 2));
    let read = |from| log.read(&logs.cold, Offset(from), 1000, true);
    for offset in 0..=2 {
        assert_eq!(read(offset).await.unwrap(), Vec::<Bytes>::new());
    }
    assert!(out_of_range(read(3).await) && out_of_range(read(-1).await));

    logs.committed(appended.slot).await;
    assert_eq!(ends(&log), (2, 2));
    assert_eq!(read(1).await.unwrap(), [first.stored(0)]);
    assert_eq!(read(2).await.unwrap(), Vec::<Bytes>::new());
    assert!(out_of_range(read(3).await));
}

#[tokio::test(start_paused = true)]
async fn slots_that_the_store_answers_out_of_order_become_visible_in_order() {
    let logs = Logs::new(2);
    let (a, b) = (logs.partition(0), logs.partition(1));
    logs.faults.set_chances(Chances {
        delay: 1000,
        delay_max: Duration::from_millis(500),
        ..Chances::default()
    });
    let mut waits = Vec::new();
    for i in 0..60 {
        let log = if i % 3 == 0 { &a } else { &b };
        let appended = append(&logs, log, &batch(&["x", "y", "z"][..1 + i % 3])).unwrap();
        let (wal, log) = (logs.wal.clone(), log.clone());
        waits.push(async move {
            let slot = appended.slot.unwrap();
            wal.committed(slot).await.unwrap();
            // Whoever learns that a slot is committed finds everything up to it.
            assert!(log.bounds().high_watermark > appended.offset_last);
            assert!(wal.committed_now() > slot);
        });
        logs.env.clock.sleep(Duration::from_millis(3)).await;
    }
    futures::future::join_all(waits).await;
    assert!(logs.wal.committed_now().0 > 10, "many slots were in flight");
    for log in [&a, &b] {
        assert_eq!(ends(log).0, ends(log).1);
        assert_dense(&logs.read_all(log).await);
    }
}

fn assert_dense(batches: &[Bytes]) {
    let mut next = Offset(0);
    for bytes in batches {
        let view = weir_protocol::records::BatchView::parse(bytes).unwrap();
        assert!(view.crc_is_valid());
        assert_eq!(view.header().base_offset, next);
        assert_eq!(view.header().partition_leader_epoch, LeaderEpoch(EPOCH.0));
        next = view.header().offset_next();
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_gets_the_offsets_of_the_original_and_waits_for_its_slot() {
    let logs = Logs::new(3);
    let log = logs.partition(0);
    logs.faults
        .script(Verb::Put, Fault::Delay(Duration::from_secs(5)));
    let original = append(&logs, &log, &batch(&["a", "b"]).from(9, 0, 0)).unwrap();
    let retry = append(&logs, &log, &batch(&["a", "b"]).from(9, 0, 0)).unwrap();
    assert!(retry.duplicate && !original.duplicate);
    assert_eq!(
        (retry.offset_first, retry.offset_last, retry.slot),
        (original.offset_first, original.offset_last, original.slot)
    );
    assert_eq!(ends(&log), (0, 2));
    for i in 1..6 {
        append(&logs, &log, &batch(&["c", "d"]).from(9, 0, 2 * i)).unwrap();
    }
    let fifth = append(&logs, &log, &batch(&["c", "d"]).from(9, 0, 2)).unwrap();
    assert_eq!((fifth.duplicate, fifth.offset_first), (true, Offset(2)));
    let newest = log.bounds().offset_next;
    logs.settle().await;
    let sixth = append(&logs, &log, &batch(&["a", "b"]).from(9, 0, 0)).unwrap_err();
    let AppendError::Sequence { error, after } = sixth else {
        panic!("{sixth:?}");
    };
    assert!(matches!(
        error,
        SequenceError::OutOfOrder {
            found: 0,
            expected: 12,
            ..
        }
    ));
    assert!(
        after >= original.slot,
        "the refusal waits for what it was derived from"
    );
    assert_eq!(log.bounds().offset_next, newest, "nothing was stored");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_derived_from_undurable_state_and_says_from_which_slot() {
    let logs = Logs::new(4);
    let log = logs.partition(0);
    let first = append(&logs, &log, &batch(&["a"]).from(9, 3, 0)).unwrap();
    for (batch, is_stale) in [
        (batch(&["b"]).from(9, 2, 1), true),
        (batch(&["b"]).from(9, 3, 7), false),
        (batch(&["b"]).from(9, 4, 1), false),
    ] {
        let error = append(&logs, &log, &batch).unwrap_err();
        let AppendError::Sequence { error, after } = error else {
            panic!("{error:?}");
        };
        assert_eq!(matches!(error, SequenceError::StaleEpoch { .. }), is_stale);
        assert_eq!(after, first.slot);
    }
    append(&logs, &log, &batch(&["b"]).from(9, 4, 0)).unwrap();
    assert_eq!(log.bounds().offset_next, Offset(2));
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_read_hold_in_memory_and_in_the_store() {
    for tail_bytes_max in [usize::MAX, 0] {
        let logs = Logs::with_config(5, &config(tail_bytes_max));
        let log = logs.partition(0);
        let batches: Vec<Batch> = (0..6).map(|i| batch(&["v", "w"][..1 + i % 2])).collect();
        let mut stored = Vec::new();
        let mut offset = 0;
        for (i, batch) in batches.iter().enumerate() {
            let appended = append(&logs, &log, batch).unwrap();
            stored.push(batch.stored(offset));
            offset = appended.offset_last.0 + 1;
            if i % 2 == 1 {
                logs.committed(appended.slot).await;
            }
        }
        assert_eq!(logs.wal.tail_bytes() == 0, tail_bytes_max == 0);
        let (len_a, len_b) = (stored[0].len(), stored[1].len());
        let read = |from, max, one| log.read(&logs.cold, Offset(from), max, one);
        assert_eq!(read(0, 1 << 20, true).await.unwrap(), stored);
        assert_eq!(read(2, 1 << 20, true).await.unwrap(), stored[1..]);
        assert_eq!(read(0, len_a, false).await.unwrap(), stored[..1]);
        assert_eq!(
            read(0, len_a + len_b - 1, false).await.unwrap(),
            stored[..1]
        );
        assert_eq!(read(0, len_a + len_b, false).await.unwrap(), stored[..2]);
        assert_eq!(read(0, 1, true).await.unwrap(), stored[..1]);
        assert_eq!(read(0, 0, true).await.unwrap(), stored[..1]);
        assert!(read(0, 1, false).await.unwrap().is_empty());
        assert!(read(0, 0, false).await.unwrap().is_empty());
        assert!(read(offset, 1000, true).await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn evicted_slots_are_read_from_the_store_with_the_same_bytes() {
    let warm = Logs::new(6);
    let cold = Logs::with_config(6, &config(2_000));
    let mut read = Vec::new();
    for logs in [&warm, &cold] {
        let partitions = [logs.partition(0), logs.partition(1)];
        for i in 0..200 {
            let log = &partitions[i % 2];
            let value = format!("{i} {}", "x".repeat(i % 50));
            let appended = append(logs, log, &batch(&[&value])).unwrap();
            if i % 7 == 0 {
                logs.committed(appended.slot).await;
                assert!(logs.wal.tail_bytes() <= 2_000 || std::ptr::eq(logs, &warm));
            }
        }
        logs.wal.drain().await.unwrap();
        for log in &partitions {
            let all = logs.read_all(log).await;
            assert_dense(&all);
            read.push(all.concat());
        }
    }
    assert!(warm.wal.tail_bytes() > 2_000 && cold.wal.tail_bytes() <= 2_000);
    assert_eq!(read[..2], read[2..]);
}

#[tokio::test(start_paused = true)]
async fn one_flipped_bit_anywhere_in_a_run_is_an_error_and_never_other_data() {
    let logs = Logs::with_config(7, &config(0));
    let log = logs.partition(0);
    append(&logs, &log, &batch(&["a", "b"]).from(5, 0, 0)).unwrap();
    let last = append(&logs, &log, &batch(&["c"])).unwrap();
    logs.committed(last.slot).await;
    let sound = log.read(&logs.cold, Offset(0), 1000, true).await.unwrap();
    assert_eq!(sound.len(), 2);
    for spoil in [
        Chances {
            flip_bit: 1000,
            ..Chances::default()
        },
        Chances {
            short_read: 1000,
            ..Chances::default()
        },
    ] {
        logs.faults.set_chances(spoil);
        for _ in 0..3_000 {
            let read = log.read(&logs.cold, Offset(0), 1000, true).await;
            assert!(matches!(read, Err(ReadError::Corrupt { .. })), "{read:?}");
            let found = log.first_since(&logs.cold, 0).await;
            assert!(matches!(found, Err(ReadError::Corrupt { .. })), "{found:?}");
        }
    }
    logs.faults.calm();
    assert_eq!(
        log.read(&logs.cold, Offset(0), 1000, true).await.unwrap(),
        sound
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_is_an_error_and_not_the_end_of_the_log() {
    let logs = Logs::with_config(8, &config(0));
    let log = logs.partition(0);
    let appended = append(&logs, &log, &batch(&["a"])).unwrap();
    logs.committed(appended.slot).await;
    for kind in [
        crate::store::StoreErrorKind::NotFound,
        crate::store::StoreErrorKind::Retry,
    ] {
        logs.faults.script(Verb::GetRange, Fault::Fail(kind));
        let read = log.read(&logs.cold, Offset(0), 1000, true).await;
        assert!(matches!(read, Err(ReadError::Store(error)) if error.kind == kind));
    }
}

#[tokio::test(start_paused = true)]
async fn records_are_found_by_time_in_memory_and_in_the_store() {
    for tail_bytes_max in [usize::MAX, 0] {
        let logs = Logs::with_config(9, &config(tail_bytes_max));
        let log = logs.partition(0);
        for times in [&[10, 30, 20][..], &[5], &[40, 40, 15], &[40]] {
            let values = vec!["v"; times.len()];
            let appended = append(&logs, &log, &batch(&values).at(times)).unwrap();
            logs.committed(appended.slot).await;
        }
        let found = |timestamp, offset| {
            Some(FoundRecord {
                timestamp,
                offset: Offset(offset),
                leader_epoch: LeaderEpoch(EPOCH.0),
            })
        };
        for (target, expected) in [
            (0, found(10, 0)),
            (11, found(30, 1)),
            (21, found(30, 1)),
            (31, found(40, 4)),
            (40, found(40, 4)),
            (41, None),
        ] {
            let got = log.first_since(&logs.cold, target).await.unwrap();
            assert_eq!(got, expected, "first since {target}");
        }
        assert_eq!(
            log.with_max_timestamp(&logs.cold).await.unwrap(),
            found(40, 4)
        );
        let empty = logs.partition(1);
        assert_eq!(empty.first_since(&logs.cold, 0).await.unwrap(), None);
        assert_eq!(empty.with_max_timestamp(&logs.cold).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_are_not_committed_are_not_found_by_time() {
    let logs = Logs::new(10);
    let log = logs.partition(0);
    logs.faults
        .script(Verb::Put, Fault::Delay(Duration::from_secs(5)));
    append(&logs, &log, &batch(&["a"]).at(&[10])).unwrap();
    logs.settle().await;
    assert_eq!(log.first_since(&logs.cold, 0).await.unwrap(), None);
    assert_eq!(log.with_max_timestamp(&logs.cold).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_log_takes_nothing_and_wakes_those_who_wait() {
    let logs = Logs::new(11);
    let log = logs.partition(0);
    let waker = super::Waker::default();
    let _waiting = log.wait(&waker);
    let mut woken = Box::pin(waker.notified());
    assert!(futures::poll!(&mut woken).is_pending());
    log.delete();
    woken.await;
    assert_eq!(
        append(&logs, &log, &batch(&["a"])),
        Err(AppendError::Deleted)
    );
    assert!(log.is_deleted());
}
