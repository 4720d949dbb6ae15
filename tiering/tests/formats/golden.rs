//! Golden files: objects of every version are read by every build, and a damaged one is an error,
//! never wrong data.
//!
//! A golden file is never changed. A new version adds files and keeps these.

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use weir_tiering::{
    cluster::open_or_create,
    format::{
        FormatError,
        checkpoint::{decode_checkpoint, decode_page},
        dump,
        seal::decode_seal,
        verify_object,
        wal::{WalTail, decode_wal, decode_wal_tail},
    },
    ids::PutId,
    keys,
    store::{Store, memory::MemoryStore},
};

use crate::{
    checkpoint::small_checkpoint,
    metadata::{check_golden, entry_object, snapshot_object},
    wal::{CLUSTER, bytes_of, small_wal, some_seal, wide_wal},
};

/// What this build writes. `exact`: byte for byte; the others hold zstd frames, whose bytes may change
/// with the library, and are compared by what they say.
struct Golden {
    name: &'static str,
    exact: bool,
    written_today: Bytes,
}

fn golden_files() -> Vec<Golden> {
    let golden = |name, exact, object| Golden {
        name,
        exact,
        written_today: bytes_of(object),
    };
    let cluster = created_cluster();
    let seal = weir_tiering::format::seal::build_seal(&some_seal(), PutId([1; 16]));
    vec![
        golden("v1/wal", true, &small_wal().object),
        golden("v1/wal-compressed", false, &wide_wal(120).object),
        golden("v1/seal", true, &seal),
        golden("v1/metadata-entry", true, &entry_object()),
        golden("v1/metadata-snapshot", true, &snapshot_object()),
        Golden {
            name: "v1/cluster",
            exact: false, // it names the version of the software
            written_today: cluster,
        },
        golden("v1/checkpoint", true, &small_checkpoint().0.object),
    ]
}

/// The object `cluster` of a new store.
fn created_cluster() -> Bytes {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let env = weir_tiering::env::testing::env(1);
        let store = MemoryStore::default();
        let opened = open_or_create(&env, &store, Some(CLUSTER), true)
            .await
            .unwrap();
        assert!(opened.created);
        store.get(&keys::cluster()).await.unwrap()
    })
}

pub fn path_of(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name)
}

fn read(name: &str) -> Bytes {
    let path = path_of(name);
    match std::fs::read(&path) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// Writes the files that are missing: `cargo test -p weir-tiering --test formats -- --ignored`.
#[test]
#[ignore = "writes into the source tree"]
fn write_missing_golden_files() {
    for golden in golden_files() {
        let path = path_of(golden.name);
        if !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &golden.written_today).unwrap();
        }
    }
}

fn text_of(bytes: &Bytes) -> (String, Result<(), FormatError>) {
    let mut text = String::new();
    let result = dump(bytes, &mut text);
    (text, result)
}

#[test]
fn golden_files_are_read_and_still_written_the_same() {
    for golden in golden_files() {
        let stored = read(golden.name);
        if golden.exact {
            assert_eq!(stored, golden.written_today, "{}", golden.name);
        }
        assert_eq!(
            verify_object(&stored).map(|_| ()),
            Ok(()),
            "{}",
            golden.name
        );
        let (text, result) = text_of(&stored);
        assert_eq!(result, Ok(()), "{text}");
    }
    let stored = decode_wal(&read("v1/wal-compressed")).unwrap();
    let today = wide_wal(120);
    assert!(today.controls.compressed && stored.footer.controls.compressed);
    assert_eq!(stored.footer.rows, today.rows);
    assert_eq!(decode_seal(&read("v1/seal")), Ok(some_seal()));
    check_golden(&read("v1/metadata-entry"), &read("v1/metadata-snapshot"));
    let cluster = weir_tiering::cluster::decode(&read("v1/cluster")).unwrap();
    assert_eq!((cluster.cluster_id, cluster.format_level), (CLUSTER, 1));
    assert_eq!(cluster.probe, "own");
    let checkpoint = decode_checkpoint(&read("v1/checkpoint")).unwrap();
    let (_, pages) = small_checkpoint();
    let stored: Vec<_> = checkpoint
        .pages
        .iter()
        .map(|entry| checkpoint.page(entry).unwrap())
        .collect();
    assert_eq!(stored, pages);
}

