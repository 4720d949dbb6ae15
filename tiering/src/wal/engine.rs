//! The engine of the WAL: one flush task that cuts buffers into objects, and the commit of each slot.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::Histogram;
use tokio::sync::{Notify, watch};

use super::{
    buffer::{Buffer, Buffered, Cut},
    commit::{Commits, SlotContent},
    flush_policy::{Decision, FlushPolicy, Tokens, View, decide},
    group::{Group, group_by_partition},
    tail_budget::TailBudget,
};
use crate::{
    env::{Env, TaskKind},
    fenced_log::{Ended, Limits, SlotFate, SlotPermit, WalIdentity, WalState, WalWriter},
    format::{
        envelope::{ObjectIdentity, ObjectKind, SealedObject},
        wal::{ControlRecord, build_wal_object},
    },
    ids::Slot,
    log::WalIndex,
    store::DynStore,
};

/// Where the engine counts.
#[derive(Clone)]
pub struct WalMeters {
    /// Bytes of each object.
    pub flush_bytes: Histogram,
    /// From the start of an object's put to its commit.
    pub flush_seconds: Histogram,
}

#[derive(Clone)]
pub struct WalConfig {
    pub policy: FlushPolicy,
    /// Puts in flight, P of the design.
    pub in_flight_max: u64,
    /// Bytes of committed batches kept in memory.
    pub tail_bytes_max: usize,
    pub meters: WalMeters,
}

/// The log takes no more appends, and what is not committed never will be by this incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the write-ahead log of this incarnation has ended")]
pub struct WalEnded;

/// Handle of the WAL; clones share it.
#[derive(Clone)]
pub struct Wal {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env,
    identity: WalIdentity,
    policy: FlushPolicy,
    buffer: Mutex<Buffer>,
    wake: Notify,
    writer: WalWriter,
    /// What `writer` shows.
    state: watch::Receiver<WalState>,
    commits: Arc<Commits>,
}

impl Wal {
    /// Starts an incarnation's own log at `first` (0 for a new incarnation).
    pub fn start(
        env: Env,
        store: DynStore,
        identity: WalIdentity,
        wal: WalIndex,
        config: &WalConfig,
    ) -> Wal {
        let returns = Arc::new(Notify::new());
        let first = Slot(0);
        let commits = Arc::new(Commits {
            env: env.clone(),
            wal,
            waiting: Mutex::default(),
            tail: TailBudget::new(config.tail_bytes_max),
            meters: config.meters.clone(),
            returned: AtomicU64::new(0),
            wake: returns.clone(),
            between_slots: Mutex::new(first),
        });
        let on_commit = {
            let commits = commits.clone();
            Box::new(move |slot| commits.commit(slot))
        };
        let limits = Limits {
            in_flight_max: config.in_flight_max,
        };
        let writer = WalWriter::start(env.clone(), store, identity, first, limits, on_commit);
        let inner = Inner {
            env: env.clone(),
            identity,
            policy: config.policy,
            buffer: Mutex::new(Buffer::new(first, config.policy.bytes_max)),
            wake: Notify::new(),
            state: writer.state(),
            writer,
            commits,
        };
        let wal = Wal {
            inner: Arc::new(inner),
        };
        let flusher = wal.clone();
        env.tasks.spawn(TaskKind::WalFlush, async move {
            flusher.flush_loop(&returns).await
        });
        wal
    }

    /// Puts a batch into the buffer; returns the slot that will hold it. Called under the lock of the
    /// batch's partition.
    pub fn push(&self, batch: Buffered) -> Result<Slot, WalEnded> {
        if self.has_ended() {
            return Err(WalEnded);
        }
        let now = self.inner.env.clock.boot();
        let returned = self.inner.commits.returned.load(Ordering::Relaxed);
        let slot = self.lock_buffer().push(batch, now, returned);
        let slot = slot.ok_or(WalEnded)?;
        self.inner.wake.notify_one();
        Ok(slot)
    }

    /// Completes when `slot` is durable and everything in it readable.
    pub async fn committed(&self, slot: Slot) -> Result<(), WalEnded> {
        if self.inner.writer.committed() > slot {
            return Ok(());
        }
        let mut state = self.inner.state.clone();
        match state.wait_for(|s| s.fate(slot) != SlotFate::Pending).await {
            Ok(state) if state.fate(slot) == SlotFate::Committed => Ok(()),
            _ => Err(WalEnded),
        }
    }

    /// Completes with the reason when the log has ended; `None` when the process ends.
    pub async fn ended(&self) -> Option<Ended> {
        let mut state = self.inner.state.clone();
        let state = state.wait_for(|s| s.ended.is_some()).await.ok()?;
        state.ended.clone()
    }

    fn has_ended(&self) -> bool {
        self.inner.state.borrow().ended.is_some()
    }

    /// Age of the oldest put that the store has not answered.
    pub fn oldest_unanswered_put_age(&self) -> Option<Duration> {
        self.inner.writer.oldest_unanswered_put_age()
    }

    /// Slots committed so far (exclusive end).
    pub fn committed_now(&self) -> Slot {
        self.inner.writer.committed()
    }

