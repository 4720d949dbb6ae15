//! Finds a record of one batch by time, for ListOffsets.
//!
//! Owns: the rules within a batch (first record at or after a time; first with the max timestamp).
//! Does not own: choosing the batch: callers skip batches whose max timestamp is too old.

use super::batch::BatchView;
use super::compression::DecompressError;
use super::header::{NO_TIMESTAMP, TimestampType};
use super::record::RecordError;
use crate::types::Offset;

/// A record's place and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampedOffset {
    pub timestamp: i64,
    pub offset: Offset,
}

/// Why a stored batch could not be searched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The first record with timestamp ≥ `target` and offset ≥ `offset_from` (the log start may lie
/// inside a batch). `None` when the batch has none.
pub fn first_at_or_after(
    batch: &BatchView<'_>,
    target: i64,
    offset_from: Offset,
    decompressed_cap_bytes: usize,
) -> Result<Option<TimestampedOffset>, ReadError> {
    let header = batch.header();
    if header.max_timestamp < target || header.offset_last() < offset_from {
        return Ok(None);
    }
    find(batch, offset_from, decompressed_cap_bytes, |timestamp| {
        timestamp >= target
    })
}

/// The first record that carries the batch's max timestamp (ListOffsets −3). `None` when no record
/// has a timestamp, when the batch is empty, or when compaction removed that record.
pub fn first_with_max_timestamp(
    batch: &BatchView<'_>,
    offset_from: Offset,
    decompressed_cap_bytes: usize,
) -> Result<Option<TimestampedOffset>, ReadError> {
    let max_timestamp = batch.header().max_timestamp;
    if max_timestamp == NO_TIMESTAMP {
        return Ok(None);
    }
    find(batch, offset_from, decompressed_cap_bytes, |timestamp| {
        timestamp == max_timestamp
    })
}

fn find(
    batch: &BatchView<'_>,
    offset_from: Offset,
    decompressed_cap_bytes: usize,
    wanted: impl Fn(i64) -> bool,
) -> Result<Option<TimestampedOffset>, ReadError> {
    let header = batch.header();
    let dense = i64::from(header.record_count) == i64::from(header.last_offset_delta) + 1;
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime && dense {
        // All records carry the same time and none is missing: no need to decompress.
        let offset = header.base_offset.max(offset_from);
        let timestamp = header.max_timestamp;
        let found = wanted(timestamp) && header.record_count > 0 && offset <= header.offset_last();
        return Ok(found.then_some(TimestampedOffset { timestamp, offset }));
    }
    batch.with_records(decompressed_cap_bytes, |records| {
        for record in records {
            let record = record?;
            let timestamp = header.timestamp_of(record.timestamp_delta);
            let offset = header.offset_of(record.offset_delta);
            if offset >= offset_from && wanted(timestamp) {
                return Ok(Some(TimestampedOffset { timestamp, offset }));
            }
        }
        Ok(None)
    })?
}
