//! What a simulated power loss may take, and what it may not.

use rustix::io::Errno;

use super::*;
use crate::env::testing::SeededRand;

fn write(files: &SimFiles, path: &str, data: &str, sync: bool) {
    let mut file = files.create_file(path).unwrap();
    files
        .append(&mut file, &[Bytes::copy_from_slice(data.as_bytes())])
        .unwrap();
    if sync {
        files.sync_file(&file).unwrap();
    }
}

/// What is read after a power loss, over many seeds.
fn outcomes(prepare: impl Fn(&SimFiles), path: &str) -> std::collections::BTreeSet<String> {
    let outcome = |seed| {
        let disk = SimDisk::default();
        prepare(&disk.process());
        disk.power_loss(&SeededRand::new(seed));
        match disk.process().read(path, Span::All) {
            Ok((bytes, _)) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("{:?}", error.kind()),
        }
    };
    (0..200).map(outcome).collect()
}

#[test]
fn synced_data_under_a_synced_name_always_survives() {
    let prepare = |files: &SimFiles| {
        files.create_dir("d").unwrap();
        files.sync_dir("").unwrap();
        write(files, "d/f", "whole", true);
        files.sync_dir("d").unwrap();
    };
    assert_eq!(
        outcomes(prepare, "d/f").into_iter().collect::<Vec<_>>(),
        ["whole"]
    );
}

#[test]
fn an_unsynced_name_or_an_unsynced_parent_may_be_lost() {
    let no_name = |files: &SimFiles| write(files, "f", "whole", true);
    let no_parent = |files: &SimFiles| {
        files.create_dir("d").unwrap();
        write(files, "d/f", "whole", true);
        files.sync_dir("d").unwrap();
    };
    for seen in [outcomes(no_name, "f"), outcomes(no_parent, "d/f")] {
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["NotFound", "whole"]);
    }
}

#[test]
fn unsynced_data_may_be_lost_torn_or_kept() {
    let prepare = |files: &SimFiles| {
        write(files, "f", "whole", false);
        files.sync_dir("").unwrap();
    };
    let seen = outcomes(prepare, "f");
    for expected in ["", "whole", "\0\0\0\0\0", "wh"] {
        assert!(seen.contains(expected), "{expected:?} not in {seen:?}");
    }
    assert!(!seen.contains("NotFound"));
}

#[test]
fn data_whose_fsync_failed_never_arrives_although_a_later_fsync_succeeds() {
    let disk = SimDisk::default();
    let files = disk.process();
    disk.fail_next(Call::SyncFile, Errno::IO);
    let mut file = files.create_file("f").unwrap();
    files.append(&mut file, &[Bytes::from("data")]).unwrap();
    assert!(files.sync_file(&file).is_err());
    files.sync_file(&file).unwrap();
    files.sync_dir("").unwrap();
    disk.power_loss(&SeededRand::new(1));
    let (bytes, _) = disk.process().read("f", Span::All).unwrap();
    assert_ne!(bytes, "data");
}

#[test]
fn a_removed_name_may_come_back_until_the_directory_is_synced() {
    let prepare = |sync: bool| {
        move |files: &SimFiles| {
            write(files, "f", "whole", true);
            files.sync_dir("").unwrap();
            files.unlink("f").unwrap();
            if sync {
                files.sync_dir("").unwrap();
            }
        }
    };
    assert_eq!(outcomes(prepare(false), "f").len(), 2);
    assert_eq!(
        outcomes(prepare(true), "f").into_iter().collect::<Vec<_>>(),
        ["NotFound"]
    );
}

#[test]
fn a_process_dies_in_the_middle_and_the_disk_keeps_what_it_did() {
    let disk = SimDisk::default();
    for (lands, name) in [(true, "a"), (false, "b")] {
        let files = disk.process();
        files.die_after(1, lands);
        files.create_dir(&format!("{name}1")).unwrap();
        assert!(files.create_dir(&format!("{name}2")).is_err());
        assert!(files.create_dir(&format!("{name}3")).is_err());
        assert!(files.is_dead());
    }
    let names = disk.process().list_dir("").unwrap();
    let names: Vec<_> = names.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["a1", "a2", "b1"]);
}

#[test]
fn a_full_disk_says_so() {
    let disk = SimDisk::default();
    disk.set_capacity(Some(10));
    let files = disk.process();
    let mut file = files.create_file("f").unwrap();
    let error = files
        .append(&mut file, &[Bytes::from(vec![1; 11])])
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}
