//! One process of a history: a broker's logs on the simulated disk, started as the broker starts them.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use metrics::Histogram;
use weir_protocol::types::{Offset, PartitionIndex, Uuid};

use super::{
    Broken,
    clients::{Clients, Verdict},
};
use crate::{
    cluster,
    env::{Env, TaskKind, testing::below},
    fenced_log::{EndBounds, WalName, WalTaker, read_end},
    ids::{ProcessId, TopicPartition},
    incarnation::{IncarnationError, OpenLogs, Place, take_over},
    log::{AppendError, ColdReader, Durable, PartitionLog, ReadError},
    metadata::{
        self, Command, MetadataLog, RegisterError,
        image::incarnations::{Registration, SealIncarnation},
    },
    ownership::{assign, checkpoint_record::CheckpointRecord},
    store::{
        DynStore,
        faulty::{Chances, FaultyStore},
        files::{Altered, Files, SimDisk, SimFiles},
        local::{LocalStore, OpenMode},
        put::START_PATIENCE,
        retry::{ReadPatience, RetryingStore},
    },
    wal::{WalConfig, WalMeters, flush_policy::FlushPolicy},
};

/// Simulated files that forget some fsyncs.
struct Lax {
    files: SimFiles,
    broken: Broken,
}

impl Altered for Lax {
    fn inner(&self) -> &SimFiles {
        &self.files
    }

    fn sync_file(&self, file: &<SimFiles as Files>::File) -> std::io::Result<()> {
        match self.broken {
            Broken::NoFsyncOfFile => Ok(()),
            _ => self.files.sync_file(file),
        }
    }

    fn sync_dir(&self, dir: &str) -> std::io::Result<()> {
        match self.broken {
            Broken::NoFsyncOfDirectory => Ok(()),
            _ => self.files.sync_dir(dir),
        }
    }
}

/// What a start does not survive: a bug. Everything else is bad luck.
#[derive(Debug)]
pub enum StartFailure {
    BadLuck(String),
    Bug(String),
}

/// How one process is disturbed.
#[derive(Clone, Copy, Debug)]
pub struct Luck {
    /// It dies in the file call after so many, which may still take effect.
    pub dies: Option<(u64, bool)>,
    pub chances: Chances,
}

pub struct Process {
    pub number: u8,
    pub env: Env,
    files: SimFiles,
    logs: OpenLogs,
    cold: ColdReader,
    broken: Broken,
}

/// A start that takes longer hangs.
const START_MAX: Duration = Duration::from_secs(600);

impl Process {
    /// The broker's start: cluster, metadata, registration, takeover, recovery, first checkpoint.
    pub async fn start(
        env: &Env,
        disk: &SimDisk,
        number: u8,
        luck: Luck,
        broken: Broken,
    ) -> Result<Process, StartFailure> {
        let files = disk.process();
        if let Some((calls, last_lands)) = luck.dies {
            files.die_after(calls, last_lands);
        }
        let id = ProcessId(Uuid([number; 16]));
        let lax = Lax {
            files: files.clone(),
            broken,
        };
        let env = Env {
            tasks: Default::default(),
            ..env.clone()
        };
        let local: DynStore = Arc::new(LocalStore::over(lax, OpenMode::Create, id));
        let faulty = FaultyStore::new(local, env.clone());
        faulty.set_chances(luck.chances);
        let retrying = RetryingStore::new(faulty, env.clone(), ReadPatience::default());
        let store: DynStore = Arc::new(retrying);
        let starting = Process::start_on(&env, store, files.clone(), id, number, broken);
        match env.timeout(START_MAX, starting).await {
            Ok(process) => process,
            Err(_) if files.is_dead() => Err(StartFailure::BadLuck("died".to_owned())),
            Err(_) => Err(StartFailure::Bug("the start hangs".to_owned())),
        }
    }

    async fn start_on(
        env: &Env,
        store: DynStore,
        files: SimFiles,
        id: ProcessId,
        number: u8,
        broken: Broken,
    ) -> Result<Process, StartFailure> {
        let unlucky = |error: String| StartFailure::BadLuck(error);
        let opened = cluster::open_or_create(env, &*store, None, true).await;
        let opened = opened.map_err(|error| unlucky(error.to_string()))?;
        let place = Place {
            env: env.clone(),
            store: store.clone(),
            cluster: opened.cluster_id,
            patience: START_PATIENCE,
        };
        let metadata = register(&place, id, number).await?;
        break_takeover(&place, &metadata, broken).await?;
        take_over(&place, &metadata).await.map_err(judge)?;
        let config = config(env);
        let logs = OpenLogs::open(&place, metadata, &config)
            .await
            .map_err(judge)?;
        // Past everything that disturbs: what a cache holds must not change the course of a history.
        let reader = LocalStore::over(files.disk().process(), OpenMode::ReadOnly, id);
        let cold = ColdReader::new(Arc::new(reader), logs.table.clone(), 0);
        Ok(Process {
            number,
            env: env.clone(),
            files,
            logs,
            cold,
            broken,
        })
    }

