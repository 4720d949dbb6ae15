//! Messages of tiering/proto/object.proto; that file has the comments.

use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct ObjectRef {
    #[prost(uint32, tag = "1")]
    pub store: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub origin_cluster: Bytes,
    #[prost(uint32, tag = "3")]
    pub kind: u32,
    #[prost(uint32, tag = "4")]
    pub broker: u32,
    #[prost(uint64, tag = "5")]
    pub epoch: u64,
    #[prost(uint32, tag = "6")]
    pub lane: u32,
    #[prost(uint64, tag = "7")]
    pub number: u64,
    #[prost(uint64, tag = "8")]
    pub length: u64,
    #[prost(fixed32, tag = "9")]
    pub footer_crc: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PageRef {
    #[prost(message, optional, tag = "1")]
    pub object: Option<ObjectRef>,
    #[prost(uint64, tag = "2")]
    pub position: u64,
    #[prost(uint64, tag = "3")]
    pub length: u64,
    #[prost(fixed32, tag = "4")]
    pub crc: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct WalRange {
    #[prost(uint32, tag = "1")]
    pub broker: u32,
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    #[prost(uint32, tag = "3")]
    pub lane: u32,
    #[prost(uint64, tag = "4")]
    pub from: u64,
    #[prost(uint64, tag = "5")]
    pub to: u64,
}
