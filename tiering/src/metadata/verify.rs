//! Reads every object of the metadata log and says what is damaged; writes nothing, may run beside a
//! controller.
//!
//! Checks of every entry: envelope and checksums, place, term, hash chain, the writer's state hash, and
//! that its commands are allowed; of every snapshot: the same envelope checks, and that it is the state
//! that replaying the entries gives. Behind a damaged entry the replay goes on at the next sound
//! snapshot; until there only what stands alone is checked.
//!
//! A missing entry with a later one above it is damage, unlike in a WAL: entries are written one at a
//! time, so no correct writer leaves a hole.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::{
    env::Env,
    ids::{ClusterId, Slot},
    keys,
    metadata::{
        entry::Entry,
        hash::EntryHash,
        replay::snapshot_number,
        snapshot,
        tail::{Applied, Tail},
    },
    store::{
        DynStore, Key, StoreError, StoreErrorKind,
        retry::{ReadPatience, read_with_patience},
    },
};

/// What the walk found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    pub entries: u64,
    pub snapshots: u64,
    /// The slot behind the last entry.
    pub next_slot: Slot,
    /// Entries that change nothing, because their writer was fenced; at most [`REPORTED_MAX`] of them.
    pub void: Vec<Slot>,
    /// At most [`REPORTED_MAX`] of them.
    pub damage: Vec<Damage>,
    pub damage_count: u64,
    /// The state at the end; `None` when damage hides it.
    pub tail: Option<Tail>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub key: String,
    pub message: String,
}

pub const REPORTED_MAX: usize = 1_000;

const READS_AT_ONCE: usize = 16;
const LIST_MAX: usize = 1_000;

/// An error: the store could not be asked.
pub async fn verify(
    env: &Env,
    store: &DynStore,
    cluster: ClusterId,
) -> Result<Verified, StoreError> {
    let snapshots = list_snapshots(env, store).await?;
    let mut walk = Walk {
        env,
        store,
        cluster,
        found: Verified::default(),
        tail: Some(Tail::default()),
        snapshots,
    };
    walk.find_start().await?;
    while walk.step().await? {}
    walk.found.tail = walk.tail;
    Ok(walk.found)
}

struct Walk<'a> {
    env: &'a Env,
    store: &'a DynStore,
    cluster: ClusterId,
    found: Verified,
    /// The state before `found.next_slot`; `None` behind damage.
    tail: Option<Tail>,
    /// Numbers that were not checked yet.
    snapshots: BTreeSet<Slot>,
}

/// A slot or snapshot: an object, nothing, or something that cannot be one.
enum Found {
    Bytes(Bytes),
    Missing,
    Damaged(String),
}

