//! A decorator for tests that disturbs requests: by a script, by seeded chance, or both.
//!
//! Owns: what a client can see of a store in trouble. Does not own: power loss of a local directory
//! ([`super::files::SimDisk`]).

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use super::{
    Body, DynStore, Key, ObjectMeta, PutIdentity, PutOutcome, Store, StoreError, StoreErrorKind,
    Verb,
};
use crate::{
    env::{Env, TaskKind, testing::below},
    ids::ProcessId,
};

/// One disturbance of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not done; the error is of this kind.
    Fail(StoreErrorKind),
    /// Done, answered with `Retry`.
    LoseReply,
    /// Answered with `Retry` at once, done after this time. Puts and deletes only; a read fails.
    LandLate(Duration),
    /// Done after this time.
    Delay(Duration),
    /// Done, and the bytes read lack their last one.
    ShortRead,
    /// Done, and one bit of the bytes read is flipped.
    FlipBit,
}

/// Chances of faults, for every request, out of 1000.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chances {
    pub fail: u32,
    pub lose_reply: u32,
    pub land_late: u32,
    pub delay: u32,
    pub short_read: u32,
    pub flip_bit: u32,
    /// Longest delay and lateness.
    pub delay_max: Duration,
}

/// See the module.
pub struct FaultyStore {
    inner: DynStore,
    env: Env,
    script: Mutex<VecDeque<(Verb, Fault)>>,
    chances: Mutex<Chances>,
}

impl FaultyStore {
    /// Disturbs nothing until told.
    pub fn new(inner: DynStore, env: Env) -> Arc<FaultyStore> {
        Arc::new(FaultyStore {
            inner,
            env,
            script: Mutex::default(),
            chances: Mutex::default(),
        })
    }

    /// The next request with this verb that no earlier line of the script takes gets this fault.
    pub fn script(&self, verb: Verb, fault: Fault) {
        let mut script = self.script.lock().expect("no panic inside");
        script.push_back((verb, fault));
    }

    pub fn set_chances(&self, chances: Chances) {
        *self.chances.lock().expect("no panic inside") = chances;
    }

    /// Forgets script and chances: the last fault has happened, except for what lands late.
    pub fn calm(&self) {
        self.script.lock().expect("no panic inside").clear();
        self.set_chances(Chances::default());
    }

    fn draw(&self, verb: Verb) -> Option<Fault> {
        let mut script = self.script.lock().expect("no panic inside");
        if let Some(at) = script.iter().position(|(of, _)| *of == verb) {
            return script.remove(at).map(|(_, fault)| fault);
        }
        drop(script);
        let chances = *self.chances.lock().expect("no panic inside");
        let nanos = u64::try_from(chances.delay_max.as_nanos()).unwrap_or(u64::MAX);
        let wait = Duration::from_nanos(below(&*self.env.rand, nanos.max(1)));
        let table = [
            (chances.fail, Fault::Fail(StoreErrorKind::Retry)),
            (chances.lose_reply, Fault::LoseReply),
            (chances.land_late, Fault::LandLate(wait)),
            (chances.delay, Fault::Delay(wait)),
            (chances.short_read, Fault::ShortRead),
            (chances.flip_bit, Fault::FlipBit),
        ];
        let mut drawn = below(&*self.env.rand, 1000) as u32;
        table.into_iter().find_map(|(chance, fault)| {
            let hit = drawn < chance;
            drawn = drawn.saturating_sub(chance);
            hit.then_some(fault)
        })
    }

    /// A request that reads: `Ok` when it is to be done, and how its bytes are spoilt.
    async fn before_read(&self, verb: Verb, about: &str) -> Result<Option<Fault>, StoreError> {
        let error = |kind| Err(disturbed(kind, verb, about));
        match self.draw(verb) {
            Some(Fault::Fail(kind)) => error(kind),
            Some(Fault::LoseReply | Fault::LandLate(_)) => error(StoreErrorKind::Retry),
            Some(Fault::Delay(wait)) => {
                self.env.clock.sleep(wait).await;
                Ok(None)
            }
            spoilt => Ok(spoilt),
        }
    }

