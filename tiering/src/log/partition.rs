//! The log of one partition, as its owner holds it.
//!
//! Owns: offsets, high watermark, log start, epochs, producers, the index of committed runs and the
//! tail. Does not own: slots and flushing (`wal`), bytes in the store (`log::cold`), topics
//! (`metadata`).
//! Invariant (P1, P3): offsets are assigned once, densely, in the order in which batches enter the
//! write-ahead buffer; log start ≤ last stable offset ≤ high watermark ≤ next offset.
//! Crash: everything here is rebuilt from the newest page and the footers behind it.
//!
//! Two halves under one lock: what runs ahead with each append (next offset, producers that judge),
//! and what follows the committed slots (high watermark, runs, tail, producers that go into pages).

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{Bytes, BytesMut};
use weir_protocol::types::{LeaderEpoch, Offset, ProducerId};

use super::{
    epochs::EpochHistory,
    producer_state::{ProducedBatch, Producers, SequenceError, Sequenced, Verdict},
    run_index::{Run, RunIndex},
    tail::{Tail, TailBatch},
    waiters::{Waiters, Waiting, Waker},
};
use crate::{
    budget::Permit,
    ids::{OwnershipEpoch, Slot, TopicPartition},
    wal::{Buffered, Wal},
};

pub struct PartitionLog {
    id: TopicPartition,
    internal: bool,
    ownership_epoch: OwnershipEpoch,
    pub(super) state: Mutex<State>,
    waiters: Waiters,
}

pub(super) struct State {
    pub offset_next: Offset,
    pub producers: Producers,
    pub durable: Durable,
    pub runs: RunIndex,
    pub tail: Tail,
    pub deleted: bool,
    /// Grows with each change of `durable`.
    pub version: u64,
    /// The version that the newest page holds.
    pub version_paged: u64,
}

/// The state after exactly the committed slots: what a page holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    pub log_start: Offset,
    /// Exclusive.
    pub high_watermark: Offset,
    pub epochs: EpochHistory,
    pub producers: Producers,
}

/// Offsets at one moment. All "next" and "watermark" values are exclusive ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub log_start: Offset,
    pub high_watermark: Offset,
    pub last_stable_offset: Offset,
    /// Includes what is not durable yet.
    pub offset_next: Offset,
    pub leader_epoch: LeaderEpoch,
}

/// A validated batch on its way in. `bytes` is one record batch whose base offset and leader epoch
/// are not yet set (both lie outside its CRC).
pub struct AppendBatch {
    pub bytes: BytesMut,
    pub record_count: u32,
    /// Offsets it takes, ≥ 1: last offset delta + 1.
    pub offset_count: u32,
    /// Milliseconds.
    pub max_timestamp: i64,
    pub sequenced: Option<Sequenced>,
    /// Memory it holds until its slot is committed.
    pub permit: Option<Arc<Permit>>,
}

/// Where a batch went. The answer may leave only once `slot` is committed (`None`: it already is).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub offset_first: Offset,
    /// Inclusive.
    pub offset_last: Offset,
    pub log_start: Offset,
    pub slot: Option<Slot>,
    /// The batch was there already (a retry); offsets and timestamp are the original's.
    pub duplicate: bool,
    /// Largest timestamp of the batch, milliseconds.
    pub max_timestamp: i64,
}

/// A refused batch; nothing was stored. An answer derived from undurable state waits for `after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("{error}")]
    Sequence {
        error: SequenceError,
        after: Option<Slot>,
    },
    #[error("the topic was deleted")]
    Deleted,
    #[error("this broker's log has ended; it no longer owns the partition")]
    NotOwner,
    #[error("the offsets of the partition are used up")]
    OffsetsExhausted,
}

impl PartitionLog {
    /// An empty or restored log. `durable` is the state of its page, or the default.
    pub fn new(
        id: TopicPartition,
        internal: bool,
        epoch: OwnershipEpoch,
        durable: Durable,
    ) -> PartitionLog {
        let state = State {
            offset_next: durable.high_watermark,
            producers: durable.producers.clone(),
            durable,
            runs: RunIndex::default(),
            tail: Tail::default(),
            deleted: false,
            version: 0,
            version_paged: 0,
        };
        PartitionLog {
            id,
            internal,
            ownership_epoch: epoch,
            state: Mutex::new(state),
            waiters: Waiters::default(),
        }
    }

    pub fn id(&self) -> TopicPartition {
        self.id
    }

    /// Whether it belongs to an internal topic (`__consumer_offsets`, …).
    pub fn is_internal(&self) -> bool {
        self.internal
    }

