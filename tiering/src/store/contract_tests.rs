//! The contract on every store of ours, and broken stores that it must find.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Body, DynStore, Key, ObjectMeta, PutIdentity, PutOutcome, Store, StoreError,
    contract::check_contract,
    files::SimDisk,
    local::{LocalStore, OpenMode},
    memory::MemoryStore,
    metrics::MeteredStore,
    retry::{ReadPatience, RetryingStore},
};
use crate::env::{Env, testing};

async fn passes(env: &Env, store: DynStore) {
    if let Err(violation) = check_contract(env, store).await {
        panic!("{violation}");
    }
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    let env = testing::env(1);
    passes(&env, Arc::new(MemoryStore::default())).await;
}

#[tokio::test]
async fn a_local_directory_keeps_the_contract() {
    let env = testing::env(2);
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new/store");
    let store = LocalStore::open_dir(&root, OpenMode::Create, env.new_process_id()).unwrap();
    passes(&env, Arc::new(store)).await;
}

#[tokio::test]
async fn a_local_directory_on_simulated_files_keeps_the_contract() {
    let env = testing::env(3);
    let files = SimDisk::default().process();
    let store = LocalStore::over(files, OpenMode::Create, env.new_process_id());
    passes(&env, Arc::new(store)).await;
}

#[tokio::test]
async fn decorators_keep_the_contract() {
    let env = testing::env(4);
    let memory = Arc::new(MemoryStore::default());
    let retrying = RetryingStore::new(memory, env.clone(), ReadPatience::default());
    let metered = MeteredStore::new(Arc::new(retrying), env.clone());
    passes(&env, Arc::new(metered)).await;
}

/// How a broken store breaks the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Overwrites,
    AlwaysCreated,
    AlwaysExists,
    ShortRanges,
    SuffixWithoutLength,
    UnsortedList,
    ListIgnoresStart,
    ListWithoutLimit,
    PrefixByText,
    DeletesNothing,
    DeletesBeforeCreate,
    MissingIsEmpty,
    HidesForeign,
}

struct BrokenStore {
    inner: MemoryStore,
    how: Broken,
}

impl BrokenStore {
    fn is(&self, how: Broken) -> bool {
        self.how == how
    }
}

#[async_trait]
impl Store for BrokenStore {
    async fn put_if_absent(
        &self,
        key: &Key,
        body: &Body,
        identity: PutIdentity,
    ) -> Result<PutOutcome, StoreError> {
        if self.is(Broken::Overwrites) {
            self.inner.put_large(key, body).await?;
            return Ok(PutOutcome::Created);
        }
        if self.is(Broken::DeletesBeforeCreate) {
            self.inner.delete_many(std::slice::from_ref(key)).await?;
        }
        let outcome = self.inner.put_if_absent(key, body, identity).await?;
        Ok(match self.how {
            Broken::AlwaysCreated => PutOutcome::Created,
            Broken::AlwaysExists => PutOutcome::Exists,
            _ => outcome,
        })
    }

    async fn put_large(&self, key: &Key, body: &Body) -> Result<(), StoreError> {
        self.inner.put_large(key, body).await
    }

    async fn get(&self, key: &Key) -> Result<Bytes, StoreError> {
        let read = self.inner.get(key).await;
        if self.is(Broken::MissingIsEmpty) {
            Ok(read.unwrap_or_default())
        } else {
            read
        }
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        if self.is(Broken::ShortRanges) {
            let len = self.inner.head(key).await?.len;
            let range = range.start.min(len)..range.end.min(len);
            return self.inner.get_range(key, range).await;
        }
        self.inner.get_range(key, range).await
    }

    async fn get_suffix(&self, key: &Key, len: u64) -> Result<(Bytes, u64), StoreError> {
        let (bytes, total_len) = self.inner.get_suffix(key, len).await?;
        let short = self.is(Broken::SuffixWithoutLength);
        let total_len = if short { bytes.len() as u64 } else { total_len };
        Ok((bytes, total_len))
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
        let start_after = start_after.filter(|_| !self.is(Broken::ListIgnoresStart));
        let limit = if self.is(Broken::ListWithoutLimit) {
            usize::MAX
        } else {
            limit
        };
        let text = prefix.trim_end_matches('/');
        let prefix = if self.is(Broken::PrefixByText) {
            text
        } else {
            prefix
        };
        let mut listed = self.inner.list(prefix, start_after, limit).await?;
        if self.is(Broken::UnsortedList) {
            listed.reverse();
        }
        Ok(listed)
    }

    async fn delete_many(&self, keys: &[Key]) -> Result<(), StoreError> {
        if self.is(Broken::DeletesNothing) {
            return Ok(());
        }
        self.inner.delete_many(keys).await
    }

    async fn first_foreign_name(&self) -> Result<Option<String>, StoreError> {
        if self.is(Broken::HidesForeign) {
            return Ok(None);
        }
        self.inner.first_foreign_name().await
    }
}

#[tokio::test(start_paused = true)]
async fn the_suite_finds_every_broken_store() {
    use Broken::*;
    for (how, promise) in [
        (Overwrites, "the second create"),
        (AlwaysCreated, "the second create"),
        (AlwaysExists, "a free name is created"),
        (DeletesBeforeCreate, "the second create"),
        (ShortRanges, "a range beyond the end"),
        (SuffixWithoutLength, "a suffix"),
        (UnsortedList, "pages of a list"),
        (ListIgnoresStart, "pages of a list"),
        (ListWithoutLimit, "a list keeps its limit"),
        (PrefixByText, "pages of a list"),
        (DeletesNothing, "a missing object"),
        (MissingIsEmpty, "a missing object"),
        (HidesForeign, "an object is foreign"),
    ] {
        let env = testing::env(5);
        let inner = MemoryStore::default();
        let checked = check_contract(&env, Arc::new(BrokenStore { inner, how })).await;
        let violation = checked.expect_err(&format!("{how:?} was not found"));
        assert!(
            violation.promise.starts_with(promise),
            "{how:?}: {violation}"
        );
    }
}
