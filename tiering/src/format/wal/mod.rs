//! The WAL object: raw record batches of all partitions that an incarnation wrote in one flush.
//!
//! Owns: its bytes (docs/formats/wal.md). Does not own: when one is written (the WAL engine), what a
//! replay makes of it (the partition log).
//! Invariant: header, runs, controls, footer and trailer follow each other without gaps, and every
//! byte lies under a checksum that the footer or the envelope holds.
//!
//! ```text
//! header | runs of user topics | runs of internal topics | control records | footer | trailer
//! ```

mod batch_scan;
mod build;
mod controls;
mod decode;
mod footer;
mod tail;
mod verify;

use bytes::Bytes;
use weir_protocol::types::{LeaderEpoch, Offset};

pub use self::{
    batch_scan::ScannedBatch,
    build::{BuiltWal, build_wal_object},
    controls::{ControlRecord, PRODUCER_BATCHES_MAX, ProducerBatch, WalEnd},
    decode::{WalObject, check_run, decode_wal},
    footer::{ControlsRegion, WalFooter},
    tail::{
        SlotTail, TAIL_READ_LEN, TailError, WalTail, decode_wal_tail, read_slot_tail,
        slot_tail_from,
    },
    verify::{VerifiedWal, verify_wal_object},
};
use crate::ids::{OwnershipEpoch, TopicPartition};

/// Contiguous batches of one partition, on their way into an object.
#[derive(Clone, Debug)]
pub struct RunInput {
    pub topic_partition: TopicPartition,
    pub ownership_epoch: OwnershipEpoch,
    pub leader_epoch: LeaderEpoch,
    pub offset_first: Offset,
    /// Inclusive.
    pub offset_last: Offset,
    /// Records, which may be fewer than offsets (compacted batches have gaps).
    pub record_count: u32,
    /// Milliseconds, −1 when no record has one.
    pub max_timestamp: i64,
    /// An internal topic: its run stands near the end of the object.
    pub internal: bool,
    /// Raw RecordBatch v2 bytes, base offset and leader epoch already patched, in offset order.
    pub batches: Vec<Bytes>,
}

/// [`RunRow::flags`]: the run belongs to an internal topic.
pub const RUN_INTERNAL: u16 = 1;

/// The encoding of runs today: Kafka's record batches as they are.
pub const ENCODING_KAFKA: u8 = 0;

/// One run of an object, as its footer lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunRow {
    pub topic_partition: TopicPartition,
    pub ownership_epoch: OwnershipEpoch,
    /// Absolute in the object.
    pub position: u64,
    /// Bytes.
    pub len: u64,
    pub offset_first: Offset,
    /// Inclusive.
    pub offset_last: Offset,
    pub record_count: u32,
    /// Milliseconds, −1 when no record has one.
    pub max_timestamp: i64,
    pub leader_epoch: LeaderEpoch,
    /// [`ENCODING_KAFKA`]; a run of another one cannot be read by this version.
    pub encoding: u8,
    /// 0 = none.
    pub dictionary_id: u32,
    /// 0 = none.
    pub reservation_id: u64,
    /// [`RUN_INTERNAL`]; bits 8..16 must be understood.
    pub flags: u16,
    /// CRC32C over the run's bytes.
    pub crc: u32,
}

impl RunRow {
    pub fn is_internal(&self) -> bool {
        self.flags & RUN_INTERNAL != 0
    }

    /// First byte behind the run.
    pub fn end(&self) -> u64 {
        self.position + self.len
    }
}
