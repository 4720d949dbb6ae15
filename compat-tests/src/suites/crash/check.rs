//! Compares the log with what clients were told. Pure, so that it can be tested itself.

use super::workload::Mode;

/// How many findings of one partition are shown.
const SHOWN: usize = 5;

/// What is wrong with a partition.
///
/// `sent`: numbers of its records in order of sending, each with its acknowledged offset.
/// `log`: the numbers of its records from offset 0 on; `None` is a damaged or foreign record.
/// `kills` bounds how many answers can have been lost.
pub fn check_partition(
    mode: Mode,
    sent: &[(usize, Option<i64>)],
    log: &[Option<usize>],
    kills: usize,
) -> Vec<String> {
    let mut findings = Vec::new();
    let foreign = log.iter().enumerate().filter(|(_, record)| {
        let known = |number| sent.binary_search_by_key(&number, |(n, _)| *n).is_ok();
        !record.is_some_and(known)
    });
    findings.extend(foreign.map(|(offset, _)| format!("offset {offset}: no record that we sent")));
    findings.extend(lost(sent, log));
    match mode {
        Mode::Idempotent => findings.extend(not_increasing(log)),
        Mode::Plain => {
            findings.extend(acknowledged_twice(sent, log));
            let descents = not_increasing(log).len();
            if descents > kills {
                findings.push(format!(
                    "{descents} repetitions, but only {kills} answers can have been lost"
                ));
            }
        }
    }
    let more = findings.len().saturating_sub(SHOWN);
    findings.truncate(SHOWN);
    if more > 0 {
        findings.push(format!("… and {more} more"));
    }
    findings
}

/// Records that are not where they were acknowledged, acknowledgements out of order, and (all
/// clients waited for their answers) records without one.
fn lost(sent: &[(usize, Option<i64>)], log: &[Option<usize>]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut highest = -1;
    for (number, acknowledged) in sent {
        let Some(offset) = *acknowledged else {
            findings.push(format!("record {number} was never acknowledged"));
            continue;
        };
        let found = usize::try_from(offset).ok().and_then(|at| log.get(at));
        if found != Some(&Some(*number)) {
            findings.push(format!(
                "record {number} was acknowledged at {offset}; there is {found:?}"
            ));
        }
        if offset <= highest {
            findings.push(format!(
                "record {number} was acknowledged at {offset}, behind its successors"
            ));
        }
        highest = highest.max(offset);
    }
    findings
}

/// Places where the log goes back, or repeats a record.
fn not_increasing(log: &[Option<usize>]) -> Vec<String> {
    let pairs = log.windows(2).enumerate();
    pairs
        .filter(|(_, pair)| pair[0] >= pair[1])
        .map(|(offset, pair)| format!("offset {offset}: {:?} then {:?}", pair[0], pair[1]))
        .collect()
}

/// A record that appears again behind its acknowledged copy: nobody had a reason to send it again.
fn acknowledged_twice(sent: &[(usize, Option<i64>)], log: &[Option<usize>]) -> Vec<String> {
    let mut findings = Vec::new();
    for (offset, record) in log.iter().enumerate() {
        let Some(number) = record else { continue };
        let found = sent.binary_search_by_key(number, |(n, _)| *n);
        let acknowledged = found.ok().and_then(|at| sent[at].1);
        if acknowledged.is_some_and(|at| at < offset as i64) {
            findings.push(format!(
                "record {number} is at {offset} again, though acknowledged at {acknowledged:?}"
            ));
        }
    }
    findings
}
