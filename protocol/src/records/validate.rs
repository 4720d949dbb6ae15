//! What a broker checks before it accepts the records of one partition of a Produce request.
//!
//! Owns: Kafka's checks and their order (`ProduceRequest.validateRecords`,
//! `UnifiedLog.analyzeAndValidateRecords`, `LogValidator`), as far as they need nothing but the
//! bytes, the topic's limits and the time.
//! Does not own: authorisation, producer state, offset assignment, changing the codec.
//! Invariant: an accepted batch (in full mode) can be read by every consumer: its CRC is right, its
//! records decompress within the cap and fill it exactly, their offsets are dense from 0.

use super::batch::{BatchMut, BatchView};
use super::batch_error::{BatchError, RecordFaultKind, RecordFaults};
use super::compression::{Codec, DecompressError};
use super::header::{
    BatchHeader, FramingError, MAGIC, MAGIC_AT, MAGIC_END, NO_TIMESTAMP, TimestampType,
};
use super::record::RecordIter;
use crate::types::{LeaderEpoch, Offset};

/// `weir.produce.validate`: whether compressed records are looked into. Uncompressed ones always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValidateMode {
    #[default]
    Full,
    /// Trusts the header of a compressed batch: keys and single timestamps aren't seen, the max
    /// timestamp is the client's, and a batch that no consumer can read may be accepted.
    HeaderOnly,
}

