use std::time::Duration;

use super::{
    EndReason, Ended, SlotFate,
    test_support::{Event, PutFault, TestWal, incarnation, object, settle, wal, wal_object},
};
use crate::{format::envelope::ObjectKind, ids::Slot};

#[tokio::test(start_paused = true)]
async fn only_the_contiguous_prefix_is_committed_and_on_commit_comes_first() {
    let t = TestWal::fresh(1);
    t.store.hold(wal().key(Slot(0)));
    for n in 0..4 {
        t.put(&format!("entry {n}")).await;
    }
    settle(&t.env).await;
    assert_eq!((t.writer.committed(), t.commits()), (Slot(0), vec![]));
    t.store.open(&wal().key(Slot(0)));
    let mut state = t.writer.state();
    state
        .wait_for(|state| state.committed == Slot(4))
        .await
        .unwrap();
    assert_eq!(t.commits(), [0, 1, 2, 3]);
    let seen = t.seen.lock().unwrap();
    assert!(
        seen.iter().all(|(slot, published)| published <= slot),
        "{seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_window_counts_from_the_first_uncommitted_slot() {
    let t = TestWal::fresh(2);
    t.store.hold(wal().key(Slot(0)));
    for n in 0..16 {
        t.put(&format!("entry {n}")).await;
    }
    settle(&t.env).await;
    assert!(
        t.writer.try_reserve().unwrap().is_none(),
        "15 of 16 are answered, and yet"
    );
    let next = t.put("entry 16");
    tokio::pin!(next);
    assert!(
        t.env
            .timeout(Duration::from_secs(9), &mut next)
            .await
            .is_err()
    );
    t.store.open(&wal().key(Slot(0)));
    assert_eq!(next.await, Slot(16));
    assert_eq!(t.writer.drain().await, Ok(Slot(17)));
    assert_eq!(t.commits(), (0..17).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_or_a_late_put_is_recognised_as_ours() {
    let t = TestWal::fresh(3);
    let late = PutFault::Late(Duration::from_millis(10));
    for (slot, faults) in [
        (0, vec![PutFault::LoseReply, PutFault::LoseReply]),
        (1, vec![PutFault::Fail, PutFault::LoseReply]),
        (2, vec![late, PutFault::Fail]),
        (3, vec![late]),
    ] {
        t.store.fail_puts(wal().key(Slot(slot)), faults);
        t.put("entry").await;
    }
    let mut state = t.writer.state();
    state
        .wait_for(|state| state.committed == Slot(4))
        .await
        .unwrap();
    let puts = t.store.take_events();
    let of_slot_0 = puts
        .iter()
        .filter(|e| matches!(e, Event::Put(k, _) if *k == wal().key(Slot(0))));
    assert_eq!(of_slot_0.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_object_fences_the_writer_there_and_lower_slots_still_commit() {
    let t = TestWal::fresh(4);
    let foreign = object(&t.env, ObjectKind::Seal, incarnation(9), Slot(2), "foreign");
    t.store.plant(&wal().key(Slot(2)), foreign).await;
    t.store.hold(wal().key(Slot(1)));
    for n in 0..4 {
        t.put(&format!("entry {n}")).await;
    }
    settle(&t.env).await;
    let fenced = Ended {
        at: Slot(2),
        reason: EndReason::Fenced,
    };
    assert_eq!(t.writer.reserve().await.err(), Some(fenced.clone()));
    let state = t.writer.state().borrow().clone();
    let fates: Vec<_> = (0..5).map(|slot| state.fate(Slot(slot))).collect();
    use SlotFate::*;
    assert_eq!(fates, [Committed, Pending, Lost, Lost, Lost]);
    t.store.open(&wal().key(Slot(1)));
    settle(&t.env).await;
    assert_eq!((t.writer.committed(), t.commits()), (Slot(2), vec![0, 1]));
    assert_eq!(t.writer.close().await, Err(fenced));
}

#[tokio::test(start_paused = true)]
async fn after_a_fatal_error_nothing_more_is_committed() {
    let t = TestWal::fresh(5);
    t.store.hold(wal().key(Slot(1)));
    t.store.fail_puts(wal().key(Slot(2)), [PutFault::Fatal]);
    for n in 0..3 {
        t.put(&format!("entry {n}")).await;
    }
    settle(&t.env).await;
    t.store.open(&wal().key(Slot(1)));
    settle(&t.env).await;
    let state = t.writer.state().borrow().clone();
    let ended = state.ended.clone().unwrap();
    assert_eq!((state.committed, ended.at), (Slot(1), Slot(1)));
    assert!(matches!(ended.reason, EndReason::Fatal(_)), "{ended}");
    assert_eq!(state.fate(Slot(1)), SlotFate::Lost);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_dropped_unused_ends_the_log() {
    let t = TestWal::fresh(6);
    t.put("entry 0").await;
    drop(t.writer.reserve().await.unwrap());
    settle(&t.env).await;
    let ended = t.writer.reserve().await.err().unwrap();
    assert_eq!(ended.at, Slot(1));
    assert_eq!(
        t.writer.committed(),
        Slot(1),
        "what was put before is committed"
    );
}

#[tokio::test(start_paused = true)]
async fn dropping_callers_and_handles_does_not_cancel_a_put() {
    let t = TestWal::fresh(7);
    t.store.hold(wal().key(Slot(0)));
    {
        let caller = async {
            let slot = t.put("entry 0").await;
            t.writer
                .state()
                .wait_for(|state| state.committed > slot)
                .await
                .unwrap();
        };
        assert!(
            t.env
                .timeout(Duration::from_millis(5), caller)
                .await
                .is_err()
        );
        let waiting = t.writer.reserve();
        drop(waiting);
    }
    let TestWal {
        env,
        store,
        writer,
        seen,
    } = t;
    drop(writer);
    store.open(&wal().key(Slot(0)));
    settle(&env).await;
    assert!(store.peek(&wal().key(Slot(0))).await.is_some());
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn close_waits_for_what_is_in_flight_and_seals_the_end() {
    let t = TestWal::fresh(8);
    t.store.hold(wal().key(Slot(1)));
    t.put("entry 0").await;
    t.put("entry 1").await;
    let closing = t.writer.close();
    tokio::pin!(closing);
    assert!(
        t.env
            .timeout(Duration::from_secs(9), &mut closing)
            .await
            .is_err()
    );
    assert_eq!(
        t.writer.reserve().await.err().unwrap().reason,
        EndReason::Closed
    );
    t.store.open(&wal().key(Slot(1)));
    assert_eq!(closing.await, Ok(Slot(2)));
    assert_eq!(t.writer.close().await, Ok(Slot(2)), "again");
    let (wal_, seal) = (Some(ObjectKind::Wal), Some(ObjectKind::Seal));
    assert_eq!(t.store.kinds(wal(), 4).await, [wal_, wal_, seal, None]);
    t.env.tasks.stop();
    assert!(
        t.env
            .timeout(Duration::from_secs(1), t.env.tasks.ended())
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn close_is_fenced_by_somebody_elses_object_at_the_end() {
    let t = TestWal::fresh(9);
    let foreign = object(&t.env, ObjectKind::Seal, incarnation(9), Slot(0), "foreign");
    t.store.plant(&wal().key(Slot(0)), foreign).await;
    assert_eq!(
        t.writer.close().await.unwrap_err().reason,
        EndReason::Fenced
    );
}

#[tokio::test(start_paused = true)]
async fn the_age_is_that_of_the_oldest_put_without_an_answer() {
    let t = TestWal::fresh(10);
    assert_eq!(t.writer.oldest_unanswered_put_age(), None);
    t.store.hold(wal().key(Slot(0)));
    t.put("entry 0").await;
    t.env.clock.sleep(Duration::from_secs(3)).await;
    t.put("entry 1").await;
    settle(&t.env).await;
    let age = t.writer.oldest_unanswered_put_age().unwrap();
    assert_eq!(age.as_secs(), 3);
    t.store.open(&wal().key(Slot(0)));
    settle(&t.env).await;
    assert_eq!(t.writer.oldest_unanswered_put_age(), None);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "not the object of this slot")]
async fn an_object_of_another_slot_is_refused() {
    let t = TestWal::fresh(11);
    let permit = t.writer.reserve().await.unwrap();
    permit.put(wal_object(&t.env, Slot(1), "for slot 1"));
}