    pub fn is_dead(&self) -> bool {
        self.files.is_dead()
    }

    /// As `kill -9`.
    pub fn kill(&self) {
        self.files.die_after(0, false);
        self.env.tasks.stop();
    }

    /// The log of a partition, opened as the broker does.
    fn log(&self, id: TopicPartition) -> Option<Arc<PartitionLog>> {
        let image = self.logs.metadata.image();
        let topic = image.topics.by_id(&id.topic)?;
        let pg = image.ownership.get(topic.pg_of(id.partition)?)?;
        let open = || PartitionLog::new(id, topic.internal, pg.epoch, Durable::default());
        Some(self.logs.registry.get_or_open(id, open))
    }

    /// Sends one batch of `client`; its answer arrives by itself.
    pub fn produce(&self, clients: &Shared, client: usize) -> Verdict {
        let padding = [0, 20, 600][below(&*self.env.rand, 3) as usize];
        let partition = lock(clients).clients[client].partition;
        let Some(log) = self.log(partition) else {
            return Ok(());
        };
        let Some(sent) = lock(clients).next(client, self.number, padding) else {
            return Ok(());
        };
        let wal = self.logs.wal.clone();
        let now_ms = self.env.clock.wall_ms();
        let appended = match log.append(&wal, sent.append_batch(), now_ms) {
            Ok(appended) => appended,
            Err(AppendError::NotOwner) => {
                lock(clients).refused(client, sent.number, self.number);
                return Ok(());
            }
            Err(error) => return Err(format!("{sent:?} was refused: {error}")),
        };
        let (clients, broken, broker) = (clients.clone(), self.broken, self.number);
        self.env.tasks.spawn(TaskKind::Test, async move {
            let durable = match appended.slot {
                Some(slot) if broken != Broken::AnswerBeforeCommit => wal.committed(slot).await,
                _ => Ok(()),
            };
            let mut clients = lock(&clients);
            match durable {
                Ok(()) => {
                    let offset = appended.offset_first;
                    let acknowledged = clients.acknowledge(client, sent.number, offset);
                    acknowledged.unwrap_or_else(|violation| clients.violation = Some(violation));
                }
                Err(_) => clients.refused(client, sent.number, broker),
            }
        });
        Ok(())
    }

    /// A checkpoint while everything else goes on.
    pub fn begin_checkpoint(&self) {
        let (logs, broken) = (self.logs.clone(), self.broken);
        self.env.tasks.spawn(TaskKind::Checkpoint, async move {
            // Its failure is an incarnation that is over, or a store in trouble.
            let _ = logs.checkpoint().await;
            if broken == Broken::CheckpointAhead {
                checkpoint_ahead(&logs).await;
            }
        });
    }

    pub async fn create_topic(&self, command: Command) {
        // A failure is an incarnation that is over.
        let _ = self.logs.metadata.append_one(command).await;
    }

    pub async fn close(&self) -> Result<(), IncarnationError> {
        self.logs.close().await.map(drop)
    }

    /// Everything that this process shows must be what the clients know.
    pub async fn check(&self, clients: &Shared) -> Verdict {
        let logs = self.logs.registry.all();
        for log in &logs {
            let batches = match self.read_all(log).await? {
                Some(batches) => batches,
                // It died, or its store is in trouble.
                None => return Ok(()),
            };
            let durable = log.snapshot().0;
            lock(clients).check_log(log.id(), &batches, &durable)?;
        }
        let open: Vec<_> = logs.iter().map(|log| log.id()).collect();
        lock(clients).check_known(&open)
    }

    /// One partition of a process that may be fenced by now.
    pub async fn check_one(&self, clients: &Shared) -> Verdict {
        let logs = self.logs.registry.all();
        if logs.is_empty() {
            return Ok(());
        }
        let log = &logs[below(&*self.env.rand, logs.len() as u64) as usize];
        match self.read_all(log).await? {
            Some(batches) => lock(clients).check_stale(log.id(), &batches),
            None => Ok(()),
        }
    }

    /// `None`: the store cannot be read just now.
    async fn read_all(&self, log: &PartitionLog) -> Result<Option<Vec<bytes::Bytes>>, String> {
        let mut from = Offset(0);
        let end = log.bounds().high_watermark;
        let mut all: Vec<bytes::Bytes> = Vec::new();
        while from < end {
            let read = match log.read(&self.cold, from, 2_000, true).await {
                Ok(read) => read,
                Err(ReadError::Store(error)) => {
                    let lost = error.kind == crate::store::StoreErrorKind::NotFound;
                    return if lost {
                        Err(error.to_string())
                    } else {
                        Ok(None)
                    };
                }
                Err(error) => return Err(error.to_string()),
            };
            let last = read
                .last()
                .ok_or_else(|| format!("{}: nothing at {from}", log.id()))?;
            let view = weir_protocol::records::BatchView::parse(last);
            from = view
                .map_err(|error| error.to_string())?
                .header()
                .offset_next();
            all.extend(read);
        }
        Ok(Some(all))
    }
}

