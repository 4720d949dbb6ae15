//! Stored form of ownership: assignments, page references, checkpoint records, PG records.

use super::*;
use crate::{
    format::{self, proto::PageRef},
    ids::{OwnershipEpoch, PgId, Slot},
    metadata::image::ownership as domain,
    ownership::checkpoint_record,
};

#[derive(Clone, PartialEq, prost::Message)]
pub struct Assignment {
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    #[prost(message, optional, tag = "2")]
    pub owner: Option<Incarnation>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct AssignPgs {
    #[prost(message, repeated, tag = "1")]
    pub assignments: Vec<Assignment>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PageUpdate {
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    #[prost(int32, tag = "2")]
    pub epoch: i32,
    #[prost(message, optional, tag = "3")]
    pub previous: Option<PageRef>,
    #[prost(message, optional, tag = "4")]
    pub page: Option<PageRef>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CheckpointRecord {
    #[prost(message, optional, tag = "1")]
    pub incarnation: Option<Incarnation>,
    #[prost(uint64, tag = "2")]
    pub committed: u64,
    #[prost(uint64, tag = "3")]
    pub data_floor: u64,
    #[prost(uint64, tag = "4")]
    pub wal_floor: u64,
    #[prost(message, repeated, tag = "5")]
    pub pages: Vec<PageUpdate>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReplayRange {
    #[prost(message, optional, tag = "1")]
    pub wal: Option<Incarnation>,
    #[prost(uint64, tag = "2")]
    pub from: u64,
    #[prost(uint64, optional, tag = "3")]
    pub to: Option<u64>,
    #[prost(int32, tag = "4")]
    pub epoch: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PgRecord {
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    #[prost(message, optional, tag = "2")]
    pub owner: Option<Incarnation>,
    #[prost(int32, tag = "3")]
    pub epoch: i32,
    #[prost(message, optional, tag = "4")]
    pub page: Option<PageRef>,
    #[prost(message, repeated, tag = "5")]
    pub replay: Vec<ReplayRange>,
}

impl From<&domain::Assignment> for Assignment {
    fn from(from: &domain::Assignment) -> Self {
        Assignment {
            pg: from.pg.0,
            owner: Some(from.owner.into()),
        }
    }
}

pub(super) fn assignments(from: Vec<Assignment>) -> Result<Vec<domain::Assignment>, FormatError> {
    from.into_iter()
        .map(|a| {
            Ok(domain::Assignment {
                pg: PgId(a.pg),
                owner: required("owner", a.owner)?.into(),
            })
        })
        .collect()
}

impl From<&domain::AssignPgs> for AssignPgs {
    fn from(from: &domain::AssignPgs) -> Self {
        AssignPgs {
            assignments: from.assignments.iter().map(Assignment::from).collect(),
        }
    }
}

impl TryFrom<AssignPgs> for domain::AssignPgs {
    type Error = FormatError;

    fn try_from(from: AssignPgs) -> Result<Self, FormatError> {
        Ok(domain::AssignPgs {
            assignments: assignments(from.assignments)?,
        })
    }
}

fn page(from: Option<PageRef>) -> Result<Option<format::PageRef>, FormatError> {
    from.as_ref().map(format::PageRef::from_proto).transpose()
}

impl From<&checkpoint_record::CheckpointRecord> for CheckpointRecord {
    fn from(from: &checkpoint_record::CheckpointRecord) -> Self {
        let pages = from.pages.iter().map(|update| PageUpdate {
            pg: update.pg.0,
            epoch: update.epoch.0,
            previous: update.previous.as_ref().map(format::PageRef::to_proto),
            page: Some(update.page.to_proto()),
        });
        CheckpointRecord {
            incarnation: Some(from.incarnation.into()),
            committed: from.committed.0,
            data_floor: from.data_floor,
            wal_floor: from.wal_floor.0,
            pages: pages.collect(),
        }
    }
}

impl TryFrom<CheckpointRecord> for checkpoint_record::CheckpointRecord {
    type Error = FormatError;

    fn try_from(from: CheckpointRecord) -> Result<Self, FormatError> {
        let pages = from.pages.into_iter().map(|update| {
            Ok(checkpoint_record::PageUpdate {
                pg: PgId(update.pg),
                epoch: OwnershipEpoch(update.epoch),
                previous: page(update.previous)?,
                page: required("page", page(update.page)?)?,
            })
        });
        Ok(checkpoint_record::CheckpointRecord {
            incarnation: required("incarnation", from.incarnation)?.into(),
            committed: Slot(from.committed),
            data_floor: from.data_floor,
            wal_floor: Slot(from.wal_floor),
            pages: pages.collect::<Result<_, FormatError>>()?,
        })
    }
}

impl PgRecord {
    pub fn new(pg: PgId, from: &domain::PgRecord) -> Self {
        let replay = from.replay.iter().map(|range| ReplayRange {
            wal: Some(range.wal.into()),
            from: range.from.0,
            to: range.to.map(|to| to.0),
            epoch: range.epoch.0,
        });
        PgRecord {
            pg: pg.0,
            owner: from.owner.map(Incarnation::from),
            epoch: from.epoch.0,
            page: from.page.as_ref().map(format::PageRef::to_proto),
            replay: replay.collect(),
        }
    }

    pub fn into_domain(self) -> Result<(PgId, domain::PgRecord), FormatError> {
        let replay = self.replay.into_iter().map(|range| {
            Ok(domain::ReplayRange {
                wal: required("WAL incarnation", range.wal)?.into(),
                from: Slot(range.from),
                to: range.to.map(Slot),
                epoch: OwnershipEpoch(range.epoch),
            })
        });
        let record = domain::PgRecord {
            owner: self.owner.map(ids::Incarnation::from),
            epoch: OwnershipEpoch(self.epoch),
            page: page(self.page)?,
            replay: replay.collect::<Result<_, FormatError>>()?,
        };
        Ok((PgId(self.pg), record))
    }
}
