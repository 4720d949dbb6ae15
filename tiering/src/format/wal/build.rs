//! Builds a WAL object. The batches are not copied: the object is a gather list of their bytes.

use bytes::Bytes;

use super::{
    ENCODING_KAFKA, RUN_INTERNAL, RunInput, RunRow,
    controls::{ControlRecord, encode_controls},
    footer::{ControlsRegion, WalFooter},
};
use crate::{
    format::{
        ObjectIdentity, ObjectKind, SealedObject,
        compress::compress_if_large,
        envelope::{HEADER_LEN, seal_object},
    },
    ids::Slot,
};

/// A WAL object, ready to be written.
#[derive(Clone, Debug)]
pub struct BuiltWal {
    pub object: SealedObject,
    /// In the object's order, which is not the order in which the runs were given.
    pub rows: Vec<RunRow>,
    pub controls: ControlsRegion,
}

/// Builds the object of `identity.number`'s slot. `committed` is exclusive: all slots below it are
/// known to be committed.
///
/// Panics on programmer errors: an identity of another kind, a run that is empty or ends before it
/// begins, two runs of a partition that overlap.
pub fn build_wal_object(
    identity: &ObjectIdentity,
    committed: Slot,
    mut runs: Vec<RunInput>,
    controls: &[ControlRecord],
) -> BuiltWal {
    assert_eq!(identity.kind, ObjectKind::Wal, "a WAL object is built");
    runs.sort_by_key(|run| (run.internal, run.topic_partition, run.offset_first));
    let mut rows = Vec::with_capacity(runs.len());
    let mut chunks =
        Vec::with_capacity(runs.iter().map(|run| run.batches.len()).sum::<usize>() + 1);
    let mut position = HEADER_LEN as u64;
    for run in runs {
        let row = run_row(&run, position);
        check_order(rows.last(), &row);
        position = row.end();
        rows.push(row);
        chunks.extend(run.batches);
    }
    let (region, stored) = controls_region(position, controls);
    chunks.push(stored);
    let footer = WalFooter {
        cluster: identity.cluster,
        writer: identity.writer,
        lane: identity.lane,
        slot: Slot(identity.number),
        committed,
        rows,
        controls: region,
    };
    BuiltWal {
        object: seal_object(identity, chunks, footer.encode()),
        rows: footer.rows,
        controls: region,
    }
}

fn run_row(run: &RunInput, position: u64) -> RunRow {
    let mut len = 0;
    let mut crc = 0;
    for batch in &run.batches {
        len += batch.len() as u64;
        crc = crc32c::crc32c_append(crc, batch);
    }
    assert!(len > 0, "an empty run of {}", run.topic_partition);
    assert!(
        run.offset_first.0 >= 0 && run.offset_first <= run.offset_last,
        "a run of {} from {} to {}",
        run.topic_partition,
        run.offset_first,
        run.offset_last
    );
    RunRow {
        topic_partition: run.topic_partition,
        ownership_epoch: run.ownership_epoch,
        position,
        len,
        offset_first: run.offset_first,
        offset_last: run.offset_last,
        record_count: run.record_count,
        max_timestamp: run.max_timestamp,
        leader_epoch: run.leader_epoch,
        encoding: ENCODING_KAFKA,
        dictionary_id: 0,
        reservation_id: 0,
        flags: if run.internal { RUN_INTERNAL } else { 0 },
        crc,
    }
}

fn check_order(before: Option<&RunRow>, row: &RunRow) {
    let overlaps = before.is_some_and(|before| {
        before.topic_partition == row.topic_partition && before.offset_last >= row.offset_first
    });
    assert!(
        !overlaps,
        "two runs of {} overlap at {}",
        row.topic_partition, row.offset_first
    );
}

fn controls_region(position: u64, controls: &[ControlRecord]) -> (ControlsRegion, Bytes) {
    let raw = encode_controls(controls).freeze();
    let raw_len = raw.len() as u64;
    let packed = compress_if_large(&raw);
    let compressed = packed.is_some();
    let stored = packed.unwrap_or(raw);
    let region = ControlsRegion {
        position,
        len: stored.len() as u64,
        raw_len,
        crc: crc32c::crc32c(&stored),
        count: u32::try_from(controls.len()).expect("far fewer than 2^32 control records"),
        compressed,
    };
    (region, stored)
}