    pub fn ownership_epoch(&self) -> OwnershipEpoch {
        self.ownership_epoch
    }

    /// Kafka's leader epoch of the partition.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.ownership_epoch.0)
    }

    pub fn bounds(&self) -> Bounds {
        let state = self.lock();
        Bounds {
            log_start: state.durable.log_start,
            high_watermark: state.durable.high_watermark,
            // Without transactions nothing committed is unstable.
            last_stable_offset: state.durable.high_watermark,
            offset_next: state.offset_next,
            leader_epoch: self.leader_epoch(),
        }
    }

    /// Judges the batch's producer, assigns its offsets and puts it into the write-ahead buffer, all
    /// in one critical section, so that the order of offsets is the order in the log. Not durable on
    /// return: see [`Appended::slot`].
    pub fn append(
        self: &Arc<Self>,
        wal: &Wal,
        batch: AppendBatch,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        let mut state = self.lock();
        if state.deleted {
            return Err(AppendError::Deleted);
        }
        if let Some(sequenced) = &batch.sequenced {
            match state.producers.judge(sequenced) {
                Verdict::Append => {}
                Verdict::Duplicate { original } => {
                    return Ok(duplicate(&original, state.durable.log_start));
                }
                Verdict::Refuse { error, after } => {
                    return Err(AppendError::Sequence { error, after });
                }
            }
        }
        let offset_first = state.offset_next;
        let end = offset_first
            .0
            .checked_add(i64::from(batch.offset_count))
            .ok_or(AppendError::OffsetsExhausted)?;
        let buffered = self.buffered(batch, offset_first, Offset(end - 1));
        let (sequenced, max_timestamp) = (buffered.sequenced, buffered.max_timestamp);
        let slot = wal.push(buffered).map_err(|_| AppendError::NotOwner)?;
        state.offset_next = Offset(end);
        if let Some(sequenced) = sequenced {
            let produced = produced_batch(
                &sequenced,
                offset_first,
                Offset(end - 1),
                max_timestamp,
                Some(slot),
            );
            state.producers.record(sequenced.producer, produced, now_ms);
        }
        Ok(Appended {
            offset_first,
            offset_last: Offset(end - 1),
            log_start: state.durable.log_start,
            slot: Some(slot),
            duplicate: false,
            max_timestamp,
        })
    }

    fn buffered(
        self: &Arc<Self>,
        batch: AppendBatch,
        offset_first: Offset,
        offset_last: Offset,
    ) -> Buffered {
        let mut bytes = batch.bytes;
        bytes[..8].copy_from_slice(&offset_first.0.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.leader_epoch().0.to_be_bytes());
        Buffered {
            log: self.clone(),
            offset_first,
            offset_last,
            record_count: batch.record_count,
            max_timestamp: batch.max_timestamp,
            sequenced: batch.sequenced,
            bytes: bytes.freeze(),
            permit: batch.permit,
        }
    }

    /// A slot with a run of this partition was committed: moves the high watermark, publishes the run
    /// and wakes fetches. Called in slot order.
    pub fn commit(
        &self,
        run: &Run,
        batches: Vec<TailBatch>,
        producers: &[(ProducerId, ProducedBatch)],
        now_ms: i64,
    ) {
        let mut state = self.lock();
        state.runs.push(run);
        state.tail.push(run.slot, batches);
        state
            .durable
            .follow(run, self.leader_epoch(), producers, now_ms);
        state.version += 1;
        drop(state);
        self.waiters.wake_all();
    }

    /// Rebuilds what [`PartitionLog::commit`] did before a restart. Runs that the page's state covers
    /// are only indexed; producers of later ones are taken over too.
    pub fn recover(
        &self,
        run: &Run,
        epoch: LeaderEpoch,
        producers: &[(ProducerId, ProducedBatch)],
        beyond_page: bool,
        now_ms: i64,
    ) -> Result<(), HoleError> {
        let mut state = self.lock();
        if !state.runs.is_empty() && state.runs.offset_end() != run.offset_first
            || beyond_page && state.durable.high_watermark != run.offset_first
        {
            let expected = if beyond_page {
                state.durable.high_watermark
            } else {
                state.runs.offset_end()
            };
            return Err(HoleError {
                partition: self.id,
                expected,
                found: run.offset_first,
            });
        }
        state.runs.push(run);
        if beyond_page {
            state.durable.follow(run, epoch, producers, now_ms);
            state.version += 1;
        }
        Ok(())
    }

    /// Ends the rebuilding: appends continue where the committed slots ended. `Err` with both ends when
    /// the runs do not reach as far as the page says.
    pub fn finish_recovery(&self) -> Result<(), (Offset, Offset)> {
        let mut state = self.lock();
        let (end, runs_end) = (state.durable.high_watermark, state.runs.offset_end());
        if end != runs_end && !(end == state.durable.log_start && state.runs.is_empty()) {
            return Err((end, runs_end));
        }
        state.offset_next = end;
        state.producers = state.durable.producers.clone();
        Ok(())
    }

    /// Marks the topic as deleted: appends are refused, waiting fetches wake.
    pub fn delete(&self) {
        let mut state = self.lock();
        state.deleted = true;
        state.tail.clear();
        drop(state);
        self.waiters.wake_all();
    }

    pub fn is_deleted(&self) -> bool {
        self.lock().deleted
    }

    /// Drops from memory what slots up to `slot` brought.
    pub fn evict(&self, slot: Slot) {
        self.lock().tail.evict(slot);
    }

    /// `waker` is woken at each commit until the guard is dropped.
    pub fn wait(&self, waker: &Waker) -> Waiting {
        self.waiters.join(waker)
    }

    /// Wakes all waiting fetches, for a change outside this log.
    pub fn wake_all(&self) {
        self.waiters.wake_all();
    }

    /// Runs in the index.
    pub fn run_count(&self) -> usize {
        self.lock().runs.len()
    }

    /// The largest known epoch ≤ `epoch` and its end offset (exclusive); see
    /// [`EpochHistory::end_of`].
    pub fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let state = self.lock();
        state
            .durable
            .epochs
            .end_of(epoch, self.leader_epoch(), state.durable.high_watermark)
    }

    /// Epoch of the record at `offset`, the current one at and behind the end.
    pub fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        self.epoch_in(&self.lock(), offset)
    }

    pub(super) fn epoch_in(&self, state: &State, offset: Offset) -> LeaderEpoch {
        if offset >= state.durable.high_watermark {
            return self.leader_epoch();
        }
        let epoch = state.durable.epochs.epoch_at(offset);
        epoch.unwrap_or(self.leader_epoch())
    }

    /// Forgets producers that have not written for `expiration_ms`.
    pub fn expire_producers(&self, now_ms: i64, expiration_ms: i64) {
        let mut state = self.lock();
        state.producers.expire(now_ms, expiration_ms);
        if state.durable.producers.expire(now_ms, expiration_ms) > 0 {
            state.version += 1;
        }
    }

    /// Whether the newest page is older than the committed state.
    pub fn is_dirty(&self) -> bool {
        let state = self.lock();
        state.version != state.version_paged
    }

    /// The committed state for a page, and its version for [`PartitionLog::paged`].
    pub fn snapshot(&self) -> (Durable, u64) {
        let state = self.lock();
        (state.durable.clone(), state.version)
    }

    /// A page with the state of `version` is the newest one now.
    pub fn paged(&self, version: u64) {
        self.lock().version_paged = version;
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("a panic under this lock would be a broken invariant")
    }
}

