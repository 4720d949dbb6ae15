//! The logs of a serving incarnation.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;

use super::{IncarnationError, Place, accepted};
use crate::{
    fenced_log::WalIdentity,
    ids::Slot,
    log::Registry,
    metadata::{Command, MetadataLog, image::incarnations::SealIncarnation},
    page::{Checkpointer, RecoverError, recover},
    wal::{Wal, WalConfig, WalTable},
};

/// What recovery took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// WAL objects of earlier incarnations that are live.
    pub objects: u64,
    /// Runs found in them.
    pub runs: u64,
    pub took: Duration,
}

/// Clones share everything.
#[derive(Clone)]
pub struct OpenLogs {
    pub metadata: MetadataLog,
    pub wal: Wal,
    pub registry: Arc<Registry>,
    /// The WALs that the registry's runs lie in.
    pub table: Arc<WalTable>,
    pub recovery: Recovery,
    checkpointer: Arc<Mutex<Checkpointer>>,
}

impl OpenLogs {
    /// Rebuilds the partitions of the groups that this incarnation owns, begins its WAL, and writes the
    /// first checkpoint.
    pub async fn open(
        place: &Place,
        metadata: MetadataLog,
        config: &WalConfig,
    ) -> Result<OpenLogs, IncarnationError> {
        let Place {
            env,
            store,
            cluster,
            ..
        } = place;
        let incarnation = metadata.incarnation();
        let began = env.clock.boot();
        let table = Arc::new(WalTable::default());
        let registry = Arc::new(Registry::default());
        let own = table.index_of(incarnation);
        let own = own.ok_or(RecoverError::TooManyWals)?;
        let image = metadata.image();
        let recovered =
            recover(env, store, *cluster, &image, incarnation, &table, &registry).await?;
        let recovery = Recovery {
            objects: recovered.objects,
            runs: recovered.runs,
            took: env.clock.boot().saturating_sub(began),
        };
        let identity = WalIdentity {
            cluster: *cluster,
            incarnation,
            lane: 0,
        };
        let checkpointer =
            Checkpointer::new(env.clone(), store.clone(), *cluster, incarnation, recovered);
        let logs = OpenLogs {
            metadata,
            wal: Wal::start(env.clone(), store.clone(), identity, own, config),
            registry,
            table,
            recovery,
            checkpointer: Arc::new(Mutex::new(checkpointer)),
        };
        logs.checkpoint().await?;
        Ok(logs)
    }

    /// Writes a checkpoint of everything committed; one at a time. Returns the slot that it covers
    /// (exclusive).
    pub async fn checkpoint(&self) -> Result<Slot, IncarnationError> {
        let mut checkpointer = self.checkpointer.lock().await;
        let written = checkpointer
            .write(&self.registry, &self.wal, &self.metadata)
            .await;
        Ok(written?)
    }

    /// Ends the incarnation cleanly. The caller has stopped appends; later ones are refused. An error
    /// leaves it to the next start to take over.
    pub async fn close(&self) -> Result<Slot, IncarnationError> {
        let ended = |_| IncarnationError::WalEnded;
        self.wal.drain().await.map_err(ended)?;
        self.checkpoint().await?;
        let end = self.wal.close().await.map_err(ended)?;
        let closed = SealIncarnation {
            incarnation: self.metadata.incarnation(),
            end,
            clean: true,
            assignments: Vec::new(),
        };
        accepted(&self.metadata, Command::SealIncarnation(closed)).await?;
        self.metadata.close().await;
        Ok(end)
    }
}
