//! Reads back what a WAL holds: the runs of its objects, in order, from their last bytes.
//!
//! Owns: reading footers in parallel and handing them out in slot order. Does not own: where the WAL
//! ends (`fenced_log`), what a run means to its partition (`log`).

use std::sync::Arc;

use futures::{StreamExt, stream};

use crate::{
    format::wal::{ControlRecord, SlotTail, TAIL_READ_LEN, TailError, WalFooter, slot_tail_from},
    ids::{ClusterId, Incarnation, Slot},
    keys,
    store::{DynStore, Key},
};

/// Objects whose last bytes are read with one call of the store, and calls under way at a time: at
/// most 32 MiB are held, and a hop to the file system is shared by many small reads.
const OBJECTS_PER_CALL: usize = 256;
const CALLS_MAX: usize = 2;

/// A part of one incarnation's WAL; `from` inclusive, `to` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalRange {
    pub incarnation: Incarnation,
    pub from: Slot,
    pub to: Slot,
}

/// The index of one object.
#[derive(Clone, Debug)]
pub struct ReplayedRun {
    pub slot: Slot,
    pub footer: WalFooter,
    pub controls: Vec<ControlRecord>,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Tail(#[from] Arc<TailError>),
    #[error(
        "{key} belongs to {found}, expected {expected}; an object was copied or renamed by hand"
    )]
    Foreign {
        key: Key,
        found: String,
        expected: String,
    },
    #[error("{key} is a SEAL, but the log is said to go on to slot {to}")]
    Sealed { key: Key, to: Slot },
}

/// Calls `each` for every object of the range, in slot order.
pub async fn replay_range(
    store: &DynStore,
    cluster: ClusterId,
    range: WalRange,
    mut each: impl FnMut(ReplayedRun),
) -> Result<(), ReplayError> {
    let slots: Vec<Slot> = (range.from.0..range.to.0).map(Slot).collect();
    let mut chunks = stream::iter(slots.chunks(OBJECTS_PER_CALL))
        .map(|chunk| read_chunk(store, cluster, range, chunk))
        .buffered(CALLS_MAX);
    while let Some(chunk) = chunks.next().await {
        for object in chunk? {
            each(object);
        }
    }
    Ok(())
}

async fn read_chunk(
    store: &DynStore,
    cluster: ClusterId,
    range: WalRange,
    slots: &[Slot],
) -> Result<Vec<ReplayedRun>, ReplayError> {
    let keys: Vec<Key> = slots
        .iter()
        .map(|slot| keys::wal(range.incarnation, 0, *slot))
        .collect();
    let suffixes = store.get_suffix_many(&keys, TAIL_READ_LEN).await;
    let mut objects = Vec::with_capacity(slots.len());
    for ((key, slot), suffix) in keys.into_iter().zip(slots).zip(suffixes) {
        let (suffix, len) = suffix.map_err(|error| Arc::new(TailError::Store(error)))?;
        let tail = slot_tail_from(store, &key, suffix, len)
            .await
            .map_err(Arc::new)?;
        objects.push(checked(cluster, range, *slot, key, tail)?);
    }
    Ok(objects)
}

/// Whether the object is the one that was asked for.
fn checked(
    cluster: ClusterId,
    range: WalRange,
    slot: Slot,
    key: Key,
    tail: SlotTail,
) -> Result<ReplayedRun, ReplayError> {
    let SlotTail::Wal {
        footer, controls, ..
    } = tail
    else {
        return Err(ReplayError::Sealed { key, to: range.to });
    };
    let same =
        footer.cluster == cluster && footer.writer == range.incarnation && footer.slot == slot;
    if !same {
        return Err(ReplayError::Foreign {
            key,
            found: format!(
                "cluster {}, {}, slot {}",
                footer.cluster, footer.writer, footer.slot
            ),
            expected: format!("cluster {cluster}, {}, slot {slot}", range.incarnation),
        });
    }
    Ok(ReplayedRun {
        slot,
        footer,
        controls,
    })
}
