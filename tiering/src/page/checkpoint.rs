//! Writes checkpoints: one object with the new pages of this broker, then one metadata record.
//!
//! Owns: which groups get a page, the numbers of checkpoint objects. Does not own: when (the broker's
//! checkpoint task, one at a time), what the record changes (`ownership::checkpoint_record`).
//! Order: the object is durable before the record names it.
//! Crash: before the record, the object is an orphan; the floor of a later incarnation does not cover
//! it, so the collector may remove it once this incarnation is sealed.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    convert::root_of,
    recover::{Recovered, RecoveredGroup},
};
use crate::{
    env::Env,
    format::{
        FormatError, ObjectIdentity, ObjectKind, PageRef, WalRange,
        checkpoint::{BuiltCheckpoint, build_checkpoint},
        page::Page,
    },
    ids::{ClusterId, Incarnation, OwnershipEpoch, PgId, Slot},
    keys,
    log::{Durable, PartitionLog, Registry},
    metadata::{Command, CommandOutcome, CommandRejected, Image, MetadataError, MetadataLog},
    ownership::checkpoint_record::{CheckpointRecord, PageUpdate},
    store::{
        DynStore, PutOutcome, StoreError,
        put::{Patience, put_if_absent_until_clear},
    },
    wal::Wal,
};

/// Writes the checkpoints of one incarnation; one at a time.
pub struct Checkpointer {
    env: Env,
    store: DynStore,
    cluster: ClusterId,
    incarnation: Incarnation,
    groups: BTreeMap<PgId, RecoveredGroup>,
    /// Number of the next checkpoint object.
    number_next: u64,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("a page cannot be written: {0}")]
    Page(#[from] FormatError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("somebody else wrote checkpoint {number} of this incarnation")]
    Foreign { number: u64 },
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("the metadata refused the checkpoint: {0}")]
    Rejected(CommandRejected),
}

/// A page under way, and the logs whose state it holds.
struct Draft {
    page: Page,
    logs: Vec<(Arc<PartitionLog>, u64)>,
}

impl Checkpointer {
    /// Continues from what recovery found.
    pub fn new(
        env: Env,
        store: DynStore,
        cluster: ClusterId,
        incarnation: Incarnation,
        recovered: Recovered,
    ) -> Checkpointer {
        Checkpointer {
            env,
            store,
            cluster,
            incarnation,
            groups: recovered.groups,
            number_next: 0,
        }
    }

    /// Writes pages for all groups with news, and the record that moves the start of replay to the
    /// slots committed now. Returns that slot (exclusive).
    pub async fn write(
        &mut self,
        registry: &Registry,
        wal: &Wal,
        metadata: &MetadataLog,
    ) -> Result<Slot, CheckpointError> {
        // The image is taken inside: it must know every topic that a committed slot has rows of. The
        // record moves the start of replay of all groups, so a topic that is missing here would lose
        // what it has in those slots.
        let (committed, drafts) = wal.between_slots(|committed| {
            let drafts = self.drafts(registry, &metadata.image(), committed);
            (committed, drafts)
        });
        let pages = if drafts.is_empty() {
            Vec::new()
        } else {
            self.put(committed, &drafts).await?
        };
        let updates = drafts
            .iter()
            .zip(&pages)
            .map(|(draft, (pg, page))| PageUpdate {
                pg: *pg,
                epoch: draft.page.ownership_epoch,
                previous: self.groups.get(pg).and_then(|group| group.page),
                page: *page,
            });
        let record = CheckpointRecord {
            incarnation: self.incarnation,
            committed,
            data_floor: self.number_next,
            wal_floor: committed,
            pages: updates.collect(),
        };
        let outcome = metadata.append_one(Command::Checkpoint(record)).await?;
        let refused = match outcome {
            Ok(CommandOutcome::Checkpoint(outcome)) => outcome.refused,
            Ok(_) => Vec::new(),
            Err(rejected) => return Err(CheckpointError::Rejected(rejected)),
        };
        for (draft, (pg, page)) in drafts.into_iter().zip(pages) {
            if refused.contains(&pg) {
                // Its state stays dirty, so the next checkpoint lists it again.
                tracing::error!(%pg, "the metadata refused a page; its replay goes on from the old one");
                continue;
            }
            if let Some(group) = self.groups.get_mut(&pg) {
                group.page = Some(page);
                group.behind = false;
            }
            for (log, version) in draft.logs {
                log.paged(version);
            }
        }
        Ok(committed)
    }

