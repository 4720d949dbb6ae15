//! What an error of the operating system means to a caller of the store.

use std::io;

use rustix::io::Errno;

use super::Op;
use crate::store::{StoreError, StoreErrorKind};

impl Op<'_> {
    pub(super) fn error(self, kind: StoreErrorKind, message: impl Into<String>) -> StoreError {
        StoreError::new(kind, self.operation, self.name, message)
    }

    pub(super) fn read_error(self, error: &io::Error) -> StoreError {
        let kind = match error.kind() {
            _ if is_missing(error) => StoreErrorKind::NotFound,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => StoreErrorKind::Corrupt,
            _ => common_kind(error),
        };
        self.error(kind, error.to_string())
    }

    /// A failed write, before anything became visible under the object's name.
    pub(super) fn write_error(self, step: &str, error: &io::Error) -> StoreError {
        self.error(common_kind(error), format!("{step}: {error}"))
    }

    /// A failed fsync of something that others can already see: fatal, unless it was not even
    /// opened.
    pub(super) fn fsync_error(self, what: &str, error: &io::Error) -> StoreError {
        let kind = match errno(error) {
            _ if is_missing(error) => StoreErrorKind::Retry,
            Some(Errno::MFILE | Errno::NFILE | Errno::ACCESS | Errno::PERM) => common_kind(error),
            _ => StoreErrorKind::Fatal,
        };
        self.error(kind, format!("fsync of {what}: {error}"))
    }
}

/// Nothing has the name, or a file stands where a directory of the name would be.
pub(super) fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || errno(error) == Some(Errno::NOTDIR)
}

/// The errno, when the error is one of the operating system's.
pub(super) fn errno(error: &io::Error) -> Option<Errno> {
    Errno::from_io_error(error)
}

fn common_kind(error: &io::Error) -> StoreErrorKind {
    match errno(error) {
        Some(Errno::NOSPC | Errno::DQUOT) => StoreErrorKind::Full,
        Some(
            Errno::ROFS
            | Errno::ACCESS
            | Errno::PERM
            | Errno::NOTDIR
            | Errno::ISDIR
            | Errno::NAMETOOLONG
            | Errno::LOOP
            | Errno::OPNOTSUPP
            | Errno::NOSYS,
        ) => StoreErrorKind::Refused,
        // EIO, EMFILE, ENOMEM, ESTALE and whatever else: it may pass, or a human sees the repeats.
        _ => StoreErrorKind::Retry,
    }
}
