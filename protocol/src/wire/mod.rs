//! Reading and writing the primitive types of the wire.

mod error;
mod reader;
mod records;
mod writer;

pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub use reader::Reader;
pub use records::Records;
pub use writer::{TagWriter, Writer};

use bytes::Bytes;

/// A tagged field (KIP-482) whose tag the schema of this version does not know; kept as it is, so
/// that what a newer program wrote survives a rewrite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTaggedField {
    pub tag: u32,
    pub data: Bytes,
}

/// Longest string that Kafka writes or reads, in bytes, in compact form too.
pub const STRING_BYTES_MAX: usize = i16::MAX as usize;
