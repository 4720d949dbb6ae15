//! The check finds what it is there to find: each test is a canary of the crash test.

use super::{check::check_partition, workload::Mode};

fn sent(offsets: &[(usize, i64)]) -> Vec<(usize, Option<i64>)> {
    offsets.iter().map(|(n, o)| (*n, Some(*o))).collect()
}

fn log(numbers: &[usize]) -> Vec<Option<usize>> {
    numbers.iter().copied().map(Some).collect()
}

fn finds(mode: Mode, sent: &[(usize, Option<i64>)], log: &[Option<usize>], what: &str) {
    let findings = check_partition(mode, sent, log, 1).join("\n");
    assert!(findings.contains(what), "{mode:?}: {findings:?}");
}

#[test]
fn good_histories_pass() {
    let four = sent(&[(0, 0), (4, 1), (8, 2), (12, 3)]);
    for mode in Mode::ALL {
        assert_eq!(
            check_partition(mode, &four, &log(&[0, 4, 8, 12]), 0),
            [""; 0]
        );
    }
    // The answer to 4 and 8 was lost, they were sent again.
    let repeated = sent(&[(0, 0), (4, 3), (8, 4), (12, 5)]);
    let stored = log(&[0, 4, 8, 4, 8, 12]);
    assert_eq!(check_partition(Mode::Plain, &repeated, &stored, 1), [""; 0]);
}

#[test]
fn lost_record_is_found() {
    for mode in Mode::ALL {
        finds(
            mode,
            &sent(&[(0, 0), (4, 1)]),
            &log(&[0]),
            "record 4 was acknowledged at 1",
        );
        finds(
            mode,
            &[(0, Some(0)), (4, None)],
            &log(&[0]),
            "never acknowledged",
        );
    }
}

#[test]
fn record_at_another_offset_is_found() {
    for mode in Mode::ALL {
        finds(mode, &sent(&[(0, 0), (4, 1)]), &log(&[4, 0]), "there is");
    }
}

#[test]
fn duplicate_is_found() {
    let two = sent(&[(0, 0), (4, 2)]);
    finds(
        Mode::Idempotent,
        &two,
        &log(&[0, 0, 4]),
        "offset 0: Some(0) then Some(0)",
    );
    // Acknowledged, and yet there once more: nobody sent it again.
    finds(Mode::Plain, &two, &log(&[0, 0, 4]), "again");
    // More repetitions than answers that can have been lost.
    let last = sent(&[(0, 2), (4, 3)]);
    finds(Mode::Plain, &last, &log(&[0, 0, 0, 4]), "2 repetitions");
}

#[test]
fn damaged_and_foreign_records_are_found() {
    for mode in Mode::ALL {
        let one = sent(&[(0, 0)]);
        finds(
            mode,
            &one,
            &[Some(0), None],
            "offset 1: no record that we sent",
        );
        finds(
            mode,
            &one,
            &log(&[0, 7]),
            "offset 1: no record that we sent",
        );
    }
}

#[test]
fn acknowledgements_out_of_order_are_found() {
    finds(
        Mode::Idempotent,
        &sent(&[(0, 1), (4, 0)]),
        &log(&[4, 0]),
        "behind its successors",
    );
}
