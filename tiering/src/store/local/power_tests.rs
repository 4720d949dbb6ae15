//! Power loss and `kill -9` at any file call: what was acknowledged is there, whole; what was not is
//! whole or absent.
//!
//! One history is a disk, a series of processes that put objects, die in the middle of their calls
//! and follow each other, and power losses. The canaries leave out one fsync each.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::FutureExt;
use proptest::prelude::*;
use weir_protocol::types::Uuid;

use super::{LocalStore, OpenMode};
use crate::{
    env::testing::{SeededRand, below},
    ids::{ProcessId, PutId},
    store::{
        Body, Key, PutIdentity, PutOutcome, Store,
        files::{Altered, Files, SimDisk, SimFiles},
    },
};

/// Which rule a history breaks; `Nothing` must never lose anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    NoFsyncOfFile,
    NoFsyncOfDirectory,
    NoFsyncOfNewDirectorysParent,
    NoFsyncBeforeExists,
    NoFsyncByTaker,
}

/// Simulated files that forget some fsyncs.
struct Lax {
    files: SimFiles,
    broken: Broken,
    last: std::sync::Mutex<Last>,
    /// The process dies right after this many links: where a name is visible and not durable.
    links_left: std::sync::Mutex<Option<u64>>,
}

/// The call before an fsync tells what the fsync is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    CreateDir,
    Linked,
    Taken,
    Other,
}

impl Lax {
    fn note(&self, last: Last) -> Last {
        std::mem::replace(&mut self.last.lock().unwrap(), last)
    }
}

impl Altered for Lax {
    fn inner(&self) -> &SimFiles {
        &self.files
    }

    fn create_dir(&self, dir: &str) -> std::io::Result<()> {
        self.note(Last::CreateDir);
        self.files.create_dir(dir)
    }

    fn sync_file(&self, file: &<SimFiles as Files>::File) -> std::io::Result<()> {
        if self.broken == Broken::NoFsyncOfFile {
            Ok(())
        } else {
            self.files.sync_file(file)
        }
    }

    fn sync_dir(&self, dir: &str) -> std::io::Result<()> {
        let last = self.note(Last::Other);
        let skipped = match self.broken {
            Broken::NoFsyncOfDirectory => last == Last::Linked,
            Broken::NoFsyncOfNewDirectorysParent => last == Last::CreateDir,
            Broken::NoFsyncBeforeExists => last == Last::Taken,
            Broken::NoFsyncByTaker => last == Last::Other,
            _ => false,
        };
        if skipped {
            Ok(())
        } else {
            self.files.sync_dir(dir)
        }
    }

    fn link(&self, from: &str, to: &str) -> std::io::Result<()> {
        let linked = self.files.link(from, to);
        if let Some(left) = &mut *self.links_left.lock().unwrap() {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => self.files.die_after(0, false),
            }
        }
        self.note(if linked.is_ok() {
            Last::Linked
        } else {
            Last::Taken
        });
        linked
    }
}

struct History {
    disk: SimDisk,
    rand: SeededRand,
    broken: Broken,
    processes: u8,
    /// What the last process was about when it ended.
    last_key: Option<Key>,
    /// What some answer said to be durable.
    durable: BTreeMap<Key, Bytes>,
    /// Every body that was ever on its way to a name.
    attempted: BTreeMap<Key, BTreeSet<Bytes>>,
}

type Loss = Result<(), String>;

impl History {
    fn new(seed: u64, broken: Broken) -> History {
        History {
            disk: SimDisk::default(),
            rand: SeededRand::new(seed),
            broken,
            processes: 0,
            last_key: None,
            durable: BTreeMap::new(),
            attempted: BTreeMap::new(),
        }
    }

    fn below(&self, bound: u64) -> u64 {
        below(&self.rand, bound)
    }

    fn start_process(&mut self) -> (LocalStore<Lax>, SimFiles) {
        self.processes = self.processes.wrapping_add(1);
        let files = self.disk.process();
        let links_left = (self.below(4) == 0).then(|| self.below(3));
        let lax = Lax {
            files: files.clone(),
            broken: self.broken,
            last: std::sync::Mutex::new(Last::Other),
            links_left: std::sync::Mutex::new(links_left),
        };
        let process = ProcessId(Uuid([self.processes; 16]));
        (LocalStore::over(lax, OpenMode::Create, process), files)
    }

    fn any_key(&self) -> Key {
        let (folder, number) = (self.below(2), self.below(4));
        match self.below(3) {
            0 => Key::new(format!("meta/log/{number:020}")),
            _ => Key::new(format!("wal/0a/7/{folder:012}/{number:020}")),
        }
    }

    fn any_body(&self) -> Bytes {
        let len = [0, 1, 700, 3000][self.below(4) as usize];
        let filler = 1 + self.below(255) as u8;
        let mut body = vec![filler; len];
        body.extend(self.rand.next_u64().to_le_bytes());
        body.into()
    }

