//! Writes the WAL of this incarnation: hands out slots in order, keeps up to P puts going, commits
//! the contiguous prefix.
//!
//! Owns: slots, their puts, the order of commits, the SEAL of a clean stop. Does not own: what goes
//! into an object, high watermarks (the engine's `on_commit`), checkpoints.
//!
//! Order of events for a slot: `on_commit(slot)` is called, in slot order, exactly once → only then
//! [`WalWriter::committed`] and [`WalWriter::state`] show it. So whoever waits for a slot finds the
//! high watermarks moved. One task (the driver) does both.
//!
//! Invariant: no slot is skipped; nothing at or above the slot where the log ended is ever
//! committed.
//! Crash: up to P objects above the committed slot may or may not exist, with holes; a taker
//! decides.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, watch};

use super::{
    WalName,
    put::{PutResult, SlotStore},
    wal_driver::{Answer, SealState, Slots, drive},
    wal_state::{EndReason, Ended, WalState},
    window::{SLOTS_IN_FLIGHT_MAX, SlotWindow},
};
use crate::{
    env::{Env, TaskKind},
    format::{
        envelope::{ObjectKind, SealedObject, decode_header},
        seal::{Seal, build_seal},
    },
    ids::{ClusterId, Incarnation, Slot},
    store::{DynStore, put::Patience},
};

/// Whose WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalIdentity {
    pub cluster: ClusterId,
    pub incarnation: Incarnation,
    pub lane: u16,
}

impl WalIdentity {
    pub fn name(&self) -> WalName {
        WalName {
            incarnation: self.incarnation,
            lane: self.lane,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Slots between the first uncommitted one and the next free one: 1 to [`SLOTS_IN_FLIGHT_MAX`].
    pub in_flight_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            in_flight_max: SLOTS_IN_FLIGHT_MAX,
        }
    }
}

/// Called for every committed slot, in slot order, exactly once, before anybody who waits sees it.
/// Must not block: later slots wait for it.
pub type OnCommit = Box<dyn FnMut(Slot) + Send>;

/// The writer of one WAL. Clones share it. The log goes on until it ends by itself or by
/// [`WalWriter::close`]; dropping all handles ends nothing that is in flight.
#[derive(Clone)]
pub struct WalWriter {
    shared: Arc<Shared>,
    answers: mpsc::UnboundedSender<Answer>,
}

pub(super) struct Shared {
    slot_store: SlotStore,
    pub(super) wal: WalIdentity,
    slots: Mutex<Slots>,
    state: watch::Sender<WalState>,
    /// `state.committed`, for cheap reads.
    committed: AtomicU64,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().expect("no panic under the lock")
    }

    /// Shows what the lock holds. For the driver alone, once `on_commit` has seen every committed
    /// slot.
    pub(super) fn publish(&self) {
        let (committed, ended) = {
            let slots = self.lock();
            (slots.window.committed(), slots.ended())
        };
        self.committed.store(committed.0, Ordering::Release);
        self.state.send_replace(WalState { committed, ended });
    }

    /// Shows that the log takes no more slots, and no commit.
    fn publish_end(&self) {
        let ended = self.lock().ended();
        self.state.send_modify(|state| state.ended = ended);
    }
}

impl WalWriter {
    /// Starts writing at `first`: 0 for the fresh WAL of a new incarnation.
    pub fn start(
        env: Env,
        store: DynStore,
        wal: WalIdentity,
        first: Slot,
        limits: Limits,
        on_commit: OnCommit,
    ) -> WalWriter {
        let (state, _) = watch::channel(WalState {
            committed: first,
            ended: None,
        });
        let shared = Arc::new(Shared {
            slot_store: SlotStore {
                env,
                store,
                patience: Patience::Forever,
            },
            wal,
            slots: Mutex::new(Slots::new(SlotWindow::new(first, limits.in_flight_max))),
            state,
            committed: AtomicU64::new(first.0),
        });
        let (answers, inbox) = mpsc::unbounded_channel();
        let driver = drive(shared.clone(), inbox, on_commit);
        shared
            .slot_store
            .env
            .tasks
            .spawn(TaskKind::WalWriter, driver);
        WalWriter { shared, answers }
    }

    pub fn identity(&self) -> WalIdentity {
        self.shared.wal
    }

    /// Waits for the next slot. At most `in_flight_max` slots are in flight; each is handed out
    /// once, in increasing order. Dropping the future reserves nothing.
    pub async fn reserve(&self) -> Result<SlotPermit, Ended> {
        let mut state = self.shared.state.subscribe();
        loop {
            state.borrow_and_update();
            if let Some(permit) = self.try_reserve()? {
                return Ok(permit);
            }
            state.changed().await.expect("self holds the sender");
        }
    }

    /// As [`WalWriter::reserve`]; none while the window is full.
    pub fn try_reserve(&self) -> Result<Option<SlotPermit>, Ended> {
        let mut slots = self.shared.lock();
        if let Some(ended) = slots.ended() {
            return Err(ended);
        }
        Ok(slots.window.reserve().map(|slot| {
            slots.open += 1;
            SlotPermit {
                writer: self.clone(),
                slot,
                used: false,
            }
        }))
    }

