//! Takeover over a power loss: a process dies at any file call, takers follow and die too, the power
//! fails in between and at the end; the end that a taker reported stays, with data below it.
//!
//! The log crosses a directory boundary: within one directory the SEALs' own fsync would settle what
//! the dead writer left undone.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use weir_protocol::types::Uuid;

use super::{
    EndBounds, Limits, WalIdentity, WalTaker, WalWriter, read_end,
    test_support::{CLUSTER, incarnation, wal, wal_object},
};
use crate::{
    env::{
        Env, TaskKind,
        testing::{self, SeededRand, below},
    },
    format::envelope::open_object,
    ids::{ProcessId, Slot},
    store::{
        DynStore,
        files::{Altered, Files, SimDisk, SimFiles},
        local::{LocalStore, OpenMode},
        put::Patience,
    },
};

/// Slots below count as checkpointed; the directory changes at 4096.
const FIRST: Slot = Slot(4090);
const PUTS_MAX: u64 = 30;

/// Simulated files that, when told, forget the fsyncs of directories that follow no link of their own.
struct Lax {
    files: SimFiles,
    forgets_foreign_names: bool,
    own_change: Mutex<bool>,
}

impl Lax {
    fn changed(&self) {
        *self.own_change.lock().unwrap() = true;
    }
}

impl Altered for Lax {
    fn inner(&self) -> &SimFiles {
        &self.files
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.changed();
        self.files.create_dir(dir)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.changed();
        self.files.link(from, to)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let own_change = std::mem::take(&mut *self.own_change.lock().unwrap());
        if self.forgets_foreign_names && !own_change {
            return Ok(());
        }
        self.files.sync_dir(dir)
    }
}

struct History {
    env: Env,
    disk: SimDisk,
    rand: SeededRand,
    forgets_foreign_names: bool,
    processes: u8,
    payloads: Arc<Mutex<BTreeMap<Slot, String>>>,
    acknowledged: Slot,
    ends: Vec<Slot>,
}

impl History {
    fn draw(&self, bound: u64) -> u64 {
        below(&self.rand, bound)
    }

    fn start_process(&mut self) -> (DynStore, SimFiles) {
        self.processes += 1;
        let files = self.disk.process();
        let lax = Lax {
            files: files.clone(),
            forgets_foreign_names: self.forgets_foreign_names,
            own_change: Mutex::new(false),
        };
        let process = ProcessId(Uuid([self.processes; 16]));
        let store = LocalStore::over(lax, OpenMode::Create, process);
        (Arc::new(store), files)
    }

    /// Puts until it dies.
    async fn write(&mut self) {
        let (store, files) = self.start_process();
        files.die_after(10 + self.draw(250), self.draw(2) == 0);
        let identity = WalIdentity {
            cluster: CLUSTER,
            incarnation: wal().incarnation,
            lane: 0,
        };
        let limits = Limits {
            in_flight_max: 1 + self.draw(4),
        };
        let (env, noted) = (self.env.clone(), self.payloads.clone());
        let writer = WalWriter::start(
            env.clone(),
            store,
            identity,
            FIRST,
            limits,
            Box::new(|_| ()),
        );
        let feeding = writer.clone();
        self.env.tasks.spawn(TaskKind::Test, async move {
            for _ in 0..PUTS_MAX {
                let Ok(permit) = feeding.reserve().await else {
                    return;
                };
                let payload = format!("entry {}", env.random_u64());
                noted.lock().unwrap().insert(permit.slot(), payload.clone());
                let slot = permit.slot();
                permit.put(wal_object(&env, slot, &payload));
            }
        });
        self.env.clock.sleep(Duration::from_secs(1)).await;
        self.acknowledged = writer.committed();
        files.die_after(0, false);
    }

    /// Takes over, unless it dies.
    async fn take_over(&mut self, may_die: bool) {
        let (store, files) = self.start_process();
        if may_die {
            files.die_after(self.draw(150), self.draw(2) == 0);
        }
        let taker = WalTaker {
            env: self.env.clone(),
            store,
            cluster: CLUSTER,
            incarnation: incarnation(10 + u64::from(self.processes)),
            patience: Patience::Limited(Duration::from_secs(10)),
        };
        let sealed = taker.seal(wal(), EndBounds::from_checkpoint(FIRST)).await;
        self.ends.extend(sealed.ok());
        files.die_after(0, false);
    }

    async fn check(&mut self) -> Result<(), String> {
        let (store, _) = self.start_process();
        let Some(end) = self.ends.first().copied() else {
            return Err("the last taker cannot die, and found no end".to_owned());
        };
        if self.ends.iter().any(|other| *other != end) {
            return Err(format!("several ends: {:?}", self.ends));
        }
        if self.acknowledged > end {
            return Err(format!(
                "acknowledged up to {}, ended at {end}",
                self.acknowledged
            ));
        }
        let patience = Patience::Limited(Duration::from_secs(1));
        let read = read_end(&self.env, &store, CLUSTER, wal(), FIRST, patience).await;
        let read = read.map_err(|error| error.to_string())?;
        if (read.end, read.sealed) != (end, true) {
            return Err(format!("{end} was reported, and the store says {read:?}"));
        }
        for slot in (FIRST.0..end.0).map(Slot) {
            let bytes = store
                .get(&wal().key(slot))
                .await
                .map_err(|error| error.to_string())?;
            let found = open_object(&bytes)
                .map_err(|error| error.to_string())?
                .footer;
            let expected = self.payloads.lock().unwrap()[&slot].clone();
            if found != expected.as_bytes() {
                return Err(format!("slot {slot} holds {found:?}, not {expected}"));
            }
        }
        Ok(())
    }

    async fn run(mut self) -> Result<(u64, u64), String> {
        self.write().await;
        for last in [false, false, true] {
            if self.draw(4) == 0 {
                self.disk.power_loss(&self.rand);
            }
            self.take_over(!last).await;
        }
        self.disk.power_loss(&self.rand);
        self.check().await?;
        Ok((self.acknowledged.0 - FIRST.0, self.ends[0].0 - FIRST.0))
    }
}

/// Entries acknowledged and entries below the end; or what was lost.
fn run(seed: u64, forgets_foreign_names: bool) -> Result<(u64, u64), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let history = History {
            env: testing::env(seed),
            disk: SimDisk::default(),
            rand: SeededRand::new(seed),
            forgets_foreign_names,
            processes: 0,
            payloads: Arc::default(),
            acknowledged: FIRST,
            ends: Vec::new(),
        };
        history.run().await
    })
}

const SEEDS: u64 = 300;

#[test]
fn an_end_survives_power_loss_with_everything_below_it() {
    let (mut acknowledged, mut ended_above) = (0, 0);
    for seed in 0..SEEDS {
        let (acks, end) = run(seed, false).unwrap_or_else(|loss| panic!("seed {seed}: {loss}"));
        acknowledged += acks;
        ended_above += u64::from(end > acks);
    }
    assert!(
        acknowledged > SEEDS && ended_above > 10,
        "{acknowledged}, {ended_above}"
    );
}

#[test]
fn canary_a_taker_that_leaves_foreign_names_undurable_loses_its_end() {
    let found = (0..SEEDS).find_map(|seed| run(seed, true).err());
    println!("{}", found.expect("the power loss took nothing"));
}
