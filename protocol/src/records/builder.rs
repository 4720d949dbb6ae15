//! Builds batches of our own: coordinator records, transaction markers, tests.
//!
//! Owns: the record encoding and the header that belongs to it.
//! Does not own: limits of topics (`validate`), offsets (patched on append).
//! Invariant: offset deltas are 0, 1, 2, …; the result passes `validate_batch`, control batches
//! aside.

use super::batch;
use super::compression::{self, Compression};
use super::control::{ControlRecord, ControlType};
use super::header::{
    Attributes, BatchHeader, HEADER_LEN, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE,
    NO_TIMESTAMP, TimestampType,
};
use super::record::Header;
use super::varint::{put_varint, put_varlong, varint_len, varlong_len};
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// Why a batch could not be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("a batch needs at least one record")]
    Empty,
    #[error("a batch of {size_bytes} bytes or {record_count} records exceeds the format's i32")]
    TooLarge {
        size_bytes: usize,
        record_count: usize,
    },
}

/// Collects records, then builds one batch.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    compression: Compression,
    /// What the header says besides what the records yield.
    header: BatchHeader,
    area: Vec<u8>,
    record_count: usize,
    /// The longest field or record so far, to be checked against the format's i32.
    longest: usize,
}

impl BatchBuilder {
    /// CreateTime, base offset 0, no leader epoch, no producer.
    pub fn new(compression: impl Into<Compression>) -> BatchBuilder {
        BatchBuilder {
            compression: compression.into(),
            header: BatchHeader {
                base_offset: Offset(0),
                length: 0,
                partition_leader_epoch: LeaderEpoch(-1),
                crc: 0,
                attributes: Attributes::default(),
                last_offset_delta: 0,
                base_timestamp: NO_TIMESTAMP,
                max_timestamp: NO_TIMESTAMP,
                producer_id: NO_PRODUCER_ID,
                producer_epoch: NO_PRODUCER_EPOCH,
                base_sequence: NO_SEQUENCE,
                record_count: 0,
            },
            area: Vec::new(),
            record_count: 0,
            longest: 0,
        }
    }

    pub fn base_offset(mut self, offset: Offset) -> BatchBuilder {
        self.header.base_offset = offset;
        self
    }

    pub fn partition_leader_epoch(mut self, epoch: LeaderEpoch) -> BatchBuilder {
        self.header.partition_leader_epoch = epoch;
        self
    }

    /// `base_sequence`: of the first record; `NO_SEQUENCE` in control batches.
    pub fn producer(
        mut self,
        id: ProducerId,
        epoch: ProducerEpoch,
        base_sequence: i32,
    ) -> BatchBuilder {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    pub fn transactional(mut self) -> BatchBuilder {
        self.header.attributes = self.header.attributes.with_transactional(true);
        self
    }

    /// LogAppendTime: every reader sees `timestamp_ms` for all records.
    pub fn log_append_time(mut self, timestamp_ms: i64) -> BatchBuilder {
        self.header.attributes = self
            .header
            .attributes
            .with_timestamp_type(TimestampType::LogAppendTime);
        self.header.max_timestamp = timestamp_ms;
        self
    }

    fn control(mut self) -> BatchBuilder {
        self.header.attributes = self.header.attributes.with_control(true);
        self
    }

    /// Appends a record without headers; `None` = null.
    pub fn append(&mut self, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.append_with_headers(timestamp_ms, key, value, &[]);
    }

    pub fn append_with_headers(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) {
        if self.record_count == 0 {
            self.header.base_timestamp = timestamp_ms;
        }
        if self.header.attributes.timestamp_type() == TimestampType::CreateTime {
            self.header.max_timestamp = self.header.max_timestamp.max(timestamp_ms);
        }
        let timestamp_delta = timestamp_ms.wrapping_sub(self.header.base_timestamp);
        // `build` refuses more records than an i32 counts.
        let offset_delta = self.record_count as i32;
        let headers_len = headers
            .iter()
            .map(|h| bytes_len(Some(h.key)) + bytes_len(h.value));
        let body_len = 1
            + varlong_len(timestamp_delta)
            + varint_len(offset_delta)
            + bytes_len(key)
            + bytes_len(value)
            + varint_len(headers.len() as i32)
            + headers_len.sum::<usize>();
        self.longest = self.longest.max(body_len).max(headers.len());
        put_varint(&mut self.area, body_len as i32);
        self.area.push(0);
        put_varlong(&mut self.area, timestamp_delta);
        put_varint(&mut self.area, offset_delta);
        put_bytes(&mut self.area, key);
        put_bytes(&mut self.area, value);
        put_varint(&mut self.area, headers.len() as i32);
        for header in headers {
            put_bytes(&mut self.area, Some(header.key));
            put_bytes(&mut self.area, header.value);
        }
        self.record_count += 1;
    }

    pub fn record_count(&self) -> usize {
        self.record_count
    }

    /// Bytes that the batch would have uncompressed.
    pub fn uncompressed_bytes(&self) -> usize {
        HEADER_LEN + self.area.len()
    }

    /// The whole batch.
    pub fn build(self) -> Result<Vec<u8>, BuildError> {
        let too_large = BuildError::TooLarge {
            size_bytes: self.uncompressed_bytes().max(self.longest),
            record_count: self.record_count,
        };
        if self.record_count == 0 {
            return Err(BuildError::Empty);
        }
        let count = i32::try_from(self.record_count).map_err(|_| too_large)?;
        i32::try_from(self.longest).map_err(|_| too_large)?;
        let mut header = self.header;
        header.attributes = header.attributes.with_codec(self.compression.codec);
        header.record_count = count;
        header.last_offset_delta = count - 1;
        let mut payload = Vec::new();
        compression::compress(self.compression, &self.area, &mut payload);
        batch::assemble(header, &payload).ok_or(too_large)
    }
}

fn bytes_len(bytes: Option<&[u8]>) -> usize {
    match bytes {
        None => varint_len(-1),
        Some(bytes) => varint_len(bytes.len() as i32) + bytes.len(),
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
    }
}

/// The batch with a transaction marker: one record, transactional and control, no sequence, never
/// compressed.
pub fn control_batch(
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    control_type: ControlType,
    coordinator_epoch: i32,
    timestamp_ms: i64,
) -> Vec<u8> {
    let marker = ControlRecord {
        control_type,
        coordinator_epoch,
    };
    let mut builder = BatchBuilder::new(Compression::default())
        .producer(producer_id, producer_epoch, NO_SEQUENCE)
        .transactional()
        .control();
    builder.append(timestamp_ms, Some(&marker.key()), Some(&marker.value()));
    builder.build().expect("one small record fits")
}
