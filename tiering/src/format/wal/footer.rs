//! The footer of a WAL object: which slot it is, what was committed, one row per run, where the
//! control records are.
//!
//! It repeats the identity of the header, so that a read from the end of a large object knows whose
//! it is without a second GET. Its first 96 bytes are never compressed.
//!
//! ```text
//!  0 flags u16 (bit 0 rows are a zstd frame, bit 1 controls are one; 0..8 must be understood)
//!  2 row length u16 (96)         4 row count u32          8 committed slots u64
//! 16 cluster id [16]            32 broker id u32         36 lane u16        38 zero u16
//! 40 broker epoch u64           48 slot u64              56 controls position u64
//! 64 controls length u64        72 controls raw length u64
//! 80 controls CRC32C u32        84 control count u32     88 zeros [8]
//! 96 rows
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex, Uuid};

use super::{ENCODING_KAFKA, RunRow};
use crate::{
    format::{
        FormatError,
        compress::{compress_if_large, decompress_exact},
        cursor::Cursor,
        envelope::{HEADER_LEN, Trailer},
    },
    ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation, OwnershipEpoch, Slot, TopicPartition},
};

const PREFIX_LEN: usize = 96;
const ROW_LEN: usize = 96;
/// Later versions may append fields to a row.
const ROW_LEN_MAX: usize = 1024;
const FLAG_ROWS_ZSTD: u16 = 1;
pub(super) const FLAG_CONTROLS_ZSTD: u16 = 2;
const FLAGS_KNOWN: u16 = FLAG_ROWS_ZSTD | FLAG_CONTROLS_ZSTD;
const FLAGS_MUST_UNDERSTAND: u16 = 0x00ff;
const ROW_FLAGS_MUST_UNDERSTAND: u16 = 0xff00;
/// No record batch is shorter than its header.
const BATCH_LEN_MIN: u64 = 61;
/// A control region never unpacks to more.
const CONTROLS_LEN_MAX: u64 = 256 << 20;

/// Where the control records lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlsRegion {
    /// Absolute in the object.
    pub position: u64,
    /// Bytes as stored.
    pub len: u64,
    /// Bytes after unpacking; the same when the region is not compressed.
    pub raw_len: u64,
    /// CRC32C of the stored bytes.
    pub crc: u32,
    /// Records.
    pub count: u32,
    pub compressed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalFooter {
    pub cluster: ClusterId,
    pub writer: Incarnation,
    pub lane: u16,
    pub slot: Slot,
    /// Exclusive: all slots below were known to be committed when this object was built.
    pub committed: Slot,
    /// User topics first, then internal ones; within each by topic, partition, offset.
    pub rows: Vec<RunRow>,
    pub controls: ControlsRegion,
}

impl WalFooter {
    pub(super) fn encode(&self) -> Bytes {
        let mut rows = BytesMut::with_capacity(self.rows.len() * ROW_LEN);
        for row in &self.rows {
            put_row(&mut rows, row);
        }
        let packed = compress_if_large(&rows);
        let mut flags = 0;
        if packed.is_some() {
            flags |= FLAG_ROWS_ZSTD;
        }
        if self.controls.compressed {
            flags |= FLAG_CONTROLS_ZSTD;
        }
        let rows = packed.unwrap_or_else(|| rows.freeze());
        let mut out = BytesMut::with_capacity(PREFIX_LEN + rows.len());
        out.put_u16_le(flags);
        out.put_u16_le(ROW_LEN as u16);
        out.put_u32_le(u32::try_from(self.rows.len()).expect("far fewer than 2^32 runs"));
        out.put_u64_le(self.committed.0);
        out.put_slice(&self.cluster.0.0);
        out.put_u32_le(self.writer.broker.0);
        out.put_u16_le(self.lane);
        out.put_u16_le(0);
        out.put_u64_le(self.writer.epoch.0);
        out.put_u64_le(self.slot.0);
        out.put_u64_le(self.controls.position);
        out.put_u64_le(self.controls.len);
        out.put_u64_le(self.controls.raw_len);
        out.put_u32_le(self.controls.crc);
        out.put_u32_le(self.controls.count);
        out.put_bytes(0, 8);
        out.put_slice(&rows);
        out.freeze()
    }

