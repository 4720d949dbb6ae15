//! Creating, opening and refusing clusters, also by several starters through a store in trouble.

use std::sync::Arc;

use weir_protocol::types::Uuid;

use super::*;
use crate::{
    env::testing,
    ids::PutId,
    store::{
        Body, Key, PutIdentity, Verb,
        faulty::{Chances, Fault, FaultyStore},
        local::{LocalStore, OpenMode},
        memory::MemoryStore,
    },
};

fn id(byte: u8) -> ClusterId {
    ClusterId(Uuid([byte; 16]))
}

async fn put(store: &dyn Store, name: &str) {
    let identity = PutIdentity {
        put_id: PutId([0; 16]),
        footer_crc: 0,
    };
    let body = Body::from(Bytes::from_static(b"x"));
    store
        .put_if_absent(&Key::new(name), &body, identity)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_empty_place_is_created_once_and_then_opened() {
    let env = testing::env(1);
    let store = MemoryStore::default();
    put(&store, "probe/x/leftover").await;
    let error = open_or_create(&env, &store, None, false).await.unwrap_err();
    assert!(matches!(error, ClusterError::CreationForbidden), "{error}");
    let created = open_or_create(&env, &store, Some(id(7)), true)
        .await
        .unwrap();
    assert!(created.created && created.cluster_id == id(7) && created.probe == "own");
    for (wanted, create_allowed) in [(None, true), (Some(id(7)), false)] {
        let opened = open_or_create(&env, &store, wanted, create_allowed)
            .await
            .unwrap();
        assert_eq!(
            opened,
            Opened {
                created: false,
                ..created.clone()
            }
        );
    }
    let error = open_or_create(&env, &store, Some(id(8)), true)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ClusterError::Other { found, wanted } if found == id(7) && wanted == id(8))
    );
}

#[tokio::test]
async fn a_place_with_foreign_content_is_refused_and_named() {
    let env = testing::env(2);
    let store = MemoryStore::default();
    put(&store, "data/precious").await;
    let error = open_or_create(&env, &store, None, true).await.unwrap_err();
    assert!(error.to_string().contains("data/precious"), "{error}");

    for name in ["notes and more.txt", ".hidden", "topics/deep/file"] {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open_dir(dir.path(), OpenMode::Create, env.new_process_id());
        let store = store.unwrap();
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x").unwrap();
        let error = open_or_create(&env, &store, None, true).await.unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir_all(dir.path().join("lost+found")).unwrap();
        assert!(
            open_or_create(&env, &store, None, true)
                .await
                .unwrap()
                .created
        );
    }
}

#[tokio::test(start_paused = true)]
async fn racing_creators_agree_whatever_answers_are_lost() {
    for seed in 0..50 {
        let env = testing::env(seed);
        let faulty = FaultyStore::new(Arc::new(MemoryStore::default()), env.clone());
        faulty.set_chances(Chances {
            fail: 20,
            lose_reply: 100,
            land_late: 50,
            delay: 300,
            delay_max: Duration::from_millis(100),
            ..Chances::default()
        });
        let starters = (0..8).map(|_| open_or_create(&env, &*faulty, None, true));
        let opened = futures::future::join_all(starters).await;
        let opened: Vec<_> = opened.into_iter().map(|o| o.unwrap()).collect();
        assert!(
            opened.iter().all(|o| o.cluster_id == opened[0].cluster_id),
            "seed {seed}"
        );
        assert_eq!(
            opened.iter().filter(|o| o.created).count(),
            1,
            "seed {seed}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_store_is_given_ten_seconds() {
    let env = testing::env(3);
    let faulty = FaultyStore::new(Arc::new(MemoryStore::default()), env.clone());
    faulty.set_chances(Chances {
        fail: 1000,
        ..Chances::default()
    });
    let started = env.clock.boot();
    let error = open_or_create(&env, &*faulty, None, true)
        .await
        .unwrap_err();
    let waited = (env.clock.boot() - started).as_secs();
    assert!(
        matches!(error, ClusterError::Store(_)) && (10..14).contains(&waited),
        "{waited}"
    );
    faulty.calm();
    faulty.script(Verb::Get, Fault::Fail(StoreErrorKind::Refused));
    let started = env.clock.boot();
    let error = open_or_create(&env, &*faulty, None, true)
        .await
        .unwrap_err();
    assert!(matches!(error, ClusterError::Store(e) if e.kind == StoreErrorKind::Refused));
    assert_eq!(env.clock.boot(), started);
}

#[tokio::test]
async fn any_flipped_bit_and_any_truncation_is_an_error() {
    let env = testing::env(4);
    let bytes = encode(&env, id(3)).body.to_bytes();
    assert_eq!(decode(&bytes).unwrap().cluster_id, id(3));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&flipped.into()).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(decode(&bytes.slice(..len)).is_err(), "length {len}");
    }
}

#[tokio::test]
async fn a_newer_format_level_is_refused() {
    let env = testing::env(5);
    let mut object = encode(&env, id(3));
    let mut record =
        ClusterRecord::decode(open_object(&object.body.to_bytes()).unwrap().footer).unwrap();
    record.format_level = FORMAT_LEVEL + 1;
    let header = crate::format::envelope::decode_header(&object.body.to_bytes()).unwrap();
    object = seal_object(&header.identity, [], record.encode_to_vec().into());
    let error = decode(&object.body.to_bytes()).unwrap_err();
    assert!(matches!(error, ClusterError::Newer { found } if found == FORMAT_LEVEL + 1));
}
