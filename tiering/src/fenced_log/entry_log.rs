//! Slots of the metadata log: read them, and append one at a time (P = 1).
//!
//! Owns: that an append has a clear answer, and that an answer "created" is true although names of
//! deleted entries are free again (design §4.4). Does not own: entries, terms, the hash chain,
//! which slot is next (`metadata`); snapshots and deletion.
//!
//! Invariant: `Created` at slot n is answered only if slot n is where readers look for it: no
//! snapshot of somebody else covers n. Within [`IDLE_MAX`] of the moment at which n was seen to be
//! free this needs no look, because entries are deleted only days after their snapshot.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::future::join_all;

use super::put::SlotStore;
use crate::{
    env::{Env, TaskKind},
    format::envelope::SealedObject,
    ids::Slot,
    keys::{self, ObjectName},
    store::{DynStore, Key, PutOutcome, StoreError, backoff::Backoff, put::Patience},
};

/// A writer that knew the end of the log longer ago than this (own boot time) looks for snapshots
/// first.
pub const IDLE_MAX: Duration = Duration::from_secs(60);

/// Slots that [`EntryLog::read_from`] reads at once.
const READS_AT_ONCE: u64 = 16;
/// Reads of a slot that a put found taken, before snapshots are looked at: its entry may be deleted
/// by now.
const READS_BEFORE_LOOK: u32 = 8;
/// Names that one LIST of snapshots asks for.
const LIST_MAX: usize = 1_000;

/// Whether this process wrote the snapshot of this slot (then it doesn't mean that we are fenced).
pub type OwnSnapshot = Arc<dyn Fn(Slot) -> bool + Send + Sync>;

/// The clear end of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The slot holds our object, durable, and it is the log's.
    Created,
    /// The slot holds these bytes, somebody else's. Apply them, validate again, try the next slot.
    Exists(Bytes),
    /// Somebody else's snapshot covers the slot: the log went on without us long ago. This
    /// incarnation is over; whatever the slot holds says nothing.
    Superseded { snapshot: Slot },
}

/// The metadata log of one cluster. One appender at a time; any number of readers.
#[derive(Clone)]
pub struct EntryLog {
    slots: SlotStore,
    own_snapshot: OwnSnapshot,
    /// Boot time at which the end of the log was last known. Shared by clones.
    end_known: Arc<Mutex<Duration>>,
}

impl EntryLog {
    /// `own_snapshot` is asked about snapshots at or above a slot that is being appended.
    pub fn new(env: Env, store: DynStore, own_snapshot: OwnSnapshot) -> EntryLog {
        let now = env.clock.boot();
        EntryLog {
            slots: SlotStore {
                env,
                store,
                patience: Patience::Forever,
            },
            own_snapshot,
            end_known: Arc::new(Mutex::new(now)),
        }
    }

    /// How long to wait for a store that doesn't answer; for ever unless set, which is right after
    /// the ready line.
    pub fn with_patience(mut self, patience: Patience) -> EntryLog {
        self.slots.patience = patience;
        self
    }

    /// The object in `slot`; `None`: nothing is there, so the log ends here unless the slot was
    /// deleted. Waits while the store is away.
    pub async fn read(&self, slot: Slot) -> Result<Option<Bytes>, StoreError> {
        let asked = self.slots.env.clock.boot();
        let found = self.read_slot(slot).await?;
        if found.is_none() {
            self.note_missing(asked);
        }
        Ok(found)
    }

    /// Up to `limit` objects from `first` on, contiguous: stops before the first missing slot.
    /// Fewer than `limit` means that the log ended there when we looked.
    pub async fn read_from(&self, first: Slot, limit: usize) -> Result<Vec<Bytes>, StoreError> {
        let mut out = Vec::new();
        while out.len() < limit {
            let from = first.0 + out.len() as u64;
            let count = READS_AT_ONCE.min((limit - out.len()) as u64);
            let asked = self.slots.env.clock.boot();
            let reads = (from..from + count).map(|slot| self.read_slot(Slot(slot)));
            for read in join_all(reads).await {
                match read? {
                    Some(bytes) => out.push(bytes),
                    None => {
                        self.note_missing(asked);
                        return Ok(out);
                    }
                }
            }
        }
        Ok(out)
    }

