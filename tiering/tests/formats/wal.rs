//! WAL objects and SEALs: what was built is what is read, from the front and from the end.

use bytes::{Bytes, BytesMut};
use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Uuid};
use weir_tiering::{
    format::{
        FormatError, ObjectIdentity, ObjectKind, ObjectRef, SealedObject, StoreId, peek_kind,
        seal::{Seal, build_seal, decode_seal},
        wal::{
            BuiltWal, ControlRecord, ProducerBatch, RunInput, WalEnd, WalTail, build_wal_object,
            decode_wal, decode_wal_tail,
        },
    },
    ids::{
        BrokerEpoch, BrokerId, ClusterId, Incarnation, OwnershipEpoch, ProcessId, PutId, Slot,
        TopicPartition,
    },
};

use crate::batches::Batch;

pub const CLUSTER: ClusterId = ClusterId(Uuid([0x11; 16]));
pub const WRITER: Incarnation = Incarnation {
    broker: BrokerId(7),
    epoch: BrokerEpoch(42),
};

pub fn identity(kind: ObjectKind, number: u64) -> ObjectIdentity {
    ObjectIdentity {
        kind,
        cluster: CLUSTER,
        writer: WRITER,
        lane: 0,
        number,
        put_id: PutId([0xab; 16]),
    }
}

pub fn partition(topic: u8, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: Uuid([topic; 16]),
        partition: PartitionIndex(partition),
    }
}

pub fn run(topic_partition: TopicPartition, internal: bool, batches: &[Batch]) -> RunInput {
    let count: usize = batches.iter().map(|batch| batch.records.len()).sum();
    let first = &batches[0];
    let last = batches.last().expect("a run has batches");
    RunInput {
        topic_partition,
        ownership_epoch: OwnershipEpoch(first.leader_epoch),
        leader_epoch: LeaderEpoch(first.leader_epoch),
        offset_first: Offset(first.base_offset),
        offset_last: Offset(last.base_offset + last.records.len() as i64 - 1),
        record_count: count as u32,
        max_timestamp: last.base_timestamp + last.records.len() as i64 - 1,
        internal,
        batches: batches.iter().map(Batch::build).collect(),
    }
}

pub fn bytes_of(object: &SealedObject) -> Bytes {
    let mut out = BytesMut::new();
    for chunk in object.body.chunks() {
        out.extend_from_slice(chunk);
    }
    out.freeze()
}

fn reference(number: u64) -> ObjectRef {
    ObjectRef {
        store: StoreId(0),
        origin: CLUSTER,
        kind: ObjectKind::Wal,
        writer: WRITER,
        lane: 0,
        number,
        len: 1000 + number,
        footer_crc: 0xdead_0000 + number as u32,
    }
}

pub fn all_controls() -> Vec<ControlRecord> {
    let batch = ProducerBatch {
        epoch: ProducerEpoch(3),
        sequence_first: 2,
        sequence_last: 3,
        offset_first: Offset(12),
        offset_last: Offset(13),
        timestamp: 1_700_000_000_013,
    };
    vec![
        ControlRecord::Open {
            process: ProcessId(Uuid([9; 16])),
            previous: Some(WalEnd {
                incarnation: Incarnation {
                    broker: BrokerId(7),
                    epoch: BrokerEpoch(12),
                },
                lane: 0,
                end: Slot(77),
            }),
        },
        ControlRecord::ProducerDelta {
            topic_partition: partition(1, 0),
            producer: ProducerId(4000),
            batches: vec![batch],
        },
        ControlRecord::LogStart {
            topic_partition: partition(1, 1),
            offset: Offset(5),
        },
        ControlRecord::ReplaceInputs {
            inputs: vec![reference(1), reference(2)],
            outputs: vec![reference(3)],
        },
        ControlRecord::Unknown {
            kind: 0x123,
            payload: Bytes::from_static(b"later"),
        },
        ControlRecord::Close { end: Slot(4) },
    ]
}

/// Two user partitions, one with two batches of which the second is idempotent, and an internal one;
/// given in another order than they are stored.
pub fn small_wal() -> BuiltWal {
    let mut idempotent = Batch::plain(12, 1, &["gamma", "delta"]);
    idempotent.producer_id = 4000;
    idempotent.producer_epoch = 3;
    idempotent.base_sequence = 2;
    let mut nulls = Batch::plain(0, 0, &[]);
    nulls.records = vec![(None, Some(b"offset")), (Some(b"group"), None)];
    let runs = vec![
        run(partition(0, 5), true, &[nulls]),
        run(partition(2, 0), false, &[Batch::plain(7, 4, &["x"])]),
        run(
            partition(1, 0),
            false,
            &[Batch::plain(10, 1, &["alpha", "beta"]), idempotent],
        ),
    ];
    build_wal_object(
        &identity(ObjectKind::Wal, 3),
        Slot(2),
        runs,
        &all_controls(),
    )
}

