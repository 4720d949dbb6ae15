//! Ends the WAL of an incarnation that is over: steps (b) and (c) of design §4.2.
//!
//! Owns: finding the end, sealing it. Does not own: (a) the entry `Fenced` before and (d) the entry
//! `Sealed` after, which the caller appends to the metadata log; a sealed end that metadata names
//! is never asked for again. Any number of takers may run at once or one after another, and be
//! stopped anywhere: all find one end.
//!
//! Order of writes: every name seen below the first SEAL is made durable (`sync_log_dirs`) → SEALs
//! at e … e+P−1, each in a task of its own → every answer → the lowest slot that holds a SEAL is
//! the end. The directories come after the look and before the SEALs: what a zombie links in
//! between stands at e or above, where our own put meets it and makes it durable before it answers
//! "exists".
//! Crash: some SEALs stand; the next taker adopts them.

use futures::future::join_all;

use super::{
    SLOTS_IN_FLIGHT_MAX, WalName,
    end::{SlotContent, end_of_seal_round},
    put::SlotStore,
    wal_reader::{TakeoverError, WalReader},
};
use crate::{
    env::{Env, TaskKind},
    format::seal::{Seal, build_seal},
    ids::{ClusterId, Incarnation, Slot},
    store::{DynStore, PutOutcome, StoreError, put::Patience},
};

/// What the caller knows of a WAL that it takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndBounds {
    /// The last checkpoint's k: names from here on may not be durable yet. Slots from here on still
    /// exist.
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

/// Rounds of SEALs; each needs a writer that filled P slots meanwhile.
const ROUNDS_MAX: u32 = 1_000;

/// Seals other incarnations' WALs, as `incarnation`.
pub struct WalTaker {
    pub env: Env,
    pub store: DynStore,
    pub cluster: ClusterId,
    pub incarnation: Incarnation,
    /// How long to wait for a store that doesn't answer.
    pub patience: Patience,
}

impl WalTaker {
    /// Seals `wal` and returns its end (exclusive), durable. May be repeated and raced. Waits while
    /// the store is away. Dropping the future leaves SEALs on their way, which harms nobody.
    pub async fn seal(&self, wal: WalName, bounds: EndBounds) -> Result<Slot, TakeoverError> {
        let reader = self.reader(wal);
        let found = reader.find_end(bounds.committed).await?;
        self.sync_directories(&reader, bounds.checkpointed).await?;
        let mut first = found.end;
        for _ in 0..ROUNDS_MAX {
            // A SEAL that stands with nothing but data below is the end already; putting ours there
            // once more makes a local store flush its name.
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
        reader: &WalReader,
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
        match reader.slots.put(TaskKind::SlotPut, key, object).await? {
            PutOutcome::Created => Ok(SlotContent::Seal),
            PutOutcome::Exists => reader.content_after_exists(slot).await,
        }
    }

    async fn sync_directories(&self, reader: &WalReader, from: Slot) -> Result<(), StoreError> {
        let (prefix, from) = (reader.wal.prefix(), reader.wal.key(from));
        let sync = || self.store.sync_log_dirs(&prefix, &from);
        // "Not found": no name was ever linked there.
        reader.slots.read(sync).await.map(|_| ())
    }

    fn reader(&self, wal: WalName) -> WalReader {
        WalReader {
            slots: SlotStore {
                env: self.env.clone(),
                store: self.store.clone(),
                patience: self.patience,
            },
            cluster: self.cluster,
            wal,
        }
    }
}
