//! Whole record batches: reading one, walking over many, patching one in place.
//!
//! Owns: the CRC (CRC-32C over byte 21 to the end) and which patch needs a new one.
//! Does not own: the header's layout (`header`), the records inside (`record`), or whether a batch
//! is acceptable (`validate`).
//! Invariant: base offset and partition leader epoch lie outside the CRC, so a broker rewrites them
//! freely; any other patch recomputes it. A `BatchView`/`BatchMut` covers exactly one whole batch.

use super::compression::{self, DecompressError};
use super::header::{
    Attributes, BatchHeader, CRC_AT, CRC_FROM, FramingError, HEADER_LEN, LEADER_EPOCH_AT,
    LENGTH_OVERHEAD, MAGIC_AT, MAX_TIMESTAMP_AT, TimestampType,
};
use super::record::RecordIter;
use crate::types::{LeaderEpoch, Offset};

/// One whole batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> BatchView<'a> {
    /// The batch at the start of `bytes`; what follows it is ignored.
    pub fn parse(bytes: &'a [u8]) -> Result<BatchView<'a>, FramingError> {
        let header = BatchHeader::decode(bytes)?;
        let needed = header.size_bytes();
        let present = bytes.len();
        let bytes = bytes
            .get(..needed)
            .ok_or(FramingError::Truncated { needed, present })?;
        Ok(BatchView { header, bytes })
    }

    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The records as stored, compressed if the batch is.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[HEADER_LEN..]
    }

    pub fn crc_computed(&self) -> u32 {
        crc32c::crc32c(&self.bytes[CRC_FROM..])
    }

    pub fn crc_is_valid(&self) -> bool {
        self.crc_computed() == self.header.crc
    }

    /// Calls `read` with an iterator over the records, decompressed into a buffer of this thread.
    /// Uncompressed records are not copied. More than `cap_bytes` of records is an error. The CRC is
    /// not checked.
    pub fn with_records<R>(
        &self,
        cap_bytes: usize,
        read: impl FnOnce(RecordIter<'_>) -> R,
    ) -> Result<R, DecompressError> {
        let codec = self.header.attributes.codec();
        let codec = codec.ok_or(DecompressError::UnknownCodec {
            id: self.header.attributes.codec_id(),
        })?;
        compression::with_decompressed(codec, self.payload(), cap_bytes, |area| {
            read(RecordIter::new(area, self.header.record_count))
        })
    }
}

/// One whole batch that may be patched.
#[derive(Debug)]
pub struct BatchMut<'a> {
    header: BatchHeader,
    bytes: &'a mut [u8],
}

impl<'a> BatchMut<'a> {
    /// The batch at the start of `bytes`; what follows it is left alone.
    pub fn parse(bytes: &'a mut [u8]) -> Result<BatchMut<'a>, FramingError> {
        let size = BatchView::parse(bytes)?.header.size_bytes();
        let bytes = &mut bytes[..size];
        let header = BatchHeader::decode(bytes)?;
        Ok(BatchMut { header, bytes })
    }

    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Outside the CRC.
    pub fn set_base_offset(&mut self, offset: Offset) {
        self.header.base_offset = offset;
        self.bytes[..8].copy_from_slice(&offset.0.to_be_bytes());
    }

    /// Outside the CRC.
    pub fn set_partition_leader_epoch(&mut self, epoch: LeaderEpoch) {
        self.header.partition_leader_epoch = epoch;
        self.bytes[LEADER_EPOCH_AT..MAGIC_AT].copy_from_slice(&epoch.0.to_be_bytes());
    }

    /// Sets timestamp type and max timestamp, and recomputes the CRC. When both are what they were,
    /// nothing is touched, so that the producer's CRC stays (as Kafka does). Returns whether the CRC
    /// was rewritten.
    pub fn set_timestamps(&mut self, timestamp_type: TimestampType, max_timestamp: i64) -> bool {
        let old = &self.header;
        if old.attributes.timestamp_type() == timestamp_type && old.max_timestamp == max_timestamp {
            return false;
        }
        // Kafka too drops the unused bits whenever it rewrites the attributes.
        let attributes = Attributes(old.attributes.0 & Attributes::KNOWN);
        self.header.attributes = attributes.with_timestamp_type(timestamp_type);
        self.header.max_timestamp = max_timestamp;
        self.bytes[CRC_FROM..23].copy_from_slice(&self.header.attributes.0.to_be_bytes());
        self.bytes[MAX_TIMESTAMP_AT..43].copy_from_slice(&max_timestamp.to_be_bytes());
        self.header.crc = crc32c::crc32c(&self.bytes[CRC_FROM..]);
        self.bytes[CRC_AT..CRC_FROM].copy_from_slice(&self.header.crc.to_be_bytes());
        true
    }
}

/// Writes header and payload as one batch: `length` and `crc` are computed, the values in `header`
/// ignored. `None` when the payload is too long for the format's i32.
pub(super) fn assemble(mut header: BatchHeader, payload: &[u8]) -> Option<Vec<u8>> {
    let size = HEADER_LEN + payload.len();
    header.length = i32::try_from(size - LENGTH_OVERHEAD).ok()?;
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(payload);
    let crc = crc32c::crc32c(&out[CRC_FROM..]);
    out[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
    Some(out)
}

/// Walks the batches of `bytes`. The first error, with the position of its batch, ends the walk.
pub fn split_batches(bytes: &[u8]) -> SplitBatches<'_> {
    SplitBatches { bytes, position: 0 }
}

/// See [`split_batches`].
#[derive(Clone, Debug)]
pub struct SplitBatches<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// No batch at `position` (bytes from the start of what was walked).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {position}: {error}")]
pub struct SplitError {
    pub position: usize,
    pub error: FramingError,
}

impl<'a> SplitBatches<'a> {
    /// Bytes walked so far: the end of the last batch that was returned.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for SplitBatches<'a> {
    type Item = Result<BatchView<'a>, SplitError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        match BatchView::parse(self.bytes) {
            Ok(batch) => {
                let size = batch.as_bytes().len();
                self.bytes = &self.bytes[size..];
                self.position += size;
                Some(Ok(batch))
            }
            Err(error) => {
                self.bytes = &[];
                let position = self.position;
                Some(Err(SplitError { position, error }))
            }
        }
    }
}
