//! The 61-byte header of a record batch.
//!
//! Owns: the layout, the attribute bits, sequence arithmetic.
//! Does not own: the batch as a whole (`batch`), or whether its values are acceptable (`validate`).
//! Invariant: any 61 bytes of magic 2 and a possible length decode, and encode to the same bytes.
//!
//! Layout (big endian): 0 base offset i64 · 8 length i32 (bytes after it) · 12 partition leader
//! epoch i32 · 16 magic i8 · 17 crc u32 · 21 attributes i16 · 23 last offset delta i32 · 27 base
//! timestamp i64 · 35 max timestamp i64 · 43 producer id i64 · 51 producer epoch i16 · 53 base
//! sequence i32 · 57 record count i32 · 61 records.

use super::compression::Codec;
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// Bytes of the header, and so of the smallest batch.
pub const HEADER_LEN: usize = 61;
/// Bytes before those that `length` counts.
pub const LENGTH_OVERHEAD: usize = 12;
/// Bytes needed to know size and magic of what follows.
pub const MAGIC_END: usize = 17;
/// The only format version that is read and written.
pub const MAGIC: i8 = 2;
/// "This record has no timestamp."
pub const NO_TIMESTAMP: i64 = -1;
pub const NO_PRODUCER_ID: ProducerId = ProducerId(-1);
pub const NO_PRODUCER_EPOCH: ProducerEpoch = ProducerEpoch(-1);
pub const NO_SEQUENCE: i32 = -1;

const LENGTH_AT: usize = 8;
pub(super) const LEADER_EPOCH_AT: usize = 12;
pub(super) const MAGIC_AT: usize = 16;
pub(super) const CRC_AT: usize = 17;
/// The first byte that the CRC covers.
pub const CRC_FROM: usize = 21;
pub(super) const MAX_TIMESTAMP_AT: usize = 35;

/// Who sets the timestamps of a topic (`message.timestamp.type`) or of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    #[default]
    CreateTime,
    /// All records carry the batch's max timestamp.
    LogAppendTime,
}

