//! Ends the WAL of an incarnation that is over: steps (b) and (c) of design §4.2.
//!
//! Owns: finding the end, sealing it. Does not own: (a) the entry `Fenced` before and (d) the entry `Sealed`
//! after, which the caller appends to the metadata log; a sealed end that metadata names is never asked for
//! again. Any number of takers may run at once or one after another, and be stopped anywhere: all find one end.
//!
//! Order of writes: every name seen below the first SEAL is made durable (`sync_log_dirs`) → SEALs at e … e+P−1,
//! each in a task of its own → every answer → the lowest slot that holds a SEAL is the end. The directories come
//! after the look and before the SEALs: what a zombie links in between stands at e or above, where our own put
//! meets it and makes it durable before it answers "exists".
//! Crash: some SEALs stand; the next taker adopts them.

use futures::future::join_all;

use super::{
    SLOTS_IN_FLIGHT_MAX, WalName,
    end::{EndSearch, SlotContent, end_of_seal_round, first_open_slot},
    put::{Pauses, put_in_task, read_until_clear},
};
use crate::{
    env::{Env, TaskKind},
    format::{
        FormatError,
        envelope::{HEADER_LEN, ObjectKind, decode_header},
        seal::{Seal, build_seal, decode_seal},
    },
    ids::{ClusterId, Incarnation, Slot},
    store::{DynStore, PutOutcome, StoreError, StoreErrorKind, keys},
};

/// What the caller knows of a WAL that it takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndBounds {
    /// The last checkpoint's k: names from here on may not be durable yet. Slots from here on still exist.
    pub checkpointed: Slot,
    /// All slots below are known to be committed (a heartbeat said so); at least `checkpointed`.
    pub committed: Slot,
}

impl EndBounds {
    /// Nothing but the last checkpoint is known; 0 without one.
    pub fn from_checkpoint(checkpointed: Slot) -> EndBounds {
        EndBounds {
            checkpointed,
            committed: checkpointed,
        }
    }
}

/// Where a WAL ends, as far as a reader can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalEnd {
    /// Exclusive: slots below hold data.
    pub end: Slot,
    /// A SEAL stands at `end`, so it is final. Else the WAL may still grow.
    pub sealed: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// Nothing is decided; the takeover may be repeated.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A human must look: what stands in a slot isn't an object of this log.
    #[error("{name}: {error}")]
    Damaged { name: String, error: FormatError },
    /// The writer outran the SEALs again and again: it isn't dead, nor does it stop.
    #[error("{wal} was still growing after {rounds} rounds of SEALs")]
    StillGrowing { wal: WalName, rounds: u32 },
}

/// Rounds of SEALs; each needs a writer that filled P slots meanwhile.
const ROUNDS_MAX: u32 = 1_000;
/// Names that the LIST for the hint asks for.
const LIST_MAX: usize = 1_000;

/// Seals other incarnations' WALs, as `incarnation`.
pub struct WalTaker {
    pub env: Env,
    pub store: DynStore,
    pub cluster: ClusterId,
    pub incarnation: Incarnation,
}

impl WalTaker {
    /// Seals `wal` and returns its end (exclusive), durable. May be repeated and raced. Waits while the store is
    /// away. Dropping the future leaves SEALs on their way, which harms nobody.
    pub async fn seal(&self, wal: WalName, bounds: EndBounds) -> Result<Slot, TakeoverError> {
        let reader = self.reader(wal);
        let found = reader.find_end(bounds.committed).await?;
        self.sync_directories(wal, bounds.checkpointed).await?;
        let mut first = found.end;
        for _ in 0..ROUNDS_MAX {
            // A SEAL that stands with nothing but data below is the end already; putting ours there once more
            // makes a local store flush its name.
            let puts = if found.sealed { 1 } else { SLOTS_IN_FLIGHT_MAX };
            let slots = (first.0..first.0 + puts).map(|slot| self.seal_slot(&reader, Slot(slot)));
            let contents = join_all(slots)
                .await
                .into_iter()
                .collect::<Result<Vec<_>, _>>()?;
            if let Some(end) = end_of_seal_round(first, &contents) {
                tracing::info!(%wal, %end, taker = %self.incarnation, "sealed");
                return Ok(end);
            }
            first = Slot(first.0 + puts);
        }
        Err(TakeoverError::StillGrowing {
            wal,
            rounds: ROUNDS_MAX,
        })
    }

    /// Puts a SEAL in `slot`; returns what stands there.
    async fn seal_slot(
        &self,
        reader: &WalReader<'_>,
        slot: Slot,
    ) -> Result<SlotContent, TakeoverError> {
        let seal = Seal {
            cluster: self.cluster,
            taker: self.incarnation,
            sealed: reader.wal.incarnation,
            lane: reader.wal.lane,
            slot,
        };
        let object = build_seal(&seal, self.env.new_put_id());
        let key = reader.wal.key(slot);
        match put_in_task(&self.env, &self.store, TaskKind::SlotPut, key, object).await? {
            PutOutcome::Created => Ok(SlotContent::Seal),
            PutOutcome::Exists => reader.content_after_exists(slot).await,
        }
    }

