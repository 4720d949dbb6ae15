//! The stored form of metadata entries and snapshots: prost messages that mirror
//! `tiering/proto/metadata.proto`, and their conversion from and to the domain types.
//!
//! Owns: field numbers, and what a missing or impossible field means. Does not own: which values are
//! allowed in which state (`image`). Invariants: encoding is a function of the domain value alone
//! (lists are sorted by their owner, no maps), because state hashes are made of encodings; decoding
//! never allocates more than the bytes that are there justify.

mod entry;
mod incarnations;
mod ownership;
mod snapshot;
mod topics;

pub use entry::*;
pub use incarnations::*;
pub use ownership::*;
pub use snapshot::*;
pub use topics::*;
use weir_protocol::types::Uuid;

use crate::{
    format::envelope::FormatError,
    ids::{self, BrokerEpoch, BrokerId},
};

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Incarnation {
    #[prost(uint32, tag = "1")]
    pub broker: u32,
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
}

impl From<ids::Incarnation> for Incarnation {
    fn from(from: ids::Incarnation) -> Self {
        Incarnation {
            broker: from.broker.0,
            epoch: from.epoch.0,
        }
    }
}

impl From<Incarnation> for ids::Incarnation {
    fn from(from: Incarnation) -> Self {
        ids::Incarnation {
            broker: BrokerId(from.broker),
            epoch: BrokerEpoch(from.epoch),
        }
    }
}

/// A message field that must be there.
pub(super) fn required<T>(what: &'static str, field: Option<T>) -> Result<T, FormatError> {
    field.ok_or_else(|| invalid(what, "missing"))
}

pub(super) fn uuid(what: &'static str, bytes: &[u8]) -> Result<Uuid, FormatError> {
    Ok(Uuid(sixteen(what, bytes)?))
}

pub(super) fn hash(what: &'static str, bytes: &[u8]) -> Result<u128, FormatError> {
    Ok(u128::from_be_bytes(sixteen(what, bytes)?))
}

fn sixteen(what: &'static str, bytes: &[u8]) -> Result<[u8; 16], FormatError> {
    bytes
        .try_into()
        .map_err(|_| invalid(what, format!("{} bytes instead of 16", bytes.len())))
}

pub(super) fn invalid(what: &'static str, message: impl Into<String>) -> FormatError {
    FormatError::Invalid {
        what,
        message: message.into(),
    }
}
