//! Why a produced batch is refused: one variant per fact, and the coarse kind that callers map to
//! an error code.

use std::fmt;

use super::compression::{Codec, DecompressError};
use super::header::{HEADER_LEN, LENGTH_OVERHEAD};
use super::record::RecordError;
use crate::types::{Offset, ProducerId};

/// At most so many faulty records are listed; all are counted.
pub const RECORD_FAULTS_LISTED_MAX: usize = 1_000;

/// A refused batch. The messages leave out the partition, which the caller knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("Produce requests must have at least one record batch per partition")]
    NoBatch,
    #[error("The record batch is cut off: {needed} bytes declared, {present} present")]
    Truncated { needed: usize, present: usize },
    #[error(
        "Record batch is corrupted (its length {length} is smaller than the minimum {})",
        HEADER_LEN - LENGTH_OVERHEAD
    )]
    Length { length: i32 },
    #[error(
        "Produce requests are only allowed to contain record batches with magic version 2, not {magic}"
    )]
    Magic { magic: i8 },
    #[error("Produce requests with version {version} are not allowed to use ZStandard compression")]
    ZstdNeedsVersion7 { version: i16 },
    #[error("Unknown compression type id {id}")]
    UnknownCodec { id: u8 },
    #[error("Produce requests are only allowed to contain exactly one record batch per partition")]
    MoreThanOneBatch,
    #[error("{bytes} bytes that are no record batch follow the record batch")]
    TrailingBytes { bytes: usize },
    #[error("The baseOffset of the record batch should be 0, but it is {base_offset}")]
    BaseOffset { base_offset: Offset },
    #[error(
        "The record batch size is {size_bytes} bytes which exceeds the maximum configured value of {max_bytes}"
    )]
    TooLarge { size_bytes: usize, max_bytes: usize },
    #[error("Record is corrupt (stored crc = {stored}, computed crc = {computed})")]
    Crc { stored: u32, computed: u32 },
    #[error("Batch has an invalid offset range: [0, {last_offset_delta}]")]
    OffsetRange { last_offset_delta: i32 },
    #[error("Invalid reported count for record batch: {count}")]
    RecordCount { count: i32 },
    #[error(
        "Inconsistent batch offset range [0, {last_offset_delta}] and count of records {count}"
    )]
    CountMismatch { last_offset_delta: i32, count: i32 },
    #[error("Clients are not allowed to write control records")]
    Control,
    #[error(
        "Invalid sequence number {base_sequence} in record batch with producerId {producer_id}"
    )]
    Sequence {
        base_sequence: i32,
        producer_id: ProducerId,
    },
    #[error("The record batch decompresses to more than {cap_bytes} bytes ({codec})")]
    DecompressedTooLarge { codec: Codec, cap_bytes: usize },
    #[error("The records cannot be decompressed: {0}")]
    Decompress(DecompressError),
    #[error("Found invalid record structure: {0}")]
    Record(#[from] RecordError),
    #[error("Record {index} has offset delta {found}; the offsets of a batch must be dense from 0")]
    OffsetDelta { index: i32, found: i32 },
    #[error("{0}")]
    Records(RecordFaults),
}

/// What a refusal means for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchErrorKind {
    /// The client's data is wrong and stays so.
    InvalidRecord,
    /// As above, and at least one timestamp is out of range or of the wrong type.
    InvalidTimestamp,
    /// Damaged on the way; sending again may help.
    CorruptMessage,
    /// A smaller batch may pass.
    MessageTooLarge,
    UnsupportedCompressionType,
}

impl BatchError {
    pub fn kind(&self) -> BatchErrorKind {
        match self {
            BatchError::Length { .. } | BatchError::Crc { .. } => BatchErrorKind::CorruptMessage,
            // Magic 0 and 1 are refused formats, anything else is garbage (as in Kafka).
            BatchError::Magic { magic } if !(0..=2).contains(magic) => {
                BatchErrorKind::CorruptMessage
            }
            // Kafka has no cap. Java's producer splits a batch on this answer, so it gets on.
            BatchError::TooLarge { .. } | BatchError::DecompressedTooLarge { .. } => {
                BatchErrorKind::MessageTooLarge
            }
            BatchError::ZstdNeedsVersion7 { .. } | BatchError::UnknownCodec { .. } => {
                BatchErrorKind::UnsupportedCompressionType
            }
            BatchError::Records(faults) if faults.any_timestamp => BatchErrorKind::InvalidTimestamp,
            _ => BatchErrorKind::InvalidRecord,
        }
    }

    /// The records to be named in the answer (`record_errors`, Produce v8+; KIP-467).
    pub fn record_faults(&self) -> &[RecordFault] {
        match self {
            BatchError::Records(faults) => &faults.listed,
            _ => &[],
        }
    }
}

/// One record that a topic doesn't accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordFault {
    /// In the batch, from 0.
    pub index: i32,
    pub kind: RecordFaultKind,
}

/// Why a topic doesn't accept a record. The text is the answer's `batch_index_error_message`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFaultKind {
    #[error("Compacted topic cannot accept message without key")]
    NoKey,
    /// Both bounds inclusive.
    #[error(
        "Timestamp {timestamp} of message with offset {offset_delta} is out of range. The timestamp should be within [{timestamp_min}, {timestamp_max}]"
    )]
    TimestampOutOfRange {
        timestamp: i64,
        offset_delta: i32,
        timestamp_min: i64,
        timestamp_max: i64,
    },
    #[error(
        "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime."
    )]
    LogAppendTime,
}

/// The records that made a batch unacceptable; the whole batch is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFaults {
    /// The first [`RECORD_FAULTS_LISTED_MAX`], by index.
    pub listed: Vec<RecordFault>,
    pub total: usize,
    pub any_timestamp: bool,
}

impl RecordFaults {
    #[cold]
    pub(super) fn add(&mut self, index: i32, kind: RecordFaultKind) {
        self.total += 1;
        self.any_timestamp |= kind != RecordFaultKind::NoKey;
        if self.listed.len() < RECORD_FAULTS_LISTED_MAX {
            self.listed.push(RecordFault { index, kind });
        }
    }
}

impl fmt::Display for RecordFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.any_timestamp {
            return f.write_str("One or more records have been rejected due to invalid timestamp");
        }
        let total = self.total;
        write!(
            f,
            "One or more records have been rejected due to {total} record errors in total, and only showing the first three errors at most:"
        )?;
        for fault in self.listed.iter().take(3) {
            write!(f, " [{}] {};", fault.index, fault.kind)?;
        }
        Ok(())
    }
}