    async fn sync_directories(&self, wal: WalName, from: Slot) -> Result<(), StoreError> {
        let mut pauses = Pauses::new(&self.env);
        loop {
            match self
                .store
                .sync_log_dirs(&wal.prefix(), &wal.key(from))
                .await
            {
                Err(error) if error.kind == StoreErrorKind::Retry => pauses.pause().await,
                result => return result,
            }
        }
    }

    fn reader(&self, wal: WalName) -> WalReader<'_> {
        WalReader {
            env: &self.env,
            store: &self.store,
            cluster: self.cluster,
            wal,
        }
    }
}

/// Where `wal` ends, without writing anything; all slots below `from` must hold data, and those from it on must
/// not have been deleted. For a WAL whose end metadata names, use that.
pub async fn read_end(
    env: &Env,
    store: &DynStore,
    cluster: ClusterId,
    wal: WalName,
    from: Slot,
) -> Result<WalEnd, TakeoverError> {
    let reader = WalReader {
        env,
        store,
        cluster,
        wal,
    };
    reader.find_end(from).await
}

struct WalReader<'a> {
    env: &'a Env,
    store: &'a DynStore,
    cluster: ClusterId,
    wal: WalName,
}

impl WalReader<'_> {
    /// LIST is a hint, reads decide.
    async fn find_end(&self, from: Slot) -> Result<WalEnd, TakeoverError> {
        let mut search = EndSearch::new(from, self.last_listed(from).await);
        loop {
            if let Some((from, to)) = search.scan() {
                let contents = self.contents((from.0..to.0).map(Slot)).await?;
                let open = first_open_slot(from, &contents).unwrap_or((to, SlotContent::Missing));
                return Ok(WalEnd {
                    end: open.0,
                    sealed: open.1 == SlotContent::Seal,
                });
            }
            let probes = search.probes();
            let contents = self.contents(probes.iter().copied()).await?;
            for (slot, content) in probes.into_iter().zip(contents) {
                search.learn(slot, content);
            }
        }
    }

    async fn last_listed(&self, from: Slot) -> Option<Slot> {
        let before = from.0.checked_sub(1).map(|slot| self.wal.key(Slot(slot)));
        let prefix = self.wal.prefix();
        match self.store.list(&prefix, before.as_ref(), LIST_MAX).await {
            Ok(listed) => keys::wal_slot(&listed.last()?.key),
            Err(error) => {
                tracing::debug!(%error, "no hint for the end of a log");
                None
            }
        }
    }

    async fn contents(
        &self,
        slots: impl Iterator<Item = Slot>,
    ) -> Result<Vec<SlotContent>, TakeoverError> {
        let reads = join_all(slots.map(|slot| self.content(slot))).await;
        reads.into_iter().collect()
    }

    async fn content(&self, slot: Slot) -> Result<SlotContent, TakeoverError> {
        let key = self.wal.key(slot);
        let range = 0..HEADER_LEN as u64;
        let read = read_until_clear(self.env, || self.store.get_range(&key, range.clone()));
        let Some(bytes) = read.await? else {
            return Ok(SlotContent::Missing);
        };
        let damaged = |error| self.damaged(slot, error);
        let identity = decode_header(&bytes).map_err(damaged)?.identity;
        let is_here = identity.cluster == self.cluster
            && identity.lane == self.wal.lane
            && identity.number == slot.0;
        match identity.kind {
            ObjectKind::Wal if is_here && identity.writer == self.wal.incarnation => {
                Ok(SlotContent::Data)
            }
            ObjectKind::Seal if is_here => self.check_seal(slot).await,
            _ => Err(damaged(FormatError::Invalid {
                what: "slot",
                message: format!("it holds {identity:?}"),
            })),
        }
    }

    async fn check_seal(&self, slot: Slot) -> Result<SlotContent, TakeoverError> {
        let key = self.wal.key(slot);
        let Some(bytes) = read_until_clear(self.env, || self.store.get(&key)).await? else {
            return Ok(SlotContent::Missing);
        };
        let seal = decode_seal(&bytes).map_err(|error| self.damaged(slot, error))?;
        if seal.sealed == self.wal.incarnation {
            return Ok(SlotContent::Seal);
        }
        let message = format!("a SEAL of {}", seal.sealed);
        Err(self.damaged(
            slot,
            FormatError::Invalid {
                what: "slot",
                message,
            },
        ))
    }

    /// Right after "exists", a missing object is not final: the store will show it.
    async fn content_after_exists(&self, slot: Slot) -> Result<SlotContent, TakeoverError> {
        let mut pauses = Pauses::new(self.env);
        loop {
            match self.content(slot).await? {
                SlotContent::Missing => pauses.pause().await,
                content => return Ok(content),
            }
        }
    }

    fn damaged(&self, slot: Slot, error: FormatError) -> TakeoverError {
        let name = self.wal.key(slot).to_string();
        TakeoverError::Damaged { name, error }
    }
}
