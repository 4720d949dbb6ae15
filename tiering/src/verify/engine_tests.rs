//! Stores made by the real engine (registration, WAL, checkpoints, takeover), then damaged in one
//! place each: what the check says of them.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use metrics::Histogram;
use weir_protocol::{
    records::{BatchBuilder, Codec},
    types::{PartitionIndex, ProducerEpoch, ProducerId, Uuid},
};

use super::{Report, VerifyError, verify};
use crate::{
    cluster,
    env::{Env, testing},
    fenced_log::{EndBounds, WalIdentity, WalName, WalTaker},
    ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation, OwnershipEpoch, Slot, TopicPartition},
    keys,
    log::{AppendBatch, PartitionLog, Registry, Sequenced},
    metadata::{
        self, Command, MetadataLog,
        image::{
            configs::ConfigValues,
            incarnations::{Registration, SealIncarnation},
            topics::{CreateTopic, DeleteTopic},
        },
    },
    ownership::{assign, placement::Placement},
    page::{Checkpointer, recover},
    store::{Body, DynStore, Key, memory::MemoryStore, put::Patience},
    wal::{Wal, WalConfig, WalMeters, WalTable, flush_policy::FlushPolicy},
};

const ORDERS: Uuid = Uuid([1; 16]);

struct Engine {
    incarnation: Incarnation,
    metadata: MetadataLog,
    registry: Arc<Registry>,
    wal: Wal,
    checkpointer: Checkpointer,
}

fn partition(index: i32) -> TopicPartition {
    TopicPartition {
        topic: ORDERS,
        partition: PartitionIndex(index),
    }
}

impl Engine {
    /// Starts an incarnation on `store`, after whatever was there.
    async fn start(env: &Env, store: &DynStore) -> Engine {
        let opened = cluster::open_or_create(env, &**store, None, true).await;
        let cluster = opened.unwrap().cluster_id;
        let replayed = metadata::open(env.clone(), store.clone(), cluster, Patience::Forever);
        let registration = Registration {
            broker: BrokerId(1),
            process_id: env.new_process_id(),
            host: String::new(),
            endpoints: Vec::new(),
            host_boot_id: String::new(),
            network_namespace: String::new(),
            rack: None,
            start_ms: 0,
        };
        let registered = replayed.await.unwrap().register(registration).await;
        let (metadata, epoch) = registered.unwrap();
        let incarnation = Incarnation {
            broker: BrokerId(1),
            epoch,
        };
        take_over(env, store, cluster, incarnation, &metadata).await;
        let (table, registry) = (WalTable::default(), Arc::new(Registry::default()));
        let index = table.index_of(incarnation).unwrap();
        let image = metadata.image();
        let recovered = recover(env, store, cluster, &image, incarnation, &table, &registry);
        let recovered = recovered.await.unwrap();
        let identity = WalIdentity {
            cluster,
            incarnation,
            lane: 0,
        };
        let config = WalConfig {
            policy: FlushPolicy::local(),
            in_flight_max: 16,
            tail_bytes_max: 1 << 20,
            meters: WalMeters {
                flush_bytes: Histogram::noop(),
                flush_seconds: Histogram::noop(),
            },
        };
        let wal = Wal::start(env.clone(), store.clone(), identity, index, &config);
        let checkpointer =
            Checkpointer::new(env.clone(), store.clone(), cluster, incarnation, recovered);
        Engine {
            incarnation,
            metadata,
            registry,
            wal,
            checkpointer,
        }
    }

    async fn command(&self, command: Command) {
        self.metadata.append_one(command).await.unwrap().unwrap();
    }

    async fn create_topic(&self) {
        self.command(Command::CreateTopic(CreateTopic {
            name: "orders".into(),
            id: ORDERS,
            partitions: 3,
            placement: Placement::default(),
            configs: ConfigValues::new(),
            internal: false,
        }))
        .await;
    }

