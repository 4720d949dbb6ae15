//! A store with faults, and the objects of one WAL, for the tests of this directory.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;
use weir_protocol::types::Uuid;

use super::{Limits, WalIdentity, WalName, WalWriter};
use crate::{
    env::{
        Env, TaskKind,
        testing::{self, below},
    },
    format::envelope::{ObjectIdentity, ObjectKind, SealedObject, decode_header, seal_object},
    ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation, Slot},
    store::{
        Body, DynStore, Key, ObjectMeta, PutIdentity, PutOutcome, Store, StoreError,
        StoreErrorKind, memory::MemoryStore,
    },
};

pub const CLUSTER: ClusterId = ClusterId(Uuid([7; 16]));

pub fn incarnation(epoch: u64) -> Incarnation {
    Incarnation {
        broker: BrokerId(1),
        epoch: BrokerEpoch(epoch),
    }
}

pub fn wal() -> WalName {
    WalName {
        incarnation: incarnation(5),
        lane: 0,
    }
}

/// An object of `kind` for slot `slot` with `payload` as its footer.
pub fn object(
    env: &Env,
    kind: ObjectKind,
    writer: Incarnation,
    slot: Slot,
    payload: &str,
) -> SealedObject {
    let identity = ObjectIdentity {
        kind,
        cluster: CLUSTER,
        writer,
        lane: 0,
        number: slot.0,
        put_id: env.new_put_id(),
    };
    seal_object(&identity, [], Bytes::copy_from_slice(payload.as_bytes()))
}

pub fn wal_object(env: &Env, slot: Slot, payload: &str) -> SealedObject {
    object(env, ObjectKind::Wal, wal().incarnation, slot, payload)
}

/// What one put meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutFault {
    /// It happens, and the answer is lost.
    LoseReply,
    /// It does not happen, and the answer is unclear.
    Fail,
    /// The answer is unclear, and it happens so much later.
    Late(Duration),
    /// The store says that nothing can be trusted any more.
    Fatal,
}

/// Random behaviour of every put, by chances in percent.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub fault_percent: u64,
    pub latency_max: Duration,
    pub late_max: Duration,
}

/// What was asked of the store, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Put(Key, ObjectKind),
    Read(Key),
    List,
    SyncDirs(Key),
}

type BeforePut = Box<dyn FnMut(&MemoryStore, &Key, ObjectKind) + Send>;

/// A memory store that fails as told.
pub struct FaultStore {
    inner: Arc<MemoryStore>,
    env: Env,
    weather: Option<Weather>,
    faults: Mutex<BTreeMap<Key, Vec<PutFault>>>,
    gates: Mutex<BTreeMap<Key, Arc<Semaphore>>>,
    hidden: Mutex<BTreeMap<Key, u32>>,
    before_put: Mutex<Option<BeforePut>>,
    events: Mutex<Vec<Event>>,
}

impl FaultStore {
    pub fn new(env: &Env) -> Arc<FaultStore> {
        FaultStore::in_weather(env, None)
    }

    pub fn in_weather(env: &Env, weather: Option<Weather>) -> Arc<FaultStore> {
        Arc::new(FaultStore {
            inner: Arc::default(),
            env: env.clone(),
            weather,
            faults: Mutex::default(),
            gates: Mutex::default(),
            hidden: Mutex::default(),
            before_put: Mutex::default(),
            events: Mutex::default(),
        })
    }

    /// The next put of `key` meets these, one after the other.
    pub fn fail_puts(&self, key: Key, faults: impl IntoIterator<Item = PutFault>) {
        self.faults
            .lock()
            .unwrap()
            .insert(key, faults.into_iter().collect());
    }

    /// Puts of `key` wait until [`FaultStore::open`].
    pub fn hold(&self, key: Key) {
        self.gates
            .lock()
            .unwrap()
            .insert(key, Arc::new(Semaphore::new(0)));
    }

    pub fn open(&self, key: &Key) {
        if let Some(gate) = self.gates.lock().unwrap().remove(key) {
            gate.close();
        }
    }

    /// The next `times` reads of the whole object `key` find nothing.
    pub fn hide(&self, key: Key, times: u32) {
        self.hidden.lock().unwrap().insert(key, times);
    }

    pub fn before_put(&self, hook: impl FnMut(&MemoryStore, &Key, ObjectKind) + Send + 'static) {
        *self.before_put.lock().unwrap() = Some(Box::new(hook));
    }

    /// Everything asked since the last call.
    pub fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    /// Bytes in the store, without faults.
    pub async fn peek(&self, key: &Key) -> Option<Bytes> {
        self.inner.get(key).await.ok()
    }

    pub async fn plant(&self, key: &Key, object: SealedObject) {
        let put = self
            .inner
            .put_if_absent(key, &object.body, object.put)
            .await;
        assert_eq!(put.unwrap(), PutOutcome::Created);
    }

    /// How many SEALs stand in the WAL's first `count` slots.
    pub async fn kinds(&self, wal: WalName, count: u64) -> Vec<Option<ObjectKind>> {
        let mut kinds = Vec::new();
        for slot in 0..count {
            let bytes = self.peek(&wal.key(Slot(slot))).await;
            kinds.push(bytes.map(|bytes| decode_header(&bytes).unwrap().identity.kind));
        }
        kinds
    }

