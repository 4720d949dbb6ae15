//! Stores with one thing wrong each, and what `weir log verify` says of them.

use std::sync::Arc;

use bytes::Bytes;
use weir_protocol::{
    records::{BatchBuilder, Codec},
    types::{LeaderEpoch, Offset, PartitionIndex, Uuid},
};
use weir_tiering::{
    cluster,
    env::Env,
    format::{
        ObjectIdentity, ObjectKind, SealedObject,
        seal::{Seal, build_seal},
        wal::{RunInput, build_wal_object},
    },
    ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation, OwnershipEpoch, Slot, TopicPartition},
    keys,
    metadata::image::incarnations::{IncarnationRecord, IncarnationState, Registration},
    store::{Body, DynStore, Key, PutIdentity, memory::MemoryStore},
};

use super::{Read, check_store, offsets::Offsets, report::Report, wal::WalWalk};

const WRITER: Incarnation = Incarnation {
    broker: BrokerId(1),
    epoch: BrokerEpoch(0),
};

/// A store with a cluster whose metadata log is empty.
struct TestStore {
    env: Env,
    store: DynStore,
    cluster: ClusterId,
}

impl TestStore {
    async fn new() -> TestStore {
        let env = Env::system();
        let store: DynStore = Arc::new(MemoryStore::default());
        let opened = cluster::open_or_create(&env, &*store, None, true).await;
        let cluster = opened.expect("an empty store takes a cluster").cluster_id;
        TestStore {
            env,
            store,
            cluster,
        }
    }

    async fn put(&self, key: Key, body: Bytes) {
        let identity = PutIdentity {
            put_id: self.env.new_put_id(),
            footer_crc: 0,
        };
        let put = self
            .store
            .put_if_absent(&key, &Body::from(body), identity)
            .await;
        put.expect("memory takes every object");
    }

    /// The object of `slot`, whose two records have the offsets 2 × `slot` and the next.
    fn object(&self, slot: u64, committed: u64) -> SealedObject {
        let offset = Offset(2 * i64::try_from(slot).expect("slots in tests are small"));
        let mut batch = BatchBuilder::new(Codec::None)
            .base_offset(offset)
            .partition_leader_epoch(LeaderEpoch(0));
        batch.append(5, None, Some(b"first"));
        batch.append(5, None, Some(b"second"));
        let run = RunInput {
            topic_partition: TopicPartition {
                topic: Uuid([3; 16]),
                partition: PartitionIndex(0),
            },
            ownership_epoch: OwnershipEpoch(0),
            leader_epoch: LeaderEpoch(0),
            offset_first: offset,
            offset_last: Offset(offset.0 + 1),
            record_count: 2,
            max_timestamp: 5,
            internal: false,
            batches: vec![batch.build().expect("two records make a batch").into()],
        };
        let identity = ObjectIdentity {
            kind: ObjectKind::Wal,
            cluster: self.cluster,
            writer: WRITER,
            lane: 0,
            number: slot,
            put_id: self.env.new_put_id(),
        };
        build_wal_object(&identity, Slot(committed), vec![run], &[]).object
    }

    async fn data(&self, slot: u64, committed: u64) {
        let object = self.object(slot, committed);
        self.put(keys::wal(WRITER, 0, Slot(slot)), object.body.to_bytes())
            .await;
    }

    async fn seal(&self, slot: u64) {
        let seal = Seal {
            cluster: self.cluster,
            taker: Incarnation {
                epoch: BrokerEpoch(9),
                ..WRITER
            },
            sealed: WRITER,
            lane: 0,
            slot: Slot(slot),
        };
        let object = build_seal(&seal, self.env.new_put_id());
        self.put(keys::wal(WRITER, 0, Slot(slot)), object.body.to_bytes())
            .await;
    }

    async fn check(&self) -> Report {
        check_store(&self.env, self.store.clone())
            .await
            .expect("memory answers")
    }

    /// The findings, without the summary.
    async fn findings(&self) -> Vec<String> {
        let report = self.check().await.render();
        let mut lines: Vec<String> = report.lines().map(str::to_owned).collect();
        lines.pop();
        let short = |line: &String| line.replace(&keys::wal_log_prefix(WRITER, 0), "…/");
        lines.iter().map(short).collect()
    }
}

fn slot(slot: u64) -> String {
    format!("…/000000000000/{slot:020}")
}

#[tokio::test]
async fn a_sound_log_with_a_seal_is_clean() {
    let store = TestStore::new().await;
    for n in 0..40 {
        store.data(n, n.saturating_sub(3)).await;
    }
    for n in 40..56 {
        store.seal(n).await;
    }
    assert_eq!(store.findings().await, [""; 0]);
    let report = store.check().await;
    assert!(report.is_clean());
    assert!(
        report.render().contains("1 write-ahead logs, 80 records"),
        "{}",
        report.render()
    );
}

