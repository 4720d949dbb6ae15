//! The full check of one object of any kind.

use bytes::Bytes;

use super::{
    FormatError, ObjectHeader, ObjectKind, checkpoint::decode_checkpoint, envelope::decode_header,
    seal::decode_seal, wal::verify_wal_object,
};

/// Checks everything that can be checked of one object alone. Kinds that this version does not know
/// how to read are an error.
pub fn verify_object(bytes: &Bytes) -> Result<ObjectHeader, FormatError> {
    let header = decode_header(bytes)?;
    match header.identity.kind {
        ObjectKind::Wal => {
            verify_wal_object(bytes)?;
        }
        ObjectKind::Seal => {
            decode_seal(bytes)?;
        }
        ObjectKind::Checkpoint => {
            let checkpoint = decode_checkpoint(bytes)?;
            for entry in &checkpoint.pages {
                checkpoint.page(entry)?;
            }
        }
        kind => {
            return Err(FormatError::Unknown {
                what: "object kind",
                value: kind as u64,
            });
        }
    }
    Ok(header)
}
