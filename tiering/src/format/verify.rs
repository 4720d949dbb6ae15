//! The full check of one object of any kind.

use bytes::Bytes;

use super::{
    FormatError, ObjectHeader, ObjectKind, checkpoint::decode_checkpoint, envelope::decode_header,
    seal::decode_seal, wal::verify_wal_object,
};
use crate::{
    cluster::{self, ClusterError},
    ids::Slot,
    metadata::{entry::Entry, snapshot},
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
        ObjectKind::Cluster => {
            cluster::decode(bytes).map_err(cluster_problem)?;
        }
        ObjectKind::MetadataEntry => {
            Entry::decode(bytes, header.identity.cluster, Slot(header.identity.number))?;
        }
        ObjectKind::MetadataSnapshot => {
            let identity = &header.identity;
            snapshot::decode(bytes, identity.cluster, Slot(identity.number))?;
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

pub(super) fn cluster_problem(error: ClusterError) -> FormatError {
    match error {
        ClusterError::Damaged(error) => error,
        ClusterError::Newer { found } => FormatError::Unknown {
            what: "format level",
            value: found.into(),
        },
        other => FormatError::Invalid {
            what: "cluster object",
            message: other.to_string(),
        },
    }
}
