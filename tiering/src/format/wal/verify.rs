//! The full check of a WAL object: every checksum, and that footer and producer deltas say what a
//! scan of the batches finds (index = scan).

use std::collections::BTreeMap;

use bytes::Bytes;
use weir_protocol::types::ProducerId;

use super::{
    ControlRecord, PRODUCER_BATCHES_MAX, ProducerBatch, RunRow,
    batch_scan::ScannedBatch,
    decode::{WalObject, decode_wal},
};
use crate::{format::FormatError, ids::TopicPartition};

/// What a verified object holds.
#[derive(Clone, Debug)]
pub struct VerifiedWal {
    pub object: WalObject,
    pub batch_count: u64,
    pub record_count: u64,
}

type Producers = BTreeMap<(TopicPartition, ProducerId), Vec<ProducerBatch>>;

/// Checks everything that can be checked of one object alone.
pub fn verify_wal_object(bytes: &Bytes) -> Result<VerifiedWal, FormatError> {
    let object = decode_wal(bytes)?;
    let mut producers = Producers::new();
    let mut batch_count = 0;
    let mut record_count = 0;
    for row in &object.footer.rows {
        let batches = scan_run(row, object.run(row)?)?;
        batch_count += batches.len() as u64;
        record_count += u64::from(row.record_count);
        for batch in &batches {
            if let Some(seen) = batch.producer_batch() {
                let key = (row.topic_partition, batch.producer);
                producers.entry(key).or_default().push(seen);
            }
        }
    }
    check_deltas(&object.controls, producers)?;
    Ok(VerifiedWal {
        object,
        batch_count,
        record_count,
    })
}

/// The batches of a run, which must be what the row says.
pub(crate) fn scan_run(row: &RunRow, run: Bytes) -> Result<Vec<ScannedBatch>, FormatError> {
    let mut rest = run;
    let mut batches: Vec<ScannedBatch> = Vec::new();
    let mut offset_next = row.offset_first;
    while !rest.is_empty() {
        let batch = ScannedBatch::take(&mut rest)?;
        if batch.offset_first != offset_next || batch.leader_epoch != row.leader_epoch {
            return Err(differs(row, "a batch", format!("{batch:?}")));
        }
        offset_next.0 = batch.offset_last.0.saturating_add(1);
        batches.push(batch);
    }
    let records: u64 = batches.iter().map(|b| u64::from(b.record_count)).sum();
    let max_timestamp = batches.iter().map(|batch| batch.max_timestamp).max();
    let found = (
        batches.last().map(|batch| batch.offset_last),
        records,
        max_timestamp,
    );
    let expected = (
        Some(row.offset_last),
        u64::from(row.record_count),
        Some(row.max_timestamp),
    );
    if found != expected {
        let message = format!("(last offset, records, max timestamp) {found:?}");
        return Err(differs(row, "the scan", message));
    }
    Ok(batches)
}

fn differs(row: &RunRow, what: &str, found: String) -> FormatError {
    FormatError::Invalid {
        what: "run",
        message: format!("{what} of {} is {found} under {row:?}", row.topic_partition),
    }
}

/// Each producer with sequences has exactly one delta, with its last batches of this object. Batches
/// before a change of its epoch may be left out: nothing refers to them any more.
fn check_deltas(controls: &[ControlRecord], mut scanned: Producers) -> Result<(), FormatError> {
    for control in controls {
        let ControlRecord::ProducerDelta {
            topic_partition,
            producer,
            batches,
        } = control
        else {
            continue;
        };
        let found = scanned
            .remove(&(*topic_partition, *producer))
            .unwrap_or_default();
        let epoch = found.last().map(|batch| batch.epoch);
        let of_this_epoch = found
            .iter()
            .rev()
            .take_while(|batch| Some(batch.epoch) == epoch);
        let needed = of_this_epoch.count().min(PRODUCER_BATCHES_MAX);
        if batches.is_empty() || batches.len() < needed || !found.ends_with(batches) {
            return Err(FormatError::Invalid {
                what: "producer delta",
                message: format!(
                    "producer {producer} in {topic_partition}: {batches:?}, the scan finds {found:?}"
                ),
            });
        }
    }
    match scanned.first_key_value() {
        None => Ok(()),
        Some(((topic_partition, producer), _)) => Err(FormatError::Invalid {
            what: "producer delta",
            message: format!("none for producer {producer} in {topic_partition}"),
        }),
    }
}
