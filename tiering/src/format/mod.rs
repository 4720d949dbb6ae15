//! Formats of the objects in the bucket (design §5): little-endian, absolute u64 positions, CRC32C
//! on everything. One file per kind of object; docs/formats/ has the byte tables.

pub mod checkpoint;
mod compress;
mod cursor;
pub mod dump;
pub mod envelope;
pub mod object_ref;
pub mod page;
mod page_codec;
pub mod proto;
pub mod seal;
pub mod verify;
pub mod wal;

pub use dump::dump;
pub use envelope::{
    FormatError, ObjectHeader, ObjectIdentity, ObjectKind, SealedObject, peek_kind,
};
pub use object_ref::{ObjectRef, PageRef, StoreId, WalRange};
pub use verify::verify_object;