    /// Bytes of committed batches in memory.
    pub fn tail_bytes(&self) -> usize {
        self.inner.commits.tail.bytes()
    }

    /// Runs `read` while no slot is being committed; it gets the number of committed slots: what it
    /// reads is the state after exactly those.
    pub fn between_slots<T>(&self, read: impl FnOnce(Slot) -> T) -> T {
        let committed = self
            .inner
            .commits
            .between_slots
            .lock()
            .expect("no code panics under this lock");
        read(*committed)
    }

    /// Writes what is buffered, takes no more slots, and waits until nothing is in flight. Returns the
    /// end k (exclusive), where the last checkpoint is due. The caller has stopped appends.
    pub async fn drain(&self) -> Result<Slot, WalEnded> {
        loop {
            let oldest = {
                let buffer = self.lock_buffer();
                (!buffer.is_empty()).then(|| buffer.oldest().slot)
            };
            match oldest {
                Some(slot) => self.committed(slot).await?,
                None => break,
            }
        }
        self.inner.writer.drain().await.map_err(|_| WalEnded)
    }

    /// Puts the SEAL at the end; after [`Wal::drain`] and the last checkpoint.
    pub async fn close(&self) -> Result<Slot, WalEnded> {
        self.inner.writer.close().await.map_err(|_| WalEnded)
    }

    fn lock_buffer(&self) -> std::sync::MutexGuard<'_, Buffer> {
        self.inner
            .buffer
            .lock()
            .expect("no code panics under this lock")
    }

    async fn flush_loop(&self, returns: &Notify) {
        let mut tokens = Tokens::full(&self.inner.policy, self.inner.env.clock.boot());
        while !self.has_ended() {
            match self.next_step(&mut tokens) {
                Some(Decision::Cut) => {
                    let Ok(permit) = self.inner.writer.reserve().await else {
                        break;
                    };
                    self.write_oldest(permit);
                }
                Some(Decision::Wait(at)) => {
                    let pause = at.saturating_sub(self.inner.env.clock.boot());
                    tokio::select! {
                        biased;
                        () = self.inner.wake.notified() => {}
                        () = returns.notified() => {}
                        () = self.inner.env.clock.sleep(pause) => {}
                    }
                }
                None => {
                    let mut state = self.inner.state.clone();
                    tokio::select! {
                        biased;
                        () = self.inner.wake.notified() => {}
                        _ = state.wait_for(|s| s.ended.is_some()) => {}
                    }
                }
            }
        }
        // What never leaves must not hold memory until the incarnation is dropped.
        self.lock_buffer().end();
    }

    fn next_step(&self, tokens: &mut Tokens) -> Option<Decision> {
        let returned = self.inner.commits.returned.load(Ordering::Relaxed);
        let buffer = self.lock_buffer();
        if buffer.is_empty() {
            return None;
        }
        let oldest = buffer.oldest();
        let view = View {
            now: self.inner.env.clock.boot(),
            bytes: oldest.bytes,
            full: buffer.oldest_is_full(),
            first_at: oldest.first_at,
            last_at: oldest.last_at,
            urgent: oldest.urgent,
            in_flight: self.inner.writer.in_flight() as usize,
            returned_since_first: returned > buffer.returned_at_first,
        };
        drop(buffer);
        Some(decide(&self.inner.policy, tokens, &view))
    }

    fn write_oldest(&self, permit: SlotPermit) {
        let returned = self.inner.commits.returned.load(Ordering::Relaxed);
        let cut = self.lock_buffer().cut(returned);
        assert_eq!(
            cut.slot,
            permit.slot(),
            "buffers are cut in the order of their slots"
        );
        let object = self.build(cut);
        permit.put(object);
    }

    /// Builds the object of a cut and leaves what its commit needs in `commits.waiting`.
    fn build(&self, cut: Cut) -> SealedObject {
        let mut groups = group_by_partition(cut.batches);
        let inputs = groups.iter().map(Group::run_input).collect();
        let controls: Vec<ControlRecord> = groups.iter().flat_map(Group::producer_deltas).collect();
        let identity = ObjectIdentity {
            kind: ObjectKind::Wal,
            cluster: self.inner.identity.cluster,
            writer: self.inner.identity.incarnation,
            lane: self.inner.identity.lane,
            number: cut.slot.0,
            put_id: self.inner.env.new_put_id(),
        };
        let built = build_wal_object(&identity, self.inner.writer.committed(), inputs, &controls);
        let mut permits = Vec::new();
        for group in &mut groups {
            permits.extend(group.batches.iter_mut().filter_map(|b| b.permit.take()));
        }
        let runs = groups
            .into_iter()
            .zip(&built.rows)
            .map(|(group, row)| group.committed_run(self.inner.commits.wal, cut.slot, row))
            .collect();
        let content = SlotContent {
            slot: cut.slot,
            runs,
            permits,
            put_at: self.inner.env.clock.boot(),
        };
        let meters = &self.inner.commits.meters;
        meters.flush_bytes.record(built.object.body.len() as f64);
        self.inner
            .commits
            .waiting
            .lock()
            .expect("no code panics under this lock")
            .push_back(content);
        built.object
    }
}
