//! Control records: what a WAL object says besides its runs.
//!
//! ```text
//! region := record*
//! record := kind u16 | zero u16 | payload length u32 | payload
//! ```
//! Bit 15 of a kind means "must be understood": a reader that does not know such a kind refuses the
//! object; it keeps any other unknown kind as it is. A payload longer than this version's is valid,
//! its rest is ignored (fields are only ever added at the end).

use bytes::{BufMut, Bytes, BytesMut};
use weir_protocol::types::{Offset, PartitionIndex, ProducerEpoch, ProducerId, Uuid};

use crate::{
    format::{FormatError, ObjectRef, cursor::Cursor, object_ref::OBJECT_REF_LEN},
    ids::{BrokerEpoch, BrokerId, Incarnation, ProcessId, Slot, TopicPartition},
};

const MUST_UNDERSTAND: u16 = 0x8000;
const PRODUCER_DELTA: u16 = 1 | MUST_UNDERSTAND;
const OPEN: u16 = 2;
const CLOSE: u16 = 3;
const LOG_START: u16 = 4 | MUST_UNDERSTAND;
const REPLACE_INPUTS: u16 = 5 | MUST_UNDERSTAND;
// Reserved: 6 runs of a foreign owner (zone-local ingest), 7 TxnEnd {producer, epoch, result,
// [(topic, partition, marker offset)]}. Both will carry the must-understand bit.

const RECORD_HEADER_LEN: usize = 8;
const PRODUCER_BATCH_LEN: usize = 36;
/// Kafka keeps five batches per producer and partition to recognise duplicates.
pub const PRODUCER_BATCHES_MAX: usize = 5;

/// One batch of an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerBatch {
    pub epoch: ProducerEpoch,
    pub sequence_first: i32,
    /// Inclusive; below `sequence_first` after a wrap at i32::MAX.
    pub sequence_last: i32,
    pub offset_first: Offset,
    /// Inclusive.
    pub offset_last: Offset,
    /// The batch's max timestamp in milliseconds.
    pub timestamp: i64,
}

/// A WAL that ended: all its slots below `end` hold data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalEnd {
    pub incarnation: Incarnation,
    pub lane: u16,
    /// Exclusive.
    pub end: Slot,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// What this object adds to a producer's state in a partition.
    ProducerDelta {
        topic_partition: TopicPartition,
        producer: ProducerId,
        /// Its last batches in this object, at most [`PRODUCER_BATCHES_MAX`], oldest first.
        batches: Vec<ProducerBatch>,
    },
    /// In the first object of an incarnation's lane.
    Open {
        process: ProcessId,
        /// The same broker's WAL before this one, if it had any.
        previous: Option<WalEnd>,
    },
    /// In the last object of a lane that ends cleanly, if the incarnation wrote one on its way out.
    Close {
        /// Exclusive: the slot of the SEAL that follows.
        end: Slot,
    },
    /// Records below `offset` are gone.
    LogStart {
        topic_partition: TopicPartition,
        offset: Offset,
    },
    /// From here on `outputs` hold what `inputs` held.
    ReplaceInputs {
        inputs: Vec<ObjectRef>,
        outputs: Vec<ObjectRef>,
    },
    /// Of a later version, without the must-understand bit.
    Unknown { kind: u16, payload: Bytes },
}

/// All records behind each other.
pub(super) fn encode_controls(controls: &[ControlRecord]) -> BytesMut {
    let mut out = BytesMut::new();
    for control in controls {
        let start = out.len();
        out.put_bytes(0, RECORD_HEADER_LEN);
        let kind = encode_payload(control, &mut out);
        let len = out.len() - start - RECORD_HEADER_LEN;
        let len = u32::try_from(len).expect("a control record is far below 4 GiB");
        out[start..start + 2].copy_from_slice(&kind.to_le_bytes());
        out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    }
    out
}

fn encode_payload(control: &ControlRecord, out: &mut BytesMut) -> u16 {
    match control {
        ControlRecord::ProducerDelta {
            topic_partition,
            producer,
            batches,
        } => {
            put_partition(out, topic_partition);
            out.put_i64_le(producer.0);
            put_producer_batches(out, batches);
            PRODUCER_DELTA
        }
        ControlRecord::Open { process, previous } => {
            out.put_slice(&process.0.0);
            put_previous(out, previous.as_ref());
            OPEN
        }
        ControlRecord::Close { end } => {
            out.put_u64_le(end.0);
            CLOSE
        }
        ControlRecord::LogStart {
            topic_partition,
            offset,
        } => {
            put_partition(out, topic_partition);
            out.put_i64_le(offset.0);
            LOG_START
        }
        ControlRecord::ReplaceInputs { inputs, outputs } => {
            put_refs(out, inputs);
            put_refs(out, outputs);
            REPLACE_INPUTS
        }
        ControlRecord::Unknown { kind, payload } => {
            out.put_slice(payload);
            *kind
        }
    }
}

fn put_partition(out: &mut BytesMut, partition: &TopicPartition) {
    out.put_slice(&partition.topic.0);
    out.put_i32_le(partition.partition.0);
}

