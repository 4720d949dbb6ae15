//! Reads where a WAL ends, without writing anything.
//!
//! Owns: what stands in a slot, and whether it belongs there. Does not own: the search (`end`),
//! SEALs (`takeover`), the entries inside objects.

use futures::future::join_all;

use super::{
    WalName,
    end::{EndSearch, SlotContent, first_open_slot},
    put::SlotStore,
};
use crate::{
    env::Env,
    format::{
        envelope::{FormatError, HEADER_LEN, ObjectKind, decode_header},
        seal::decode_seal,
    },
    ids::{ClusterId, Slot},
    keys,
    store::{DynStore, StoreError, backoff::Backoff, put::Patience},
};

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

/// Names that the LIST for the hint asks for.
const LIST_MAX: usize = 1_000;

/// Where `wal` ends; all slots below `from` must hold data, and those from it on must not have been
/// deleted. For a WAL whose end metadata names, use that.
pub async fn read_end(
    env: &Env,
    store: &DynStore,
    cluster: ClusterId,
    wal: WalName,
    from: Slot,
    patience: Patience,
) -> Result<WalEnd, TakeoverError> {
    let slots = SlotStore {
        env: env.clone(),
        store: store.clone(),
        patience,
    };
    let reader = WalReader {
        slots,
        cluster,
        wal,
    };
    reader.find_end(from).await
}

pub(super) struct WalReader {
    pub(super) slots: SlotStore,
    pub(super) cluster: ClusterId,
    pub(super) wal: WalName,
}

impl WalReader {
    /// LIST is a hint, reads decide.
    pub(super) async fn find_end(&self, from: Slot) -> Result<WalEnd, TakeoverError> {
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
        let before = keys::start_at(from, |slot| self.wal.key(slot));
        let (prefix, store) = (self.wal.prefix(), &self.slots.store);
        match store.list(&prefix, before.as_ref(), LIST_MAX).await {
            Ok(listed) => self.wal.slot_of(&listed.last()?.key),
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
        let read = || self.slots.store.get_range(&key, range.clone());
        let Some(bytes) = self.slots.read(read).await? else {
            return Ok(SlotContent::Missing);
        };
        let header = decode_header(&bytes).map_err(|error| self.damaged(slot, error))?;
        let identity = header.identity;
        let is_here = identity.cluster == self.cluster
            && identity.lane == self.wal.lane
            && identity.number == slot.0;
        match identity.kind {
            ObjectKind::Wal if is_here && identity.writer == self.wal.incarnation => {
                Ok(SlotContent::Data)
            }
            ObjectKind::Seal if is_here => self.check_seal(slot).await,
            _ => Err(self.misplaced(slot, format!("it holds {identity:?}"))),
        }
    }

    async fn check_seal(&self, slot: Slot) -> Result<SlotContent, TakeoverError> {
        let key = self.wal.key(slot);
        let read = || self.slots.store.get(&key);
        let Some(bytes) = self.slots.read(read).await? else {
            return Ok(SlotContent::Missing);
        };
        let seal = decode_seal(&bytes).map_err(|error| self.damaged(slot, error))?;
        if seal.sealed == self.wal.incarnation {
            return Ok(SlotContent::Seal);
        }
        Err(self.misplaced(slot, format!("it holds a SEAL of {}", seal.sealed)))
    }

    /// Right after "exists", a missing object is not final: the store will show it.
    pub(super) async fn content_after_exists(
        &self,
        slot: Slot,
    ) -> Result<SlotContent, TakeoverError> {
        let mut backoff = Backoff::default();
        let started = self.slots.env.clock.boot();
        let key = self.wal.key(slot);
        loop {
            match self.content(slot).await? {
                SlotContent::Missing => {
                    let shown = self.slots.pause_until_shown(&key, &mut backoff, started);
                    shown.await?;
                }
                content => return Ok(content),
            }
        }
    }

    fn misplaced(&self, slot: Slot, message: String) -> TakeoverError {
        self.damaged(
            slot,
            FormatError::Invalid {
                what: "slot",
                message,
            },
        )
    }

    fn damaged(&self, slot: Slot, error: FormatError) -> TakeoverError {
        let name = self.wal.key(slot).to_string();
        TakeoverError::Damaged { name, error }
    }
}
