//! The two brokers, and how long everything is measured.
//!
//! Kafka runs as it ships (no fsync), on one directory for the whole benchmark, so that it is hot; Weir
//! runs with fsync, in a fresh process on a fresh directory for every round, with 1 GiB for its memory
//! budget as Kafka has a heap of 1 GiB. Before each measured phase the disk's write-back is awaited, so
//! that neither pays for what the other left in the page cache.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use weir_compat_tests::harness::{
    kafka::Kafka,
    maven::JavaSetup,
    process::{Process, Usage},
    weir::{Weir, WeirOptions},
};

use super::payload::{LZ4_RATIO, Payload};

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub rounds: usize,
    /// A round of a throughput row lasts until both are reached.
    pub round_min: Duration,
    pub round_bytes_min: u64,
    /// What Kafka does of the same load before it counts as hot.
    pub kafka_warm_bytes: u64,
    /// Touches Weir's memory for the first time, in every round.
    pub weir_warm_bytes: u64,
    /// Records of a round of the latency row, at 50 a second.
    pub latency_records: usize,
    pub objects: usize,
    pub joins: usize,
    pub idle: Duration,
}

impl Plan {
    pub fn full() -> Plan {
        Plan {
            rounds: 5,
            round_min: Duration::from_secs(10),
            round_bytes_min: 1_000_000_000,
            kafka_warm_bytes: 3_000_000_000,
            weir_warm_bytes: 256 << 20,
            latency_records: 600,
            objects: 20_000,
            joins: 5,
            idle: Duration::from_secs(5),
        }
    }

    pub fn quick() -> Plan {
        Plan {
            rounds: 2,
            round_min: Duration::from_secs(1),
            round_bytes_min: 200_000_000,
            kafka_warm_bytes: 400_000_000,
            weir_warm_bytes: 64 << 20,
            latency_records: 100,
            objects: 2_000,
            joins: 2,
            idle: Duration::from_secs(1),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Kafka,
    Weir,
}

impl Which {
    /// The order within a round: A B A B.
    pub const BOTH: [Which; 2] = [Which::Kafka, Which::Weir];
}

pub struct Lab {
    pub plan: Plan,
    pub payload: Arc<Payload>,
    pub java: JavaSetup,
    pub weir_binary: PathBuf,
    dir: TempDir,
    kafka: Option<Kafka>,
    topics: usize,
}

/// A Weir with its directory.
pub struct FreshWeir {
    weir: Weir,
    _dir: TempDir,
}

pub enum Subject<'a> {
    Kafka(&'a Kafka),
    Weir(Box<FreshWeir>),
}

impl Subject<'_> {
    pub fn address(&self) -> String {
        match self {
            Subject::Kafka(kafka) => kafka.address(),
            Subject::Weir(fresh) => fresh.weir.address(),
        }
    }

    pub fn process(&self) -> &Process {
        match self {
            Subject::Kafka(kafka) => &kafka.process,
            Subject::Weir(fresh) => &fresh.weir.process,
        }
    }
}

impl Lab {
    pub fn open(plan: Plan, weir: Option<&Path>, dir: Option<&Path>) -> Result<Lab, String> {
        let weir_binary = match weir {
            Some(path) => path.to_owned(),
            None => build_weir()?,
        };
        let dir = match dir {
            Some(dir) => tempfile::tempdir_in(dir),
            None => tempfile::tempdir(),
        };
        let payload = Payload::new(1);
        let ratio = payload.lz4_ratio();
        if !LZ4_RATIO.contains(&ratio) {
            return Err(format!(
                "the records' lz4 ratio is {ratio}, not in {LZ4_RATIO:?}"
            ));
        }
        Ok(Lab {
            plan,
            payload: Arc::new(payload),
            java: JavaSetup::ensure()?,
            weir_binary,
            dir: dir.map_err(|e| format!("a folder for the stores: {e}"))?,
            kafka: None,
            topics: 0,
        })
    }

    /// A folder on the file system of the stores.
    pub fn folder(&self) -> Result<TempDir, String> {
        tempfile::tempdir_in(&self.dir).map_err(|e| e.to_string())
    }

    /// A broker to be measured: the one Kafka, or a fresh Weir.
    pub fn subject(&mut self, which: Which) -> Result<Subject<'_>, String> {
        match which {
            Which::Kafka => self.kafka().map(Subject::Kafka),
            Which::Weir => self.fresh_weir().map(|weir| Subject::Weir(Box::new(weir))),
        }
    }

    /// Started when it is first needed.
    fn kafka(&mut self) -> Result<&Kafka, String> {
        if self.kafka.is_none() {
            let dir = self.dir.path().join("kafka");
            std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
            self.kafka = Some(Kafka::start(&self.java, &dir)?);
        }
        Ok(self.kafka.as_ref().expect("started above"))
    }

    pub fn stop_kafka(&mut self) {
        if let Some(mut kafka) = self.kafka.take() {
            // Killed when it does not end by itself; either way it is gone.
            let _ = kafka.stop();
        }
    }

    pub fn weir_options(&self, store: &Path) -> WeirOptions {
        WeirOptions::new(&self.weir_binary, &store.display().to_string())
            .with("weir.memory.bytes", 1 << 30)
            .with("group.initial.rebalance.delay.ms", 0)
    }

    fn fresh_weir(&self) -> Result<FreshWeir, String> {
        let dir = self.folder()?;
        let options = self.weir_options(&dir.path().join("store"));
        let weir = Weir::start(options, dir.path())?;
        Ok(FreshWeir { weir, _dir: dir })
    }

    /// A name that no topic had before.
    pub fn topic(&mut self) -> String {
        self.topics += 1;
        format!("perf-{}", self.topics)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop_kafka();
    }
}

/// What the broker used during `body`.
pub fn used<T>(
    process: &Process,
    body: impl FnOnce() -> Result<T, String>,
) -> Result<(T, Usage), String> {
    rustix::fs::sync();
    let before = process.usage();
    let result = body()?;
    let after = process.usage();
    Ok((
        result,
        Usage {
            cpu_seconds: after.cpu_seconds - before.cpu_seconds,
            rss_bytes: after.rss_bytes,
        },
    ))
}

pub fn repository() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.parent().unwrap_or(crate_dir).to_owned()
}

fn build_weir() -> Result<PathBuf, String> {
    println!("cargo build --release -p weir");
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(repository());
    command.args(["build", "--release", "--quiet", "-p", "weir"]);
    let status = command.status().map_err(|e| format!("cargo: {e}"))?;
    if !status.success() {
        return Err(format!("cargo build ended with {status}"));
    }
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let target = me.parent().and_then(Path::parent);
    let target = target.ok_or("this program is in no target folder; give --weir PATH")?;
    Ok(target.join("release/weir"))
}
