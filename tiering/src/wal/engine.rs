//! The engine of the WAL: one flush task that cuts buffers into objects, and the commit of each slot.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, watch};
use weir_protocol::types::ProducerId;

use super::{
    buffer::{Buffer, Buffered, Cut},
    flush_policy::{Decision, FlushPolicy, Tokens, View, decide},
    tail_budget::{BATCH_OVERHEAD_BYTES, TailBudget},
};
use crate::{
    budget::Permit,
    env::{Env, TaskKind},
    fenced_log::{Ended, Limits, SlotFate, SlotPermit, WalIdentity, WalState, WalWriter},
    format::{
        envelope::{ObjectIdentity, ObjectKind, SealedObject},
        wal::{ControlRecord, ProducerBatch, RunInput, RunRow, build_wal_object},
    },
    ids::Slot,
    log::{BATCHES_MAX, PartitionLog, ProducedBatch, Run, TailBatch, WalIndex, produced_batch},
    store::DynStore,
};

#[derive(Clone, Debug)]
pub struct WalConfig {
    pub policy: FlushPolicy,
    /// Puts in flight, P of the design.
    pub in_flight_max: u64,
    /// Bytes of committed batches kept in memory.
    pub tail_bytes_max: usize,
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

/// What happens when a slot is committed. Shared with the writer, which calls it in slot order.
struct Commits {
    env: Env,
    wal: WalIndex,
    waiting: Mutex<VecDeque<SlotContent>>,
    tail: TailBudget,
    /// Slots committed since the start of this process.
    returned: AtomicU64,
    /// Wakes the flush task: a put returned.
    wake: Arc<Notify>,
    /// Held during a commit; a checkpoint takes it to see the state between two slots.
    between_slots: Mutex<Slot>,
}

struct SlotContent {
    slot: Slot,
    runs: Vec<CommittedRun>,
    permits: Vec<Arc<Permit>>,
}

struct CommittedRun {
    log: Arc<PartitionLog>,
    run: Run,
    batches: Vec<TailBatch>,
    producers: Vec<(ProducerId, ProducedBatch)>,
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
        };
        self.inner
            .commits
            .waiting
            .lock()
            .expect("no code panics under this lock")
            .push_back(content);
        built.object
    }
}

impl Commits {
    fn commit(&self, slot: Slot) {
        let content = self
            .waiting
            .lock()
            .expect("no code panics under this lock")
            .pop_front();
        let content = content.expect("a slot is committed only after its object was built");
        assert_eq!(content.slot, slot, "slots are committed in order");
        let now_ms = self.env.clock.wall_ms();
        let mut committed = self
            .between_slots
            .lock()
            .expect("no code panics under this lock");
        let mut bytes = 0;
        let mut logs = Vec::with_capacity(content.runs.len());
        for run in content.runs {
            bytes += run.run.len as usize + run.batches.len() * BATCH_OVERHEAD_BYTES;
            run.log
                .commit(&run.run, run.batches, &run.producers, now_ms);
            logs.push(run.log);
        }
        *committed = slot.next();
        drop(committed);
        self.tail.add(slot, bytes, logs);
        drop(content.permits);
        self.returned.fetch_add(1, Ordering::Relaxed);
        self.wake.notify_one();
    }
}

/// The batches of one partition in one object.
struct Group {
    log: Arc<PartitionLog>,
    batches: Vec<Buffered>,
}

/// In the order of the object: user topics first, then by topic and partition; batches stay in offset
/// order because that is the order in which they came.
fn group_by_partition(batches: Vec<Buffered>) -> Vec<Group> {
    let mut groups: std::collections::BTreeMap<_, Group> = std::collections::BTreeMap::new();
    for batch in batches {
        let key = (batch.log.is_internal(), batch.log.id());
        let log = batch.log.clone();
        groups
            .entry(key)
            .or_insert_with(|| Group {
                log,
                batches: Vec::new(),
            })
            .batches
            .push(batch);
    }
    groups.into_values().collect()
}

impl Group {
    fn run_input(&self) -> RunInput {
        let (first, last) = (&self.batches[0], &self.batches[self.batches.len() - 1]);
        RunInput {
            topic_partition: self.log.id(),
            ownership_epoch: self.log.ownership_epoch(),
            leader_epoch: self.log.leader_epoch(),
            offset_first: first.offset_first,
            offset_last: last.offset_last,
            record_count: self.batches.iter().map(|b| b.record_count).sum(),
            max_timestamp: self
                .batches
                .iter()
                .map(|b| b.max_timestamp)
                .max()
                .unwrap_or(-1),
            internal: self.log.is_internal(),
            batches: self.batches.iter().map(|b| b.bytes.clone()).collect(),
        }
    }

    /// Per producer its last five batches of this object.
    fn producers(&self) -> Vec<(ProducerId, ProducedBatch)> {
        let sequenced = self.batches.iter().filter_map(|b| {
            let s = b.sequenced?;
            Some((
                s.producer,
                produced_batch(&s, b.offset_first, b.offset_last, b.max_timestamp, None),
            ))
        });
        let mut by_producer: std::collections::BTreeMap<i64, Vec<ProducedBatch>> =
            std::collections::BTreeMap::new();
        for (producer, batch) in sequenced {
            by_producer.entry(producer.0).or_default().push(batch);
        }
        let last_five =
            |list: Vec<ProducedBatch>| list[list.len().saturating_sub(BATCHES_MAX)..].to_vec();
        by_producer
            .into_iter()
            .flat_map(|(id, list)| {
                last_five(list)
                    .into_iter()
                    .map(move |batch| (ProducerId(id), batch))
            })
            .collect()
    }

    fn producer_deltas(&self) -> Vec<ControlRecord> {
        let mut deltas: Vec<ControlRecord> = Vec::new();
        for (id, b) in self.producers() {
            let batch = ProducerBatch {
                epoch: b.epoch,
                sequence_first: b.sequence_first,
                sequence_last: b.sequence_last,
                offset_first: b.offset_first,
                offset_last: b.offset_last,
                timestamp: b.timestamp,
            };
            match deltas.last_mut() {
                Some(ControlRecord::ProducerDelta {
                    producer, batches, ..
                }) if *producer == id => batches.push(batch),
                _ => deltas.push(ControlRecord::ProducerDelta {
                    topic_partition: self.log.id(),
                    producer: id,
                    batches: vec![batch],
                }),
            }
        }
        deltas
    }

    fn committed_run(self, wal: WalIndex, slot: Slot, row: &RunRow) -> CommittedRun {
        let fits = "an object is cut far below 4 GiB";
        let run = Run {
            wal,
            slot,
            position: u32::try_from(row.position).expect(fits),
            len: u32::try_from(row.len).expect(fits),
            offset_first: row.offset_first,
            offset_end: weir_protocol::types::Offset(row.offset_last.0 + 1),
            max_timestamp: row.max_timestamp,
        };
        let producers = self.producers();
        let batches = self
            .batches
            .into_iter()
            .map(|b| TailBatch {
                offset_first: b.offset_first,
                bytes: b.bytes,
            })
            .collect();
        CommittedRun {
            log: self.log,
            run,
            batches,
            producers,
        }
    }
}
