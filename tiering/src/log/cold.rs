//! Reads runs that are no longer in memory, through a cache with one read per run at a time.
//!
//! Owns: the cache, and the check of what came back (a batch whose checksum is wrong is never
//! handed out). Does not own: which run holds an offset (`run_index`).

use std::sync::Arc;

use bytes::Bytes;
use moka::future::Cache;
use weir_protocol::{
    records::split_batches,
    types::{LeaderEpoch, Offset},
};

use super::{
    run_index::{Run, WalIndex},
    tail::TailBatch,
};
use crate::{
    ids::Slot,
    keys,
    store::{DynStore, Key, StoreError},
    wal::WalTable,
};

/// Batches of one run; whole, checked, in offset order.
pub type RunBatches = Arc<Vec<TailBatch>>;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct RunKey {
    wal: WalIndex,
    slot: Slot,
    position: u32,
}

/// Why a read failed. Nothing of it is an answer: the caller must not turn it into "no data".
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    #[error("offset {requested} is outside {log_start}..{offset_next}")]
    OutOfRange {
        requested: Offset,
        log_start: Offset,
        offset_next: Offset,
    },
    #[error("{0}")]
    Store(StoreError),
    #[error("object {key}: {message}; run `weir log verify` and restore the object from a copy")]
    Corrupt { key: Key, message: String },
}

pub struct ColdReader {
    store: DynStore,
    table: Arc<WalTable>,
    cache: Cache<RunKey, RunBatches>,
}

impl ColdReader {
    /// A reader whose cache holds up to `cache_bytes_max` bytes of runs.
    pub fn new(store: DynStore, table: Arc<WalTable>, cache_bytes_max: u64) -> ColdReader {
        let weigh = |_: &RunKey, batches: &RunBatches| {
            let bytes: usize = batches.iter().map(|b| b.bytes.len() + 64).sum();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder()
            .max_capacity(cache_bytes_max)
            .weigher(weigh)
            .build();
        ColdReader {
            store,
            table,
            cache,
        }
    }

    /// The batches of a committed run, all written under `epoch`.
    pub async fn run(&self, run: &Run, epoch: LeaderEpoch) -> Result<RunBatches, ReadError> {
        let key = RunKey {
            wal: run.wal,
            slot: run.slot,
            position: run.position,
        };
        self.cache
            .try_get_with(key, self.load(run, epoch))
            .await
            .map_err(|error: Arc<ReadError>| error.as_ref().clone())
    }

    /// Name of the object that holds a run.
    pub fn key(&self, run: &Run) -> Key {
        keys::wal(self.table.get(run.wal), 0, run.slot)
    }

    async fn load(&self, run: &Run, epoch: LeaderEpoch) -> Result<RunBatches, ReadError> {
        let key = self.key(run);
        let range = u64::from(run.position)..u64::from(run.position) + u64::from(run.len);
        let bytes = self
            .store
            .get_range(&key, range)
            .await
            .map_err(ReadError::Store)?;
        let batches = checked_batches(run, epoch, &bytes).map_err(|message| {
            tracing::error!(object = %key, %message, "an object in the store is damaged; its records cannot be served");
            ReadError::Corrupt { key, message }
        })?;
        Ok(Arc::new(batches))
    }
}

/// Base offset and leader epoch lie outside a batch's checksum, so the index vouches for them.
fn checked_batches(run: &Run, epoch: LeaderEpoch, bytes: &Bytes) -> Result<Vec<TailBatch>, String> {
    let mut batches = Vec::new();
    let mut expected = run.offset_first;
    for batch in split_batches(bytes) {
        let batch = batch.map_err(|error| error.to_string())?;
        let header = batch.header();
        if !batch.crc_is_valid() {
            return Err(format!(
                "the batch at offset {} has a wrong checksum",
                header.base_offset
            ));
        }
        if header.base_offset != expected {
            let found = header.base_offset;
            return Err(format!(
                "a batch has base offset {found}, the index says {expected}"
            ));
        }
        if header.partition_leader_epoch != epoch {
            let found = header.partition_leader_epoch;
            return Err(format!(
                "the batch at offset {expected} has leader epoch {found}, the index says {epoch}"
            ));
        }
        expected = header.offset_next();
        batches.push(TailBatch {
            offset_first: header.base_offset,
            bytes: bytes.slice_ref(batch.as_bytes()),
        });
    }
    if expected != run.offset_end {
        return Err(format!(
            "a run ends at offset {expected}, the index says {}",
            run.offset_end
        ));
    }
    Ok(batches)
}