#[test]
fn dumps_say_what_is_inside() {
    let (wal, _) = text_of(&read("v1/wal"));
    for line in [
        "Wal object, format 1.0,",
        "writer    broker 7 epoch 42",
        "committed slots below 2",
        "AQEBAQEBAQEBAQEBAQEBAQ-0 offsets 10..=13 records 4 max timestamp 1700000000013",
        "offsets 12..=13 records 2 codec none timestamps 1700000000012..=1700000000013 leader epoch 1 \
         producer 4000 epoch 3 sequence 2",
        "that ended before slot 77",
        "log start of AQEBAQEBAQEBAQEBAQEBAQ-1 moves to 5",
        "unknown kind 291, 5 bytes",
    ] {
        assert!(wal.contains(line), "{line}\n{wal}");
    }
    let (seal, _) = text_of(&read("v1/seal"));
    assert!(
        seal.contains("seals lane 0 of broker 7 epoch 42 at slot 3 (takeover)"),
        "{seal}"
    );
    let (cluster, _) = text_of(&read("v1/cluster"));
    let line = format!("cluster {CLUSTER} of format level 1, probe result 'own'");
    assert!(cluster.contains(&line), "{cluster}");
    let (entry, _) = text_of(&read("v1/metadata-entry"));
    let (snapshot, _) = text_of(&read("v1/metadata-snapshot"));
    for line in [
        "entry before   0102030405060708090a0b0c0d0e0f10",
        r#"CreateTopic { name: "gone", id: AwMDAwMDAwMDAwMDAwMDAw"#,
    ] {
        assert!(entry.contains(line), "{line}\n{entry}");
    }
    for line in [
        "the state after entry 42",
        "controller broker 7 epoch 42",
        "next producer id 1000",
        r#"TopicRecord { name: "orders", id: AQEBAQEBAQEBAQEBAQEBAQ, partitions: 5"#,
        "PG 3 PgRecord",
    ] {
        assert!(snapshot.contains(line), "{line}\n{snapshot}");
    }
    assert!(!snapshot.contains("gone"), "{snapshot}");
    let (checkpoint, _) = text_of(&read("v1/checkpoint"));
    for line in [
        "PG 200 ownership epoch 4",
        "log start 5 high watermark 120 log end 120",
        "producer 17 removed",
        "slots 3..77",
    ] {
        assert!(checkpoint.contains(line), "{line}\n{checkpoint}");
    }
}

/// Positions at which a flipped bit goes unnoticed by `verify`.
fn unnoticed(
    bytes: &Bytes,
    masks: &[u8],
    verify: impl Fn(&Bytes) -> Result<(), FormatError>,
) -> Vec<usize> {
    let mut unnoticed = Vec::new();
    for at in 0..bytes.len() {
        for mask in masks {
            let mut flipped = BytesMut::from(&bytes[..]);
            flipped[at] ^= mask;
            if verify(&flipped.freeze()).is_ok() {
                unnoticed.push(at);
            }
        }
    }
    unnoticed
}

const EVERY_BIT: [u8; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 0xff];

#[test]
fn any_flipped_byte_is_an_error() {
    for golden in golden_files() {
        let bytes = read(golden.name);
        let masks = if bytes.len() < 8192 {
            &EVERY_BIT[..]
        } else {
            &EVERY_BIT[8..]
        };
        let verify = |bytes: &Bytes| verify_object(bytes).map(|_| ());
        assert_eq!(verify(&bytes), Ok(()), "canary");
        assert_eq!(unnoticed(&bytes, masks, verify), [], "{}", golden.name);
        let dumped = |bytes: &Bytes| text_of(bytes).1;
        assert_eq!(unnoticed(&bytes, &[0x10], dumped), [], "{}", golden.name);
    }
}

/// Canary: `decode_wal` leaves the runs to `run()`, so flips in them must be found here.
#[test]
fn the_search_for_unnoticed_flips_finds_some() {
    let bytes = read("v1/wal");
    let runs_end = decode_wal(&bytes).unwrap().footer.controls.position as usize;
    let found = unnoticed(&bytes, &[1], |bytes| decode_wal(bytes).map(|_| ()));
    assert_eq!(found, (96..runs_end).collect::<Vec<_>>());
}

#[test]
fn a_read_from_the_end_never_tells_something_else() {
    let bytes = read("v1/wal");
    let total = bytes.len() as u64;
    let whole = decode_wal(&bytes).unwrap();
    let start = whole.footer.controls.position as usize;
    for from in [0, start] {
        for at in from..bytes.len() {
            let mut flipped = BytesMut::from(&bytes[..]);
            flipped[at] ^= 0x20;
            let flipped = flipped.freeze().slice(from..);
            if let Ok(WalTail::Complete { footer, controls }) = decode_wal_tail(&flipped, total) {
                assert!((96..start).contains(&at), "{at}");
                assert_eq!(
                    (footer, controls),
                    (whole.footer.clone(), whole.controls.clone())
                );
            }
        }
    }
}

#[test]
fn a_flipped_page_is_an_error_through_its_reference() {
    let (built, _) = small_checkpoint();
    let bytes = read("v1/checkpoint");
    for (_, reference) in &built.pages {
        let start = reference.position as usize;
        let page = bytes.slice(start..start + reference.len as usize);
        let decode = |bytes: &Bytes| decode_page(bytes, reference).map(|_| ());
        assert_eq!(decode(&page), Ok(()), "canary");
        assert_eq!(unnoticed(&page, &EVERY_BIT, decode), []);
    }
}

#[test]
fn any_truncation_and_any_addition_is_an_error() {
    for golden in golden_files() {
        let bytes = read(golden.name);
        for len in 0..bytes.len() {
            let cut = bytes.slice(..len);
            assert!(verify_object(&cut).is_err(), "{} {len}", golden.name);
            assert!(text_of(&cut).1.is_err(), "{} {len}", golden.name);
            let tail = decode_wal_tail(&cut, len as u64);
            assert!(
                !matches!(tail, Ok(WalTail::Complete { .. })),
                "{} {len}",
                golden.name
            );
        }
        for extra in [&b"\0"[..], b"RIEW", &bytes] {
            let longer = Bytes::from([&bytes[..], extra].concat());
            assert!(verify_object(&longer).is_err(), "{}", golden.name);
        }
    }
}
