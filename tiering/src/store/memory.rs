//! A store in memory: `memory:` (everything is gone when the process ends) and tests.

use std::{
    collections::BTreeMap,
    ops::{Bound, Range},
    sync::Mutex,
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Body, Key, ObjectMeta, PutIdentity, PutOutcome, Store, StoreError, StoreErrorKind};

/// Durable for as long as it lives. Two handles see the same objects only when they share it.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Mutex<BTreeMap<Key, Bytes>>,
}

impl MemoryStore {
    fn read<T>(
        &self,
        operation: &'static str,
        key: &Key,
        take: impl FnOnce(&Bytes) -> Option<T>,
    ) -> Result<T, StoreError> {
        let objects = self.objects.lock().expect("no panic inside");
        let error = |kind, message: &str| StoreError::new(kind, operation, key, message);
        let object = objects
            .get(key)
            .ok_or_else(|| error(StoreErrorKind::NotFound, "no such object"))?;
        take(object).ok_or_else(|| {
            let message = format!("the object has {} bytes", object.len());
            error(StoreErrorKind::Corrupt, &message)
        })
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn put_if_absent(
        &self,
        key: &Key,
        body: &Body,
        _identity: PutIdentity,
    ) -> Result<PutOutcome, StoreError> {
        let mut objects = self.objects.lock().expect("no panic inside");
        if objects.contains_key(key) {
            return Ok(PutOutcome::Exists);
        }
        objects.insert(key.clone(), body.to_bytes());
        Ok(PutOutcome::Created)
    }

    async fn put_large(&self, key: &Key, body: &Body) -> Result<(), StoreError> {
        let bytes = body.to_bytes();
        let mut objects = self.objects.lock().expect("no panic inside");
        objects.insert(key.clone(), bytes);
        Ok(())
    }

    async fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        self.read("get", key, |object| Some(object.clone()))
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.read("get_range", key, |object| {
            let (start, end) = (range.start as usize, range.end as usize);
            (start <= end && end <= object.len()).then(|| object.slice(start..end))
        })
    }

    async fn get_suffix(&self, key: &Key, len: u64) -> Result<(Bytes, u64), StoreError> {
        self.read("get_suffix", key, |object| {
            let total = object.len() as u64;
            let start = total.saturating_sub(len) as usize;
            Some((object.slice(start..), total))
        })
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let len = self.read("head", key, |object| Some(object.len() as u64))?;
        let key = key.clone();
        Ok(ObjectMeta { key, len })
    }

    async fn list(
        &self,
        prefix: &str,
        start_after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<ObjectMeta>, StoreError> {
        let objects = self.objects.lock().expect("no panic inside");
        let after = start_after.filter(|key| key.as_str() >= prefix);
        let from = match after {
            Some(key) => Bound::Excluded(key.as_str()),
            None => Bound::Included(prefix),
        };
        let found = objects
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.as_str().starts_with(prefix))
            .take(limit)
            .map(|(key, object)| ObjectMeta {
                key: key.clone(),
                len: object.len() as u64,
            });
        Ok(found.collect())
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<(), StoreError> {
        let mut objects = self.objects.lock().expect("no panic inside");
        for key in keys {
            objects.remove(key);
        }
        Ok(())
    }
}
