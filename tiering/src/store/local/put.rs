//! The order of a put:
//!
//! 1. the object's directory exists durably;
//! 2. a file below `tmp/{process id}/` gets all bytes and is fsynced;
//! 3. it is linked under the object's name, which fails when the name is taken;
//! 4. the directory is fsynced; only now is the put answered;
//! 5. the staging name is removed.
//!
//! A crash before 3 leaves a staging file. Between 3 and 4 the object is whole or, after a power
//! loss, perhaps absent: nobody was told. When the name is taken, file and directory are fsynced
//! before the answer, because whoever linked it may not have come to 4, and the asker will act on it.
//! After a failed fsync of a staging file that file is thrown away and the caller begins with a new
//! one: the kernel may have dropped its pages and forgotten the error.

use std::{io, sync::atomic::Ordering};

use super::{Answer, Disk, Op};
use crate::store::{
    Body, PutOutcome, StoreError, StoreErrorKind,
    files::{Files, join, split},
};

/// How often a put begins again when its staging file or its directory was removed under it.
const ATTEMPTS_MAX: usize = 3;

impl<F: Files> Disk<F> {
    pub(super) fn put_if_absent(&self, name: &str, body: &Body, answer: Answer<PutOutcome>) {
        let op = Op {
            operation: "put_if_absent",
            name,
        };
        for _ in 0..ATTEMPTS_MAX {
            let staged = match self.prepare(op, body) {
                Ok(staged) => staged,
                Err(error) => return answer.give(Err(error)),
            };
            let linked = self.files.link(&staged, name);
            if matches!(&linked, Err(e) if e.kind() == io::ErrorKind::NotFound) {
                self.forget_places(name);
                self.unstage(&staged);
                continue;
            }
            answer.give(self.settle(op, linked));
            // After the answer: nobody waits for this.
            self.unstage(&staged);
            return;
        }
        answer.give(Err(op.error(StoreErrorKind::Retry, VANISHING)));
    }

    /// Writes over whatever is there.
    pub(super) fn put_over(&self, name: &str, body: &Body) -> Result<(), StoreError> {
        let op = Op {
            operation: "put_large",
            name,
        };
        for _ in 0..ATTEMPTS_MAX {
            let staged = self.prepare(op, body)?;
            match self.files.rename(&staged, name) {
                Ok(()) => return self.sync_dir(op, split(name).0),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.forget_places(name),
                Err(error) => {
                    self.unstage(&staged);
                    return Err(op.write_error("rename", &error));
                }
            }
        }
        Err(op.error(StoreErrorKind::Retry, VANISHING))
    }

    pub(super) fn writable(&self, op: Op<'_>) -> Result<(), StoreError> {
        if self.read_only {
            return Err(op.error(
                StoreErrorKind::Refused,
                "the store is open for reading only",
            ));
        }
        Ok(())
    }

    /// Steps 1 and 2.
    fn prepare(&self, op: Op<'_>, body: &Body) -> Result<String, StoreError> {
        self.writable(op)?;
        self.ensure_dir(op, split(op.name).0)?;
        self.stage(op, body)
    }

    /// Steps 3 (its result) and 4.
    fn settle(&self, op: Op<'_>, linked: io::Result<()>) -> Result<PutOutcome, StoreError> {
        let outcome = match linked {
            Ok(()) => PutOutcome::Created,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.sync_taken(op)?;
                PutOutcome::Exists
            }
            Err(error) => return Err(op.write_error("link", &error)),
        };
        self.sync_dir(op, split(op.name).0)?;
        Ok(outcome)
    }

    /// Fsyncs the file that has the name.
    fn sync_taken(&self, op: Op<'_>) -> Result<(), StoreError> {
        let synced = self.files.sync_path(op.name);
        synced.map_err(|error| op.fsync_error("what is there", &error))
    }

    /// A durable staging file with all of `body`. On an error nothing is left behind.
    fn stage(&self, op: Op<'_>, body: &Body) -> Result<String, StoreError> {
        let number = self.next_staged.fetch_add(1, Ordering::Relaxed);
        let path = join(&self.staging, &format!("{number:020}"));
        let mut file = self
            .create_staged(&path)
            .map_err(|e| op.write_error("create staging file", &e))?;
        let written = self.files.append(&mut file, body.chunks());
        let synced = written
            .map_err(|e| op.write_error("write", &e))
            .and_then(|()| {
                let synced = self.files.sync_file(&file);
                synced.map_err(|e| op.write_error("fsync of the staging file", &e))
            });
        drop(file);
        if let Err(error) = synced {
            self.unstage(&path);
            return Err(error);
        }
        Ok(path)
    }

    /// Creates the staging directory too when it is missing; its name need not be durable.
    fn create_staged(&self, path: &str) -> io::Result<F::File> {
        match self.files.create_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let above = split(&self.staging).0;
        self.files.forget_dir(&self.staging);
        self.files.forget_dir(above);
        self.create_dir_if_missing(above)?;
        self.create_dir_if_missing(&self.staging)?;
        self.files.create_file(path)
    }

    fn unstage(&self, path: &str) {
        if let Err(error) = self.files.unlink(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path, %error, "cannot remove a staging file");
        }
    }

    fn forget_places(&self, name: &str) {
        self.forget_dirs(split(name).0);
        self.forget_dirs(&self.staging);
    }
}

const VANISHING: &str = "its directory or its staging file is removed again and again";