    /// Appends `object` at `slot`, which the caller knows to be the end: it has read every slot
    /// below, or their snapshot. Runs in a task of its own: dropping the future does not cancel it,
    /// and then the caller must read the slot before it appends again. Repeats until the answer is
    /// clear; an error means that the outcome will never be known here, and the incarnation is
    /// over.
    pub async fn try_append(
        &self,
        slot: Slot,
        object: SealedObject,
    ) -> Result<Appended, StoreError> {
        let key = keys::metadata_log(slot);
        let kind = TaskKind::MetadataWriter;
        match self.slots.put(kind, key, object).await? {
            PutOutcome::Created => self.confirm(slot).await,
            PutOutcome::Exists => self.read_taken(slot).await,
        }
    }

    /// The idle rule. The age is taken at the answer, so a put that hung, or a machine that slept,
    /// counts.
    async fn confirm(&self, slot: Slot) -> Result<Appended, StoreError> {
        let now = self.slots.env.clock.boot();
        let known = *self.end_known.lock().expect("no panic inside");
        if now.saturating_sub(known) > IDLE_MAX
            && let Some(snapshot) = self.foreign_snapshot(slot).await?
        {
            return Ok(Appended::Superseded { snapshot });
        }
        self.note_end(now);
        Ok(Appended::Created)
    }

    async fn read_taken(&self, slot: Slot) -> Result<Appended, StoreError> {
        let mut backoff = Backoff::default();
        let started = self.slots.env.clock.boot();
        let key = keys::metadata_log(slot);
        loop {
            if let Some(bytes) = self.read_slot(slot).await? {
                return Ok(Appended::Exists(bytes));
            }
            // "Exists" was true a moment ago, so it will show; or its entry was deleted meanwhile.
            if backoff.pauses() % READS_BEFORE_LOOK == READS_BEFORE_LOOK - 1
                && let Some(snapshot) = self.foreign_snapshot(slot).await?
            {
                return Ok(Appended::Superseded { snapshot });
            }
            let shown = self.slots.pause_until_shown(&key, &mut backoff, started);
            shown.await?;
        }
    }

    /// The first snapshot at or above `slot` that this process didn't write.
    pub async fn foreign_snapshot(&self, slot: Slot) -> Result<Option<Slot>, StoreError> {
        let mut after = keys::start_at(slot, keys::metadata_snapshot);
        loop {
            let list = || {
                let prefix = keys::METADATA_SNAPSHOT_PREFIX;
                self.slots.store.list(prefix, after.as_ref(), LIST_MAX)
            };
            let listed = self.slots.read(list).await?.unwrap_or_default();
            let mut slots = listed.iter().filter_map(|meta| snapshot_slot(&meta.key));
            if let Some(found) = slots.find(|found| !(self.own_snapshot)(*found)) {
                return Ok(Some(found));
            }
            if listed.len() < LIST_MAX {
                return Ok(None);
            }
            after = listed.into_iter().next_back().map(|meta| meta.key);
        }
    }

    async fn read_slot(&self, slot: Slot) -> Result<Option<Bytes>, StoreError> {
        let key = keys::metadata_log(slot);
        self.slots.read(|| self.slots.store.get(&key)).await
    }

    /// A slot was missing. That is the end only if the end was known not long before: to one who
    /// slept, an entry that was deleted behind a snapshot looks the same.
    fn note_missing(&self, at: Duration) {
        let mut known = self.end_known.lock().expect("no panic inside");
        if at.saturating_sub(*known) <= IDLE_MAX {
            *known = at.max(*known);
        }
    }

    fn note_end(&self, at: Duration) {
        let mut known = self.end_known.lock().expect("no panic inside");
        *known = at.max(*known);
    }
}

fn snapshot_slot(key: &Key) -> Option<Slot> {
    match ObjectName::parse(key.as_str())? {
        ObjectName::MetadataSnapshot { slot } => Some(slot),
        _ => None,
    }
}
