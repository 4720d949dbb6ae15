//! Reads back what a WAL holds: the runs of its objects, in order, from their last bytes.
//!
//! Owns: reading footers in parallel and handing them out in slot order. Does not own: where the WAL
//! ends (`fenced_log`), what a run means to its partition (`log`).

use std::sync::Arc;

use futures::{StreamExt, stream};

use crate::{
    format::wal::{ControlRecord, SlotTail, TailError, WalFooter, read_slot_tail},
    ids::{ClusterId, Incarnation, Slot},
    keys,
    store::{DynStore, Key},
};

/// Footers read at a time.
const READS_MAX: usize = 64;

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
    let mut objects = stream::iter(range.from.0..range.to.0)
        .map(|slot| read_one(store, cluster, range, Slot(slot)))
        .buffered(READS_MAX);
    while let Some(object) = objects.next().await {
        each(object?);
    }
    Ok(())
}

async fn read_one(
    store: &DynStore,
    cluster: ClusterId,
    range: WalRange,
    slot: Slot,
) -> Result<ReplayedRun, ReplayError> {
    let key = keys::wal(range.incarnation, 0, slot);
    let tail = read_slot_tail(store, &key).await.map_err(Arc::new)?;
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
