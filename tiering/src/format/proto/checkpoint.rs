//! Messages of tiering/proto/checkpoint.proto; that file has the comments.

use bytes::Bytes;

use super::{ObjectRef, PageRef, WalRange};

#[derive(Clone, PartialEq, prost::Message)]
pub struct Page {
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    #[prost(int32, tag = "2")]
    pub ownership_epoch: i32,
    #[prost(uint32, tag = "3")]
    pub writer_broker: u32,
    #[prost(uint64, tag = "4")]
    pub writer_epoch: u64,
    #[prost(uint32, tag = "5")]
    pub lane: u32,
    #[prost(uint64, tag = "6")]
    pub as_of: u64,
    #[prost(message, repeated, tag = "7")]
    pub partitions: Vec<PartitionRoot>,
    #[prost(message, repeated, tag = "8")]
    pub live_wal: Vec<WalRange>,
    #[prost(message, repeated, tag = "9")]
    pub merged: Vec<ObjectRef>,
    #[prost(message, optional, tag = "10")]
    pub producers_base: Option<PageRef>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PartitionRoot {
    #[prost(bytes = "bytes", tag = "1")]
    pub topic_id: Bytes,
    #[prost(uint32, tag = "2")]
    pub partition: u32,
    #[prost(int64, tag = "3")]
    pub log_start: i64,
    #[prost(int64, tag = "4")]
    pub log_end: i64,
    #[prost(int64, tag = "5")]
    pub high_watermark: i64,
    #[prost(message, repeated, tag = "6")]
    pub leader_epochs: Vec<EpochStart>,
    #[prost(message, repeated, tag = "7")]
    pub open_transactions: Vec<OpenTransaction>,
    #[prost(message, repeated, tag = "8")]
    pub child_pages: Vec<ChildPage>,
    #[prost(message, repeated, tag = "9")]
    pub producers: Vec<ProducerEntry>,
    #[prost(int64, repeated, tag = "10")]
    pub producers_removed: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct EpochStart {
    #[prost(int32, tag = "1")]
    pub leader_epoch: i32,
    #[prost(int64, tag = "2")]
    pub start_offset: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct OpenTransaction {
    #[prost(int64, tag = "1")]
    pub producer_id: i64,
    #[prost(int32, tag = "2")]
    pub producer_epoch: i32,
    #[prost(int64, tag = "3")]
    pub first_offset: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ChildPage {
    #[prost(message, optional, tag = "1")]
    pub page: Option<PageRef>,
    #[prost(int64, tag = "2")]
    pub offset_first: i64,
    #[prost(int64, tag = "3")]
    pub offset_last: i64,
    #[prost(sint64, tag = "4")]
    pub max_timestamp: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ProducerEntry {
    #[prost(int64, tag = "1")]
    pub producer_id: i64,
    #[prost(int32, tag = "2")]
    pub producer_epoch: i32,
    #[prost(sint64, tag = "3")]
    pub last_timestamp: i64,
    #[prost(message, repeated, tag = "4")]
    pub batches: Vec<ProducerBatch>,
    #[prost(int32, optional, tag = "5")]
    pub coordinator_epoch: Option<i32>,
    #[prost(int64, optional, tag = "6")]
    pub transaction_first_offset: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ProducerBatch {
    #[prost(int32, tag = "1")]
    pub producer_epoch: i32,
    #[prost(int32, tag = "2")]
    pub sequence_first: i32,
    #[prost(int32, tag = "3")]
    pub sequence_last: i32,
    #[prost(int64, tag = "4")]
    pub offset_first: i64,
    #[prost(int64, tag = "5")]
    pub offset_last: i64,
    #[prost(sint64, tag = "6")]
    pub timestamp: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CheckpointFooter {
    #[prost(uint32, tag = "1")]
    pub lane: u32,
    #[prost(uint64, tag = "2")]
    pub as_of: u64,
    #[prost(message, repeated, tag = "3")]
    pub pages: Vec<PageEntry>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PageEntry {
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    #[prost(int32, tag = "2")]
    pub ownership_epoch: i32,
    #[prost(uint64, tag = "3")]
    pub position: u64,
    #[prost(uint64, tag = "4")]
    pub length: u64,
    #[prost(fixed32, tag = "5")]
    pub crc: u32,
}
