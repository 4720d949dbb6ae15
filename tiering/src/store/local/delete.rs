//! The only places that delete: what the collector names, and staging folders.

use super::{Disk, Op, error::is_missing};
use crate::store::{
    StoreError,
    files::{Files, join},
};

impl<F: Files> Disk<F> {
    /// Not made durable: a crash may bring a deleted object back. Goes on after a failure and
    /// answers with the first.
    pub(super) fn delete_many(&self, names: &[String]) -> Result<(), StoreError> {
        let mut first_error = Ok(());
        for name in names {
            let op = Op {
                operation: "delete",
                name,
            };
            self.writable(op)?;
            if let Err(error) = self.files.unlink(name)
                && !is_missing(&error)
                && first_error.is_ok()
            {
                first_error = Err(op.write_error("unlink", &error));
            }
        }
        first_error
    }

    /// Removes a staging folder with its files.
    pub(super) fn remove_staging(&self, folder: &str) -> Result<(), StoreError> {
        let op = Op {
            operation: "remove_staging",
            name: folder,
        };
        self.writable(op)?;
        let names = self.names_in(folder).map_err(|e| op.read_error(&e))?;
        for name in names {
            let removed = self.files.unlink(&join(folder, &name));
            removed
                .or_else(|e| if is_missing(&e) { Ok(()) } else { Err(e) })
                .map_err(|e| op.write_error("unlink", &e))?;
        }
        match self.files.remove_dir(folder) {
            Err(error) if !is_missing(&error) => Err(op.write_error("remove directory", &error)),
            _ => Ok(()),
        }
    }
}
