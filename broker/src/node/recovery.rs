//! What a recovery took, in the log.

use std::time::Duration;

use weir_tiering::{incarnation::Recovery, log::RUN_BYTES};

/// From here on a start reads so many footers that merging is due.
const WAL_OBJECTS_WARN: u64 = 100_000;
const SLOW: Duration = Duration::from_secs(5);

pub fn report(recovery: &Recovery) {
    let Recovery {
        objects,
        runs,
        took,
    } = *recovery;
    if objects >= WAL_OBJECTS_WARN {
        tracing::warn!(
            objects,
            index_bytes = runs * RUN_BYTES as u64,
            "the store holds very many WAL objects; each start reads all their footers"
        );
    }
    let ms = took.as_millis() as u64;
    if took >= SLOW {
        tracing::warn!(objects, runs, ms, "slow recovery");
    } else {
        tracing::info!(objects, runs, ms, "recovered");
    }
}