/// So many runs and deltas that both regions are compressed.
pub fn wide_wal(partitions: i32) -> BuiltWal {
    let runs = (0..partitions)
        .map(|p| {
            run(
                partition(1, p),
                p % 2 == 1,
                &[Batch::plain(3, 0, &["wide"])],
            )
        })
        .collect();
    let controls: Vec<_> = (0..partitions)
        .map(|p| ControlRecord::LogStart {
            topic_partition: partition(1, p),
            offset: Offset(3),
        })
        .collect();
    build_wal_object(&identity(ObjectKind::Wal, 9), Slot(9), runs, &controls)
}

/// The end of a takeover of [`WRITER`]'s WAL by another broker.
pub fn some_seal() -> Seal {
    Seal {
        cluster: CLUSTER,
        taker: Incarnation {
            broker: BrokerId(8),
            epoch: BrokerEpoch(50),
        },
        sealed: WRITER,
        lane: 0,
        slot: Slot(3),
    }
}

#[test]
fn what_was_built_is_read() {
    let built = small_wal();
    let bytes = bytes_of(&built.object);
    assert_eq!(bytes.len() as u64, built.object.body.len());
    assert_eq!(peek_kind(&bytes), Ok(ObjectKind::Wal));
    let wal = decode_wal(&bytes).unwrap();
    assert_eq!(wal.header.identity, identity(ObjectKind::Wal, 3));
    assert_eq!(wal.footer.committed, Slot(2));
    assert_eq!(wal.footer.rows, built.rows);
    assert_eq!(wal.controls, all_controls());
    let order: Vec<_> = built
        .rows
        .iter()
        .map(|row| (row.topic_partition, row.is_internal(), row.record_count))
        .collect();
    assert_eq!(
        order,
        [
            (partition(1, 0), false, 4),
            (partition(2, 0), false, 1),
            (partition(0, 5), true, 2),
        ]
    );
    let run = wal.run(&built.rows[1]).unwrap();
    assert_eq!(run, Batch::plain(7, 4, &["x"]).build());
}

#[test]
fn batches_are_not_copied() {
    let input = run(partition(1, 0), false, &[Batch::plain(0, 0, &["a"])]);
    let given = input.batches[0].clone();
    let built = build_wal_object(&identity(ObjectKind::Wal, 0), Slot(0), vec![input], &[]);
    let stored = &built.object.body.chunks()[1];
    assert_eq!(stored.as_ptr(), given.as_ptr());
}

#[test]
fn an_object_without_runs_or_controls_is_valid() {
    let built = build_wal_object(&identity(ObjectKind::Wal, 0), Slot(0), vec![], &[]);
    let wal = decode_wal(&bytes_of(&built.object)).unwrap();
    assert!(wal.footer.rows.is_empty() && wal.controls.is_empty());
}

#[test]
fn the_end_of_an_object_tells_the_same_as_the_whole() {
    for built in [small_wal(), wide_wal(60)] {
        let bytes = bytes_of(&built.object);
        let total = bytes.len() as u64;
        let whole = decode_wal(&bytes).unwrap();
        let mut complete = 0;
        for start in 0..=bytes.len() {
            match decode_wal_tail(&bytes.slice(start..), total).unwrap() {
                WalTail::Complete { footer, controls } => {
                    assert_eq!((&footer, &controls), (&whole.footer, &whole.controls));
                    assert!(start as u64 <= footer.controls.position);
                    complete += 1;
                }
                WalTail::Need { from } => assert!(from < start as u64),
            }
        }
        assert_eq!(complete, whole.footer.controls.position + 1);
    }
}

#[test]
fn large_footers_are_compressed_and_read_back() {
    let built = wide_wal(2000);
    assert!(built.controls.compressed && built.controls.len < built.controls.raw_len);
    assert!(built.object.trailer.footer_len < 2000 * 96 / 2);
    let wal = decode_wal(&bytes_of(&built.object)).unwrap();
    assert_eq!(wal.footer.rows, built.rows);
    assert_eq!(wal.controls.len(), 2000);
}

#[test]
fn an_unknown_control_record_that_must_be_understood_is_refused() {
    let control = ControlRecord::Unknown {
        kind: 0x8123,
        payload: Bytes::new(),
    };
    let built = build_wal_object(&identity(ObjectKind::Wal, 0), Slot(0), vec![], &[control]);
    assert_eq!(
        decode_wal(&bytes_of(&built.object)).unwrap_err(),
        FormatError::Unknown {
            what: "control record kind",
            value: 0x8123
        }
    );
}

#[test]
fn a_seal_stands_in_a_slot_and_is_no_data() {
    let seal = some_seal();
    let bytes = bytes_of(&build_seal(&seal, PutId([1; 16])));
    assert_eq!(peek_kind(&bytes), Ok(ObjectKind::Seal));
    assert_eq!(decode_seal(&bytes), Ok(seal));
    assert!(!seal.is_clean_stop());
    assert!(decode_wal(&bytes).is_err());
    assert!(decode_wal_tail(&bytes, bytes.len() as u64).is_err());
    assert!(decode_seal(&bytes_of(&small_wal().object)).is_err());
}
