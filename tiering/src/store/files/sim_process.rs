//! One process on a simulated disk, and its fate.

use std::{
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use rustix::io::Errno;

use super::{
    DirEntry, EntryKind, Files, Span,
    sim::{Call, DirNode, FileNode, Node, NodeId, SimDisk, State},
    split,
};

/// One process on a [`SimDisk`].
#[derive(Clone)]
pub struct SimFiles {
    disk: SimDisk,
    /// `Some(n)`: n more calls are answered.
    calls_left: Arc<Mutex<Option<Fuse>>>,
}

#[derive(Clone, Copy)]
struct Fuse {
    calls: u64,
    /// The call in which the process dies still takes effect.
    last_lands: bool,
}

impl SimFiles {
    pub(super) fn new(disk: SimDisk) -> SimFiles {
        let calls_left = Arc::default();
        SimFiles { disk, calls_left }
    }

    /// The process dies in the call after the next `calls`; whether that one takes effect is
    /// `last_lands`. Every later call fails.
    pub fn die_after(&self, calls: u64, last_lands: bool) {
        *self.calls_left.lock().expect("no panic inside") = Some(Fuse { calls, last_lands });
    }

    /// The disk that it runs on.
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    pub fn is_dead(&self) -> bool {
        let fuse = *self.calls_left.lock().expect("no panic inside");
        fuse.is_some_and(|fuse| fuse.calls == 0 && !fuse.last_lands)
    }

    /// Runs one call. `on_fault` is what an injected failure does to the disk besides failing.
    fn call<T>(
        &self,
        call: Call,
        on_fault: impl FnOnce(&mut State),
        run: impl FnOnce(&mut State) -> Result<T, Errno>,
    ) -> io::Result<T> {
        let dead = || Err(io::Error::other("the process is dead"));
        let mut lands_dead = false;
        if let Some(fuse) = &mut *self.calls_left.lock().expect("no panic inside") {
            match (fuse.calls, fuse.last_lands) {
                (0, false) => return dead(),
                (0, true) => {
                    fuse.last_lands = false;
                    lands_dead = true;
                }
                _ => fuse.calls -= 1,
            }
        }
        let mut state = self.disk.state();
        state.calls += 1;
        if let Some(at) = state.faults.iter().position(|(of, _)| *of == call) {
            let (_, errno) = state.faults.remove(at).expect("it was just found");
            on_fault(&mut state);
            return Err(errno.into());
        }
        let result = run(&mut state);
        if lands_dead {
            return dead();
        }
        Ok(result?)
    }
}

impl Files for SimFiles {
    type File = NodeId;

    fn blocks(&self) -> bool {
        false
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        let node = Node::Dir(DirNode::default());
        self.call(
            Call::CreateDir,
            |_| {},
            |state| state.create(dir, node).map(drop),
        )
    }

    fn create_file(&self, path: &str) -> io::Result<NodeId> {
        let node = Node::File(FileNode::default());
        self.call(Call::CreateFile, |_| {}, |state| state.create(path, node))
    }

    fn append(&self, file: &mut NodeId, chunks: &[Bytes]) -> io::Result<()> {
        let file = *file;
        self.call(
            Call::Append,
            |_| {},
            |state| {
                let len: usize = chunks.iter().map(Bytes::len).sum();
                let used = state.capacity.map_or(0, |_| state.used());
                let full = state.capacity.is_some_and(|max| used + len as u64 > max);
                let mut unseen = FileNode::default();
                let data = &mut state.open_file(file).unwrap_or(&mut unseen).data;
                if full {
                    // Some of it fits.
                    let some = chunks
                        .first()
                        .map_or(&[][..], |chunk| &chunk[..chunk.len() / 2]);
                    data.extend_from_slice(some);
                    return Err(Errno::NOSPC);
                }
                for chunk in chunks {
                    data.extend_from_slice(chunk);
                }
                Ok(())
            },
        )
    }

    fn sync_file(&self, file: &NodeId) -> io::Result<()> {
        let file = *file;
        let on_fault = |state: &mut State| state.sync(file, true);
        self.call(Call::SyncFile, on_fault, |state| {
            state.sync(file, false);
            Ok(())
        })
    }

    fn sync_path(&self, path: &str) -> io::Result<()> {
        let on_fault = |state: &mut State| {
            if let Ok(id) = state.resolve(path) {
                state.sync(id, true);
            }
        };
        self.call(Call::SyncFile, on_fault, |state| {
            let id = state.resolve(path)?;
            state.sync(id, false);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.call(
            Call::SyncDir,
            |_| {},
            |state| {
                state.dir_mut(dir)?.unsynced.clear();
                Ok(())
            },
        )
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(
            Call::Link,
            |_| {},
            |state| {
                let node = state.resolve(from)?;
                let (dir, name) = split(to);
                let dir = state.dir_mut(dir)?;
                if dir.entries.contains_key(name) {
                    return Err(Errno::EXIST);
                }
                dir.set(name, Some(node));
                Ok(())
            },
        )
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(
            Call::Rename,
            |_| {},
            |state| {
                let node = state.resolve(from)?;
                let (dir, name) = split(to);
                state.dir_mut(dir)?.set(name, Some(node));
                let (dir, name) = split(from);
                state.dir_mut(dir)?.set(name, None);
                Ok(())
            },
        )
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        self.call(
            Call::Unlink,
            |_| {},
            |state| {
                let (dir, name) = split(path);
                let id = state.resolve(path)?;
                if matches!(state.nodes.get(&id), Some(Node::Dir(_))) {
                    return Err(Errno::ISDIR);
                }
                state.dir_mut(dir)?.set(name, None);
                Ok(())
            },
        )
    }

    fn remove_dir(&self, dir: &str) -> io::Result<()> {
        self.call(
            Call::Unlink,
            |_| {},
            |state| {
                let id = state.resolve(dir)?;
                if !state.dir(id)?.entries.is_empty() {
                    return Err(Errno::NOTEMPTY);
                }
                let (parent, name) = split(dir);
                state.dir_mut(parent)?.set(name, None);
                Ok(())
            },
        )
    }

    fn read(&self, path: &str, span: Span) -> io::Result<(Bytes, u64)> {
        let read = |state: &mut State| {
            let file = state.file(path)?;
            let len = file.data.len() as u64;
            Ok(span.resolve(len).map(|(position, count)| {
                let position = position as usize;
                (
                    Bytes::copy_from_slice(&file.data[position..position + count]),
                    len,
                )
            }))
        };
        self.call(Call::Read, |_| {}, read)?
    }

    fn file_len(&self, path: &str) -> io::Result<u64> {
        self.call(
            Call::Read,
            |_| {},
            |state| Ok(state.file(path)?.data.len() as u64),
        )
    }

    fn list_dir(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        self.call(
            Call::List,
            |_| {},
            |state| {
                let dir = state.dir(state.resolve(dir)?)?;
                let entries = dir.entries.iter().map(|(name, id)| DirEntry {
                    name: name.clone(),
                    kind: match state.nodes.get(id) {
                        Some(Node::File(_)) => EntryKind::File,
                        Some(Node::Dir(_)) => EntryKind::Dir,
                        None => EntryKind::Other,
                    },
                });
                Ok(entries.collect())
            },
        )
    }

    fn forget_dir(&self, _dir: &str) {}
}
