//! A store in a local directory: one file per object, durable before the answer.
//!
//! Owns: the order of file calls (`dirs`, `put`), which of them run together in one hop to a thread
//! that may block, the start check (`check`). Does not own: the calls themselves
//! ([`super::files`]), retries.
//! Invariant: a name under which an object can be read always has the whole object's bytes durably
//! behind it; a put that was answered is found after a power loss.
//! Crash: leaves files below `tmp/{process id}/`, which a later incarnation removes, and perhaps
//! names that were linked and not yet made durable, which [`Store::sync_log_dirs`] settles.

mod check;
#[cfg(test)]
mod check_tests;
mod delete;
mod dirs;
mod error;
#[cfg(test)]
mod local_tests;
#[cfg(test)]
mod power_tests;
mod put;
mod read;

use std::{
    collections::BTreeSet,
    io,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicU64},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};
use weir_protocol::types::Uuid;

pub use check::OpenError;

use super::{
    Body, Key, ObjectMeta, PutIdentity, PutOutcome, Store, StoreError, StoreErrorKind,
    files::{Files, RealFiles, Span},
    is_valid_key,
};
use crate::ids::ProcessId;

/// How a directory is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Creates the directory when it is missing.
    Create,
    /// The directory must exist.
    Existing,
    /// The directory must exist; nothing is written, puts and deletes answer `Refused`.
    ReadOnly,
}

/// See the module. `F` is the file layer.
pub struct LocalStore<F> {
    disk: Arc<Disk<F>>,
    hops: Hops,
}

/// What the blocking side shares.
struct Disk<F> {
    files: F,
    /// `tmp/{process id}`.
    staging: String,
    next_staged: AtomicU64,
    /// Directories whose own name, and that of every directory above, this process made durable.
    durable_dirs: Mutex<BTreeSet<String>>,
    read_only: bool,
}

/// Hops to blocking threads that run at the same time. Reads have their own limit so that they never
/// keep a put waiting.
struct Hops {
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

const READ_HOPS_MAX: usize = 64;
const WRITE_HOPS_MAX: usize = 64;

impl LocalStore<RealFiles> {
    /// Opens the directory `root` (absolute) and checks that it can be used: writable, with hard
    /// links and directory fsync, and not the log directory of Apache Kafka. Blocks for some
    /// milliseconds; for the start of a process.
    pub fn open_dir(
        root: &Path,
        mode: OpenMode,
        process: ProcessId,
    ) -> Result<LocalStore<RealFiles>, OpenError> {
        let files = match mode {
            OpenMode::Create => RealFiles::create(root),
            OpenMode::Existing | OpenMode::ReadOnly => RealFiles::open(root),
        };
        let files = files.map_err(|error| OpenError::of_root(root, mode, &error))?;
        let store = LocalStore::over(files, mode, process);
        check::check_start(&store.disk, root)?;
        Ok(store)
    }
}

impl<F: Files> LocalStore<F> {
    /// A store over any file layer, without the start check.
    pub fn over(files: F, mode: OpenMode, process: ProcessId) -> LocalStore<F> {
        LocalStore {
            disk: Arc::new(Disk {
                files,
                staging: staging_dir(process),
                next_staged: AtomicU64::new(0),
                durable_dirs: Mutex::default(),
                read_only: mode == OpenMode::ReadOnly,
            }),
            hops: Hops {
                reads: Arc::new(Semaphore::new(READ_HOPS_MAX)),
                writes: Arc::new(Semaphore::new(WRITE_HOPS_MAX)),
            },
        }
    }

    /// Runs `job` where it may block, once a permit of `limit` is free. A caller that goes away
    /// does not stop a job that has begun.
    async fn hop<T: Send + 'static>(
        &self,
        limit: &Arc<Semaphore>,
        op: Op<'_>,
        job: impl FnOnce(&Disk<F>, Answer<T>) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let permit = limit.clone().acquire_owned().await;
        let disk = self.disk.clone();
        let work = move || {
            job(&disk, Answer(answer));
            drop(permit);
        };
        if self.disk.files.blocks() {
            spawn_blocking(work);
        } else {
            work();
        }
        match answered.await {
            Ok(result) => result,
            Err(_) => Err(op.error(StoreErrorKind::Retry, "no answer: the process is stopping")),
        }
    }

    async fn read_hop<T: Send + 'static>(
        &self,
        operation: &'static str,
        key: &Key,
        job: impl FnOnce(&Disk<F>, &str) -> Result<T, io::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let name = checked_name(operation, key)?;
        let op = Op {
            operation,
            name: key.as_str(),
        };
        self.hop(&self.hops.reads, op, move |disk, answer| {
            let result = job(disk, &name);
            answer.give(result.map_err(|e| {
                Op {
                    operation,
                    name: &name,
                }
                .read_error(&e)
            }));
        })
        .await
    }
}

/// Where a blocking job leaves its result; it may go on (cleaning up) after that.
struct Answer<T>(oneshot::Sender<Result<T, StoreError>>);

impl<T> Answer<T> {
    fn give(self, result: Result<T, StoreError>) {
        // Nobody may be waiting any more.
        let _ = self.0.send(result);
    }
}

/// An operation and what it is about, for errors.
#[derive(Clone, Copy)]
struct Op<'a> {
    operation: &'static str,
    name: &'a str,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the real file layer blocks; simulated ones run inline"
)]
fn spawn_blocking(work: impl FnOnce() + Send + 'static) {
    // Detached on purpose: the result travels through the job's own channel.
    drop(tokio::task::spawn_blocking(work));
}

