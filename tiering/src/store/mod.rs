//! The store: a flat namespace of immutable objects, written once, with put-if-absent.
//!
//! The only coordination primitive of the system is [`Store::put_if_absent`] (design §3). An
//! implementation must make a completed put durable before it answers.
//!
//! Backends: [`memory`], [`local`] (over the replaceable file layer [`files`]); [`url`] opens them.
//! Decorators, outermost first: [`metrics`], [`retry`] (a rate limit will stand between them).
//! [`put`] is the loop that turns unclear answers into clear ones.

pub mod backoff;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
#[cfg(test)]
mod contract_tests;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;
pub mod files;
pub mod local;
pub mod memory;
pub mod metrics;
#[cfg(test)]
mod metrics_tests;
pub mod put;
#[cfg(test)]
mod put_tests;
pub mod retry;
pub mod url;

use std::{borrow::Borrow, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};

use crate::ids::{ProcessId, PutId};

/// A shared handle; every part of a broker holds one.
pub type DynStore = Arc<dyn Store>;

/// Name of an object relative to the store's prefix: `/`-separated segments of `[A-Za-z0-9._-]`,
/// no empty segment, no `.` or `..`. Built only in `keys`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    pub fn new(name: impl Into<Arc<str>>) -> Key {
        let name = name.into();
        debug_assert!(is_valid_key(&name), "not an object name: {name}");
        Key(name)
    }

    /// `None` when `name` is not an object name.
    pub fn parse(name: &str) -> Option<Key> {
        is_valid_key(name).then(|| Key(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

pub fn is_valid_key(name: &str) -> bool {
    name.split('/').all(|segment| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    })
}

/// The bytes of an object, in pieces that are written one after the other: never copied into one.
#[derive(Clone, Debug, Default)]
pub struct Body {
    chunks: Vec<Bytes>,
    len: u64,
}

impl Body {
    pub fn push(&mut self, chunk: Bytes) {
        self.len += chunk.len() as u64;
        if !chunk.is_empty() {
            self.chunks.push(chunk);
        }
    }

    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One copy of all pieces that shares no memory with them.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.len as usize);
        for chunk in &self.chunks {
            out.extend_from_slice(chunk);
        }
        out.freeze()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        let mut body = Body::default();
        body.push(bytes);
        body
    }
}

/// What identifies a put when its answer was lost: both stand in the object itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutIdentity {
    pub put_id: PutId,
    /// CRC32C of the object's footer, as its trailer carries it.
    pub footer_crc: u32,
}

/// The clear answers of a put-if-absent. Both mean: an object of this name is durable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object is ours.
    Created,
    /// Somebody else's object has the name.
    Exists,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    pub key: Key,
    /// Length in bytes.
    pub len: u64,
}

/// A failed operation: what happened, and in `kind` what the caller must do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation} {key}: {message}")]
pub struct StoreError {
    pub kind: StoreErrorKind,
    pub operation: &'static str,
    pub key: String,
    pub message: String,
}

impl StoreError {
    pub fn new(
        kind: StoreErrorKind,
        operation: &'static str,
        key: &(impl std::fmt::Display + ?Sized),
        message: impl Into<String>,
    ) -> StoreError {
        StoreError {
            kind,
            operation,
            key: key.to_string(),
            message: message.into(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// No object of this name. Not final right after a put answered `Exists`.
    NotFound,
    /// The answer to a put is not known, or the store is away or overloaded: repeat the identical
    /// request with back-off.
    Retry,
    /// No room; retriable for ever, never fatal.
    Full,
    /// The store refuses us (credentials, missing bucket, read-only): a human must act.
    Refused,
    /// What came back cannot be right (short body, wrong length).
    Corrupt,
    /// An fsync failed, so nothing this incarnation wrote through that directory can be trusted: the
    /// incarnation is over.
    Fatal,
}

/// The requests that are counted, limited and (in tests) disturbed one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    Put,
    PutLarge,
    Get,
    GetRange,
    GetSuffix,
    Head,
    List,
    Delete,
}

impl Verb {
    /// In the order of their numbers.
    pub const ALL: [Verb; 8] = [
        Verb::Put,
        Verb::PutLarge,
        Verb::Get,
        Verb::GetRange,
        Verb::GetSuffix,
        Verb::Head,
        Verb::List,
        Verb::Delete,
    ];

    /// As metrics call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Put => "put",
            Verb::PutLarge => "put_large",
            Verb::Get => "get",
            Verb::GetRange => "get_range",
            Verb::GetSuffix => "get_suffix",
            Verb::Head => "head",
            Verb::List => "list",
            Verb::Delete => "delete",
        }
    }
}

