//! Reads a shard from its partition, from the log start to the high watermark.
//!
//! Invariant: a shard is either complete or not there: damage, a hole or a record that cannot be
//! understood is an error, never a shorter state.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore};
use weir_coordinator::{GroupConfig, ReplayError, Shard};
use weir_protocol::{
    records::{BatchView, DecompressError, RecordError, split_batches},
    types::Offset,
};
use weir_tiering::log::{ColdReader, PartitionLog, ReadError, Waker};

/// Bytes of one read, unless a single batch is larger.
const PIECE_BYTES: usize = 1 << 20;
/// The records of one batch may decompress to so much. We write them uncompressed; a log that was
/// filled by other means may differ.
const DECOMPRESSED_MAX: usize = 256 << 20;

pub(super) struct Loaded {
    pub(super) shard: Shard,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("nothing is stored at offset {0}, below the high watermark")]
    Hole(Offset),
    #[error("the batch at offset {offset}: {message}")]
    Batch { offset: Offset, message: String },
    #[error("{0}")]
    Replay(#[from] ReplayError),
}

impl LoadError {
    /// Whether another attempt may help soon.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, LoadError::Read(ReadError::Store(_)))
    }
}

/// The shard as of the last append that was made before this call. `reads` bounds how many load at a
/// time. Never completes when an append before it is lost: the caller watches the write-ahead log.
pub(super) async fn load(
    log: &PartitionLog,
    cold: &ColdReader,
    reads: &Semaphore,
    config: GroupConfig,
) -> Result<Loaded, LoadError> {
    let end = log.bounds().offset_next;
    durable(log, end).await;
    let _turn = reads.acquire().await.expect("it is never closed");
    let mut loaded = Loaded {
        shard: Shard::new(config),
        records: 0,
        bytes: 0,
    };
    let mut from = log.bounds().log_start;
    while from < end {
        let piece = match log.read(cold, from, PIECE_BYTES, true).await {
            // What was there is not wanted any more.
            Err(ReadError::OutOfRange { log_start, .. }) if log_start > from => {
                from = log_start;
                continue;
            }
            piece => piece?,
        };
        if piece.is_empty() {
            return Err(LoadError::Hole(from));
        }
        for bytes in &piece {
            from = loaded.take(bytes, from)?;
        }
        tokio::task::yield_now().await;
    }
    Ok(loaded)
}

/// Waits until everything below `end` is committed.
async fn durable(log: &PartitionLog, end: Offset) {
    let waker: Waker = Arc::new(Notify::new());
    let _waiting = log.wait(&waker);
    while log.bounds().high_watermark < end {
        waker.notified().await;
    }
}

impl Loaded {
    /// Replays whole batches; returns the offset behind them.
    fn take(&mut self, bytes: &[u8], from: Offset) -> Result<Offset, LoadError> {
        let mut next = from;
        for batch in split_batches(bytes) {
            let batch = batch.map_err(|error| damaged(next, error))?;
            let header = batch.header();
            if !batch.crc_is_valid() {
                return Err(damaged(header.base_offset, "its checksum is wrong"));
            }
            let delta = i64::from(header.last_offset_delta);
            let end = header.base_offset.0.saturating_add(delta).saturating_add(1);
            if end <= next.0 {
                return Err(damaged(next, "it ends before it should begin"));
            }
            next = Offset(end);
            self.bytes += batch.as_bytes().len() as u64;
            let attributes = header.attributes;
            if attributes.is_control() {
                continue;
            }
            if attributes.is_transactional() {
                let message = "offsets of a transaction, which this version does not know";
                return Err(damaged(header.base_offset, message));
            }
            self.replay(&batch)?;
        }
        Ok(next)
    }

    fn replay(&mut self, batch: &BatchView<'_>) -> Result<(), LoadError> {
        let base = batch.header().base_offset;
        let replayed = batch.with_records(DECOMPRESSED_MAX, |records| {
            for record in records {
                let record = record.map_err(|error: RecordError| damaged(base, error))?;
                let offset = Offset(base.0 + i64::from(record.offset_delta));
                let key = record.key.map(Bytes::copy_from_slice);
                let value = record.value.map(Bytes::copy_from_slice);
                self.shard.replay(offset, key.as_ref(), value.as_ref())?;
                self.records += 1;
            }
            Ok(())
        });
        replayed.map_err(|error: DecompressError| damaged(base, error))?
    }
}

fn damaged(offset: Offset, message: impl ToString) -> LoadError {
    LoadError::Batch {
        offset,
        message: message.to_string(),
    }
}
