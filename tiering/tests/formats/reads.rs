//! Reads from a store: how many GETs a slot's tail and a page cost, and what comes back.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use weir_protocol::types::Uuid;
use weir_tiering::{
    format::{
        ObjectKind, SealedObject,
        checkpoint::{PageReadError, read_page},
        seal::build_seal,
        wal::{
            ControlRecord, SlotTail, TAIL_READ_LEN, TailError, build_wal_object, decode_wal,
            read_slot_tail,
        },
    },
    ids::{PutId, Slot, TopicPartition},
    store::{
        Body, DynStore, Key, ObjectMeta, PutIdentity, PutOutcome, Store, StoreError,
        memory::MemoryStore,
    },
};

use crate::{
    batches::Batch,
    checkpoint::small_checkpoint,
    wal::{bytes_of, identity, partition, run, small_wal, some_seal},
};

/// Counts GETs.
#[derive(Default)]
struct Counting {
    inner: MemoryStore,
    gets: AtomicU32,
}

impl Counting {
    fn count(&self) {
        self.gets.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Store for Counting {
    async fn put_if_absent(
        &self,
        key: &Key,
        body: &Body,
        identity: PutIdentity,
    ) -> Result<PutOutcome, StoreError> {
        self.inner.put_if_absent(key, body, identity).await
    }

    async fn put_large(&self, key: &Key, body: &Body) -> Result<(), StoreError> {
        self.inner.put_large(key, body).await
    }

    async fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.count();
        self.inner.get(key).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.count();
        self.inner.get_range(key, range).await
    }

    async fn get_suffix(&self, key: &Key, len: u64) -> Result<(Bytes, u64), StoreError> {
        self.count();
        self.inner.get_suffix(key, len).await
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.inner.head(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        start_after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<ObjectMeta>, StoreError> {
        self.inner.list(prefix, start_after, limit).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<(), StoreError> {
        self.inner.delete_many(keys).await
    }
}

/// A store that holds `object`, and the object's name.
async fn stored(object: &SealedObject) -> (Arc<Counting>, DynStore, Key) {
    let store = Arc::new(Counting::default());
    let key = Key::new("wal/object");
    let put = store.put_if_absent(&key, &object.body, object.put).await;
    assert_eq!(put.unwrap(), PutOutcome::Created);
    (store.clone(), store, key)
}

/// Bytes that zstd cannot shrink.
fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn noisy_topics(count: u64) -> Vec<TopicPartition> {
    (1..=count)
        .map(|seed| TopicPartition {
            topic: Uuid(noise(16, seed << 32 | 0x9e37_79b9).try_into().unwrap()),
            ..partition(0, 0)
        })
        .collect()
}

fn noisy_control(len: usize) -> ControlRecord {
    ControlRecord::Unknown {
        kind: 0x100,
        payload: noise(len, 7).into(),
    }
}

#[tokio::test]
async fn one_get_reads_a_slot_and_a_few_read_any() {
    let many_runs = || {
        noisy_topics(8000)
            .into_iter()
            .map(|topic| run(topic, false, &[Batch::plain(0, 0, &["v"])]))
            .collect::<Vec<_>>()
    };
    let build = |runs, controls: &[ControlRecord]| {
        build_wal_object(&identity(ObjectKind::Wal, 3), Slot(3), runs, controls)
    };
    for (name, built, gets) in [
        ("small", small_wal(), 1),
        ("many controls", build(vec![], &[noisy_control(200_000)]), 2),
        ("large footer", build(many_runs(), &[]), 2),
        (
            "large footer and controls",
            build(many_runs(), &[noisy_control(200_000)]),
            3,
        ),
    ] {
        let (counting, store, key) = stored(&built.object).await;
        let whole = decode_wal(&bytes_of(&built.object)).unwrap();
        let tail = read_slot_tail(&store, &key).await.unwrap();
        let SlotTail::Wal {
            footer,
            controls,
            total_len,
            footer_crc,
            suffix,
            suffix_position,
        } = tail
        else {
            panic!("{name}: {tail:?}");
        };
        assert_eq!((footer, controls), (whole.footer, whole.controls), "{name}");
        assert_eq!(total_len, built.object.body.len());
        assert_eq!(footer_crc, built.object.put.footer_crc);
        assert_eq!(suffix_position + suffix.len() as u64, total_len);
        assert_eq!(counting.gets.load(Ordering::Relaxed), gets, "{name}");
        if gets > 1 {
            assert!(suffix.len() as u64 > TAIL_READ_LEN);
        }
    }
}

#[tokio::test]
async fn a_slot_may_hold_a_seal_or_something_that_does_not_belong_there() {
    let (_, store, key) = stored(&build_seal(&some_seal(), PutId([1; 16]))).await;
    let seal = read_slot_tail(&store, &key).await.unwrap();
    assert_eq!(seal, SlotTail::Seal(some_seal()));
    let (_, store, key) = stored(&small_checkpoint().0.object).await;
    let error = read_slot_tail(&store, &key).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a Checkpoint object instead of a Wal object"),
        "{error}"
    );
    let missing = read_slot_tail(&store, &Key::new("wal/other")).await;
    assert!(matches!(missing, Err(TailError::Store(_))), "{missing:?}");
}

#[tokio::test]
async fn one_get_reads_a_page() {
    let (built, pages) = small_checkpoint();
    let (counting, store, key) = stored(&built.object).await;
    for ((_, reference), page) in built.pages.iter().zip(&pages) {
        assert_eq!(&read_page(&store, &key, reference).await.unwrap(), page);
    }
    assert_eq!(counting.gets.load(Ordering::Relaxed), 2);
    let mut wrong = built.pages[0].1;
    wrong.crc ^= 1;
    let error = read_page(&store, &key, &wrong).await.unwrap_err();
    assert!(matches!(error, PageReadError::Format { .. }), "{error}");
    wrong.len = 0;
    let error = read_page(&store, &key, &wrong).await.unwrap_err();
    assert!(matches!(error, PageReadError::Format { .. }), "{error}");
}
