//! The local directory in trouble: full, failing, read-only, or tidied up by somebody else.

use std::{fs, path::Path};

use bytes::Bytes;
use rustix::io::Errno;
use weir_protocol::types::Uuid;

use super::{LocalStore, OpenMode};
use crate::{
    env::testing::SeededRand,
    ids::{ProcessId, PutId},
    store::{
        Body, Key, PutIdentity, PutOutcome, Store, StoreError, StoreErrorKind,
        files::{Call, Files, RealFiles, SimDisk, SimFiles},
    },
};

const PROCESS: ProcessId = ProcessId(Uuid([9; 16]));
const OTHER: ProcessId = ProcessId(Uuid([8; 16]));

fn simulated(disk: &SimDisk) -> LocalStore<SimFiles> {
    LocalStore::over(disk.process(), OpenMode::Create, PROCESS)
}

fn real(root: &Path) -> LocalStore<RealFiles> {
    LocalStore::open_dir(root, OpenMode::Create, PROCESS).unwrap()
}

async fn put(store: &dyn Store, name: &str) -> Result<PutOutcome, StoreError> {
    let body = Body::from(Bytes::copy_from_slice(name.as_bytes()));
    let identity = PutIdentity {
        put_id: PutId([0; 16]),
        footer_crc: 0,
    };
    store.put_if_absent(&Key::new(name), &body, identity).await
}

async fn get(store: &dyn Store, name: &str) -> Result<Bytes, StoreError> {
    store.get(&Key::new(name)).await
}

fn staged(disk: &SimDisk) -> usize {
    let dir = super::staging_dir(PROCESS);
    disk.process().list_dir(&dir).map_or(0, |names| names.len())
}

#[tokio::test]
async fn a_full_disk_is_full_until_there_is_room() {
    let disk = SimDisk::default();
    let store = simulated(&disk);
    put(&store, "d/first").await.unwrap();
    disk.set_capacity(Some(8));
    for _ in 0..3 {
        assert_eq!(
            put(&store, "d/second").await.unwrap_err().kind,
            StoreErrorKind::Full
        );
        assert_eq!(
            staged(&disk),
            0,
            "what was begun is removed: it takes the room"
        );
    }
    assert_eq!(get(&store, "d/first").await.unwrap(), "d/first");
    assert_eq!(
        get(&store, "d/second").await.unwrap_err().kind,
        StoreErrorKind::NotFound
    );
    disk.set_capacity(None);
    assert_eq!(put(&store, "d/second").await.unwrap(), PutOutcome::Created);
}

#[tokio::test]
async fn every_failing_call_has_its_meaning() {
    use StoreErrorKind::*;
    for (call, errno, kind) in [
        (Call::SyncFile, Errno::IO, Retry),
        (Call::SyncFile, Errno::NOSPC, Full),
        (Call::SyncFile, Errno::DQUOT, Full),
        (Call::SyncDir, Errno::IO, Fatal),
        (Call::SyncDir, Errno::NOSPC, Fatal),
        (Call::SyncDir, Errno::MFILE, Retry),
        (Call::Append, Errno::IO, Retry),
        (Call::Link, Errno::ROFS, Refused),
        (Call::Link, Errno::IO, Retry),
        (Call::CreateFile, Errno::ROFS, Refused),
        (Call::CreateFile, Errno::ACCESS, Refused),
        (Call::CreateFile, Errno::MFILE, Retry),
        (Call::CreateDir, Errno::NOSPC, Full),
        (Call::CreateDir, Errno::ACCESS, Refused),
    ] {
        let disk = SimDisk::default();
        let store = simulated(&disk);
        disk.fail_next(call, errno);
        let error = put(&store, "new/dir/object").await.unwrap_err();
        assert_eq!(error.kind, kind, "{call:?} {errno:?}: {error}");
        assert_eq!(staged(&disk), 0, "{call:?} {errno:?}");
        // Once the trouble is over, the same put goes through.
        let again = put(&store, "new/dir/object").await.unwrap();
        let linked = again == PutOutcome::Exists;
        assert!(
            !linked || kind == Fatal || call == Call::SyncDir,
            "{call:?} {errno:?}"
        );
        assert_eq!(
            get(&store, "new/dir/object").await.unwrap(),
            "new/dir/object"
        );
    }
}

#[tokio::test]
async fn after_a_failed_fsync_the_bytes_are_written_to_a_new_file() {
    for seed in 0..20 {
        let disk = SimDisk::default();
        let store = simulated(&disk);
        disk.fail_next(Call::SyncFile, Errno::IO);
        put(&store, "d/object").await.unwrap_err();
        assert_eq!(put(&store, "d/object").await.unwrap(), PutOutcome::Created);
        disk.power_loss(&SeededRand::new(seed));
        assert_eq!(
            get(&simulated(&disk), "d/object").await.unwrap(),
            "d/object"
        );
    }
}

#[tokio::test]
async fn a_taken_name_that_cannot_be_made_durable_is_fatal() {
    for call in [Call::SyncFile, Call::SyncDir] {
        let disk = SimDisk::default();
        let store = simulated(&disk);
        put(&store, "d/object").await.unwrap();
        if call == Call::SyncFile {
            // The staging file of the second put is fsynced first.
            let files = Replaying(disk.process());
            let store = LocalStore::over(files, OpenMode::Create, PROCESS);
            assert_eq!(
                put(&store, "d/object").await.unwrap_err().kind,
                StoreErrorKind::Fatal
            );
        } else {
            disk.fail_next(call, Errno::IO);
            assert_eq!(
                put(&store, "d/object").await.unwrap_err().kind,
                StoreErrorKind::Fatal
            );
        }
    }
}