/// The index in the store has a hole: a log that cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("partition {partition}: the next run begins at offset {found}, expected {expected}")]
pub struct HoleError {
    pub partition: TopicPartition,
    pub expected: Offset,
    pub found: Offset,
}

impl Durable {
    fn follow(
        &mut self,
        run: &Run,
        epoch: LeaderEpoch,
        producers: &[(ProducerId, ProducedBatch)],
        now_ms: i64,
    ) {
        self.high_watermark = run.offset_end;
        self.epochs.assign(epoch, run.offset_first);
        for (producer, batch) in producers {
            self.producers.record(
                *producer,
                ProducedBatch {
                    slot: None,
                    ..*batch
                },
                now_ms,
            );
        }
    }
}

fn duplicate(original: &ProducedBatch, log_start: Offset) -> Appended {
    Appended {
        offset_first: original.offset_first,
        offset_last: original.offset_last,
        log_start,
        slot: original.slot,
        duplicate: true,
        max_timestamp: original.timestamp,
    }
}

pub(crate) fn produced_batch(
    sequenced: &Sequenced,
    offset_first: Offset,
    offset_last: Offset,
    timestamp: i64,
    slot: Option<Slot>,
) -> ProducedBatch {
    ProducedBatch {
        epoch: sequenced.epoch,
        sequence_first: sequenced.sequence_first,
        sequence_last: sequenced.sequence_last,
        offset_first,
        offset_last,
        timestamp,
        slot,
    }
}

/// Whole batches of a read, one after the other.
pub type Batches = Vec<Bytes>;
