//! A file system in memory that loses at a power loss whatever POSIX lets it lose.
//!
//! Owns: what is durable. File data up to the last successful fsync of the file, directory entries as
//! of the last fsync of their directory; nothing else. Everything beyond is kept, dropped or torn
//! by chance, each piece independently. Does not own: timing; every call is atomic.
//! Invariant: what was made durable survives any number of power losses.
//!
//! [`SimDisk`] is the disk; each [`SimFiles`] (`sim_process`) is one process on it, which can be made to die in the
//! middle of its calls, as `kill -9` does, without the disk losing anything.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use rustix::io::Errno;

use super::{sim_process::SimFiles, split};
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

pub(super) struct State {
    pub(super) nodes: BTreeMap<NodeId, Node>,
    next_node: NodeId,
    /// Bytes of file data that fit.
    pub(super) capacity: Option<u64>,
    pub(super) faults: VecDeque<(Call, Errno)>,
    pub(super) calls: u64,
}

pub(super) type NodeId = u64;
const ROOT: NodeId = 0;
/// A torn write loses whole sectors.
const SECTOR: usize = 512;

#[derive(Clone)]
pub(super) enum Node {
    File(FileNode),
    Dir(DirNode),
}

#[derive(Clone, Default)]
pub(super) struct FileNode {
    pub(super) data: Vec<u8>,
    /// Bytes from the start that are durable: files are only appended to.
    durable_len: usize,
    /// An fsync failed: the pages count as clean and never reach the disk.
    forsaken: bool,
}

#[derive(Clone, Default)]
pub(super) struct DirNode {
    pub(super) entries: BTreeMap<String, NodeId>,
    /// What the disk has under each name that changed since the last fsync.
    pub(super) unsynced: BTreeMap<String, Option<NodeId>>,
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
        SimFiles::new(self.clone())
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

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
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
    pub(super) fn set(&mut self, name: &str, node: Option<NodeId>) {
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

    pub(super) fn resolve(&self, path: &str) -> Result<NodeId, Errno> {
        let mut at = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = *self.dir(at)?.entries.get(name).ok_or(Errno::NOENT)?;
        }
        Ok(at)
    }

    pub(super) fn dir(&self, id: NodeId) -> Result<&DirNode, Errno> {
        match self.nodes.get(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(Errno::NOTDIR),
            None => Err(Errno::NOENT),
        }
    }

    pub(super) fn dir_mut(&mut self, path: &str) -> Result<&mut DirNode, Errno> {
        let id = self.resolve(path)?;
        match self.nodes.get_mut(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            _ => Err(Errno::NOTDIR),
        }
    }

    pub(super) fn file(&self, path: &str) -> Result<&FileNode, Errno> {
        let id = self.resolve(path)?;
        match self.nodes.get(&id) {
            Some(Node::File(file)) => Ok(file),
            // What opens as a directory is no object: see `RealFiles`.
            _ => Err(Errno::NOENT),
        }
    }

    /// `None` for an open file without a name that was freed: it takes writes that nobody sees.
    pub(super) fn open_file(&mut self, id: NodeId) -> Option<&mut FileNode> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(file)) => Some(file),
            _ => None,
        }
    }

    /// A new node under a free name.
    pub(super) fn create(&mut self, path: &str, node: Node) -> Result<NodeId, Errno> {
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

    pub(super) fn used(&mut self) -> u64 {
        self.drop_unreachable();
        let lens = self.nodes.values().map(|node| match node {
            Node::File(file) => file.data.len() as u64,
            Node::Dir(_) => 0,
        });
        lens.sum()
    }

    pub(super) fn sync(&mut self, id: NodeId, failed: bool) {
        match self.open_file(id) {
            Some(file) if failed => file.forsaken = true,
            Some(file) if !file.forsaken => file.durable_len = file.data.len(),
            _ => {}
        }
    }
}