    /// `bytes` are the footer whose checksum was right; `trailer` says where it lies.
    pub(super) fn decode(bytes: &Bytes, trailer: &Trailer) -> Result<WalFooter, FormatError> {
        let mut input = Cursor::new("WAL footer", bytes);
        let flags = input.u16()?;
        let unknown = flags & FLAGS_MUST_UNDERSTAND & !FLAGS_KNOWN;
        if unknown != 0 {
            return Err(FormatError::Unknown {
                what: "WAL footer flags",
                value: unknown.into(),
            });
        }
        let row_len = input.u16()?;
        let row_count = input.u32()?;
        let committed = Slot(input.u64()?);
        let cluster = ClusterId(Uuid(input.array()?));
        let broker = BrokerId(input.u32()?);
        let lane = input.u16()?;
        let _zero = input.u16()?;
        let epoch = BrokerEpoch(input.u64()?);
        let slot = Slot(input.u64()?);
        let controls = ControlsRegion {
            position: input.u64()?,
            len: input.u64()?,
            raw_len: input.u64()?,
            crc: input.u32()?,
            count: input.u32()?,
            compressed: flags & FLAG_CONTROLS_ZSTD != 0,
        };
        check_controls_region(&controls, trailer)?;
        let _zeros: [u8; 8] = input.array()?;
        let rows = input.take(input.remaining())?;
        let zstd = flags & FLAG_ROWS_ZSTD != 0;
        let rows = decode_rows(rows, zstd, row_len, row_count, controls.position)?;
        Ok(WalFooter {
            cluster,
            writer: Incarnation { broker, epoch },
            lane,
            slot,
            committed,
            rows,
            controls,
        })
    }
}

fn check_controls_region(region: &ControlsRegion, trailer: &Trailer) -> Result<(), FormatError> {
    let ends_at_footer = region.position.checked_add(region.len) == Some(trailer.footer_position);
    if region.position < HEADER_LEN as u64
        || !ends_at_footer
        || region.raw_len > CONTROLS_LEN_MAX
        || (!region.compressed && region.raw_len != region.len)
    {
        return Err(FormatError::Invalid {
            what: "position of the control records",
            message: format!("{region:?} before a footer at {}", trailer.footer_position),
        });
    }
    Ok(())
}

/// Rows must tile the bytes from the header to `runs_end` and stand in order.
fn decode_rows(
    stored: Bytes,
    zstd: bool,
    row_len: u16,
    row_count: u32,
    runs_end: u64,
) -> Result<Vec<RunRow>, FormatError> {
    let runs_len = runs_end - HEADER_LEN as u64;
    if !(ROW_LEN..=ROW_LEN_MAX).contains(&row_len.into())
        || u64::from(row_count) > runs_len / BATCH_LEN_MIN
    {
        return Err(FormatError::Invalid {
            what: "WAL footer",
            message: format!("{row_count} rows of {row_len} bytes for {runs_len} bytes of runs"),
        });
    }
    let rows_len = u64::from(row_count) * u64::from(row_len);
    let raw = if zstd {
        decompress_exact("rows", &stored, rows_len)?
    } else {
        stored
    };
    if raw.len() as u64 != rows_len {
        return Err(FormatError::Truncated {
            what: "rows",
            needed: rows_len,
            found: raw.len() as u64,
        });
    }
    let mut rows: Vec<RunRow> = Vec::with_capacity(raw.len() / usize::from(row_len));
    let mut input = Cursor::new("rows", &raw);
    let mut position = HEADER_LEN as u64;
    while input.remaining() > 0 {
        let row = decode_row(&input.take(row_len.into())?)?;
        check_row(&row, rows.last(), position, runs_end)?;
        position = row.end();
        rows.push(row);
    }
    if position != runs_end {
        return Err(FormatError::Invalid {
            what: "rows",
            message: format!("runs end at {position} instead of {runs_end}"),
        });
    }
    Ok(rows)
}