fn staging_dir(process: ProcessId) -> String {
    format!("{TMP}/{}", process.0)
}

/// The directory of staging files, one below it per process.
const TMP: &str = "tmp";

/// A key is a path here, so it is checked again where it becomes one.
fn checked_name(operation: &'static str, key: &Key) -> Result<String, StoreError> {
    let name = key.as_str();
    let staging = name.split('/').next() == Some(TMP);
    if staging || !is_valid_key(name) {
        let message = "not an object name";
        return Err(StoreError::new(
            StoreErrorKind::Refused,
            operation,
            key,
            message,
        ));
    }
    Ok(name.to_owned())
}

#[async_trait]
impl<F: Files> Store for LocalStore<F> {
    async fn put_if_absent(
        &self,
        key: &Key,
        body: &Body,
        _identity: PutIdentity,
    ) -> Result<PutOutcome, StoreError> {
        let name = checked_name("put_if_absent", key)?;
        let op = Op {
            operation: "put_if_absent",
            name: key.as_str(),
        };
        let body = body.clone();
        let job = move |disk: &Disk<F>, answer| disk.put_if_absent(&name, &body, answer);
        self.hop(&self.hops.writes, op, job).await
    }

    async fn put_large(&self, key: &Key, body: &Body) -> Result<(), StoreError> {
        let name = checked_name("put_large", key)?;
        let op = Op {
            operation: "put_large",
            name: key.as_str(),
        };
        let body = body.clone();
        let job =
            move |disk: &Disk<F>, answer: Answer<()>| answer.give(disk.put_over(&name, &body));
        self.hop(&self.hops.writes, op, job).await
    }

    async fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let read = |disk: &Disk<F>, name: &str| Ok(disk.files.read(name, Span::All)?.0);
        self.read_hop("get", key, read).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let read = |disk: &Disk<F>, name: &str| Ok(disk.files.read(name, Span::Range(range))?.0);
        self.read_hop("get_range", key, read).await
    }

    async fn get_suffix(&self, key: &Key, len: u64) -> Result<(Bytes, u64), StoreError> {
        let read = move |disk: &Disk<F>, name: &str| disk.files.read(name, Span::Suffix(len));
        self.read_hop("get_suffix", key, read).await
    }

    async fn get_suffix_many(
        &self,
        keys: &[Key],
        len: u64,
    ) -> Vec<Result<(Bytes, u64), StoreError>> {
        self.suffixes(keys, len).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let len = |disk: &Disk<F>, name: &str| disk.files.file_len(name);
        let len = self.read_hop("head", key, len).await?;
        Ok(ObjectMeta {
            key: key.clone(),
            len,
        })
    }

    async fn list(
        &self,
        prefix: &str,
        start_after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<ObjectMeta>, StoreError> {
        let op = Op {
            operation: "list",
            name: prefix,
        };
        let (prefix, start_after) = (prefix.to_owned(), start_after.cloned());
        self.hop(&self.hops.reads, op, move |disk, answer| {
            let op = Op {
                operation: "list",
                name: &prefix,
            };
            let listed = disk.list(&prefix, start_after.as_ref(), limit);
            answer.give(listed.map_err(|e| op.read_error(&e)));
        })
        .await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<(), StoreError> {
        let names = keys.iter().map(|key| checked_name("delete", key));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let op = Op {
            operation: "delete",
            name: "",
        };
        let job = move |disk: &Disk<F>, answer: Answer<()>| answer.give(disk.delete_many(&names));
        self.hop(&self.hops.writes, op, job).await
    }

    async fn first_foreign_name(&self) -> Result<Option<String>, StoreError> {
        let op = Op {
            operation: "list",
            name: "",
        };
        self.hop(&self.hops.reads, op, |disk, answer| {
            let op = Op {
                operation: "list",
                name: "",
            };
            answer.give(disk.first_foreign_name().map_err(|e| op.read_error(&e)));
        })
        .await
    }

    async fn sync_log_dirs(&self, prefix: &str, from: &Key) -> Result<(), StoreError> {
        let op = Op {
            operation: "sync_log_dirs",
            name: prefix,
        };
        let (prefix, from) = (prefix.to_owned(), checked_name("sync_log_dirs", from)?);
        self.hop(&self.hops.writes, op, move |disk, answer| {
            answer.give(disk.sync_log_dirs(&prefix, &from));
        })
        .await
    }

    async fn staging_owners(&self) -> Result<Vec<ProcessId>, StoreError> {
        let op = Op {
            operation: "list",
            name: TMP,
        };
        self.hop(&self.hops.reads, op, |disk, answer| {
            let op = Op {
                operation: "list",
                name: TMP,
            };
            let names = disk.names_in(TMP).map_err(|e| op.read_error(&e));
            let owner = |name: String| Uuid::parse(&name).map(ProcessId);
            answer.give(names.map(|names| names.into_iter().filter_map(owner).collect()));
        })
        .await
    }

    async fn remove_staging(&self, owner: ProcessId) -> Result<(), StoreError> {
        let dir = staging_dir(owner);
        let op = Op {
            operation: "remove_staging",
            name: &dir,
        };
        let folder = dir.clone();
        self.hop(&self.hops.writes, op, move |disk, answer| {
            answer.give(disk.remove_staging(&folder));
        })
        .await
    }
}
