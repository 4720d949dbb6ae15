//! Walks the record batches of a run by their headers: what is there, independent of the footer.
//!
//! Only for verification and dumps; the read and produce paths have the codec of `weir_protocol`.

use bytes::{Buf, Bytes};
use weir_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::{ProducerBatch, controls};
use crate::format::FormatError;

/// Bytes of a batch header, up to and including the record count.
const HEADER_LEN: usize = 61;
/// The batch length counts the bytes behind itself.
const LENGTH_END: usize = 12;
const CRC_FROM: usize = 21;
const MAGIC: u8 = 2;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;

/// The header of a batch whose checksum was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedBatch {
    pub offset_first: Offset,
    /// Inclusive.
    pub offset_last: Offset,
    /// Bytes of the whole batch.
    pub len: u64,
    pub leader_epoch: LeaderEpoch,
    pub attributes: i16,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer: ProducerId,
    pub producer_epoch: ProducerEpoch,
    /// −1 = not idempotent, or a control batch.
    pub base_sequence: i32,
    pub record_count: u32,
}

impl ScannedBatch {
    /// Takes one batch off the front of `rest`.
    pub fn take(rest: &mut Bytes) -> Result<ScannedBatch, FormatError> {
        let truncated = |needed: usize, found: usize| FormatError::Truncated {
            what: "record batch",
            needed: needed as u64,
            found: found as u64,
        };
        if rest.len() < HEADER_LEN {
            return Err(truncated(HEADER_LEN, rest.len()));
        }
        let mut header = rest.slice(..HEADER_LEN);
        let base_offset = header.get_i64();
        let length = usize::try_from(header.get_i32()).unwrap_or(usize::MAX);
        let len = length.saturating_add(LENGTH_END);
        if len < HEADER_LEN || len > rest.len() {
            return Err(truncated(len, rest.len()));
        }
        let leader_epoch = LeaderEpoch(header.get_i32());
        let magic = header.get_u8();
        if magic != MAGIC {
            return Err(FormatError::Unknown {
                what: "record batch magic",
                value: magic.into(),
            });
        }
        let stored = header.get_u32();
        let computed = crc32c::crc32c(&rest[CRC_FROM..len]);
        if stored != computed {
            return Err(FormatError::Checksum {
                what: "record batch",
                stored,
                computed,
            });
        }
        let attributes = header.get_i16();
        let last_offset_delta = header.get_i32();
        let batch = ScannedBatch {
            offset_first: Offset(base_offset),
            offset_last: Offset(base_offset.saturating_add(last_offset_delta.into())),
            len: len as u64,
            leader_epoch,
            attributes,
            base_timestamp: header.get_i64(),
            max_timestamp: header.get_i64(),
            producer: ProducerId(header.get_i64()),
            producer_epoch: ProducerEpoch(header.get_i16()),
            base_sequence: header.get_i32(),
            record_count: header.get_u32(),
        };
        if base_offset < 0 || last_offset_delta < 0 {
            return Err(FormatError::Invalid {
                what: "record batch",
                message: format!("{last_offset_delta} offsets from {base_offset}"),
            });
        }
        rest.advance(len);
        Ok(batch)
    }

    pub fn codec(&self) -> &'static str {
        match self.attributes & 7 {
            0 => "none",
            1 => "gzip",
            2 => "snappy",
            3 => "lz4",
            4 => "zstd",
            _ => "unknown",
        }
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// What a producer delta says of this batch; `None` when it carries no sequence.
    pub(super) fn producer_batch(&self) -> Option<ProducerBatch> {
        if self.producer.0 < 0 || self.base_sequence < 0 || self.is_control() {
            return None;
        }
        let delta = self.offset_last.0 - self.offset_first.0;
        Some(ProducerBatch {
            epoch: self.producer_epoch,
            sequence_first: self.base_sequence,
            sequence_last: controls::sequence_after(self.base_sequence, delta),
            offset_first: self.offset_first,
            offset_last: self.offset_last,
            timestamp: self.max_timestamp,
        })
    }
}
