//! Opening the metadata log: the newest readable snapshot, and the entries behind it.
//!
//! Owns: finding the end of the log, and telling an end from a loss. Entries are written one after the
//! other, so a missing slot with an object or a snapshot above it was lost, and is an error, never an
//! end. Does not own: writing (`register`, `writer`). Reads only; may run beside a controller.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::future::try_join_all;

use crate::{
    env::Env,
    fenced_log::EntryLog,
    ids::{ClusterId, Slot},
    keys,
    metadata::{
        command::Term,
        entry::Entry,
        error::MetadataError,
        hash::EntryHash,
        image::Image,
        snapshot,
        tail::{Applied, Tail},
    },
    store::{DynStore, StoreErrorKind, backoff::Backoff, put::Patience},
};

/// Entries that are held in memory at once while replaying.
const ENTRIES_AT_ONCE: usize = 64;
/// Slots above the end that are looked at before it is believed.
const LOOK_AHEAD: u64 = 15;
/// Reads of an object before it counts as damaged.
const READS_OF_DAMAGED: u32 = 3;
const SNAPSHOTS_PER_LIST: usize = 1_000;

/// Snapshots that this process wrote; they do not mean that somebody else went on without us.
#[derive(Clone, Default)]
pub(super) struct OwnSnapshots(Arc<Mutex<std::collections::BTreeSet<Slot>>>);

impl OwnSnapshots {
    pub(super) fn insert(&self, number: Slot) {
        self.0.lock().expect("no panic inside").insert(number);
    }

    fn contains(&self, number: Slot) -> bool {
        self.0.lock().expect("no panic inside").contains(&number)
    }
}

/// What was written since the newest snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SinceSnapshot {
    pub entries: u64,
    pub bytes: u64,
}

/// The log, read to an end that it had during the call.
pub struct Replayed {
    pub(super) env: Env,
    pub(super) store: DynStore,
    pub(super) cluster: ClusterId,
    pub(super) log: EntryLog,
    pub(super) own_snapshots: OwnSnapshots,
    pub(super) tail: Tail,
    pub(super) since_snapshot: SinceSnapshot,
    patience: Patience,
}

/// Reads the whole log of `cluster`. `patience`: how long a store that does not answer is waited for,
/// until the writer runs, which waits for ever.
pub async fn open(
    env: Env,
    store: DynStore,
    cluster: ClusterId,
    patience: Patience,
) -> Result<Replayed, MetadataError> {
    let own_snapshots = OwnSnapshots::default();
    let own = own_snapshots.clone();
    let log = EntryLog::new(
        env.clone(),
        store.clone(),
        Arc::new(move |number| own.contains(number)),
    )
    .with_patience(patience);
    let mut replayed = Replayed {
        env,
        store,
        cluster,
        log,
        own_snapshots,
        tail: Tail::default(),
        since_snapshot: SinceSnapshot::default(),
        patience,
    };
    replayed.reload().await?;
    Ok(replayed)
}

impl Replayed {
    pub fn image(&self) -> &Image {
        &self.tail.image
    }

    /// The slot of the next entry.
    pub fn next_slot(&self) -> Slot {
        self.tail.next_slot()
    }

    pub fn term(&self) -> Term {
        self.tail.image.term
    }

    pub fn last_entry_hash(&self) -> EntryHash {
        self.tail.last
    }

    /// Reads what was added since; returns the number of new entries.
    pub async fn catch_up(&mut self) -> Result<u64, MetadataError> {
        let before = self.next_slot();
        loop {
            let first = self.next_slot();
            let entries = self.log.read_from(first, ENTRIES_AT_ONCE).await?;
            let count = entries.len();
            for bytes in entries {
                self.apply_or_read_again(bytes).await?;
            }
            if count < ENTRIES_AT_ONCE && self.is_end().await? {
                return Ok(self.next_slot().0 - before.0);
            }
        }
    }

    /// Forgets the state and reads the log again from the newest readable snapshot.
    pub(super) async fn reload(&mut self) -> Result<(), MetadataError> {
        let numbers = self.list_snapshots().await?;
        let mut damaged = None;
        self.tail = Tail::default();
        self.since_snapshot = SinceSnapshot::default();
        for number in numbers.iter().rev() {
            match self.read_snapshot(*number).await? {
                Ok(tail) => {
                    self.tail = tail;
                    break;
                }
                Err(error) => {
                    tracing::error!(%error, "a metadata snapshot is damaged; trying an older one");
                    damaged.get_or_insert(error);
                }
            }
        }
        self.catch_up().await?;
        match (numbers.last(), damaged) {
            // Entries behind an older snapshot may be gone once a newer one covered them.
            (Some(newest), damaged) if *newest >= self.next_slot() => {
                Err(damaged.unwrap_or_else(|| self.missing(keys::metadata_snapshot(*newest))))
            }
            _ => Ok(()),
        }
    }