fn put_producer_batches(out: &mut BytesMut, batches: &[ProducerBatch]) {
    assert!(
        batches.len() <= PRODUCER_BATCHES_MAX,
        "a producer delta of {} batches",
        batches.len()
    );
    out.put_u32_le(batches.len() as u32);
    for batch in batches {
        out.put_i16_le(batch.epoch.0);
        out.put_u16_le(0);
        out.put_i32_le(batch.sequence_first);
        out.put_i32_le(batch.sequence_last);
        out.put_i64_le(batch.offset_first.0);
        out.put_i64_le(batch.offset_last.0);
        out.put_i64_le(batch.timestamp);
    }
}

fn put_previous(out: &mut BytesMut, previous: Option<&WalEnd>) {
    out.put_u16_le(previous.is_some().into());
    if let Some(wal) = previous {
        out.put_u16_le(wal.lane);
        out.put_u32_le(wal.incarnation.broker.0);
        out.put_u64_le(wal.incarnation.epoch.0);
        out.put_u64_le(wal.end.0);
    }
}

fn put_refs(out: &mut BytesMut, refs: &[ObjectRef]) {
    out.put_u32_le(u32::try_from(refs.len()).expect("far fewer than 2^32 references"));
    for object in refs {
        object.encode(out);
    }
}

/// Reads a whole region of `count` records.
pub(super) fn decode_controls(
    region: &Bytes,
    count: u32,
) -> Result<Vec<ControlRecord>, FormatError> {
    let mut input = Cursor::new("control records", region);
    let mut controls = Vec::new();
    while input.remaining() > 0 {
        let kind = input.u16()?;
        let _zero = input.u16()?;
        let len = input.u32()?;
        let payload = input.take(len as usize)?;
        controls.push(decode_payload(kind, payload)?);
    }
    if controls.len() != count as usize {
        return Err(FormatError::Invalid {
            what: "control records",
            message: format!("{} instead of {count}", controls.len()),
        });
    }
    Ok(controls)
}

fn decode_payload(kind: u16, payload: Bytes) -> Result<ControlRecord, FormatError> {
    let input = &mut Cursor::new("control record", &payload);
    Ok(match kind {
        PRODUCER_DELTA => ControlRecord::ProducerDelta {
            topic_partition: partition(input)?,
            producer: ProducerId(input.i64()?),
            batches: producer_batches(input)?,
        },
        OPEN => ControlRecord::Open {
            process: ProcessId(Uuid(input.array()?)),
            previous: previous(input)?,
        },
        CLOSE => ControlRecord::Close {
            end: Slot(input.u64()?),
        },
        LOG_START => ControlRecord::LogStart {
            topic_partition: partition(input)?,
            offset: Offset(input.i64()?),
        },
        REPLACE_INPUTS => ControlRecord::ReplaceInputs {
            inputs: refs(input)?,
            outputs: refs(input)?,
        },
        _ if kind & MUST_UNDERSTAND != 0 => {
            return Err(FormatError::Unknown {
                what: "control record kind",
                value: kind.into(),
            });
        }
        _ => ControlRecord::Unknown { kind, payload },
    })
}

fn partition(input: &mut Cursor<'_>) -> Result<TopicPartition, FormatError> {
    Ok(TopicPartition {
        topic: Uuid(input.array()?),
        partition: PartitionIndex(input.i32()?),
    })
}

fn producer_batches(input: &mut Cursor<'_>) -> Result<Vec<ProducerBatch>, FormatError> {
    let count = counted(input, PRODUCER_BATCH_LEN)?;
    if count > PRODUCER_BATCHES_MAX {
        return Err(FormatError::Invalid {
            what: "producer delta",
            message: format!("{count} batches"),
        });
    }
    (0..count).map(|_| producer_batch(input)).collect()
}

fn producer_batch(input: &mut Cursor<'_>) -> Result<ProducerBatch, FormatError> {
    let epoch = ProducerEpoch(input.i16()?);
    let _zero = input.u16()?;
    Ok(ProducerBatch {
        epoch,
        sequence_first: input.i32()?,
        sequence_last: input.i32()?,
        offset_first: Offset(input.i64()?),
        offset_last: Offset(input.i64()?),
        timestamp: input.i64()?,
    })
}

fn previous(input: &mut Cursor<'_>) -> Result<Option<WalEnd>, FormatError> {
    if input.u16()? == 0 {
        return Ok(None);
    }
    let lane = input.u16()?;
    let broker = BrokerId(input.u32()?);
    let epoch = BrokerEpoch(input.u64()?);
    Ok(Some(WalEnd {
        incarnation: Incarnation { broker, epoch },
        lane,
        end: Slot(input.u64()?),
    }))
}

fn refs(input: &mut Cursor<'_>) -> Result<Vec<ObjectRef>, FormatError> {
    let count = counted(input, OBJECT_REF_LEN)?;
    (0..count).map(|_| ObjectRef::decode(input)).collect()
}

/// A count of items of `item_len` bytes that are all there.
fn counted(input: &mut Cursor<'_>, item_len: usize) -> Result<usize, FormatError> {
    let count = input.u32()? as usize;
    if count > input.remaining() / item_len {
        return Err(FormatError::Truncated {
            what: "control record",
            needed: count as u64 * item_len as u64,
            found: input.remaining() as u64,
        });
    }
    Ok(count)
}

/// The sequence `delta` records after `sequence`; sequences wrap from i32::MAX to 0.
pub(super) fn sequence_after(sequence: i32, delta: i64) -> i32 {
    let wrapped = (i64::from(sequence) + delta) % (i64::from(i32::MAX) + 1);
    i32::try_from(wrapped).expect("a remainder of 2^31 fits when nothing is negative")
}
