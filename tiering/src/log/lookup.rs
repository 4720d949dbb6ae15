//! Finding records by time, for ListOffsets.

use bytes::Bytes;
use weir_protocol::{
    records::{
        BatchView,
        time_lookup::{self, TimestampedOffset, first_at_or_after, first_with_max_timestamp},
    },
    types::{LeaderEpoch, Offset},
};

use super::{
    cold::{ColdReader, ReadError},
    partition::PartitionLog,
    run_index::Run,
};

/// Records of one batch may decompress to so much while they are searched.
const DECOMPRESSED_MAX: usize = 1 << 30;

/// A record's place, time and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundRecord {
    /// Milliseconds.
    pub timestamp: i64,
    pub offset: Offset,
    pub leader_epoch: LeaderEpoch,
}

impl PartitionLog {
    /// The first record at or behind the log start with a timestamp ≥ `target`, below the high
    /// watermark. Decompresses the batches that may hold it.
    pub async fn first_since(
        &self,
        cold: &ColdReader,
        target: i64,
    ) -> Result<Option<FoundRecord>, ReadError> {
        let log_start = self.bounds().log_start;
        let mut from = log_start;
        loop {
            let Some(run) = self.lock().runs.next_with_timestamp(from, target) else {
                return Ok(None);
            };
            let find = |batch: &BatchView<'_>| {
                first_at_or_after(batch, target, log_start, DECOMPRESSED_MAX)
            };
            if let Some(found) = self.find_in(cold, &run, find).await? {
                return Ok(Some(found));
            }
            from = run.offset_end;
        }
    }

    /// The first record with the largest timestamp below the high watermark (ListOffsets −3).
    pub async fn with_max_timestamp(
        &self,
        cold: &ColdReader,
    ) -> Result<Option<FoundRecord>, ReadError> {
        let log_start = self.bounds().log_start;
        let Some(run) = self.lock().runs.with_max_timestamp(log_start) else {
            return Ok(None);
        };
        let find = |batch: &BatchView<'_>| {
            if batch.header().max_timestamp < run.max_timestamp {
                return Ok(None);
            }
            first_with_max_timestamp(batch, log_start, DECOMPRESSED_MAX)
        };
        self.find_in(cold, &run, find).await
    }

    async fn find_in(
        &self,
        cold: &ColdReader,
        run: &Run,
        find: impl Fn(&BatchView<'_>) -> Result<Option<TimestampedOffset>, time_lookup::ReadError>,
    ) -> Result<Option<FoundRecord>, ReadError> {
        for bytes in self.batches_of(cold, run).await? {
            if let Some(found) = search(cold, run, &bytes, &find)? {
                return Ok(Some(FoundRecord {
                    timestamp: found.timestamp,
                    offset: found.offset,
                    leader_epoch: self.epoch_at(found.offset),
                }));
            }
        }
        Ok(None)
    }
}

fn search(
    cold: &ColdReader,
    run: &Run,
    bytes: &Bytes,
    find: impl Fn(&BatchView<'_>) -> Result<Option<TimestampedOffset>, time_lookup::ReadError>,
) -> Result<Option<TimestampedOffset>, ReadError> {
    let damaged = |message: String| ReadError::Corrupt {
        key: cold.key(run),
        message,
    };
    let batch = BatchView::parse(bytes).map_err(|error| damaged(error.to_string()))?;
    find(&batch).map_err(|error| damaged(error.to_string()))
}
