//! What the start check recognises, and what its messages say.

use std::{fs, io, path::Path};

use rustix::io::Errno;
use weir_protocol::types::Uuid;

use super::{LocalStore, OpenError, OpenMode, check::check_start};
use crate::{
    ids::ProcessId,
    store::files::{Altered, Call, Files, SimDisk, SimFiles},
};

const PROCESS: ProcessId = ProcessId(Uuid([9; 16]));

fn open(root: &Path, mode: OpenMode) -> Result<(), OpenError> {
    LocalStore::open_dir(root, mode, PROCESS).map(drop)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_missing_directory_is_created_only_when_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("a/b");
    for mode in [OpenMode::Existing, OpenMode::ReadOnly] {
        let error = open(&root, mode).unwrap_err();
        assert!(matches!(error, OpenError::Missing { .. }), "{error}");
        assert!(names(dir.path()).is_empty());
    }
    open(&root, OpenMode::Create).unwrap();
    open(&root, OpenMode::Existing).unwrap();
    // The check leaves its empty folder and nothing in it.
    assert_eq!(names(&root), ["tmp"]);
    assert!(names(&root.join("tmp").join(PROCESS.0.to_string())).is_empty());
}

#[test]
fn opening_for_reading_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), OpenMode::ReadOnly).unwrap();
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_file_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below")] {
        for mode in [OpenMode::Create, OpenMode::Existing] {
            let error = open(&path, mode).unwrap_err();
            assert!(matches!(error, OpenError::NotADirectory { .. }), "{error}");
        }
    }
}

#[test]
fn a_kafka_log_directory_is_recognised_and_named() {
    let kafka = |evidence: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        for name in evidence {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        open(dir.path(), OpenMode::Create)
    };
    for (evidence, named) in [
        (&["meta.properties"][..], "meta.properties"),
        (
            &["recovery-point-offset-checkpoint"],
            "recovery-point-offset-checkpoint",
        ),
        (
            &["my-topic-11/0.log", "my-topic-11/0.index"],
            "partition directory my-topic-11",
        ),
    ] {
        let error = kafka(evidence).unwrap_err().to_string();
        assert!(
            error.contains("Apache Kafka") && error.contains(named),
            "{error}"
        );
    }
    for innocent in [
        &["data-1/app.log"][..],
        &["a.log", "a.index"],
        &["meta.properties", "cluster"],
    ] {
        kafka(innocent).unwrap_or_else(|error| panic!("{innocent:?}: {error}"));
    }
}

#[test]
fn a_file_system_that_cannot_do_a_put_is_refused_with_the_reason() {
    let refused = |call, errno| {
        let disk = SimDisk::default();
        let store = LocalStore::over(disk.process(), OpenMode::Create, PROCESS);
        disk.fail_next(call, errno);
        check_start(&store.disk, Path::new("/the/store"))
            .unwrap_err()
            .to_string()
    };
    for (call, errno, part) in [
        (Call::Link, Errno::PERM, "no hard links"),
        (Call::Link, Errno::OPNOTSUPP, "no hard links"),
        (Call::SyncDir, Errno::INVAL, "no directory fsync"),
        (Call::SyncFile, Errno::INVAL, "no file fsync"),
        (Call::CreateDir, Errno::ACCESS, "make it writable"),
        (Call::CreateFile, Errno::ROFS, "make it writable"),
        (Call::List, Errno::ACCESS, "make it writable"),
        (Call::Append, Errno::NOSPC, "write a file"),
    ] {
        let message = refused(call, errno);
        assert!(
            message.contains(part) && message.contains("/the/store"),
            "{message}"
        );
    }
}

#[test]
fn a_file_system_whose_links_replace_is_refused() {
    let files = Replacing(SimDisk::default().process());
    let store = LocalStore::over(files, OpenMode::Create, PROCESS);
    let error = check_start(&store.disk, Path::new("/x")).unwrap_err();
    assert!(
        error.to_string().contains("exclusive hard links"),
        "{error}"
    );
}

/// Links over what is there.
struct Replacing(SimFiles);

impl Altered for Replacing {
    fn inner(&self) -> &SimFiles {
        &self.0
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let _ = self.0.unlink(to);
        self.0.link(from, to)
    }
}