    /// Does a request that writes, or what the fault makes of it.
    async fn write<T: Send + 'static>(
        &self,
        verb: Verb,
        about: &str,
        request: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let lost = || Err(disturbed(StoreErrorKind::Retry, verb, about));
        match self.draw(verb) {
            Some(Fault::Fail(kind)) => Err(disturbed(kind, verb, about)),
            Some(Fault::LoseReply) => {
                request.await?;
                lost()
            }
            Some(Fault::LandLate(wait)) => {
                let clock = self.env.clock.clone();
                self.env.tasks.spawn(TaskKind::Test, async move {
                    clock.sleep(wait).await;
                    // Whoever asked has gone.
                    let _ = request.await;
                });
                lost()
            }
            Some(Fault::Delay(wait)) => {
                self.env.clock.sleep(wait).await;
                request.await
            }
            Some(Fault::ShortRead | Fault::FlipBit) | None => request.await,
        }
    }

    fn spoil(&self, bytes: Bytes, fault: Option<Fault>) -> Bytes {
        match fault {
            Some(Fault::ShortRead) => bytes.slice(..bytes.len().saturating_sub(1)),
            Some(Fault::FlipBit) if !bytes.is_empty() => {
                let bit = below(&*self.env.rand, bytes.len() as u64 * 8) as usize;
                let mut bytes = BytesMut::from(bytes);
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes.freeze()
            }
            _ => bytes,
        }
    }
}

fn disturbed(kind: StoreErrorKind, verb: Verb, about: &str) -> StoreError {
    StoreError::new(kind, verb.as_str(), about, "disturbed by the test")
}

#[async_trait]
impl Store for FaultyStore {
    async fn put_if_absent(
        &self,
        key: &Key,
        body: &Body,
        identity: PutIdentity,
    ) -> Result<PutOutcome, StoreError> {
        let (inner, name, body) = (self.inner.clone(), key.clone(), body.clone());
        let request = async move { inner.put_if_absent(&name, &body, identity).await };
        self.write(Verb::Put, key.as_str(), request).await
    }

    async fn put_large(&self, key: &Key, body: &Body) -> Result<(), StoreError> {
        let (inner, name, body) = (self.inner.clone(), key.clone(), body.clone());
        let request = async move { inner.put_large(&name, &body).await };
        self.write(Verb::PutLarge, key.as_str(), request).await
    }

    async fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let fault = self.before_read(Verb::Get, key.as_str()).await?;
        Ok(self.spoil(self.inner.get(key).await?, fault))
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let fault = self.before_read(Verb::GetRange, key.as_str()).await?;
        Ok(self.spoil(self.inner.get_range(key, range).await?, fault))
    }

    async fn get_suffix(&self, key: &Key, len: u64) -> Result<(Bytes, u64), StoreError> {
        let fault = self.before_read(Verb::GetSuffix, key.as_str()).await?;
        let (bytes, total_len) = self.inner.get_suffix(key, len).await?;
        Ok((self.spoil(bytes, fault), total_len))
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.before_read(Verb::Head, key.as_str()).await?;
        self.inner.head(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        start_after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<ObjectMeta>, StoreError> {
        self.before_read(Verb::List, prefix).await?;
        self.inner.list(prefix, start_after, limit).await
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<(), StoreError> {
        let (inner, names) = (self.inner.clone(), keys.to_vec());
        let request = async move { inner.delete_many(&names).await };
        self.write(Verb::Delete, "", request).await
    }

    async fn first_foreign_name(&self) -> Result<Option<String>, StoreError> {
        self.before_read(Verb::List, "").await?;
        self.inner.first_foreign_name().await
    }

    async fn sync_log_dirs(&self, prefix: &str, from: &Key) -> Result<(), StoreError> {
        self.inner.sync_log_dirs(prefix, from).await
    }

    async fn staging_owners(&self) -> Result<Vec<ProcessId>, StoreError> {
        self.inner.staging_owners().await
    }

    async fn remove_staging(&self, owner: ProcessId) -> Result<(), StoreError> {
        self.inner.remove_staging(owner).await
    }
}