#[tokio::test]
async fn an_answered_large_put_survives_a_power_loss() {
    for seed in 0..50 {
        let disk = SimDisk::default();
        let store = simulated(&disk);
        let key = Key::new("data/1");
        for content in ["first", "second"] {
            store
                .put_large(&key, &Body::from(Bytes::from(content)))
                .await
                .unwrap();
        }
        disk.power_loss(&SeededRand::new(seed));
        assert_eq!(get(&simulated(&disk), "data/1").await.unwrap(), "second");
    }
}

/// Fails the fsync that follows a refused link.
struct Replaying(SimFiles);

impl crate::store::files::Altered for Replaying {
    fn inner(&self) -> &SimFiles {
        &self.0
    }

    fn link(&self, from: &str, to: &str) -> std::io::Result<()> {
        let linked = self.0.link(from, to);
        self.0.disk().fail_next(Call::SyncFile, Errno::IO);
        linked
    }
}

#[tokio::test]
async fn removed_staging_and_object_folders_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = real(dir.path());
    put(&store, "a/b/1").await.unwrap();
    fs::remove_dir_all(dir.path().join("tmp")).unwrap();
    assert_eq!(put(&store, "a/b/2").await.unwrap(), PutOutcome::Created);
    fs::remove_dir_all(dir.path().join("a")).unwrap();
    assert_eq!(put(&store, "a/b/3").await.unwrap(), PutOutcome::Created);
    assert_eq!(get(&store, "a/b/3").await.unwrap(), "a/b/3");
    let large = Body::from(Bytes::from_static(b"large"));
    fs::remove_dir_all(dir.path().join("a")).unwrap();
    store.put_large(&Key::new("a/b/4"), &large).await.unwrap();
    assert_eq!(get(&store, "a/b/4").await.unwrap(), "large");
}

#[tokio::test]
async fn a_root_that_was_replaced_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = real(&root);
    put(&store, "a/1").await.unwrap();
    fs::remove_dir_all(&root).unwrap();
    fs::create_dir(&root).unwrap();
    assert_eq!(
        put(&store, "a/2").await.unwrap_err().kind,
        StoreErrorKind::Retry
    );
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
}

#[tokio::test]
async fn staging_folders_have_owners_and_can_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = real(dir.path());
    put(&store, "a/1").await.unwrap();
    let folder = dir.path().join("tmp").join(OTHER.0.to_string());
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("00000000000000000001"), "half").unwrap();
    fs::create_dir(dir.path().join("tmp/not a process")).unwrap();
    let mut owners = store.staging_owners().await.unwrap();
    owners.sort_by_key(|owner| owner.0);
    assert_eq!(owners, [OTHER, PROCESS]);
    for _ in 0..2 {
        store.remove_staging(OTHER).await.unwrap();
    }
    assert!(!folder.exists());
    assert_eq!(store.staging_owners().await.unwrap(), [PROCESS]);
    // Nothing of it is an object.
    let listed = store.list("", None, 100).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].key, Key::new("a/1"));
    for name in ["tmp/x", "tmp"] {
        assert_eq!(
            put(&store, name).await.unwrap_err().kind,
            StoreErrorKind::Refused
        );
        assert_eq!(
            get(&store, name).await.unwrap_err().kind,
            StoreErrorKind::Refused
        );
    }
}

#[tokio::test]
async fn a_store_open_for_reading_refuses_to_write() {
    let dir = tempfile::tempdir().unwrap();
    put(&real(dir.path()), "a/1").await.unwrap();
    let store = LocalStore::open_dir(dir.path(), OpenMode::ReadOnly, OTHER).unwrap();
    assert_eq!(get(&store, "a/1").await.unwrap(), "a/1");
    let key = Key::new("a/1");
    let refusals = [
        put(&store, "a/2").await.map(drop),
        put(&store, "a/1").await.map(drop),
        store.put_large(&key, &Body::default()).await,
        store.delete_many(std::slice::from_ref(&key)).await,
        store.remove_staging(PROCESS).await,
        store.sync_log_dirs("a/", &key).await,
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().kind, StoreErrorKind::Refused);
    }
    assert_eq!(get(&store, "a/1").await.unwrap(), "a/1");
}

#[tokio::test]
async fn a_put_that_nobody_waits_for_still_happens() {
    let dir = tempfile::tempdir().unwrap();
    let store = real(dir.path());
    for n in 0..20 {
        let name = format!("a/{n}");
        let mut pending = Box::pin(put(&store, &name));
        // Polled once, then dropped: nearly always long before its answer.
        let _ = futures::future::poll_immediate(&mut pending).await;
    }
    let done = async {
        while store.list("a/", None, 100).await.unwrap().len() < 20 {
            tokio::task::yield_now().await;
        }
    };
    let env = crate::env::Env::system();
    env.timeout(std::time::Duration::from_secs(20), done)
        .await
        .unwrap();
    assert_eq!(get(&store, "a/7").await.unwrap(), "a/7");
}

#[tokio::test]
async fn many_directories_go_through_the_small_cache() {
    let dir = tempfile::tempdir().unwrap();
    let store = real(dir.path());
    let names: Vec<_> = (0..150).map(|n| format!("d/{n}/o")).collect();
    for name in &names {
        put(&store, name).await.unwrap();
    }
    let keys: Vec<_> = names.iter().map(|name| Key::new(name.as_str())).collect();
    for (answer, name) in store
        .get_suffix_many(&keys, 100)
        .await
        .into_iter()
        .zip(&names)
    {
        assert_eq!(answer.unwrap().0, name.as_bytes());
    }
}