    /// Appends `batches` of two records each to one partition, each in an object of its own.
    async fn produce(&self, index: i32, sequence: i32, batches: i32) {
        let image = self.metadata.image();
        let pg = image.topics.by_id(&ORDERS).unwrap();
        let pg = pg.pg_of(PartitionIndex(index)).unwrap();
        let epoch: OwnershipEpoch = image.ownership.get(pg).unwrap().epoch;
        let log = self.registry.get_or_open(partition(index), || {
            PartitionLog::new(partition(index), false, epoch, Default::default())
        });
        for n in 0..batches {
            let first = sequence + 2 * n;
            let (producer, producer_epoch) = (ProducerId(7), ProducerEpoch(0));
            let mut batch =
                BatchBuilder::new(Codec::None).producer(producer, producer_epoch, first);
            batch.append(5, None, Some(b"first"));
            batch.append(5, None, Some(b"second"));
            let batch = AppendBatch {
                bytes: BytesMut::from(&batch.build().unwrap()[..]),
                record_count: 2,
                offset_count: 2,
                max_timestamp: 5,
                sequenced: Some(Sequenced {
                    producer,
                    epoch: producer_epoch,
                    sequence_first: first,
                    sequence_last: first + 1,
                }),
                permit: None,
            };
            let appended = log.append(&self.wal, batch, 5).unwrap();
            self.wal.committed(appended.slot.unwrap()).await.unwrap();
        }
    }

    async fn checkpoint(&mut self) {
        let written = self
            .checkpointer
            .write(&self.registry, &self.wal, &self.metadata);
        written.await.unwrap();
    }

    async fn close(mut self) {
        self.wal.drain().await.unwrap();
        self.checkpoint().await;
        let end = self.wal.close().await.unwrap();
        let closed = SealIncarnation {
            incarnation: self.incarnation,
            end,
            clean: true,
            assignments: Vec::new(),
        };
        self.command(Command::SealIncarnation(closed)).await;
        self.metadata.close().await;
    }

    fn slot(&self, slot: u64) -> Key {
        keys::wal(self.incarnation, 0, Slot(slot))
    }
}

async fn take_over(
    env: &Env,
    store: &DynStore,
    cluster: ClusterId,
    incarnation: Incarnation,
    metadata: &MetadataLog,
) {
    let taker = WalTaker {
        env: env.clone(),
        store: store.clone(),
        cluster,
        incarnation,
        patience: Patience::Forever,
    };
    let image = metadata.image();
    for record in image.incarnations.to_seal() {
        let wal = WalName {
            incarnation: record.incarnation,
            lane: 0,
        };
        let bounds = EndBounds::from_checkpoint(record.checkpointed);
        let sealed = SealIncarnation {
            incarnation: record.incarnation,
            end: taker.seal(wal, bounds).await.unwrap(),
            clean: false,
            assignments: assign::inherit(&image, record.incarnation, incarnation),
        };
        let sealed = Command::SealIncarnation(sealed);
        metadata.append_one(sealed).await.unwrap().unwrap();
    }
    if let Some(rest) = assign::all_to(&metadata.image(), incarnation) {
        let assigned = metadata.append_one(Command::AssignPgs(rest)).await;
        assigned.unwrap().unwrap();
    }
}

/// A store after a crash and a clean stop: two write-ahead logs, pages, 26 records.
struct History {
    env: Env,
    store: DynStore,
    /// WAL objects of the crashed incarnation (checkpoint at 4, end at 7) and of the closed one.
    crashed: Vec<Key>,
    closed: Vec<Key>,
}

async fn history() -> History {
    let env = testing::env(1);
    let store: DynStore = Arc::new(MemoryStore::default());
    let mut first = Engine::start(&env, &store).await;
    first.create_topic().await;
    first.produce(0, 0, 4).await;
    first.checkpoint().await;
    first.produce(0, 8, 2).await;
    first.produce(1, 0, 1).await;
    let crashed = (0..7).map(|slot| first.slot(slot)).collect();
    let mut second = Engine::start(&env, &store).await;
    second.checkpoint().await;
    second.produce(0, 12, 6).await;
    let closed = (0..6).map(|slot| second.slot(slot)).collect();
    second.close().await;
    History {
        env,
        store,
        crashed,
        closed,
    }
}

impl History {
    async fn check(&self) -> Report {
        verify(&self.env, &self.store).await.unwrap()
    }

    /// Damage, each line up to "To do".
    async fn damage(&self) -> Vec<String> {
        let report = self.check().await;
        let short = |line: &String| line.split(". To do: ").next().unwrap().to_owned();
        report.damage().iter().map(short).collect()
    }