    /// Exclusive end of the committed prefix; one atomic read. `on_commit` has seen every slot
    /// below.
    pub fn committed(&self) -> Slot {
        Slot(self.shared.committed.load(Ordering::Acquire))
    }

    /// Slots handed out and not committed.
    pub fn in_flight(&self) -> u64 {
        self.shared.lock().window.in_flight()
    }

    /// Changes whenever a slot is committed or the log ends.
    pub fn state(&self) -> watch::Receiver<WalState> {
        self.shared.state.subscribe()
    }

    /// Age of the oldest put without an answer, for the heartbeat (design §6).
    pub fn oldest_unanswered_put_age(&self) -> Option<Duration> {
        let oldest = self.shared.lock().puts.values().min().copied()?;
        Some(
            self.shared
                .slot_store
                .env
                .clock
                .boot()
                .saturating_sub(oldest),
        )
    }

    /// Stops handing out slots and waits until nothing is in flight; returns the end k (exclusive),
    /// at which the last checkpoint is due before [`WalWriter::close`]. Permits that are out must
    /// be used for it to return.
    pub async fn drain(&self) -> Result<Slot, Ended> {
        self.shared.lock().draining = true;
        self.shared.publish_end();
        self.wait(|slots, committed| (committed == slots.window.next()).then_some(committed))
            .await
    }

    /// [`WalWriter::drain`], then puts the SEAL at the end k and returns k once it stands there.
    /// May be repeated; dropping the future leaves the SEAL's put running.
    pub async fn close(&self) -> Result<Slot, Ended> {
        let end = self.drain().await?;
        self.start_seal(end);
        self.wait(|slots, end| (slots.seal == SealState::Done).then_some(end))
            .await
    }

    /// Until `done` answers, given the shared state and the published committed slot; or the log
    /// fails.
    async fn wait<T>(&self, done: impl Fn(&Slots, Slot) -> Option<T>) -> Result<T, Ended> {
        let mut state = self.shared.state.subscribe();
        loop {
            let committed = state.borrow_and_update().committed;
            {
                let slots = self.shared.lock();
                match slots.ended() {
                    Some(ended) if ended.reason != EndReason::Closed => return Err(ended),
                    _ => {}
                }
                if let Some(value) = done(&slots, committed) {
                    return Ok(value);
                }
            }
            state.changed().await.expect("self holds the sender");
        }
    }

    fn start_seal(&self, end: Slot) {
        let shared = &self.shared;
        {
            let mut slots = shared.lock();
            if slots.seal != SealState::None {
                return;
            }
            slots.seal = SealState::Started;
            slots.open += 1;
            slots.puts.insert(end, shared.slot_store.env.clock.boot());
        }
        let seal = Seal {
            cluster: shared.wal.cluster,
            taker: shared.wal.incarnation,
            sealed: shared.wal.incarnation,
            lane: shared.wal.lane,
            slot: end,
        };
        let object = build_seal(&seal, shared.slot_store.env.new_put_id());
        self.spawn(end, object, move |result| Answer::Seal(end, result));
    }

    fn spawn(
        &self,
        slot: Slot,
        object: SealedObject,
        answer: impl FnOnce(PutResult) -> Answer + Send + 'static,
    ) {
        let shared = &self.shared;
        let answers = self.answers.clone();
        let key = shared.wal.name().key(slot);
        let settle = move |result| {
            // The driver is gone only when it panicked, and then it has frozen the log.
            let _ = answers.send(answer(result));
        };
        let kind = TaskKind::SlotPut;
        shared.slot_store.spawn_put(kind, key, object, settle);
    }
}

/// The right and the duty to fill one slot. Dropping it unused ends the log: a slot is never
/// skipped.
pub struct SlotPermit {
    writer: WalWriter,
    slot: Slot,
    used: bool,
}

impl SlotPermit {
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Starts the put of `object`, whose header names this slot, in a task of its own, and returns.
    pub fn put(mut self, object: SealedObject) {
        self.check(&object);
        self.used = true;
        let slot = self.slot;
        {
            let now = self.writer.shared.slot_store.env.clock.boot();
            self.writer.shared.lock().puts.insert(slot, now);
        }
        let answer = move |result| Answer::Put(slot, result);
        self.writer.spawn(slot, object, answer);
    }

    /// An object under another slot's name would be a durable lie.
    fn check(&self, object: &SealedObject) {
        let first = object
            .body
            .chunks()
            .first()
            .expect("begins with its header");
        let header = decode_header(first)
            .expect("begins with its header")
            .identity;
        let wal = &self.writer.shared.wal;
        assert_eq!(
            (
                header.kind,
                header.number,
                header.lane,
                header.writer,
                header.cluster
            ),
            (
                ObjectKind::Wal,
                self.slot.0,
                wal.lane,
                wal.incarnation,
                wal.cluster
            ),
            "not the object of this slot"
        );
    }
}

impl Drop for SlotPermit {
    fn drop(&mut self) {
        if !self.used {
            // The driver is gone only when it panicked, and then it has frozen the log.
            let _ = self.writer.answers.send(Answer::Abandoned(self.slot));
        }
    }
}