/// ```text
///  0 topic id [16]        16 partition i32      20 ownership epoch i32
/// 24 position u64         32 length u64         40 first offset i64    48 last offset i64
/// 56 max timestamp i64    64 reservation u64    72 record count u32    76 leader epoch i32
/// 80 dictionary id u32    84 CRC32C u32         88 flags u16           90 encoding u8
/// 91 zeros [5]
/// ```
fn put_row(out: &mut BytesMut, row: &RunRow) {
    out.put_slice(&row.topic_partition.topic.0);
    out.put_i32_le(row.topic_partition.partition.0);
    out.put_i32_le(row.ownership_epoch.0);
    out.put_u64_le(row.position);
    out.put_u64_le(row.len);
    out.put_i64_le(row.offset_first.0);
    out.put_i64_le(row.offset_last.0);
    out.put_i64_le(row.max_timestamp);
    out.put_u64_le(row.reservation_id);
    out.put_u32_le(row.record_count);
    out.put_i32_le(row.leader_epoch.0);
    out.put_u32_le(row.dictionary_id);
    out.put_u32_le(row.crc);
    out.put_u16_le(row.flags);
    out.put_u8(row.encoding);
    out.put_bytes(0, 5);
}

fn decode_row(bytes: &Bytes) -> Result<RunRow, FormatError> {
    let mut input = Cursor::new("row", bytes);
    let topic = Uuid(input.array()?);
    let partition = PartitionIndex(input.i32()?);
    let ownership_epoch = OwnershipEpoch(input.i32()?);
    let position = input.u64()?;
    let len = input.u64()?;
    let offset_first = Offset(input.i64()?);
    let offset_last = Offset(input.i64()?);
    let max_timestamp = input.i64()?;
    let reservation_id = input.u64()?;
    let record_count = input.u32()?;
    let leader_epoch = LeaderEpoch(input.i32()?);
    let dictionary_id = input.u32()?;
    let crc = input.u32()?;
    Ok(RunRow {
        topic_partition: TopicPartition { topic, partition },
        ownership_epoch,
        position,
        len,
        offset_first,
        offset_last,
        record_count,
        max_timestamp,
        leader_epoch,
        dictionary_id,
        reservation_id,
        crc,
        flags: input.u16()?,
        encoding: input.u8()?,
    })
}

fn check_row(
    row: &RunRow,
    before: Option<&RunRow>,
    position: u64,
    runs_end: u64,
) -> Result<(), FormatError> {
    let unknown = row.flags & ROW_FLAGS_MUST_UNDERSTAND;
    if unknown != 0 {
        return Err(FormatError::Unknown {
            what: "run flags",
            value: unknown.into(),
        });
    }
    let inside = row.position == position
        && row.len > 0
        && row
            .position
            .checked_add(row.len)
            .is_some_and(|end| end <= runs_end);
    let in_order = before.is_none_or(|before| sort_key(before) < sort_key(row));
    let behind = before.is_none_or(|before| {
        before.topic_partition != row.topic_partition
            || before.is_internal() != row.is_internal()
            || before.offset_last < row.offset_first
    });
    if inside && in_order && behind && plausible(row) {
        return Ok(());
    }
    Err(FormatError::Invalid {
        what: "row",
        message: format!("{row:?} at {position}, runs end at {runs_end}"),
    })
}

fn plausible(row: &RunRow) -> bool {
    let offsets = row.offset_last.0.checked_sub(row.offset_first.0);
    let counted = offsets.is_some_and(|span| i64::from(row.record_count) <= span.saturating_add(1));
    row.topic_partition.partition.0 >= 0
        && row.offset_first.0 >= 0
        && row.offset_first <= row.offset_last
        && (row.encoding != ENCODING_KAFKA || (counted && row.len >= BATCH_LEN_MIN))
}

fn sort_key(row: &RunRow) -> (bool, TopicPartition, Offset) {
    (row.is_internal(), row.topic_partition, row.offset_first)
}
