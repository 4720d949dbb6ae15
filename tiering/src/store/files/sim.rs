//! A file system in memory that loses at a power loss whatever POSIX lets it lose.
//!
//! Owns: what is durable. File data up to the last successful fsync of the file, directory entries as
//! of the last fsync of their directory; nothing else. Everything beyond is kept, dropped or torn
//! by chance, each piece independently. Does not own: timing; every call is atomic.
//! Invariant: what was made durable survives any number of power losses.
//!
//! [`SimDisk`] is the disk; each [`SimFiles`] is one process on it, which can be made to die in the
//! middle of its calls, as `kill -9` does, without the disk losing anything.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use rustix::io::Errno;

use super::{DirEntry, EntryKind, Files, Span, split};
use crate::env::{Rand, testing::below};

/// Calls that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    CreateDir,
    CreateFile,
    Append,
    SyncFile,
    SyncDir,
    Link,
    Rename,
    Unlink,
    Read,
    List,
}

/// A disk that outlives processes. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

struct State {
    nodes: BTreeMap<NodeId, Node>,
    next_node: NodeId,
    /// Bytes of file data that fit.
    capacity: Option<u64>,
    faults: VecDeque<(Call, Errno)>,
    calls: u64,
}

type NodeId = u64;
const ROOT: NodeId = 0;
/// A torn write loses whole sectors.
const SECTOR: usize = 512;

#[derive(Clone)]
enum Node {
    File(FileNode),
    Dir(DirNode),
}

#[derive(Clone, Default)]
struct FileNode {
    data: Vec<u8>,
    /// Bytes from the start that are durable: files are only appended to.
    durable_len: usize,
    /// An fsync failed: the pages count as clean and never reach the disk.
    forsaken: bool,
}

#[derive(Clone, Default)]
struct DirNode {
    entries: BTreeMap<String, NodeId>,
    /// What the disk has under each name that changed since the last fsync.
    unsynced: BTreeMap<String, Option<NodeId>>,
}

impl Default for SimDisk {
    fn default() -> SimDisk {
        SimDisk(Arc::new(Mutex::new(State {
            nodes: BTreeMap::from([(ROOT, Node::Dir(DirNode::default()))]),
            next_node: ROOT + 1,
            capacity: None,
            faults: VecDeque::new(),
            calls: 0,
        })))
    }
}

impl SimDisk {
    /// A process with its own fate.
    pub fn process(&self) -> SimFiles {
        SimFiles {
            disk: self.clone(),
            calls_left: Arc::new(Mutex::new(None)),
        }
    }

    /// The next `call`, by whichever process, fails.
    pub fn fail_next(&self, call: Call, errno: Errno) {
        self.state().faults.push_back((call, errno));
    }

    /// File data beyond `bytes` gets ENOSPC; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Calls made so far, by all processes.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Drops or tears what is not durable. What is left is durable.
    pub fn power_loss(&self, rand: &dyn Rand) {
        let mut state = self.state();
        for node in state.nodes.values_mut() {
            match node {
                Node::File(file) => file.lose(rand),
                Node::Dir(dir) => dir.lose(rand),
            }
        }
        state.drop_unreachable();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic inside")
    }
}

impl FileNode {
    fn lose(&mut self, rand: &dyn Rand) {
        let unsynced = self.data.len() - self.durable_len;
        if unsynced > 0 {
            match below(rand, if self.forsaken { 2 } else { 5 }) {
                // Length and data are lost together, or the length came through without the data.
                0 => self.data.truncate(self.durable_len),
                1 => self.data[self.durable_len..].fill(0),
                2 => {
                    let kept = below(rand, unsynced as u64) as usize;
                    self.data.truncate(self.durable_len + kept);
                }
                3 => {
                    for sector in self.data[self.durable_len..].chunks_mut(SECTOR) {
                        if below(rand, 2) == 0 {
                            sector.fill(0);
                        }
                    }
                }
                _ => {}
            }
        }
        self.durable_len = self.data.len();
        self.forsaken = false;
    }
}

impl DirNode {
    fn set(&mut self, name: &str, node: Option<NodeId>) {
        let before = match node {
            Some(node) => self.entries.insert(name.to_owned(), node),
            None => self.entries.remove(name),
        };
        self.unsynced.entry(name.to_owned()).or_insert(before);
    }

    fn lose(&mut self, rand: &dyn Rand) {
        for (name, durable) in std::mem::take(&mut self.unsynced) {
            if below(rand, 2) == 0 {
                self.set(&name, durable);
            }
        }
        self.unsynced.clear();
    }
}

impl State {
    /// Frees what no name leads to, neither now nor after a power loss.
    fn drop_unreachable(&mut self) {
        let mut kept = BTreeMap::new();
        let mut todo = vec![ROOT];
        while let Some(id) = todo.pop() {
            let Some(node) = self.nodes.remove(&id) else {
                continue;
            };
            if let Node::Dir(dir) = &node {
                todo.extend(dir.entries.values());
                todo.extend(dir.unsynced.values().flatten());
            }
            kept.insert(id, node);
        }
        self.nodes = kept;
    }

    fn resolve(&self, path: &str) -> Result<NodeId, Errno> {
        let mut at = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = *self.dir(at)?.entries.get(name).ok_or(Errno::NOENT)?;
        }
        Ok(at)
    }

    fn dir(&self, id: NodeId) -> Result<&DirNode, Errno> {
        match self.nodes.get(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(Errno::NOTDIR),
            None => Err(Errno::NOENT),
        }
    }

    fn dir_mut(&mut self, path: &str) -> Result<&mut DirNode, Errno> {
        let id = self.resolve(path)?;
        match self.nodes.get_mut(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            _ => Err(Errno::NOTDIR),
        }
    }

    fn file(&self, path: &str) -> Result<&FileNode, Errno> {
        let id = self.resolve(path)?;
        match self.nodes.get(&id) {
            Some(Node::File(file)) => Ok(file),
            // What opens as a directory is no object: see `RealFiles`.
            _ => Err(Errno::NOENT),
        }
    }

    /// `None` for an open file without a name that was freed: it takes writes that nobody sees.
    fn open_file(&mut self, id: NodeId) -> Option<&mut FileNode> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(file)) => Some(file),
            _ => None,
        }
    }

    /// A new node under a free name.
    fn create(&mut self, path: &str, node: Node) -> Result<NodeId, Errno> {
        let id = self.next_node;
        let (dir, name) = split(path);
        let dir = self.dir_mut(dir)?;
        if dir.entries.contains_key(name) {
            return Err(Errno::EXIST);
        }
        dir.set(name, Some(id));
        self.next_node += 1;
        self.nodes.insert(id, node);
        if id.is_multiple_of(1024) {
            self.drop_unreachable();
        }
        Ok(id)
    }

    fn used(&mut self) -> u64 {
        self.drop_unreachable();
        let lens = self.nodes.values().map(|node| match node {
            Node::File(file) => file.data.len() as u64,
            Node::Dir(_) => 0,
        });
        lens.sum()
    }

    fn sync(&mut self, id: NodeId, failed: bool) {
        match self.open_file(id) {
            Some(file) if failed => file.forsaken = true,
            Some(file) if !file.forsaken => file.durable_len = file.data.len(),
            _ => {}
        }
    }
}

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
    /// The process dies in the call after the next `calls`; whether that one takes effect is
    /// `last_lands`. Every later call fails.
    pub fn die_after(&self, calls: u64, last_lands: bool) {
        *self.calls_left.lock().expect("no panic inside") = Some(Fuse { calls, last_lands });
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