    /// All, sorted.
    async fn list_snapshots(&self) -> Result<Vec<Slot>, MetadataError> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .until_reachable(|| {
                    let after = after.clone();
                    async move {
                        let prefix = keys::METADATA_SNAPSHOT_PREFIX;
                        self.store
                            .list(prefix, after.as_ref(), SNAPSHOTS_PER_LIST)
                            .await
                    }
                })
                .await?;
            let numbers = page.iter().map(|m| snapshot_number(&m.key));
            found.extend(numbers.flatten());
            if page.len() < SNAPSHOTS_PER_LIST {
                return Ok(found);
            }
            after = page.into_iter().next_back().map(|meta| meta.key);
        }
    }

    /// The inner error: the snapshot cannot be read, an older one may do.
    async fn read_snapshot(
        &self,
        number: Slot,
    ) -> Result<Result<Tail, MetadataError>, MetadataError> {
        let key = keys::metadata_snapshot(number);
        let mut reads = 0;
        loop {
            reads += 1;
            let damaged = match self.until_reachable(|| self.store.get(&key)).await {
                Ok(bytes) => match snapshot::decode(&bytes, self.cluster, number) {
                    Ok(tail) => return Ok(Ok(tail)),
                    Err(error) => MetadataError::object(&key, error),
                },
                Err(error) if is_damage(error.kind) => error.into(),
                Err(error) => return Err(error.into()),
            };
            if reads == READS_OF_DAMAGED {
                return Ok(Err(damaged));
            }
        }
    }

    async fn until_reachable<T, F>(
        &self,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, crate::store::StoreError>
    where
        F: Future<Output = Result<T, crate::store::StoreError>>,
    {
        let mut backoff = Backoff::default();
        let started = self.env.clock.boot();
        loop {
            let waited = self.env.clock.boot().saturating_sub(started);
            match attempt().await {
                Err(error) if error.kind == StoreErrorKind::Retry && self.may_wait(waited) => {
                    tracing::debug!(%error, "will be repeated");
                    let pause = backoff.next(&self.env);
                    self.env.clock.sleep(pause).await;
                }
                answer => return answer,
            }
        }
    }

    fn may_wait(&self, waited: Duration) -> bool {
        match self.patience {
            Patience::Forever => true,
            Patience::Limited(limit) => waited < limit,
        }
    }

    /// Applies the object of the next slot. One that looks damaged is read again: the damage may be of
    /// the reading.
    pub(super) async fn apply_or_read_again(&mut self, bytes: Bytes) -> Result<(), MetadataError> {
        let slot = self.next_slot();
        let mut bytes = bytes;
        for _ in 1..READS_OF_DAMAGED {
            if Entry::decode(&bytes, self.cluster, slot).is_ok() {
                break;
            }
            if let Some(again) = self.log.read(slot).await? {
                bytes = again;
            }
        }
        apply_object(&mut self.tail, self.cluster, &bytes)?;
        self.since_snapshot.entries += 1;
        self.since_snapshot.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Whether the next slot, which was missing, is the end. `false`: it is there by now. An error when
    /// it is missing and a later one is there.
    async fn is_end(&self) -> Result<bool, MetadataError> {
        let next = self.next_slot();
        let above = (1..=LOOK_AHEAD).map(|n| Slot(next.0.saturating_add(n)));
        let found = try_join_all(above.clone().map(|slot| self.log.read(slot))).await?;
        let Some((later, _)) = above.zip(found).find(|(_, bytes)| bytes.is_some()) else {
            return Ok(true);
        };
        // A controller may have written both since we looked.
        if self.log.read(next).await?.is_some() {
            return Ok(false);
        }
        Err(self.missing(keys::metadata_log(later)))
    }

    fn missing(&self, later: crate::store::Key) -> MetadataError {
        MetadataError::Missing {
            key: keys::metadata_log(self.next_slot()).to_string(),
            later: later.to_string(),
        }
    }
}

fn is_damage(kind: StoreErrorKind) -> bool {
    matches!(kind, StoreErrorKind::NotFound | StoreErrorKind::Corrupt)
}

/// The number of a snapshot by its name; `None`: not a snapshot's name.
pub(super) fn snapshot_number(key: &crate::store::Key) -> Option<Slot> {
    match keys::ObjectName::parse(key.as_str()) {
        Some(keys::ObjectName::MetadataSnapshot { slot }) => Some(slot),
        _ => None,
    }
}

/// Decodes the object of the next slot and applies it. After an error `tail` is of no use.
pub(super) fn apply_object(
    tail: &mut Tail,
    cluster: ClusterId,
    bytes: &Bytes,
) -> Result<Applied, MetadataError> {
    let slot = tail.next_slot();
    let key = keys::metadata_log(slot);
    let entry =
        Entry::decode(bytes, cluster, slot).map_err(|error| MetadataError::object(&key, error))?;
    let applied = tail
        .apply(&entry, EntryHash::of([&bytes[..]]))
        .map_err(|error| MetadataError::chain(&key, error))?;
    if applied == Applied::Void {
        tracing::warn!(%key, writer = %entry.writer, "a metadata entry is void: its writer was fenced");
    }
    Ok(applied)
}
