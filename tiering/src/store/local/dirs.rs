//! Directories: created durably before the first put into them, and settled for a taker.
//!
//! Order: a directory is created, then the directory above it is fsynced, and only then is anything
//! done inside. So whatever a power loss leaves, a directory that holds a durable name is itself
//! reachable. A process trusts only what it fsynced itself: an earlier one may have died between.

use std::io;

use super::{Disk, Op, error::is_missing};
use crate::store::{
    StoreError,
    files::{EntryKind, Files, join, split},
};

/// Directories remembered as durable; when there are more, all are forgotten and fsynced again.
const DURABLE_DIRS_MAX: usize = 1024;

impl<F: Files> Disk<F> {
    /// Makes `dir` exist with every directory above it, all of their names durable.
    pub(super) fn ensure_dir(&self, op: Op<'_>, dir: &str) -> Result<(), StoreError> {
        if self.is_durable(dir) {
            return Ok(());
        }
        let ends = dir.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([dir.len()]) {
            let step = &dir[..end];
            if self.is_durable(step) {
                continue;
            }
            self.create_dir_if_missing(step)
                .map_err(|e| op.write_error("create directory", &e))?;
            self.sync_dir(op, split(step).0)?;
            let mut durable = self.durable_dirs.lock().expect("no panic inside");
            if durable.len() >= DURABLE_DIRS_MAX {
                durable.clear();
            }
            durable.insert(step.to_owned());
        }
        Ok(())
    }

    /// Forgets that `dir` and those above it were there: they turned out not to be.
    pub(super) fn forget_dirs(&self, dir: &str) {
        let ends = dir.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([dir.len()]) {
            self.files.forget_dir(&dir[..end]);
        }
        self.durable_dirs.lock().expect("no panic inside").clear();
    }

    pub(super) fn create_dir_if_missing(&self, dir: &str) -> io::Result<()> {
        match self.files.create_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Fsyncs a directory whose entries others may have seen: a failure is fatal, and its
    /// descriptor is not used again.
    pub(super) fn sync_dir(&self, op: Op<'_>, dir: &str) -> Result<(), StoreError> {
        self.files.sync_dir(dir).map_err(|error| {
            self.forget_dirs(dir);
            op.fsync_error(&format!("directory {dir:?}"), &error)
        })
    }

    fn is_durable(&self, dir: &str) -> bool {
        let durable = self.durable_dirs.lock().expect("no panic inside");
        dir.is_empty() || durable.contains(dir)
    }

    /// Fsyncs every directory below `prefix` that can hold names ≥ `from`, and those above it.
    ///
    /// The names above are fsynced too: the dead writer may have died in the middle of its chain.
    pub(super) fn sync_log_dirs(&self, prefix: &str, from: &str) -> Result<(), StoreError> {
        let op = Op {
            operation: "sync_log_dirs",
            name: prefix,
        };
        self.writable(op)?;
        let log = prefix.trim_end_matches('/');
        let mut above = Some(split(log).0).filter(|_| !log.is_empty());
        while let Some(dir) = above {
            self.sync_dir_if_there(op, dir)?;
            above = Some(split(dir).0).filter(|_| !dir.is_empty());
        }
        let mut todo = vec![log.to_owned()];
        while let Some(dir) = todo.pop() {
            if !self.sync_dir_if_there(op, &dir)? {
                continue;
            }
            let entries = self.files.list_dir(&dir).map_err(|e| op.read_error(&e))?;
            let dirs = entries.into_iter().filter(|e| e.kind == EntryKind::Dir);
            todo.extend(dirs.map(|e| join(&dir, &e.name)).filter(|below| {
                // Everything in it starts with this, and so may sort at or after `from`.
                let names = format!("{below}/");
                names.as_str() >= from || from.starts_with(&names)
            }));
        }
        Ok(())
    }

    /// `false` when there is none: a log that was never begun has no directory.
    fn sync_dir_if_there(&self, op: Op<'_>, dir: &str) -> Result<bool, StoreError> {
        match self.files.sync_dir(dir) {
            Ok(()) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => {
                self.forget_dirs(dir);
                Err(op.fsync_error(&format!("directory {dir:?}"), &error))
            }
        }
    }
}