#[tokio::test]
async fn slots_above_the_end_or_a_seal_are_void_and_no_damage() {
    let open = TestStore::new().await;
    for n in [0, 1, 2, 4, 7] {
        open.data(n, 2).await;
    }
    let void = |n| format!("void: {}", slot(n));
    assert_eq!(open.findings().await, [void(4), void(7)]);
    assert!(open.check().await.is_clean());
    let sealed = TestStore::new().await;
    sealed.data(0, 0).await;
    sealed.seal(1).await;
    sealed.data(2, 0).await;
    sealed
        .put(keys::wal(WRITER, 0, Slot(3)), Bytes::from_static(b"torn"))
        .await;
    sealed.seal(4).await;
    assert_eq!(sealed.findings().await, [void(2), void(3)]);
}

#[tokio::test]
async fn a_missing_slot_that_was_committed_is_damage() {
    let known = TestStore::new().await;
    for n in [0, 1, 3, 4] {
        known.data(n, if n == 4 { 4 } else { 0 }).await;
    }
    let missing = format!("damage: {}: it is missing", slot(2));
    let gap = "damage: partition AwMDAwMDAwMDAwMDAwMDAw-0: offset 3 is followed by 6";
    assert_eq!(known.findings().await, [missing.as_str(), gap]);
    assert!(!known.check().await.is_clean());
    // No object knew that slot 1 was committed, but 17 slots later its writer must have.
    let far = TestStore::new().await;
    for n in [0, 18] {
        far.data(n, 0).await;
    }
    let missing = format!(
        "damage: {}: it and the 1 slots behind it are missing",
        slot(1)
    );
    assert_eq!(
        far.findings().await,
        [missing, format!("void: {}", slot(18))]
    );
}

#[tokio::test]
async fn a_damaged_object_and_one_under_a_wrong_name_are_damage() {
    let store = TestStore::new().await;
    store.data(0, 0).await;
    let mut bytes = store.object(1, 0).body.to_bytes().to_vec();
    bytes[120] ^= 1;
    store.put(keys::wal(WRITER, 0, Slot(1)), bytes.into()).await;
    let other = store.object(9, 0).body.to_bytes();
    store.put(keys::wal(WRITER, 0, Slot(2)), other).await;
    let findings = store.findings().await;
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(
        findings[0].starts_with(&format!("damage: {}: checksum mismatch", slot(1))),
        "{findings:?}"
    );
    assert!(
        findings[1].starts_with(&format!("damage: {}: impossible", slot(2))),
        "{findings:?}"
    );
}

/// The findings about a log of which the metadata knows `state`, with these objects.
fn known_log(
    store: &TestStore,
    state: IncarnationState,
    objects: Vec<(u64, Bytes)>,
) -> Vec<String> {
    let record = IncarnationRecord {
        incarnation: WRITER,
        registration: Registration {
            broker: WRITER.broker,
            process_id: store.env.new_process_id(),
            host: String::new(),
            endpoints: Vec::new(),
            host_boot_id: String::new(),
            network_namespace: String::new(),
            rack: None,
            start_ms: 0,
        },
        state,
        checkpointed: Slot(1),
        data_floor: 0,
        wal_floor: Slot(0),
    };
    let (mut report, mut offsets) = (Report::default(), Offsets::default());
    let mut walk = WalWalk::new(store.cluster, WRITER, 0, Some(&record));
    for (slot, bytes) in objects {
        walk.take(Slot(slot), Read::Bytes(bytes), &mut report, &mut offsets);
    }
    walk.finish(&mut report, &mut offsets);
    let text = report
        .render()
        .replace(&keys::wal_log_prefix(WRITER, 0), "…/");
    text.lines().rev().skip(1).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_end_that_the_metadata_knows_overrides_what_objects_say() {
    let store = TestStore::new().await;
    let data = |n| (n, store.object(n, 0).body.to_bytes());
    let sealed = IncarnationState::Sealed { end: Slot(3) };
    let missing = format!("damage: {}: it is missing", slot(2));
    assert_eq!(known_log(&store, sealed, vec![data(0), data(1)]), [missing]);
    let at_the_end = format!(
        "damage: {}: it holds data where the log was sealed",
        slot(3)
    );
    let objects = (0..5).map(data).collect();
    assert_eq!(
        known_log(&store, sealed, objects),
        [format!("void: {}", slot(4)), at_the_end]
    );
    let nothing = format!(
        "damage: {}: it and the 2 slots behind it are missing",
        slot(0)
    );
    assert_eq!(known_log(&store, sealed, Vec::new()), [nothing]);
    // Of a live log only what a checkpoint covers must exist.
    let covered = format!("damage: {}: it is missing", slot(0));
    assert_eq!(
        known_log(&store, IncarnationState::Active, Vec::new()),
        [covered]
    );
}

#[tokio::test]
async fn foreign_names_are_remarked_and_an_empty_store_cannot_be_checked() {
    let store = TestStore::new().await;
    store
        .put(Key::new("stray/file"), Bytes::from_static(b"x"))
        .await;
    assert_eq!(
        store.findings().await,
        ["remark: stray/file is the name of no object of ours"]
    );
    let empty: DynStore = Arc::new(MemoryStore::default());
    let error = check_store(&store.env, empty)
        .await
        .map(|report| report.render());
    assert_eq!(error, Err("there is no cluster".to_owned()));
}