/// The batch's flags: bits 0–2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete
/// horizon set, 7–15 unused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;
    /// The bits that mean something.
    pub(super) const KNOWN: i16 = 0x7f;

    /// 0 to 7; 5 to 7 mean nothing yet.
    pub fn codec_id(self) -> u8 {
        (self.0 & 7) as u8
    }

    /// `None` for an id that no codec has.
    pub fn codec(self) -> Option<Codec> {
        Codec::from_id(self.codec_id())
    }

    pub fn timestamp_type(self) -> TimestampType {
        if self.has(Self::LOG_APPEND_TIME) {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    pub fn is_transactional(self) -> bool {
        self.has(Self::TRANSACTIONAL)
    }

    pub fn is_control(self) -> bool {
        self.has(Self::CONTROL)
    }

    /// The base timestamp is also the time from which tombstones of the batch may go (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.has(Self::DELETE_HORIZON)
    }

    pub fn with_codec(self, codec: Codec) -> Attributes {
        Attributes((self.0 & !7) | i16::from(codec.id()))
    }

    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Attributes {
        self.with(
            Self::LOG_APPEND_TIME,
            timestamp_type == TimestampType::LogAppendTime,
        )
    }

    pub fn with_transactional(self, on: bool) -> Attributes {
        self.with(Self::TRANSACTIONAL, on)
    }

    pub fn with_control(self, on: bool) -> Attributes {
        self.with(Self::CONTROL, on)
    }

    pub fn with_delete_horizon(self, on: bool) -> Attributes {
        self.with(Self::DELETE_HORIZON, on)
    }

    fn has(self, bit: i16) -> bool {
        self.0 & bit != 0
    }

    fn with(self, bit: i16, on: bool) -> Attributes {
        Attributes(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// The decoded header. Values are as on the wire: nothing but size and magic is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: Offset,
    /// Bytes of the batch after this field; ≥ 49.
    pub length: i32,
    pub partition_leader_epoch: LeaderEpoch,
    pub crc: u32,
    pub attributes: Attributes,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    /// Negative: neither idempotent nor transactional.
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: i32,
    /// May be less than `last_offset_delta + 1` after compaction, down to 0.
    pub record_count: i32,
}

/// Why no batch could be read at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    #[error("record batch cut off: {needed} bytes needed, {present} present")]
    Truncated { needed: usize, present: usize },
    #[error("record batch length {length} is below the smallest possible ({})", HEADER_LEN - LENGTH_OVERHEAD)]
    Length { length: i32 },
    #[error("magic {magic} where a record batch has {MAGIC}")]
    Magic { magic: i8 },
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, which may end before the batch does.
    pub fn decode(bytes: &[u8]) -> Result<BatchHeader, FramingError> {
        let present = bytes.len();
        if present < MAGIC_END {
            let needed = HEADER_LEN;
            return Err(FramingError::Truncated { needed, present });
        }
        let length = i32::from_be_bytes(array(bytes, LENGTH_AT));
        let magic = bytes[MAGIC_AT] as i8;
        if magic != MAGIC {
            return Err(FramingError::Magic { magic });
        }
        if length < (HEADER_LEN - LENGTH_OVERHEAD) as i32 {
            return Err(FramingError::Length { length });
        }
        if present < HEADER_LEN {
            let needed = HEADER_LEN;
            return Err(FramingError::Truncated { needed, present });
        }
        Ok(BatchHeader {
            base_offset: Offset(i64::from_be_bytes(array(bytes, 0))),
            length,
            partition_leader_epoch: LeaderEpoch(i32::from_be_bytes(array(bytes, LEADER_EPOCH_AT))),
            crc: u32::from_be_bytes(array(bytes, CRC_AT)),
            attributes: Attributes(i16::from_be_bytes(array(bytes, CRC_FROM))),
            last_offset_delta: i32::from_be_bytes(array(bytes, 23)),
            base_timestamp: i64::from_be_bytes(array(bytes, 27)),
            max_timestamp: i64::from_be_bytes(array(bytes, MAX_TIMESTAMP_AT)),
            producer_id: ProducerId(i64::from_be_bytes(array(bytes, 43))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(array(bytes, 51))),
            base_sequence: i32::from_be_bytes(array(bytes, 53)),
            record_count: i32::from_be_bytes(array(bytes, 57)),
        })
    }

    /// The header's 61 bytes, with `length` and `crc` as they stand in `self`.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0..8].copy_from_slice(&self.base_offset.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.length.to_be_bytes());
        out[12..16].copy_from_slice(&self.partition_leader_epoch.0.to_be_bytes());
        out[16] = MAGIC as u8;
        out[17..21].copy_from_slice(&self.crc.to_be_bytes());
        out[21..23].copy_from_slice(&self.attributes.0.to_be_bytes());
        out[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        out[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        out[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        out[43..51].copy_from_slice(&self.producer_id.0.to_be_bytes());
        out[51..53].copy_from_slice(&self.producer_epoch.0.to_be_bytes());
        out[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        out[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        out
    }

    /// Bytes of the whole batch, header included (Kafka's `sizeInBytes`).
    pub fn size_bytes(&self) -> usize {
        // `decode` refuses a length below 49.
        LENGTH_OVERHEAD + self.length.max(0) as usize
    }

    /// Inclusive. Saturates where a foreign header would overflow.
    pub fn offset_last(&self) -> Offset {
        Offset(
            self.base_offset
                .0
                .saturating_add(i64::from(self.last_offset_delta)),
        )
    }

    /// Exclusive end: the base offset of the batch that follows. Saturates.
    pub fn offset_next(&self) -> Offset {
        Offset(self.offset_last().0.saturating_add(1))
    }

    /// Idempotent or transactional.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id.0 >= 0
    }

    /// Sequence of the last record, inclusive; `NO_SEQUENCE` when the batch has none.
    pub fn sequence_last(&self) -> i32 {
        if self.base_sequence < 0 {
            return NO_SEQUENCE;
        }
        sequence_add(self.base_sequence, self.last_offset_delta)
    }

    /// The sequence that the producer's next batch begins with; `NO_SEQUENCE` without a producer.
    pub fn sequence_next(&self) -> i32 {
        if self.base_sequence < 0 {
            return NO_SEQUENCE;
        }
        sequence_add(self.sequence_last(), 1)
    }

    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes
            .has_delete_horizon()
            .then_some(self.base_timestamp)
    }

    /// The timestamp of a record of this batch, ms since the epoch.
    #[inline]
    pub fn timestamp_of(&self, timestamp_delta: i64) -> i64 {
        match self.attributes.timestamp_type() {
            TimestampType::LogAppendTime => self.max_timestamp,
            // As Java computes it: a foreign delta may overflow.
            TimestampType::CreateTime => self.base_timestamp.wrapping_add(timestamp_delta),
        }
    }

    /// The offset of a record of this batch.
    pub fn offset_of(&self, offset_delta: i32) -> Offset {
        Offset(self.base_offset.0.saturating_add(i64::from(offset_delta)))
    }
}

/// `sequence + increment` (both ≥ 0) in the ring of sequence numbers: after 2³¹−1 comes 0.
pub fn sequence_add(sequence: i32, increment: i32) -> i32 {
    ((i64::from(sequence) + i64::from(increment)) & i64::from(i32::MAX)) as i32
}