pub type Shared = Arc<Mutex<Clients>>;

pub fn lock(clients: &Shared) -> MutexGuard<'_, Clients> {
    clients.lock().unwrap()
}

fn judge(error: IncarnationError) -> StartFailure {
    if error.is_damage() {
        StartFailure::Bug(error.to_string())
    } else {
        StartFailure::BadLuck(error.to_string())
    }
}

async fn register(
    place: &Place,
    process_id: ProcessId,
    number: u8,
) -> Result<MetadataLog, StartFailure> {
    let metadata_failure = |error: metadata::MetadataError| judge(error.into());
    let opened = metadata::open(
        place.env.clone(),
        place.store.clone(),
        place.cluster,
        START_PATIENCE,
    );
    let mut replayed = opened.await.map_err(metadata_failure)?;
    for _ in 0..10 {
        let registration = Registration {
            process_id,
            ..metadata::testing::registration(1, number)
        };
        match replayed.register(registration).await {
            Ok((metadata, _)) => return Ok(metadata),
            Err(RegisterError::Lost(newer)) => replayed = *newer,
            Err(RegisterError::Rejected(error)) => {
                return Err(StartFailure::Bug(error.to_string()));
            }
            Err(RegisterError::Failed(error)) => return Err(metadata_failure(error)),
        }
    }
    Err(StartFailure::BadLuck("lost ten times".to_owned()))
}

/// A takeover that breaks a rule, so that the right one behind it finds nothing to do.
async fn break_takeover(
    place: &Place,
    metadata: &MetadataLog,
    broken: Broken,
) -> Result<(), StartFailure> {
    if !matches!(
        broken,
        Broken::SealedEndTooLow | Broken::SealedEndTooHigh | Broken::NoSeals
    ) {
        return Ok(());
    }
    let image = metadata.image();
    for record in image.incarnations.to_seal() {
        let wal = WalName {
            incarnation: record.incarnation,
            lane: 0,
        };
        let from = record.checkpointed;
        let end = if broken == Broken::NoSeals {
            let (env, store) = (&place.env, &place.store);
            let found = read_end(env, store, place.cluster, wal, from, START_PATIENCE).await;
            found.map(|found| found.end)
        } else {
            let taker = WalTaker {
                env: place.env.clone(),
                store: place.store.clone(),
                cluster: place.cluster,
                incarnation: metadata.incarnation(),
                patience: START_PATIENCE,
            };
            taker.seal(wal, EndBounds::from_checkpoint(from)).await
        };
        let mut end = end.map_err(|error| judge(error.into()))?;
        match broken {
            Broken::SealedEndTooLow => end.0 = end.0.saturating_sub(1).max(from.0),
            Broken::SealedEndTooHigh => end = end.next(),
            _ => {}
        }
        let sealed = SealIncarnation {
            incarnation: record.incarnation,
            end,
            clean: false,
            assignments: assign::inherit(&image, record.incarnation, metadata.incarnation()),
        };
        let sealed = metadata.append_one(Command::SealIncarnation(sealed)).await;
        let _ = sealed.map_err(|error| judge(error.into()))?;
    }
    Ok(())
}

/// A record that covers one slot more than is committed.
async fn checkpoint_ahead(logs: &OpenLogs) {
    let incarnation = logs.metadata.incarnation();
    let image = logs.metadata.image();
    let Some(current) = image.incarnations.get(&incarnation) else {
        return;
    };
    let record = CheckpointRecord {
        incarnation,
        committed: logs.wal.committed_now().next(),
        data_floor: current.data_floor,
        wal_floor: current.wal_floor,
        pages: Vec::new(),
    };
    let _ = logs.metadata.append_one(Command::Checkpoint(record)).await;
}

fn config(env: &Env) -> WalConfig {
    let draw = |bound| below(&*env.rand, bound);
    let interval = Duration::from_millis(50 * draw(2));
    WalConfig {
        policy: FlushPolicy {
            interval,
            burst: 2,
            bytes_max: 200 + draw(4_000) as usize,
            early_bytes: 1_000,
        },
        in_flight_max: 1 + draw(16),
        tail_bytes_max: [0, 3_000, usize::MAX][draw(3) as usize],
        meters: WalMeters {
            flush_bytes: Histogram::noop(),
            flush_seconds: Histogram::noop(),
        },
    }
}

/// A partition of the history's topic number `topic`.
pub fn partition(topic: u8, index: i32) -> TopicPartition {
    TopicPartition {
        topic: Uuid([topic; 16]),
        partition: PartitionIndex(index),
    }
}
