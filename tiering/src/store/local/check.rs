//! The check of a directory at start: what it is, and that a put can be done in it.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::{Disk, OpenMode, error::errno};
use crate::store::files::{DirEntry, EntryKind, Files, join, split};

/// Why a directory cannot be a store. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path} does not exist; name an existing store, or allow one to be created there")]
    Missing { path: PathBuf },
    #[error("{path} is not a directory; the store needs a directory of its own")]
    NotADirectory { path: PathBuf },
    #[error(
        "{path} cannot be used ({step}: {error}); make it writable for this user, or choose another \
         directory"
    )]
    Denied {
        path: PathBuf,
        step: &'static str,
        error: io::Error,
    },
    #[error("{path} cannot be used ({step}: {error})")]
    Failed {
        path: PathBuf,
        step: &'static str,
        error: io::Error,
    },
    #[error(
        "the file system of {path} has no {feature} ({error}), without which no write can be made \
         safe; choose a directory on a local file system such as ext4 or XFS"
    )]
    FileSystem {
        path: PathBuf,
        feature: &'static str,
        error: io::Error,
    },
    #[error(
        "{path} is a log directory of Apache Kafka (it holds {evidence}), which Weir neither reads \
         nor overwrites; choose an empty directory"
    )]
    KafkaLogDir { path: PathBuf, evidence: String },
}

impl OpenError {
    pub(super) fn of_root(root: &Path, mode: OpenMode, error: &io::Error) -> OpenError {
        let path = root.to_owned();
        match errno(error) {
            Some(Errno::NOENT) if mode != OpenMode::Create => OpenError::Missing { path },
            Some(Errno::NOTDIR | Errno::EXIST) => OpenError::NotADirectory { path },
            _ => OpenError::step(root, "open", io::Error::from(error.kind()), error),
        }
    }

    fn step(root: &Path, step: &'static str, fallback: io::Error, error: &io::Error) -> OpenError {
        let path = root.to_owned();
        let denied = matches!(
            errno(error),
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS)
        );
        let error = errno(error).map_or(fallback, io::Error::from);
        if denied {
            OpenError::Denied { path, step, error }
        } else {
            OpenError::Failed { path, step, error }
        }
    }
}

/// Recognises Kafka's directories; then, if the store may be written, puts a file in the way of a
/// real put and checks that a taken name cannot be linked over. Leaves an empty staging folder.
pub(super) fn check_start<F: Files>(disk: &Disk<F>, root: &Path) -> Result<(), OpenError> {
    let failed =
        |step| move |error: io::Error| OpenError::step(root, step, error.kind().into(), &error);
    let entries = disk.files.list_dir("").map_err(failed("list"))?;
    if let Some(evidence) = kafka_evidence(&disk.files, &entries) {
        let path = root.to_owned();
        return Err(OpenError::KafkaLogDir { path, evidence });
    }
    if disk.read_only {
        return Ok(());
    }
    let tmp = split(&disk.staging).0;
    let made = disk.create_dir_if_missing(tmp);
    made.and_then(|()| disk.create_dir_if_missing(&disk.staging))
        .map_err(failed("create a directory"))?;
    let (file, link) = (
        join(&disk.staging, "check"),
        join(&disk.staging, "check-link"),
    );
    let checked = check_put(disk, root, &file, &link, failed);
    for path in [&file, &link] {
        // What was not created needs no removal.
        let _ = disk.files.unlink(path);
    }
    checked
}

fn check_put<F: Files, E: FnOnce(io::Error) -> OpenError>(
    disk: &Disk<F>,
    root: &Path,
    file: &str,
    link: &str,
    failed: impl Fn(&'static str) -> E,
) -> Result<(), OpenError> {
    let lacks = |feature| {
        move |error| OpenError::FileSystem {
            path: root.to_owned(),
            feature,
            error,
        }
    };
    let mut handle = disk
        .files
        .create_file(file)
        .map_err(failed("create a file"))?;
    let chunks = [bytes::Bytes::from_static(b"weir")];
    let appended = disk.files.append(&mut handle, &chunks);
    appended.map_err(failed("write a file"))?;
    disk.files.sync_file(&handle).map_err(lacks("file fsync"))?;
    disk.files.link(file, link).map_err(lacks("hard links"))?;
    match disk.files.link(file, link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(lacks("hard links that tell a taken name")(error)),
        Ok(()) => {
            let error = io::Error::other("a taken name was linked over");
            return Err(lacks("exclusive hard links")(error));
        }
    }
    disk.files
        .sync_dir(&disk.staging)
        .map_err(lacks("directory fsync"))
}

/// What shows that this is a log directory of Apache Kafka, if it is one. A store of ours that holds
/// a stray file of that name is still ours.
fn kafka_evidence<F: Files>(files: &F, entries: &[DirEntry]) -> Option<String> {
    const KAFKA_FILES: [&str; 5] = [
        "meta.properties",
        "recovery-point-offset-checkpoint",
        "log-start-offset-checkpoint",
        "replication-offset-checkpoint",
        ".kafka_cleanshutdown",
    ];
    if entries.iter().any(|entry| entry.name == "cluster") {
        return None;
    }
    let named = |entry: &&DirEntry| KAFKA_FILES.contains(&entry.name.as_str());
    if let Some(entry) = entries.iter().find(named) {
        return Some(entry.name.clone());
    }
    let partitions = entries.iter().filter(|entry| entry.kind == EntryKind::Dir);
    let partitions = partitions.filter(|entry| is_partition_dir(&entry.name));
    partitions.take(PARTITION_DIRS_LOOKED_AT).find_map(|entry| {
        let inside = files.list_dir(&entry.name).ok()?;
        let has = |suffix: &str| inside.iter().any(|file| file.name.ends_with(suffix));
        (has(".log") && has(".index")).then(|| format!("the partition directory {}", entry.name))
    })
}

const PARTITION_DIRS_LOOKED_AT: usize = 16;

/// `topic-0`: Kafka's name for the directory of a partition.
fn is_partition_dir(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(topic, partition)| {
        !topic.is_empty() && !partition.is_empty() && partition.bytes().all(|b| b.is_ascii_digit())
    })
}
