//! Index = scan: an object whose checksums are all right, but whose footer or producer deltas say
//! something else than its batches, is found by the full check and by the dump.

use weir_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use weir_tiering::{
    format::{
        ObjectKind, dump,
        wal::{
            ControlRecord, ProducerBatch, RunInput, build_wal_object, decode_wal, verify_wal_object,
        },
    },
    ids::Slot,
};

use crate::{
    batches::Batch,
    wal::{bytes_of, identity, partition, run},
};

fn idempotent(base_offset: i64, epoch: i16, base_sequence: i32) -> Batch {
    Batch {
        producer_id: 50,
        producer_epoch: epoch,
        base_sequence,
        ..Batch::plain(base_offset, 2, &["a", "b"])
    }
}

fn delta_of(batches: &[Batch]) -> ControlRecord {
    let batch = |batch: &Batch| ProducerBatch {
        epoch: ProducerEpoch(batch.producer_epoch),
        sequence_first: batch.base_sequence,
        sequence_last: (i64::from(batch.base_sequence) + 1).rem_euclid(1 << 31) as i32,
        offset_first: Offset(batch.base_offset),
        offset_last: Offset(batch.base_offset + 1),
        timestamp: batch.base_timestamp + 1,
    };
    ControlRecord::ProducerDelta {
        topic_partition: partition(1, 0),
        producer: ProducerId(50),
        batches: batches.iter().map(batch).collect(),
    }
}

/// What the full check says; `decode_wal` alone must find nothing.
fn verify(input: RunInput, controls: &[ControlRecord]) -> Result<(u64, u64), String> {
    let identity = identity(ObjectKind::Wal, 0);
    let built = build_wal_object(&identity, Slot(0), vec![input], controls);
    let bytes = bytes_of(&built.object);
    assert!(decode_wal(&bytes).is_ok());
    let verified = verify_wal_object(&bytes);
    let mut text = String::new();
    let dumped = dump(&bytes, &mut text);
    assert_eq!(verified.is_ok(), dumped.is_ok(), "{text}");
    verified
        .map(|wal| (wal.batch_count, wal.record_count))
        .map_err(|error| error.to_string())
}

type Lie = fn(&mut RunInput);

#[test]
fn a_row_that_differs_from_its_batches_is_found() {
    let batches = [Batch::plain(4, 2, &["a", "b"]), Batch::plain(6, 2, &["c"])];
    let honest = run(partition(1, 0), false, &batches);
    assert_eq!(verify(honest.clone(), &[]), Ok((2, 3)), "canary");
    let lies: [(&str, Lie); 7] = [
        ("first offset", |run| run.offset_first = Offset(3)),
        ("last offset", |run| run.offset_last = Offset(7)),
        ("record count", |run| run.record_count = 2),
        ("max timestamp", |run| run.max_timestamp += 1),
        ("leader epoch", |run| run.leader_epoch = LeaderEpoch(3)),
        ("a hole", |run| {
            run.batches[1] = Batch::plain(7, 2, &["c"]).build()
        }),
        ("a torn batch", |run| {
            run.batches[1] = run.batches[1].slice(..69)
        }),
    ];
    for (name, lie) in lies {
        let mut input = honest.clone();
        lie(&mut input);
        let error = verify(input, &[]).unwrap_err();
        assert!(
            error.contains("run") || error.contains("record batch"),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_batch_whose_own_checksum_is_wrong_is_found() {
    let mut input = run(partition(1, 0), false, &[Batch::plain(4, 2, &["a"])]);
    let mut batch = input.batches[0].to_vec();
    *batch.last_mut().unwrap() ^= 1;
    input.batches = vec![batch.into()];
    let error = verify(input, &[]).unwrap_err();
    assert!(
        error.starts_with("checksum mismatch in record batch"),
        "{error}"
    );
}

#[test]
fn a_producer_delta_is_what_the_batches_say() {
    let batches: Vec<Batch> = (0..7).map(|n| idempotent(n * 2, 3, n as i32 * 2)).collect();
    let input = run(partition(1, 0), false, &batches);
    let check = |controls: &[ControlRecord]| verify(input.clone(), controls);
    assert_eq!(
        check(&[delta_of(&batches[2..])]),
        Ok((7, 14)),
        "the last five"
    );
    for (name, controls) in [
        ("no delta", vec![]),
        ("four of five", vec![delta_of(&batches[3..])]),
        ("not the last", vec![delta_of(&batches[1..6])]),
        ("empty", vec![delta_of(&[])]),
        (
            "twice",
            vec![delta_of(&batches[2..]), delta_of(&batches[2..])],
        ),
    ] {
        let error = check(&controls).unwrap_err();
        assert!(error.contains("producer delta"), "{name}: {error}");
    }
}

#[test]
fn batches_of_an_older_producer_epoch_may_be_left_out_and_sequences_wrap() {
    let batches = [
        idempotent(0, 3, 8),
        idempotent(2, 4, i32::MAX),
        idempotent(4, 4, 1),
    ];
    let input = run(partition(1, 0), false, &batches);
    for from in [0, 1] {
        assert_eq!(
            verify(input.clone(), &[delta_of(&batches[from..])]),
            Ok((3, 6))
        );
    }
    assert!(verify(input, &[delta_of(&batches[2..])]).is_err());
}