impl Walk<'_> {
    /// Where the entries begin: slot 0, or behind the oldest snapshot when older entries were deleted.
    async fn find_start(&mut self) -> Result<(), StoreError> {
        let first = keys::metadata_log(Slot(0));
        if !matches!(get(self.env, self.store, &first).await?, Found::Missing) {
            return Ok(());
        }
        while let Some(number) = self.snapshots.pop_first() {
            self.found.next_slot = number.next();
            if let Some(tail) = self.read_snapshot(number).await? {
                self.tail = Some(tail);
                break;
            }
            self.tail = None;
        }
        Ok(())
    }

    /// Reads and checks the next slots. `false` at the end.
    async fn step(&mut self) -> Result<bool, StoreError> {
        let first = self.found.next_slot;
        let slots = (0..READS_AT_ONCE as u64).map(|n| Slot(first.0.saturating_add(n)));
        let mut objects = Vec::with_capacity(READS_AT_ONCE);
        let mut reads = Vec::with_capacity(READS_AT_ONCE);
        for slot in slots {
            reads.push(self.read_entry(slot));
        }
        let mut reads = stream::iter(reads).buffered(READS_AT_ONCE);
        while let Some(read) = reads.next().await {
            objects.push(read?);
        }
        drop(reads);
        let last_there = objects.iter().rposition(|o| !matches!(o, Found::Missing));
        let ahead = self.snapshots.last().copied();
        for (n, mut object) in objects.into_iter().enumerate() {
            let slot = Slot(first.0 + n as u64);
            let known_above = last_there.is_some_and(|last| n < last)
                || ahead.is_some_and(|snapshot| slot <= snapshot);
            if matches!(object, Found::Missing) {
                if !known_above {
                    return Ok(false);
                }
                // It may have been written, with those above, since we looked.
                object = self.read_entry(slot).await?;
            }
            self.check_entry(slot, object);
            self.check_snapshot(slot).await?;
        }
        Ok(true)
    }

    fn check_entry(&mut self, slot: Slot, object: Found) {
        let key = keys::metadata_log(slot);
        self.found.next_slot = slot.next();
        let problem = match object {
            Found::Bytes(bytes) => {
                self.found.entries += 1;
                self.apply(slot, &bytes).err()
            }
            Found::Missing => Some("missing, although a later entry or snapshot exists".to_owned()),
            Found::Damaged(message) => Some(message),
        };
        if let Some(message) = problem {
            self.tail = None;
            self.report(&key, message);
        }
    }

    fn apply(&mut self, slot: Slot, bytes: &Bytes) -> Result<(), String> {
        let entry = Entry::decode(bytes, self.cluster, slot).map_err(|error| error.to_string())?;
        let Some(tail) = &mut self.tail else {
            return Ok(());
        };
        let applied = tail
            .apply(&entry, EntryHash::of([&bytes[..]]))
            .map_err(|error| error.to_string())?;
        if applied == Applied::Void && self.found.void.len() < REPORTED_MAX {
            self.found.void.push(slot);
        }
        Ok(())
    }

    /// Compares the snapshot behind `slot`, if there is one, and goes on from it behind damage.
    async fn check_snapshot(&mut self, slot: Slot) -> Result<(), StoreError> {
        if !self.snapshots.remove(&slot) {
            return Ok(());
        }
        let Some(stored) = self.read_snapshot(slot).await? else {
            return Ok(());
        };
        let same = self.tail.as_ref().is_none_or(|replayed| {
            replayed.last == stored.last && replayed.image.state_hash() == stored.image.state_hash()
        });
        if !same {
            let message = "is not the state that replaying the entries gives".to_owned();
            self.report(&keys::metadata_snapshot(slot), message);
        }
        self.tail.get_or_insert(stored);
        Ok(())
    }

    async fn read_snapshot(&mut self, number: Slot) -> Result<Option<Tail>, StoreError> {
        let key = keys::metadata_snapshot(number);
        self.found.snapshots += 1;
        let problem = match get(self.env, self.store, &key).await? {
            Found::Bytes(bytes) => match snapshot::decode(&bytes, self.cluster, number) {
                Ok(tail) => return Ok(Some(tail)),
                Err(error) => error.to_string(),
            },
            Found::Missing => "listed, but missing".to_owned(),
            Found::Damaged(message) => message,
        };
        self.report(&key, problem);
        Ok(None)
    }

    async fn read_entry(&self, slot: Slot) -> Result<Found, StoreError> {
        get(self.env, self.store, &keys::metadata_log(slot)).await
    }

    fn report(&mut self, key: &Key, message: String) {
        self.found.damage_count += 1;
        if self.found.damage.len() < REPORTED_MAX {
            self.found.damage.push(Damage {
                key: key.to_string(),
                message,
            });
        }
    }
}

async fn get(env: &Env, store: &DynStore, key: &Key) -> Result<Found, StoreError> {
    match read_with_patience(env, ReadPatience::default(), || store.get(key)).await {
        Ok(bytes) => Ok(Found::Bytes(bytes)),
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(Found::Missing),
        Err(error) if error.kind == StoreErrorKind::Corrupt => Ok(Found::Damaged(error.message)),
        Err(error) => Err(error),
    }
}

async fn list_snapshots(env: &Env, store: &DynStore) -> Result<BTreeSet<Slot>, StoreError> {
    let mut found = BTreeSet::new();
    let mut after = None;
    loop {
        let prefix = keys::METADATA_SNAPSHOT_PREFIX;
        let page = read_with_patience(env, ReadPatience::default(), || {
            store.list(prefix, after.as_ref(), LIST_MAX)
        })
        .await?;
        found.extend(page.iter().filter_map(|m| snapshot_number(&m.key)));
        if page.len() < LIST_MAX {
            return Ok(found);
        }
        after = page.into_iter().next_back().map(|meta| meta.key);
    }
}