/// The contract; `store/contract.rs` runs it against every implementation.
///
/// Reads see every put that was answered. Lists are sorted by key and miss nothing that was answered
/// before the list began. Ranges are half-open; a range that reaches beyond the end is `Corrupt`,
/// never a short answer. Dropping a future does not undo its operation: it may still happen later.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Writes `body` under a name that must not exist. Both answers are given only when the object
    /// that has the name is durable. One attempt: the caller owns the retry loop
    /// ([`put::put_if_absent_until_clear`]), which also recognises our own earlier success behind
    /// `Exists`. After an error the put may have happened, or may still happen.
    ///
    /// `identity` is what stands in `body` for that recognition.
    async fn put_if_absent(
        &self,
        key: &Key,
        body: &Body,
        identity: PutIdentity,
    ) -> Result<PutOutcome, StoreError>;

    /// Writes a large object in parts; overwrites. For objects whose names are unique by
    /// construction and that are not visible before another record names them. Durable on return.
    async fn put_large(&self, key: &Key, body: &Body) -> Result<(), StoreError>;

    async fn get(&self, key: &Key) -> Result<Bytes, StoreError>;

    /// `range` in bytes, half-open, not empty.
    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError>;

    /// The last `len` bytes (the whole object when it is shorter), and the object's length.
    async fn get_suffix(&self, key: &Key, len: u64) -> Result<(Bytes, u64), StoreError>;

    /// [`Store::get_suffix`] of many objects, answers in the order of `keys`. All answers are in
    /// memory at once (up to `keys.len() * len` bytes): the caller bounds the batch.
    async fn get_suffix_many(
        &self,
        keys: &[Key],
        len: u64,
    ) -> Vec<Result<(Bytes, u64), StoreError>> {
        let mut reads = Vec::with_capacity(keys.len());
        for key in keys {
            reads.push(self.get_suffix(key, len));
        }
        stream::iter(reads)
            .buffered(SUFFIX_READS_AT_ONCE)
            .collect()
            .await
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, StoreError>;

    /// Up to `limit` objects whose names start with `prefix` (a whole number of segments, with its
    /// trailing `/`, or empty for all) and sort after `start_after`, sorted by the bytes of the name.
    /// Fewer than `limit` means that there are no more. A store's own staging files are not objects.
    async fn list(
        &self,
        prefix: &str,
        start_after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<ObjectMeta>, StoreError>;

    /// Deletes; a name that does not exist counts as deleted. A crash may bring a deleted object
    /// back: the caller deletes only what nobody will miss or be misled by.
    async fn delete_many(&self, keys: &[Key]) -> Result<(), StoreError>;

    /// The first thing in the store that would forbid to create a cluster in it: anything but
    /// `tmp/` and `probe/`, also what is no object name. `None` when the place is empty.
    async fn first_foreign_name(&self) -> Result<Option<String>, StoreError> {
        let mut after = None;
        loop {
            let page = self.list("", after.as_ref(), 1000).await?;
            let foreign = page.iter().find(|meta| !is_scratch(meta.key.as_str()));
            if let Some(meta) = foreign {
                return Ok(Some(meta.key.to_string()));
            }
            if page.len() < 1000 {
                return Ok(None);
            }
            after = page.into_iter().next_back().map(|meta| meta.key);
        }
    }

    /// Makes durable every name under `prefix` (a log's, with its trailing `/`) that stands in a
    /// directory holding names from `from` on. A taker calls it before its first SEAL: the dead
    /// writer may have linked names that it never made durable (design §3). Only a store with
    /// directories has anything to do.
    async fn sync_log_dirs(&self, _prefix: &str, _from: &Key) -> Result<(), StoreError> {
        Ok(())
    }

    /// Processes that left staging files here. Only those of sealed incarnations may be removed.
    async fn staging_owners(&self) -> Result<Vec<ProcessId>, StoreError> {
        Ok(Vec::new())
    }

    /// Removes the staging files of a process whose incarnation is sealed, or that is this process
    /// and writes nothing more.
    async fn remove_staging(&self, _owner: ProcessId) -> Result<(), StoreError> {
        Ok(())
    }
}

const SUFFIX_READS_AT_ONCE: usize = 64;

/// Names that may stand in a place without a cluster: leftovers of starters that went no further.
pub(crate) fn is_scratch(name: &str) -> bool {
    name.starts_with("tmp/") || name.starts_with("probe/")
}