    /// Called between two slots: everything is as of `committed`.
    fn drafts(&self, registry: &Registry, image: &Image, committed: Slot) -> Vec<Draft> {
        let mut by_group: BTreeMap<PgId, Vec<Arc<PartitionLog>>> = BTreeMap::new();
        for log in registry.all() {
            let topic = image.topics.by_id(&log.id().topic);
            if let Some(pg) = topic.and_then(|topic| topic.pg_of(log.id().partition)) {
                by_group.entry(pg).or_default().push(log);
            }
        }
        let behind = |pg: &PgId| self.groups.get(pg).is_some_and(|group| group.behind);
        for pg in self.groups.keys().filter(|pg| behind(pg)) {
            by_group.entry(*pg).or_default();
        }
        by_group
            .into_iter()
            .filter(|(pg, logs)| behind(pg) || logs.iter().any(|log| log.is_dirty()))
            .filter_map(|(pg, logs)| {
                let epoch = image.ownership.get(pg)?.epoch;
                Some(self.draft(pg, epoch, &logs, committed))
            })
            .collect()
    }

    fn draft(
        &self,
        pg: PgId,
        epoch: OwnershipEpoch,
        logs: &[Arc<PartitionLog>],
        committed: Slot,
    ) -> Draft {
        let states: Vec<(Arc<PartitionLog>, Durable, u64)> = logs
            .iter()
            .map(|log| {
                let (durable, version) = log.snapshot();
                (log.clone(), durable, version)
            })
            .collect();
        let mut live_wal = self
            .groups
            .get(&pg)
            .map(|group| group.live_wal.clone())
            .unwrap_or_default();
        if committed > Slot(0) {
            live_wal.push(WalRange {
                incarnation: self.incarnation,
                lane: 0,
                from: Slot(0),
                to: committed,
            });
        }
        let page = Page {
            pg,
            ownership_epoch: epoch,
            writer: self.incarnation,
            lane: 0,
            as_of: committed,
            partitions: states
                .iter()
                .map(|(log, durable, _)| root_of(log.id(), durable))
                .collect(),
            live_wal,
            merged: Vec::new(),
            producers_base: None,
        };
        let logs = states
            .into_iter()
            .map(|(log, _, version)| (log, version))
            .collect();
        Draft { page, logs }
    }

    async fn put(
        &mut self,
        committed: Slot,
        drafts: &[Draft],
    ) -> Result<Vec<(PgId, PageRef)>, CheckpointError> {
        let number = self.number_next;
        // Also after a failure: a number that may be taken is never used for other bytes.
        self.number_next += 1;
        let identity = ObjectIdentity {
            kind: ObjectKind::Checkpoint,
            cluster: self.cluster,
            writer: self.incarnation,
            lane: 0,
            number,
            put_id: self.env.new_put_id(),
        };
        let pages: Vec<Page> = drafts.iter().map(|draft| draft.page.clone()).collect();
        let BuiltCheckpoint { object, pages } = build_checkpoint(&identity, 0, committed, &pages)?;
        let key = keys::data(self.incarnation, number, keys::DataKind::Checkpoint);
        let put = put_if_absent_until_clear(
            &self.env,
            &*self.store,
            &key,
            &object.body,
            object.put,
            Patience::Forever,
        );
        match put.await? {
            PutOutcome::Created => Ok(pages),
            PutOutcome::Exists => Err(CheckpointError::Foreign { number }),
        }
    }
}