/// The limits of a topic at one moment.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// `max.message.bytes`: of the batch as it was sent, header included.
    pub max_message_bytes: usize,
    /// `message.timestamp.type`
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`, ≥ 0
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`, ≥ 0
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy` contains `compact`: every record needs a key.
    pub compacted: bool,
    pub now_ms: i64,
    pub mode: ValidateMode,
    /// Records may decompress to this size at most. Kafka has no such limit.
    pub decompressed_cap_bytes: usize,
}

/// An acceptable batch and what is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidatedBatch {
    /// As received. The transactional bit is for the caller to judge.
    pub header: BatchHeader,
    pub codec: Codec,
    /// The topic's type, to be stored in the batch.
    pub timestamp_type: TimestampType,
    /// To be stored: the largest of the records' timestamps, whatever the header claimed; with
    /// LogAppendTime the time of validation. `NO_TIMESTAMP` when no record has one.
    pub max_timestamp: i64,
    /// Of the first record with the max timestamp; 0 with LogAppendTime. `None` when no record has
    /// a timestamp, or when the records weren't looked into.
    pub offset_delta_of_max_timestamp: Option<i32>,
    pub record_count: i32,
    /// Whether storing changes bytes that the CRC covers.
    pub needs_crc_rewrite: bool,
}

impl ValidatedBatch {
    /// The size as received, header included.
    pub fn size_bytes(&self) -> usize {
        self.header.size_bytes()
    }

    /// Makes a copy of the batch (or its recompressed form) what is stored: base offset, leader
    /// epoch, timestamp type, max timestamp, CRC where needed.
    pub fn patch(&self, batch: &mut BatchMut<'_>, base_offset: Offset, epoch: LeaderEpoch) {
        batch.set_base_offset(base_offset);
        batch.set_partition_leader_epoch(epoch);
        batch.set_timestamps(self.timestamp_type, self.max_timestamp);
    }
}

/// Validates `records`, the bytes of one partition in a Produce request of version
/// `produce_version`. The order of the checks is Kafka's, since clients see the first that fails.
pub fn validate_batch(
    records: &[u8],
    produce_version: i16,
    limits: &BatchLimits,
) -> Result<ValidatedBatch, BatchError> {
    let batch = single_batch(records, produce_version)?;
    let header = *batch.header();
    let codec = header.attributes.codec();
    let codec = codec.ok_or(BatchError::UnknownCodec {
        id: header.attributes.codec_id(),
    })?;
    check_bytes(&batch, limits)?;
    check_header(&header)?;
    let found = if codec != Codec::None && limits.mode == ValidateMode::HeaderOnly {
        trust_header(&header, limits)?
    } else {
        batch
            .with_records(limits.decompressed_cap_bytes, |records| {
                walk_records(&header, records, limits)
            })
            .map_err(decompress_error)??
    };
    let timestamp_type = limits.message_timestamp_type;
    let (max_timestamp, offset_delta_of_max_timestamp) = match timestamp_type {
        TimestampType::LogAppendTime => (limits.now_ms, Some(0)),
        TimestampType::CreateTime => found,
    };
    Ok(ValidatedBatch {
        header,
        codec,
        timestamp_type,
        max_timestamp,
        offset_delta_of_max_timestamp,
        record_count: header.record_count,
        needs_crc_rewrite: header.attributes.timestamp_type() != timestamp_type
            || header.max_timestamp != max_timestamp,
    })
}

fn decompress_error(error: DecompressError) -> BatchError {
    match error {
        DecompressError::TooLarge { codec, cap_bytes } => {
            BatchError::DecompressedTooLarge { codec, cap_bytes }
        }
        DecompressError::UnknownCodec { id } => BatchError::UnknownCodec { id },
        error => BatchError::Decompress(error),
    }
}

/// Exactly one batch of magic 2 and nothing else (`ProduceRequest.validateRecords`).
fn single_batch(records: &[u8], produce_version: i16) -> Result<BatchView<'_>, BatchError> {
    if records.is_empty() {
        return Err(BatchError::NoBatch);
    }
    let batch = BatchView::parse(records).map_err(|error| match error {
        FramingError::Truncated { needed, present } => BatchError::Truncated { needed, present },
        FramingError::Length { length } => BatchError::Length { length },
        FramingError::Magic { magic } => BatchError::Magic { magic },
    })?;
    // KIP-110: clients of older versions couldn't read the topic any more.
    if produce_version < 7 && batch.header().attributes.codec() == Some(Codec::Zstd) {
        let version = produce_version;
        return Err(BatchError::ZstdNeedsVersion7 { version });
    }
    let rest = &records[batch.as_bytes().len()..];
    if rest.len() >= MAGIC_END && rest[MAGIC_AT] as i8 == MAGIC {
        return Err(BatchError::MoreThanOneBatch);
    }
    if !rest.is_empty() {
        // Kafka cuts off silently what is no whole batch. We refuse: a client that believes it sent
        // more than one batch must not get an acknowledgement for the first.
        return Err(BatchError::TrailingBytes { bytes: rest.len() });
    }
    Ok(batch)
}

/// `UnifiedLog.analyzeAndValidateRecords`
fn check_bytes(batch: &BatchView<'_>, limits: &BatchLimits) -> Result<(), BatchError> {
    let header = batch.header();
    if header.base_offset != Offset(0) {
        let base_offset = header.base_offset;
        return Err(BatchError::BaseOffset { base_offset });
    }
    let size_bytes = header.size_bytes();
    if size_bytes > limits.max_message_bytes {
        let max_bytes = limits.max_message_bytes;
        return Err(BatchError::TooLarge {
            size_bytes,
            max_bytes,
        });
    }
    let computed = batch.crc_computed();
    if computed != header.crc {
        let stored = header.crc;
        return Err(BatchError::Crc { stored, computed });
    }
    Ok(())
}

/// `LogValidator.validateBatch` for batches of clients.
fn check_header(header: &BatchHeader) -> Result<(), BatchError> {
    let (last_offset_delta, count) = (header.last_offset_delta, header.record_count);
    if last_offset_delta < 0 {
        return Err(BatchError::OffsetRange { last_offset_delta });
    }
    if count <= 0 {
        return Err(BatchError::RecordCount { count });
    }
    if i64::from(last_offset_delta) + 1 != i64::from(count) {
        return Err(BatchError::CountMismatch {
            last_offset_delta,
            count,
        });
    }
    if header.attributes.is_control() {
        return Err(BatchError::Control);
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return Err(BatchError::Sequence {
            base_sequence: header.base_sequence,
            producer_id: header.producer_id,
        });
    }
    Ok(())
}

/// The timestamps that a topic accepts, both ends inclusive.
struct TimestampRange {
    min: i64,
    max: i64,
}

impl TimestampRange {
    /// `None`: all are accepted, since the broker sets its own (Kafka skips the check then).
    fn of(limits: &BatchLimits) -> Option<TimestampRange> {
        match limits.message_timestamp_type {
            TimestampType::LogAppendTime => None,
            TimestampType::CreateTime => Some(TimestampRange {
                min: limits.now_ms.saturating_sub(limits.timestamp_before_max_ms),
                max: limits.now_ms.saturating_add(limits.timestamp_after_max_ms),
            }),
        }
    }

    fn check(&self, timestamp: i64, offset_delta: i32) -> Result<(), RecordFaultKind> {
        if timestamp == NO_TIMESTAMP || (self.min <= timestamp && timestamp <= self.max) {
            return Ok(());
        }
        Err(RecordFaultKind::TimestampOutOfRange {
            timestamp,
            offset_delta,
            timestamp_min: self.min,
            timestamp_max: self.max,
        })
    }
}

/// Max timestamp and the offset delta of the first record that has it.
type Found = (i64, Option<i32>);

/// `LogValidator.validateRecord` for all records. A malformed record ends the walk at once; records
/// that the topic doesn't accept are collected.
fn walk_records(
    header: &BatchHeader,
    records: RecordIter<'_>,
    limits: &BatchLimits,
) -> Result<Found, BatchError> {
    let range = TimestampRange::of(limits);
    // Kafka lets it pass on a CreateTime topic while the header's max timestamp is in range, and then
    // clears the bit, which gives the records times that nobody checked.
    let marked = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
    let mut faults = RecordFaults::default();
    let mut found: Found = (NO_TIMESTAMP, None);
    for (index, record) in records.enumerate() {
        let record = record?;
        // The iterator yields no more than the header's i32 count.
        let index = index as i32;
        if record.offset_delta != index {
            // Kafka stores uncompressed batches with such offsets as they are (consumers then drop
            // records), and fails on compressed ones. Offsets are dense here, so we refuse both.
            let found = record.offset_delta;
            return Err(BatchError::OffsetDelta { index, found });
        }
        let timestamp = header.timestamp_of(record.timestamp_delta);
        if limits.compacted && record.key.is_none() {
            faults.add(index, RecordFaultKind::NoKey);
        } else if marked {
            faults.add(index, RecordFaultKind::LogAppendTime);
        } else if let Some(Err(fault)) = range.as_ref().map(|r| r.check(timestamp, index)) {
            faults.add(index, fault);
        } else if timestamp > found.0 {
            found = (timestamp, Some(index));
        }
    }
    if faults.total > 0 {
        return Err(BatchError::Records(faults));
    }
    Ok(found)
}

/// In place of the walk: the header's own times, reported at the first record when refused.
fn trust_header(header: &BatchHeader, limits: &BatchLimits) -> Result<Found, BatchError> {
    let marked = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
    let checked = match TimestampRange::of(limits) {
        _ if marked => Err(RecordFaultKind::LogAppendTime),
        Some(range) => range.check(header.max_timestamp, 0),
        None => Ok(()),
    };
    if let Err(kind) = checked {
        let mut faults = RecordFaults::default();
        faults.add(0, kind);
        return Err(BatchError::Records(faults));
    }
    Ok((header.max_timestamp, None))
}