    /// One process: some puts, until it dies or has enough.
    async fn live(&mut self) -> Loss {
        let (store, files) = self.start_process();
        if self.below(2) == 0 {
            files.die_after(self.below(40), self.below(2) == 0);
        }
        if self.below(3) == 0 {
            self.take_over(&store).await;
        }
        let again = self.last_key.clone().filter(|_| self.below(2) == 0);
        if let Some(key) = again {
            self.put(&store, key).await;
        }
        // Often nothing follows that would repair what was left undone.
        for _ in 0..self.below(6).saturating_sub(2) {
            let key = self.any_key();
            self.put(&store, key).await;
        }
        if self.below(2) == 0 {
            self.disk.power_loss(&self.rand);
            self.check().await?;
        }
        Ok(())
    }

    /// A taker acts on every slot that it sees once it has settled the log.
    async fn take_over(&mut self, store: &LocalStore<Lax>) {
        let from = Key::new(format!("wal/0a/7/{:012}/{:020}", self.below(2), 0));
        if store.sync_log_dirs("wal/0a/7/", &from).await.is_err() {
            return;
        }
        let Ok(seen) = store.list("wal/0a/7/", None, 100).await else {
            return;
        };
        for meta in seen.into_iter().filter(|meta| meta.key >= from) {
            if let Ok(body) = store.get(&meta.key).await {
                self.durable.insert(meta.key, body);
            }
        }
    }

    async fn put(&mut self, store: &LocalStore<Lax>, key: Key) {
        let body = self.any_body();
        self.last_key = Some(key.clone());
        self.attempted
            .entry(key.clone())
            .or_default()
            .insert(body.clone());
        let identity = PutIdentity {
            put_id: PutId([0; 16]),
            footer_crc: 0,
        };
        let put = store
            .put_if_absent(&key, &Body::from(body.clone()), identity)
            .await;
        match put {
            Ok(PutOutcome::Created) => {
                self.durable.insert(key, body);
            }
            // "An object of this name is durable now": whichever is read.
            Ok(PutOutcome::Exists) => {
                if let Ok(there) = store.get(&key).await {
                    self.durable.insert(key, there);
                }
            }
            Err(_) => {}
        }
    }

    async fn check(&mut self) -> Loss {
        let (store, _) = self.start_process();
        for (key, body) in &self.durable {
            match store.get(key).await {
                Ok(there) if there == *body => {}
                Ok(there) => return Err(format!("{key} has {} other bytes", there.len())),
                Err(error) => return Err(format!("acknowledged, but {error}")),
            }
        }
        for meta in store.list("", None, 1000).await.unwrap() {
            let there = store.get(&meta.key).await.unwrap();
            let attempts = self.attempted.get(&meta.key);
            if !attempts.is_some_and(|bodies| bodies.contains(&there)) {
                return Err(format!("{} is torn: {} bytes", meta.key, there.len()));
            }
            // What survived a power loss is durable.
            self.durable.insert(meta.key, there);
        }
        Ok(())
    }

    async fn run(mut self) -> Loss {
        for _ in 0..6 {
            self.live().await?;
        }
        self.disk.power_loss(&self.rand);
        self.check().await
    }
}

/// Simulated files never wait, so a history needs no runtime.
fn at_once<T>(history: impl Future<Output = T>) -> T {
    history.now_or_never().expect("nothing waits")
}

fn run(seed: u64, broken: Broken) -> Loss {
    at_once(History::new(seed, broken).run())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn acknowledged_objects_survive_and_others_are_whole_or_absent(seed in any::<u64>()) {
        prop_assert_eq!(run(seed, Broken::Nothing), Ok(()));
    }
}

#[test]
fn every_fsync_that_is_left_out_is_found() {
    for broken in [
        Broken::NoFsyncOfFile,
        Broken::NoFsyncOfDirectory,
        Broken::NoFsyncOfNewDirectorysParent,
        Broken::NoFsyncBeforeExists,
        Broken::NoFsyncByTaker,
    ] {
        let found = (0..500).find_map(|seed| run(seed, broken).err().map(|loss| (seed, loss)));
        let (seed, loss) = found.unwrap_or_else(|| panic!("{broken:?} was not found"));
        println!("{broken:?}: seed {seed}: {loss}");
    }
}

#[test]
fn simulated_histories_do_reach_every_kind_of_death() {
    // Not vacuous: objects are acknowledged, refused and lost in these histories.
    let mut history = History::new(1, Broken::Nothing);
    at_once(async {
        for _ in 0..300 {
            history.live().await.unwrap();
        }
    });
    let attempts: usize = history.attempted.values().map(BTreeSet::len).sum();
    assert!(history.durable.len() >= 10 && attempts > 100, "{attempts}");
    assert!(history.disk.calls() > 1000);
}
