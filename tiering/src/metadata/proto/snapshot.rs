//! Stored form of a snapshot's records, and of the commands about what is one of a kind.

use super::*;
use crate::metadata::image::{features, producer_ids};

#[derive(Clone, PartialEq, prost::Message)]
pub struct AllocateProducerIds {
    #[prost(message, optional, tag = "1")]
    pub incarnation: Option<Incarnation>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct FinalizeFeatures {
    #[prost(uint32, tag = "1")]
    pub level: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ClusterRecord {
    #[prost(uint64, tag = "1")]
    pub term: u64,
    #[prost(message, optional, tag = "2")]
    pub controller: Option<Incarnation>,
    #[prost(bytes = "vec", tag = "3")]
    pub controller_process: Vec<u8>,
    #[prost(uint32, optional, tag = "4")]
    pub first_broker: Option<u32>,
    #[prost(int64, tag = "5")]
    pub next_producer_id: i64,
    #[prost(uint32, tag = "6")]
    pub feature_level: u32,
    #[prost(uint64, tag = "7")]
    pub feature_epoch: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotRecord {
    #[prost(oneof = "RecordKind", tags = "1, 2, 3, 4, 5")]
    pub kind: Option<RecordKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum RecordKind {
    #[prost(message, tag = "1")]
    Cluster(ClusterRecord),
    #[prost(message, tag = "2")]
    Topic(TopicRecord),
    #[prost(message, tag = "3")]
    Config(ConfigRecord),
    #[prost(message, tag = "4")]
    Incarnation(IncarnationRecord),
    #[prost(message, tag = "5")]
    Pg(PgRecord),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotFooter {
    #[prost(uint64, tag = "1")]
    pub last_slot: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub last_entry_hash: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub state_hash: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub record_count: u64,
    #[prost(uint32, tag = "5")]
    pub body_crc: u32,
}

impl From<RecordKind> for SnapshotRecord {
    fn from(kind: RecordKind) -> Self {
        SnapshotRecord { kind: Some(kind) }
    }
}

impl From<&producer_ids::AllocateProducerIds> for AllocateProducerIds {
    fn from(from: &producer_ids::AllocateProducerIds) -> Self {
        AllocateProducerIds {
            incarnation: Some(from.incarnation.into()),
        }
    }
}

impl TryFrom<AllocateProducerIds> for producer_ids::AllocateProducerIds {
    type Error = FormatError;

    fn try_from(from: AllocateProducerIds) -> Result<Self, FormatError> {
        Ok(producer_ids::AllocateProducerIds {
            incarnation: required("incarnation", from.incarnation)?.into(),
        })
    }
}

impl From<&features::FinalizeFeatures> for FinalizeFeatures {
    fn from(from: &features::FinalizeFeatures) -> Self {
        FinalizeFeatures {
            level: from.level.0,
        }
    }
}

impl TryFrom<FinalizeFeatures> for features::FinalizeFeatures {
    type Error = FormatError;

    fn try_from(from: FinalizeFeatures) -> Result<Self, FormatError> {
        let level = feature_level(from.level)?;
        Ok(features::FinalizeFeatures { level })
    }
}

/// A level that this build does not understand is no rejected command but the end for this build.
pub(in crate::metadata) fn feature_level(
    level: u32,
) -> Result<features::FeatureLevel, FormatError> {
    let found = features::FeatureLevel(level);
    if found > features::FeatureLevel::LATEST {
        return Err(FormatError::Unknown {
            what: "feature level",
            value: level.into(),
        });
    }
    Ok(found)
}