    fn note(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    fn draw(&self, below_: u64) -> u64 {
        below(self.env.rand.as_ref(), below_.max(1))
    }

    fn next_fault(&self, key: &Key) -> Option<PutFault> {
        if let Some(faults) = self.faults.lock().unwrap().get_mut(key)
            && !faults.is_empty()
        {
            return Some(faults.remove(0));
        }
        let weather = self.weather?;
        if self.draw(100) >= weather.fault_percent {
            return None;
        }
        Some(match self.draw(3) {
            0 => PutFault::LoseReply,
            1 => PutFault::Fail,
            _ => PutFault::Late(self.delay(weather.late_max)),
        })
    }

    fn delay(&self, max: Duration) -> Duration {
        Duration::from_micros(self.draw(max.as_micros() as u64))
    }

    async fn read_gate(&self, key: &Key) {
        self.note(Event::Read(key.clone()));
        if let Some(weather) = self.weather {
            self.env.clock.sleep(self.delay(weather.latency_max)).await;
        }
    }

    fn is_hidden(&self, key: &Key) -> bool {
        match self.hidden.lock().unwrap().get_mut(key) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        }
    }

    fn unclear(key: &Key) -> StoreError {
        StoreError::new(StoreErrorKind::Retry, "put_if_absent", key, "injected")
    }
}

#[async_trait]
impl Store for FaultStore {
    async fn put_if_absent(
        &self,
        key: &Key,
        body: &Body,
        identity: PutIdentity,
    ) -> Result<PutOutcome, StoreError> {
        let kind = decode_header(&body.chunks()[0]).unwrap().identity.kind;
        self.note(Event::Put(key.clone(), kind));
        if let Some(hook) = self.before_put.lock().unwrap().as_mut() {
            hook(&self.inner, key, kind);
        }
        let gate = self.gates.lock().unwrap().get(key).cloned();
        if let Some(gate) = gate {
            let _ = gate.acquire().await;
        }
        if let Some(weather) = self.weather {
            self.env.clock.sleep(self.delay(weather.latency_max)).await;
        }
        match self.next_fault(key) {
            None => {
                let outcome = self.inner.put_if_absent(key, body, identity).await;
                if let Some(weather) = self.weather {
                    self.env.clock.sleep(self.delay(weather.latency_max)).await;
                }
                outcome
            }
            Some(PutFault::LoseReply) => {
                self.inner.put_if_absent(key, body, identity).await?;
                Err(FaultStore::unclear(key))
            }
            Some(PutFault::Fail) => Err(FaultStore::unclear(key)),
            Some(PutFault::Late(delay)) => {
                let (inner, clock) = (self.inner.clone(), self.env.clock.clone());
                let (key_, body) = (key.clone(), body.clone());
                self.env.tasks.spawn(TaskKind::Test, async move {
                    clock.sleep(delay).await;
                    let _ = inner.put_if_absent(&key_, &body, identity).await;
                });
                Err(FaultStore::unclear(key))
            }
            Some(PutFault::Fatal) => Err(StoreError::new(
                StoreErrorKind::Fatal,
                "put_if_absent",
                key,
                "injected",
            )),
        }
    }

    async fn put_large(&self, key: &Key, body: &Body) -> Result<(), StoreError> {
        self.inner.put_large(key, body).await
    }

    async fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.read_gate(key).await;
        if self.is_hidden(key) {
            let kind = StoreErrorKind::NotFound;
            return Err(StoreError::new(kind, "get", key, "hidden"));
        }
        self.inner.get(key).await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.read_gate(key).await;
        self.inner.get_range(key, range).await
    }

    async fn get_suffix(&self, key: &Key, len: u64) -> Result<(Bytes, u64), StoreError> {
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
        self.note(Event::List);
        self.inner.list(prefix, start_after, limit).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<(), StoreError> {
        self.inner.delete_many(keys).await
    }

    async fn sync_log_dirs(&self, _prefix: &str, from: &Key) -> Result<(), StoreError> {
        self.note(Event::SyncDirs(from.clone()));
        Ok(())
    }
}

/// A writer of [`wal`] whose commits are recorded.
pub struct TestWal {
    pub env: Env,
    pub store: Arc<FaultStore>,
    pub writer: WalWriter,
    /// What `on_commit` saw, and the committed slot that was published at that moment.
    pub seen: Arc<Mutex<Vec<(Slot, Slot)>>>,
}

impl TestWal {
    pub fn start(env: &Env, store: &Arc<FaultStore>) -> TestWal {
        let seen: Arc<Mutex<Vec<(Slot, Slot)>>> = Arc::default();
        let published: Arc<Mutex<Option<WalWriter>>> = Arc::default();
        let (log, handle) = (seen.clone(), published.clone());
        let on_commit = move |slot| {
            let committed = handle.lock().unwrap().as_ref().map(WalWriter::committed);
            log.lock()
                .unwrap()
                .push((slot, committed.unwrap_or_default()));
        };
        let writer = WalWriter::start(
            env.clone(),
            store.clone() as DynStore,
            WalIdentity {
                cluster: CLUSTER,
                incarnation: wal().incarnation,
                lane: 0,
            },
            Slot(0),
            Limits::default(),
            Box::new(on_commit),
        );
        *published.lock().unwrap() = Some(writer.clone());
        TestWal {
            env: env.clone(),
            store: store.clone(),
            writer,
            seen,
        }
    }

    pub fn fresh(seed: u64) -> TestWal {
        let env = testing::env(seed);
        TestWal::start(&env, &FaultStore::new(&env))
    }

    /// Reserves and puts; returns the slot.
    pub async fn put(&self, payload: &str) -> Slot {
        let permit = self.writer.reserve().await.unwrap();
        let slot = permit.slot();
        permit.put(wal_object(&self.env, slot, payload));
        slot
    }

    pub fn commits(&self) -> Vec<u64> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|(slot, _)| slot.0)
            .collect()
    }
}

/// Lets every other task run until all wait (paused time).
pub async fn settle(env: &Env) {
    env.clock.sleep(Duration::from_millis(1)).await;
}