    async fn replace(&self, key: &Key, bytes: impl Into<Bytes>) {
        let body = Body::from(bytes.into());
        self.store.put_large(key, &body).await.unwrap();
    }

    async fn delete(&self, key: &Key) {
        self.store
            .delete_many(std::slice::from_ref(key))
            .await
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_after_a_crash_and_a_clean_stop_is_sound() {
    let history = history().await;
    let report = history.check().await;
    assert!(
        report.is_sound() && report.is_complete(),
        "{}",
        report.render()
    );
    assert_eq!((report.void(), report.remarks()), (&[][..], &[][..]));
    let counts = report.counts;
    assert_eq!((counts.wals, counts.partitions, counts.records), (2, 2, 26));
    assert!(counts.pages >= 2 && counts.metadata_entries > 5);
}

#[tokio::test(start_paused = true)]
async fn a_flipped_byte_of_any_object_is_damage() {
    let history = history().await;
    let all = history.store.list("", None, 1_000).await.unwrap();
    assert!(all.len() > 20);
    for object in all {
        let sound = history.store.get(&object.key).await.unwrap();
        let mut damaged = BytesMut::from(&sound[..]);
        damaged[sound.len() / 2] ^= 1;
        history.replace(&object.key, damaged.freeze()).await;
        let damage = history.damage().await;
        let named = damage.iter().any(|line| line.contains(object.key.as_str()));
        // A SEAL above the end is only void when it is damaged.
        let above = history.check().await.void().len() == 1;
        assert!(named || above, "{}: {damage:?}", object.key);
        history.replace(&object.key, sound).await;
    }
    assert_eq!(history.damage().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_object_is_damage_below_and_above_a_checkpoint() {
    let history = history().await;
    for (key, offsets) in [
        (&history.crashed[1], "2 to 3"),
        (&history.crashed[5], "10 to 11"),
        (&history.closed[0], "12 to 13"),
    ] {
        let sound = history.store.get(key).await.unwrap();
        history.delete(key).await;
        let damage = history.damage().await;
        assert_eq!(damage[0], format!("{key}: it is missing"));
        let missing = format!("partition orders-0: offsets {offsets} are missing");
        assert!(damage.contains(&missing), "{damage:?}");
        history.replace(key, sound).await;
    }
    let last = &history.closed[5];
    history.delete(last).await;
    let damage = history.damage().await;
    assert_eq!(damage[0], format!("{last}: it is missing"));
    assert!(damage[1].contains("its page says that it ends at offset 24"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_no_damage_but_not_checked() {
    let history = history().await;
    let key = &history.crashed[2];
    let mut newer = BytesMut::from(&history.store.get(key).await.unwrap()[..]);
    newer[5] = 9;
    let crc = crc32c::crc32c(&newer[..92]);
    newer[92..96].copy_from_slice(&crc.to_le_bytes());
    history.replace(key, newer.freeze()).await;
    let report = history.check().await;
    assert!(report.is_sound() && !report.is_complete());
    let text = report.render();
    let line = format!("not checked: {key}: major format version 9 is not known");
    assert!(text.starts_with(&line), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_truncated_object_and_one_under_another_name_are_damage() {
    let history = history().await;
    let key = &history.crashed[2];
    let sound = history.store.get(key).await.unwrap();
    history.replace(key, sound.slice(..sound.len() - 1)).await;
    assert!(history.damage().await[0].starts_with(key.as_str()));
    let other = history.store.get(&history.crashed[3]).await.unwrap();
    history.replace(key, other).await;
    let damage = history.damage().await;
    assert!(
        damage[0].contains("it is another object: Wal 3"),
        "{damage:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_missing_or_another_is_damage() {
    let history = history().await;
    let data = history.store.list(keys::DATA_PREFIX, None, 100).await;
    let data: Vec<Key> = data.unwrap().into_iter().map(|o| o.key).collect();
    let mut referred = 0;
    for (n, key) in data.iter().enumerate() {
        let sound = history.store.get(key).await.unwrap();
        let other = &data[(n + 1) % data.len()];
        let bytes = history.store.get(other).await.unwrap();
        history.replace(key, bytes).await;
        let damage = history.damage().await;
        assert!(
            damage
                .iter()
                .any(|line| line.contains("it is another object: Checkpoint"))
        );
        history.delete(key).await;
        let damage = history.damage().await;
        // Checkpoints before the newest are nobody's.
        let missing =
            |line: &String| line.starts_with(key.as_str()) && line.ends_with("it is missing");
        referred += damage.iter().filter(|line| missing(line)).count();
        history.replace(key, sound).await;
    }
    // Each of the groups names one page.
    assert_eq!((data.len(), referred), (3, 256));
    assert_eq!(history.damage().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn objects_of_an_unknown_writer_are_damage_and_of_no_name_a_remark() {
    let history = history().await;
    let stranger = Incarnation {
        broker: BrokerId(1),
        epoch: BrokerEpoch(77),
    };
    let bytes = history.store.get(&history.crashed[0]).await.unwrap();
    history
        .replace(&keys::wal(stranger, 0, Slot(0)), bytes)
        .await;
    let stray = Key::new("stray/file");
    history.replace(&stray, Bytes::from_static(b"x")).await;
    let damage = history.damage().await;
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert!(damage[0].contains("never registered in this cluster"));
    let report = history.check().await;
    assert_eq!(
        report.remarks(),
        ["stray/file: the name of no object of ours"]
    );
}

#[tokio::test(start_paused = true)]
async fn slots_above_a_known_end_are_void_and_a_lost_seal_is_no_damage() {
    let history = history().await;
    let all = history
        .store
        .list(keys::WAL_PREFIX, None, 1_000)
        .await
        .unwrap();
    let prefix = history.crashed[0].as_str().rsplit_once('/').unwrap().0;
    let of_crashed = all.iter().filter(|o| o.key.as_str().starts_with(prefix));
    let seals: Vec<Key> = of_crashed.skip(7).map(|o| o.key.clone()).collect();
    assert_eq!(seals.len(), 16);
    // A late put of the dead writer, where a SEAL was deleted by hand.
    let late = history.store.get(&history.crashed[6]).await.unwrap();
    history.delete(&seals[0]).await;
    history.replace(&seals[3], late).await;
    let report = history.check().await;
    assert!(report.is_sound(), "{}", report.render());
    assert_eq!(report.void().len(), 1);
    assert!(report.remarks()[0].contains("the SEAL is missing"));
}

#[tokio::test(start_paused = true)]
async fn runs_of_deleted_topics_are_skipped() {
    let history = history().await;
    let third = Engine::start(&history.env, &history.store).await;
    third
        .command(Command::DeleteTopic(DeleteTopic { id: ORDERS }))
        .await;
    third.close().await;
    let report = history.check().await;
    assert!(report.is_sound(), "{}", report.render());
    assert_eq!(
        (report.counts.records, report.counts.runs_of_deleted_topics),
        (0, 13)
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_grows_during_the_check_is_sound() {
    let env = testing::env(2);
    let store: DynStore = Arc::new(MemoryStore::default());
    let mut engine = Engine::start(&env, &store).await;
    engine.create_topic().await;
    for round in 0..20 {
        let check = verify(&env, &store);
        let work = async {
            engine.produce(round % 3, 40 * (round / 3), 20).await;
            if round % 4 == 0 {
                engine.checkpoint().await;
            }
        };
        let (report, ()) = tokio::join!(check, work);
        let report = report.unwrap();
        assert!(
            report.is_sound() && report.is_complete(),
            "{}",
            report.render()
        );
        if round == 10 {
            engine = Engine::start(&env, &store).await;
        }
    }
    let report = verify(&env, &store).await.unwrap();
    assert_eq!(report.counts.records, 800);
}

#[tokio::test(start_paused = true)]
async fn a_place_without_a_cluster_cannot_be_checked_and_a_lost_cluster_object_is_damage() {
    let history = history().await;
    history.delete(&keys::cluster()).await;
    assert_eq!(history.damage().await.len(), 1);
    let empty: DynStore = Arc::new(MemoryStore::default());
    let nothing = verify(&history.env, &empty).await;
    assert!(matches!(nothing, Err(VerifyError::NoCluster)));
}
