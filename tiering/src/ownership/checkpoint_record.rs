//! The checkpoint record, and the rules by which it changes the metadata (design §6).
//!
//! A page is the state of a PG after exactly the first `committed` slots of its owner's WAL. The
//! rules, each as one function, so that controller, followers, the model and the collector agree:
//! - the record as a whole is void when it is older than the last one, when the incarnation is no
//!   longer active, or when a floor would move back;
//! - each page counts only if the PG's ownership epoch and its previous page are the ones the record
//!   names, so a page written under an ownership that ended is never referred to;
//! - the start of replay moves for every PG that the incarnation owns, also for those without a new
//!   page (nothing of theirs is below `committed`), but not for one whose page was refused.

use crate::{
    format::PageRef,
    ids::{Incarnation, OwnershipEpoch, PgId, Slot},
    metadata::image::{
        CommandRejected,
        incarnations::{IncarnationRecord, IncarnationState},
        ownership::{PgRecord, ReplayRange},
    },
};

/// One checkpoint of one incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRecord {
    pub incarnation: Incarnation,
    /// k: the count of committed slots that the pages cover (exclusive end; 0 = none).
    pub committed: Slot,
    /// Data objects numbered below were referred to at or before this record, or never will be.
    pub data_floor: u64,
    /// The same for WAL slots; at most `committed`.
    pub wal_floor: Slot,
    /// The PGs whose state changed since their last page; each at most once.
    pub pages: Vec<PageUpdate>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageUpdate {
    pub pg: PgId,
    /// The ownership epoch under which the page was made.
    pub epoch: OwnershipEpoch,
    /// The PG's page before; `None`: it had none.
    pub previous: Option<PageRef>,
    pub page: PageRef,
}

/// Whether the record counts at all, given the state of its incarnation.
pub fn check_record(
    record: &CheckpointRecord,
    current: &IncarnationRecord,
) -> Result<(), CommandRejected> {
    if current.state != IncarnationState::Active {
        return Err(CommandRejected::NotActive(record.incarnation));
    }
    if record.committed < current.checkpointed {
        return Err(CommandRejected::StaleCheckpoint {
            last: current.checkpointed,
            committed: record.committed,
        });
    }
    let back = record.data_floor < current.data_floor || record.wal_floor < current.wal_floor;
    if back || record.wal_floor > record.committed {
        return Err(CommandRejected::BadFloor(record.incarnation));
    }
    Ok(())
}

/// Whether a page may be named by this record: written by the incarnation itself and not numbered
/// below a floor that an earlier record promised.
pub fn check_page(
    record: &CheckpointRecord,
    current: &IncarnationRecord,
    page: &PageRef,
) -> Result<(), CommandRejected> {
    if page.object.writer != record.incarnation || page.object.number < current.data_floor {
        return Err(CommandRejected::OutputBelowFloor {
            incarnation: record.incarnation,
            number: page.object.number,
            floor: current.data_floor,
        });
    }
    Ok(())
}

/// What a record that counts does to one PG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PgEffect {
    /// Not owned by the incarnation, or nothing to change.
    None,
    /// The new page is accepted, or already was.
    Accepted(PgRecord),
    /// Without a new page; replay starts later.
    Moved(PgRecord),
    /// The page named another epoch, another previous page, or the PG has another owner.
    Refused,
}

pub fn effect_on_pg(
    record: &CheckpointRecord,
    pg: &PgRecord,
    update: Option<&PageUpdate>,
) -> PgEffect {
    let owned = pg.owner == Some(record.incarnation);
    let Some(update) = update else {
        return if owned {
            move_from(record, pg).map_or(PgEffect::None, PgEffect::Moved)
        } else {
            PgEffect::None
        };
    };
    if !owned || update.epoch != pg.epoch {
        return PgEffect::Refused;
    }
    if is_current(pg, update) {
        return PgEffect::Accepted(pg.clone());
    }
    if update.previous != pg.page {
        return PgEffect::Refused;
    }
    // The page holds everything that earlier owners' WALs held, so only our own range stays.
    PgEffect::Accepted(PgRecord {
        owner: pg.owner,
        epoch: pg.epoch,
        page: Some(update.page),
        replay: vec![ReplayRange {
            wal: record.incarnation,
            from: record.committed,
            to: None,
            epoch: pg.epoch,
        }],
    })
}

/// Whether the update was applied before (a repeated record).
pub fn is_current(pg: &PgRecord, update: &PageUpdate) -> bool {
    pg.epoch == update.epoch && pg.page == Some(update.page)
}

fn move_from(record: &CheckpointRecord, pg: &PgRecord) -> Option<PgRecord> {
    let mut moved = pg.clone();
    let mut changed = false;
    for range in &mut moved.replay {
        if range.wal == record.incarnation && range.to.is_none() && range.from < record.committed {
            range.from = record.committed;
            changed = true;
        }
    }
    changed.then_some(moved)
}
