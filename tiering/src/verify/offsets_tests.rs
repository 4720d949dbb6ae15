//! Intervals of offsets: what arrives in any order, twice, with holes or under falling epochs.

use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex, Uuid};

use super::{
    expected::{Expected, PageBounds, RunClass},
    offsets::Offsets,
    report::Report,
};
use crate::{
    format::wal::{ENCODING_KAFKA, RunRow},
    ids::{OwnershipEpoch, TopicPartition},
    metadata::Image,
    store::Key,
};

const PARTITION: TopicPartition = TopicPartition {
    topic: Uuid([1; 16]),
    partition: PartitionIndex(0),
};

fn row(first: i64, last: i64, epoch: i32) -> RunRow {
    RunRow {
        topic_partition: PARTITION,
        ownership_epoch: OwnershipEpoch(epoch),
        position: 96,
        len: 100,
        offset_first: Offset(first),
        offset_last: Offset(last),
        record_count: 1,
        max_timestamp: 0,
        leader_epoch: LeaderEpoch(epoch),
        encoding: ENCODING_KAFKA,
        dictionary_id: 0,
        reservation_id: 0,
        flags: 0,
        crc: 0,
    }
}

/// The damage that runs (first, last, epoch) show under a page of `start..end`; those below `end` are
/// its own.
fn damage(runs: &[(i64, i64, i32)], start: i64, end: i64) -> Vec<String> {
    let (mut offsets, mut report) = (Offsets::default(), Report::default());
    for &(first, last, epoch) in runs {
        let class = if last < end {
            RunClass::Paged
        } else {
            RunClass::Live
        };
        offsets.add(&Key::new("k"), &row(first, last, epoch), class, &mut report);
    }
    let mut expected = Expected::default();
    let bounds = PageBounds {
        log_start: Offset(start),
        log_end: Offset(end),
    };
    expected.partitions.insert(PARTITION, bounds);
    offsets.check(&expected, &Image::default(), &mut report);
    report.damage().to_vec()
}

fn only(found: &[String], part: &str) {
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(part), "{found:?}");
}

#[test]
fn runs_join_in_any_order() {
    let runs = [(0, 4, 0), (5, 9, 0), (10, 14, 1), (15, 20, 3)];
    assert_eq!(damage(&runs, 0, 10), [""; 0]);
    for turned in 1..4 {
        let mut runs = runs;
        runs.rotate_left(turned);
        assert_eq!(damage(&runs, 0, 10), [""; 0]);
    }
    // Below the log start, runs may be gone or not.
    assert_eq!(damage(&[(5, 9, 0)], 7, 10), [""; 0]);
    assert_eq!(damage(&[], 10, 10), [""; 0]);
}

#[test]
fn holes_doubles_falling_epochs_and_wrong_ends_are_damage() {
    only(
        &damage(&[(0, 4, 0), (6, 9, 0)], 0, 10),
        "offsets 5 to 5 are missing",
    );
    only(&damage(&[(3, 9, 0)], 2, 10), "offsets 2 to 2 are missing");
    only(&damage(&[], 2, 10), "offsets 2 to 9 are missing");
    only(
        &damage(&[(0, 9, 0), (9, 9, 0)], 0, 10),
        "stored a second time",
    );
    only(
        &damage(&[(0, 4, 2), (5, 9, 1)], 0, 10),
        "older ownership epoch",
    );
    only(
        &damage(&[(5, 9, 1), (0, 4, 2)], 0, 10),
        "older ownership epoch",
    );
    only(
        &damage(&[(0, 8, 0)], 0, 10),
        "ends at offset 10, the objects",
    );
}

#[test]
fn a_store_full_of_holes_is_counted_in_bounded_memory() {
    let runs: Vec<_> = (0..3_000).map(|n| (2 * n, 2 * n, 0)).collect();
    let found = damage(&runs, 0, 0);
    // 999 are listed, one line counts the rest; a report lists no more than 1,000 lines.
    assert_eq!(found.len(), 1_000);
    assert!(
        found[999].contains("2000 more ranges of offsets are missing"),
        "{}",
        found[999]
    );
}
