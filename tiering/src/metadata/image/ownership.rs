//! Placement groups: owner, ownership epoch, last page, and what must be replayed on top of it.
//!
//! A PG without a record has never had an owner. Its first epoch is 0 (Kafka's first leader epoch),
//! each assignment adds one. A live owner keeps its PGs until its WAL is sealed.
//!
//! Invariant: at most one range of a replay list is open, that of the owner.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    CommandRejected,
    incarnations::{IncarnationRecord, IncarnationsImage, SealIncarnation},
};
use crate::{
    format::PageRef,
    ids::{Incarnation, OwnershipEpoch, PgId, Slot},
    metadata::{
        command::CheckpointOutcome,
        hash::StateHash,
        proto::{self, RecordKind, SnapshotRecord},
    },
    ownership::{
        checkpoint_record::{self, CheckpointRecord, PageUpdate, PgEffect},
        placement::MAX_PGS,
    },
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgRecord {
    pub owner: Option<Incarnation>,
    /// The leader epoch of all its partitions; kept when the owner goes.
    pub epoch: OwnershipEpoch,
    pub page: Option<PageRef>,
    /// What is newer than the page, in this order. Rows of another ownership epoch are void.
    pub replay: Vec<ReplayRange>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayRange {
    pub wal: Incarnation,
    /// The first slot.
    pub from: Slot,
    /// Exclusive; `None` while the WAL is live.
    pub to: Option<Slot>,
    pub epoch: OwnershipEpoch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub pg: PgId,
    pub owner: Incarnation,
}

/// Gives PGs that have no owner one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignPgs {
    pub assignments: Vec<Assignment>,
}

#[derive(Clone, Debug, Default)]
pub struct OwnershipImage {
    pgs: Vec<Option<Arc<PgRecord>>>,
    hash: StateHash,
}

impl OwnershipImage {
    pub fn get(&self, pg: PgId) -> Option<&Arc<PgRecord>> {
        self.pgs.get(pg.0 as usize)?.as_ref()
    }

    pub fn owner(&self, pg: PgId) -> Option<Incarnation> {
        self.get(pg)?.owner
    }

    /// Exclusive end of the PG numbers that have a record.
    pub fn pg_end(&self) -> PgId {
        PgId(self.pgs.len() as u32)
    }

    /// Sorted by PG.
    pub fn iter(&self) -> impl Iterator<Item = (PgId, &Arc<PgRecord>)> {
        let known = |(pg, record): (usize, &'_ Option<Arc<PgRecord>>)| {
            record.is_some().then_some(PgId(pg as u32))
        };
        (self.pgs.iter().enumerate())
            .filter_map(known)
            .filter_map(|pg| Some((pg, self.get(pg)?)))
    }

    /// Sorted by PG.
    pub fn owned_by(&self, owner: Incarnation) -> impl Iterator<Item = (PgId, &Arc<PgRecord>)> {
        self.iter()
            .filter(move |(_, record)| record.owner == Some(owner))
    }

    pub(super) fn assign(
        &mut self,
        command: &AssignPgs,
        incarnations: &IncarnationsImage,
    ) -> Result<(), CommandRejected> {
        self.check_assign(&command.assignments, incarnations, None)?;
        self.assign_checked(&command.assignments, incarnations);
        Ok(())
    }

    /// `leaving`: the incarnation whose PGs count as free.
    fn check_assign(
        &self,
        assignments: &[Assignment],
        incarnations: &IncarnationsImage,
        leaving: Option<Incarnation>,
    ) -> Result<(), CommandRejected> {
        let mut seen = BTreeSet::new();
        for Assignment { pg, owner } in assignments {
            let epoch_used_up = (self.get(*pg)).is_some_and(|record| record.epoch.0 == i32::MAX);
            if pg.0 >= MAX_PGS || !seen.insert(*pg) || epoch_used_up {
                return Err(CommandRejected::InvalidPg(*pg));
            }
            incarnations.require_active(owner)?;
            if leaving == Some(*owner) {
                return Err(CommandRejected::NotActive(*owner));
            }
            match self.owner(*pg) {
                Some(current) if Some(current) != leaving => {
                    return Err(CommandRejected::PgOwned {
                        pg: *pg,
                        owner: current,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn assign_checked(&mut self, assignments: &[Assignment], incarnations: &IncarnationsImage) {
        for Assignment { pg, owner } in assignments {
            let checkpointed = incarnations.get(owner).map_or(Slot(0), |r| r.checkpointed);
            let mut record = match self.get(*pg) {
                Some(record) => PgRecord {
                    epoch: OwnershipEpoch(record.epoch.0 + 1),
                    ..(**record).clone()
                },
                None => PgRecord {
                    owner: None,
                    epoch: OwnershipEpoch(0),
                    page: None,
                    replay: Vec::new(),
                },
            };
            record.owner = Some(*owner);
            record.replay.push(ReplayRange {
                wal: *owner,
                from: checkpointed,
                to: None,
                epoch: record.epoch,
            });
            self.put(*pg, record);
        }
    }

    pub(super) fn check_seal(
        &self,
        command: &SealIncarnation,
        incarnations: &IncarnationsImage,
    ) -> Result<(), CommandRejected> {
        let leaving = Some(command.incarnation);
        self.check_assign(&command.assignments, incarnations, leaving)
    }

    /// After [`OwnershipImage::check_seal`]: ends the ranges of the sealed WAL, frees its PGs, and
    /// gives away those that have a new owner.
    pub(super) fn seal(&mut self, command: &SealIncarnation, incarnations: &IncarnationsImage) {
        let sealed = command.incarnation;
        let touched: Vec<(PgId, PgRecord)> = self
            .iter()
            .filter(|(_, record)| {
                let open = |range: &ReplayRange| range.wal == sealed && range.to.is_none();
                record.owner == Some(sealed) || record.replay.iter().any(open)
            })
            .map(|(pg, record)| (pg, (**record).clone()))
            .collect();
        for (pg, mut record) in touched {
            if record.owner == Some(sealed) {
                record.owner = None;
            }
            for range in &mut record.replay {
                if range.wal == sealed && range.to.is_none() {
                    range.to = Some(command.end);
                }
            }
            record
                .replay
                .retain(|range| range.to.is_none_or(|to| range.from < to));
            self.put(pg, record);
        }
        self.assign_checked(&command.assignments, incarnations);
    }

    /// Applies a record that [`checkpoint_record::check_record`] found to count.
    pub(super) fn checkpoint(
        &mut self,
        record: &CheckpointRecord,
        current: &IncarnationRecord,
    ) -> Result<CheckpointOutcome, CommandRejected> {
        let mut updates: BTreeMap<PgId, &PageUpdate> = BTreeMap::new();
        for update in &record.pages {
            let known = self
                .get(update.pg)
                .is_some_and(|pg| checkpoint_record::is_current(pg, update));
            if !known {
                checkpoint_record::check_page(record, current, &update.page)?;
            }
            if updates.insert(update.pg, update).is_some() {
                return Err(CommandRejected::InvalidPg(update.pg));
            }
        }
        let mut outcome = CheckpointOutcome::default();
        let mut changes = Vec::new();
        for (pg, current) in self.iter() {
            let update = updates.remove(&pg);
            match checkpoint_record::effect_on_pg(record, current, update) {
                PgEffect::None => {}
                PgEffect::Refused => outcome.refused.push(pg),
                PgEffect::Moved(moved) => changes.push((pg, moved)),
                PgEffect::Accepted(accepted) => {
                    outcome.accepted += 1;
                    changes.push((pg, accepted));
                }
            }
        }
        outcome.refused.extend(updates.into_keys());
        outcome.refused.sort_unstable();
        for (pg, changed) in changes {
            self.put(pg, changed);
        }
        Ok(outcome)
    }

    /// `pg` is below [`MAX_PGS`].
    fn put(&mut self, pg: PgId, record: PgRecord) {
        let index = pg.0 as usize;
        if self.pgs.len() <= index {
            self.pgs.resize(index + 1, None);
        }
        self.hash.add(&stored(pg, &record));
        if let Some(old) = self.pgs[index].replace(Arc::new(record)) {
            self.hash.remove(&stored(pg, &old));
        }
    }

    /// Adds a record of a snapshot; `false` when it is there already or out of range.
    pub(super) fn restore(&mut self, pg: PgId, record: PgRecord) -> bool {
        if pg.0 >= MAX_PGS || self.get(pg).is_some() {
            return false;
        }
        self.put(pg, record);
        true
    }

    pub(super) fn hash(&self) -> StateHash {
        self.hash
    }

    pub(super) fn records(&self) -> impl Iterator<Item = SnapshotRecord> {
        self.iter().map(|(pg, record)| stored(pg, record))
    }
}

/// The PGs whose records differ between two images, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnershipDelta {
    pub changed: Vec<PgId>,
}

impl OwnershipDelta {
    pub fn between(old: &OwnershipImage, new: &OwnershipImage) -> OwnershipDelta {
        let differs =
            |(pg, record): &(PgId, &Arc<PgRecord>)| old.get(*pg).is_none_or(|o| o != *record);
        OwnershipDelta {
            changed: new.iter().filter(differs).map(|(pg, _)| pg).collect(),
        }
    }
}

fn stored(pg: PgId, record: &PgRecord) -> SnapshotRecord {
    RecordKind::Pg(proto::PgRecord::new(pg, record)).into()
}
