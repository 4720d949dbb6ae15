//! Reading batches by offset: from the tail, else from the store.

use bytes::Bytes;
use futures::future::try_join_all;
use weir_protocol::types::{LeaderEpoch, Offset};

use super::{
    cold::{ColdReader, ReadError},
    partition::{Batches, PartitionLog},
    run_index::Run,
    tail::TailBatch,
};

/// Runs read from the store for one request, in parallel.
const COLD_RUNS_MAX: usize = 64;

enum Source {
    Memory(Vec<Bytes>),
    /// With the leader epoch of each.
    Store(Vec<(Run, LeaderEpoch)>),
}

/// What a read gets without the store.
pub enum InMemory {
    Batches(Batches),
    /// The store must be asked; the runs that it would read have `bytes` bytes.
    Stored {
        bytes: usize,
    },
}

impl PartitionLog {
    /// Whole batches from the one that holds `from` up to the high watermark, at most `bytes_max`
    /// bytes; with `one_at_least`, one batch even when it is larger. Empty at the high watermark.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] below the log start and above the next offset (Kafka's rule).
    pub async fn read(
        &self,
        cold: &ColdReader,
        from: Offset,
        bytes_max: usize,
        one_at_least: bool,
    ) -> Result<Batches, ReadError> {
        match self.source(from, bytes_max, one_at_least)? {
            Source::Memory(batches) => Ok(batches),
            Source::Store(runs) => {
                let runs =
                    try_join_all(runs.iter().map(|(run, epoch)| cold.run(run, *epoch))).await?;
                let batches = runs.iter().flat_map(|run| run.iter());
                Ok(take(batches, from, bytes_max, one_at_least))
            }
        }
    }

    /// As [`PartitionLog::read`], without waiting.
    pub fn read_in_memory(
        &self,
        from: Offset,
        bytes_max: usize,
        one_at_least: bool,
    ) -> Result<InMemory, ReadError> {
        match self.source(from, bytes_max, one_at_least)? {
            Source::Memory(batches) => Ok(InMemory::Batches(batches)),
            Source::Store(runs) => Ok(InMemory::Stored {
                bytes: runs.iter().map(|(run, _)| run.len as usize).sum(),
            }),
        }
    }

    fn source(
        &self,
        from: Offset,
        bytes_max: usize,
        one_at_least: bool,
    ) -> Result<Source, ReadError> {
        let state = self.lock();
        let (log_start, offset_next) = (state.durable.log_start, state.offset_next);
        if from < log_start || from > offset_next {
            return Err(ReadError::OutOfRange {
                requested: from,
                log_start,
                offset_next,
            });
        }
        if from >= state.durable.high_watermark || (bytes_max == 0 && !one_at_least) {
            return Ok(Source::Memory(Vec::new()));
        }
        if let Some(batches) = state.tail.read(from, bytes_max, one_at_least) {
            return Ok(Source::Memory(batches));
        }
        let runs = state.runs.span(from, bytes_max as u64, COLD_RUNS_MAX);
        let with_epoch = |run: Run| (run, self.epoch_in(&state, run.offset_first));
        Ok(Source::Store(runs.into_iter().map(with_epoch).collect()))
    }

    /// All batches of one run.
    pub(super) async fn batches_of(
        &self,
        cold: &ColdReader,
        run: &Run,
    ) -> Result<Vec<Bytes>, ReadError> {
        let (in_memory, epoch) = {
            let state = self.lock();
            let epoch = self.epoch_in(&state, run.offset_first);
            let batches = state.tail.read(run.offset_first, run.len as usize, true);
            (batches, epoch)
        };
        match in_memory {
            Some(batches) => Ok(batches),
            None => {
                let batches = cold.run(run, epoch).await?;
                Ok(batches.iter().map(|b| b.bytes.clone()).collect())
            }
        }
    }
}

fn take<'a>(
    batches: impl Iterator<Item = &'a TailBatch>,
    from: Offset,
    bytes_max: usize,
    one_at_least: bool,
) -> Vec<Bytes> {
    let mut chunks: Vec<Bytes> = Vec::new();
    let mut taken = 0;
    let mut batches = batches.peekable();
    while let Some(batch) = batches.next() {
        let ends_before = batches.peek().is_some_and(|next| next.offset_first <= from);
        if ends_before {
            continue;
        }
        let is_first = chunks.is_empty() && one_at_least;
        if taken + batch.bytes.len() > bytes_max && !is_first {
            break;
        }
        taken += batch.bytes.len();
        chunks.push(batch.bytes.clone());
    }
    chunks
}
