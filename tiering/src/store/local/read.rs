//! Lists, and many small reads in few hops.

use std::io;

use bytes::Bytes;
use futures::future::join_all;

use super::{Disk, LocalStore, Op, TMP, checked_name, error::is_missing};
use crate::store::{
    Key, ObjectMeta, StoreError,
    files::{EntryKind, Files, Span, join},
};

/// A hop costs as much as several cached reads, so reads share them.
const READS_PER_HOP_MIN: usize = 32;
const HOPS_PER_BATCH_MAX: usize = 16;

type Suffix = Result<(Bytes, u64), StoreError>;

impl<F: Files> LocalStore<F> {
    pub(super) async fn suffixes(&self, keys: &[Key], len: u64) -> Vec<Suffix> {
        let per_hop = keys
            .len()
            .div_ceil(HOPS_PER_BATCH_MAX)
            .max(READS_PER_HOP_MIN);
        let hops = keys.chunks(per_hop).map(|keys| async move {
            let op = Op {
                operation: "get_suffix",
                name: keys[0].as_str(),
            };
            let batch = keys.to_vec();
            let read = self.hop(&self.hops.reads, op, move |disk, answer| {
                answer.give(Ok(batch.iter().map(|key| disk.suffix(key, len)).collect()));
            });
            match read.await {
                Ok(suffixes) => suffixes,
                Err(error) => vec![Err::<(Bytes, u64), _>(error); keys.len()],
            }
        });
        join_all(hops).await.into_iter().flatten().collect()
    }
}

impl<F: Files> Disk<F> {
    fn suffix(&self, key: &Key, len: u64) -> Suffix {
        let name = checked_name("get_suffix", key)?;
        let op = Op {
            operation: "get_suffix",
            name: &name,
        };
        let read = self.files.read(&name, Span::Suffix(len));
        read.map_err(|error| op.read_error(&error))
    }

    /// See [`crate::store::Store::list`]. Walks the tree in the order of the names.
    pub(super) fn list(
        &self,
        prefix: &str,
        start_after: Option<&Key>,
        limit: usize,
    ) -> io::Result<Vec<ObjectMeta>> {
        let after = start_after.map_or("", Key::as_str);
        let mut found = Vec::new();
        // Next on top; a directory ends with '/'.
        let mut todo = vec![prefix.to_owned()];
        while let Some(path) = todo.pop() {
            if found.len() == limit {
                break;
            }
            if path.is_empty() || path.ends_with('/') {
                todo.extend(self.names_below(&path, after)?.into_iter().rev());
            } else if let Some(meta) = self.object(&path)? {
                found.push(meta);
            }
        }
        Ok(found)
    }

    /// Paths of the objects and (with a trailing '/') directories in `dir`, in the order in which
    /// their keys sort, without those that hold nothing after `after`.
    fn names_below(&self, dir: &str, after: &str) -> io::Result<Vec<String>> {
        let entries = match self.files.list_dir(dir.trim_end_matches('/')) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut paths: Vec<String> = entries
            .into_iter()
            .filter_map(|entry| {
                let mut path = format!("{dir}{}", entry.name);
                Key::parse(&path)?;
                match entry.kind {
                    EntryKind::Dir => path.push('/'),
                    EntryKind::File => {}
                    EntryKind::Other => return None,
                }
                let wanted = *path > *after || after.starts_with(&path) && path.ends_with('/');
                let staging = path.strip_prefix(TMP).is_some_and(|rest| rest == "/");
                (wanted && !staging).then_some(path)
            })
            .collect();
        paths.sort_unstable();
        Ok(paths)
    }

    /// `None` when it was deleted meanwhile.
    fn object(&self, path: &str) -> io::Result<Option<ObjectMeta>> {
        match self.files.file_len(path) {
            Ok(len) => Ok(Some(ObjectMeta {
                key: Key::new(path),
                len,
            })),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Any file in any directory but `tmp` and `probe`; empty directories are nothing, nor is
    /// `lost+found`, which the file system itself makes.
    pub(super) fn first_foreign_name(&self) -> io::Result<Option<String>> {
        let mut todo = vec![String::new()];
        while let Some(dir) = todo.pop() {
            let mut entries = self.files.list_dir(&dir)?;
            entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            for entry in entries {
                let path = join(&dir, &entry.name);
                if matches!(&*path, "tmp" | "probe" | "lost+found") && entry.kind == EntryKind::Dir
                {
                    continue;
                }
                match entry.kind {
                    EntryKind::Dir => todo.push(path),
                    EntryKind::File | EntryKind::Other => return Ok(Some(path)),
                }
            }
        }
        Ok(None)
    }

    /// Sorted names in a directory; none when it is missing.
    pub(super) fn names_in(&self, dir: &str) -> io::Result<Vec<String>> {
        match self.files.list_dir(dir) {
            Ok(entries) => {
                let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
                names.sort_unstable();
                Ok(names)
            }
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}
