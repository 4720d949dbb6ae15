//! The process: start order, ready line, signals, and registering again when an incarnation ends.
//!
//! Before the ready line an unusable store, a busy port or a node id in use end the process with a
//! message that says what to do; after it no store error does.

use std::{sync::Arc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use weir_tiering::{
    cluster::{self, ClusterError},
    env::Env,
    fenced_log::TakeoverError,
    ids::BrokerId,
    incarnation::IncarnationError,
    metadata::MetadataError,
    store::{
        local::{OpenError, OpenMode},
        metrics::MeteredStore,
        retry::{ReadPatience, RetryingStore},
        url,
    },
};

use super::{
    Broker, Endpoint,
    identity::HostIdentity,
    incarnation::{NodeParts, Running},
    serving, space,
};
use crate::{
    cli::Exit,
    config::{BrokerConfig, HostPort},
    telemetry::{metrics::Metrics, ready::Ready},
};

/// Why a start, or an incarnation, failed. Messages say what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    #[error(
        "this store belongs to node id {owner}: start with --node-id {owner}, or name another store with --store (asked for: node id {node_id})"
    )]
    Foreign { owner: BrokerId, node_id: BrokerId },
    #[error(
        "node id {node_id} is in use on host {host} (started at {start_ms} ms since 1970): stop it first, choose another store, or use --take-over if you are certain that it is dead"
    )]
    InUse {
        node_id: BrokerId,
        host: String,
        start_ms: i64,
    },
    #[error(
        "{address} is in use by another program: choose another address with --listeners or --admin"
    )]
    PortInUse { address: String },
    #[error(
        "cannot listen on {address}: {error}; choose another address with --listeners or --admin"
    )]
    Bind { address: String, error: String },
    #[error("{0}")]
    Metadata(#[from] MetadataError),
    #[error("the metadata log refused this start: {0}")]
    Rejected(String),
    #[error("the predecessor's log cannot be taken over: {0}")]
    Takeover(TakeoverError),
    #[error("{0}")]
    Incarnation(#[from] IncarnationError),
    #[error("{0}")]
    Runtime(std::io::Error),
}

impl StartError {
    fn exit(&self) -> Exit {
        match self {
            StartError::Foreign { .. } | StartError::InUse { .. } => Exit::NodeId,
            StartError::Cluster(ClusterError::Other { .. } | ClusterError::CreationForbidden) => {
                Exit::Usage
            }
            _ => Exit::Failed,
        }
    }
}

/// Pause before an incarnation that ended is followed by the next one.
const REINCARNATE_PAUSE: Duration = Duration::from_millis(500);
/// How long the last answers of a clean stop may take to leave.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Threads for file operations; each put or read takes one for its time.
const BLOCKING_THREADS_MAX: usize = 64;

/// Runs a broker until it is told to stop.
pub fn run(config: BrokerConfig) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return report(&StartError::Runtime(error)),
    };
    let exit = runtime.block_on(run_node(config));
    runtime.shutdown_timeout(Duration::from_millis(100));
    exit
}

fn report(error: &StartError) -> Exit {
    eprintln!("weir: {error}");
    error.exit()
}

async fn run_node(config: BrokerConfig) -> Exit {
    let env = Env::system();
    let mut stop = match StopSignals::new() {
        Ok(stop) => stop,
        Err(error) => return report(&StartError::Runtime(error)),
    };
    let started = env.clock.boot();
    let node = tokio::select! {
        biased;
        () = stop.received() => return Exit::Clean,
        node = Node::start(env, config, started) => node,
    };
    match node {
        Ok(node) => node.serve(&mut stop).await,
        Err(error) => report(&error),
    }
}

struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> std::io::Result<StopSignals> {
        Ok(StopSignals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

struct Node {
    parts: NodeParts,
    endpoints: Vec<Endpoint>,
    broker: watch::Sender<Option<Arc<Broker>>>,
    running: Running,
}

impl Node {
    async fn start(env: Env, config: BrokerConfig, started: Duration) -> Result<Node, StartError> {
        let config = Arc::new(config);
        let metrics = Arc::new(Metrics::new());
        metrics.install();
        let process = env.new_process_id();
        let mode = if config.store_create {
            OpenMode::Create
        } else {
            OpenMode::Existing
        };
        let open = url::open(&config.store_url, mode, process)?;
        if open.volatile {
            tracing::warn!("the store is memory: everything is lost when this process ends");
        }
        let store = RetryingStore::new(open.store, env.clone(), ReadPatience::default());
        let store = Arc::new(MeteredStore::new(Arc::new(store), env.clone()));
        let opened =
            cluster::open_or_create(&env, &*store, config.cluster_id, config.store_create).await?;
        let parts = NodeParts {
            start_ms: env.clock.wall_ms(),
            env,
            store,
            cluster: opened.cluster_id,
            process,
            host: HostIdentity::read(),
            metrics,
            config,
        };
        let replayed = parts.look(!parts.config.take_over).await?;
        let (broker, ready) = watch::channel(None);
        let (endpoints, running) = if parts.config.take_over {
            // The one that is being replaced holds the ports until it learns that it is fenced.
            let running = parts
                .incarnate(replayed, &serving::advertised(&parts.config))
                .await?;
            let sockets = serving::bind_patiently(&parts).await?;
            (serving::serve(&parts, sockets, ready)?, running)
        } else {
            let sockets = serving::bind(&parts).await?;
            let endpoints = serving::serve(&parts, sockets, ready)?;
            let running = parts.incarnate(replayed, &endpoints).await?;
            (endpoints, running)
        };
        let node = Node {
            parts,
            endpoints,
            broker,
            running,
        };
        node.broker.send_replace(Some(node.running.broker.clone()));
        node.announce(&open.location, opened.created, started);
        Ok(node)
    }

    fn announce(&self, location: &str, created: bool, started: Duration) {
        let addresses: Vec<HostPort> = self
            .endpoints
            .iter()
            .map(|e| HostPort {
                host: e.host.clone(),
                port: e.port,
            })
            .collect();
        let ready = Ready {
            created,
            topics: self.running.broker.image().topics.len(),
            store: location,
            node_id: self.parts.config.node_id,
            addresses: &addresses,
            cluster_id: self.parts.cluster,
            took: self.parts.env.clock.boot() - started,
        };
        if let Some(warning) = space::warning(&self.running.broker.image()) {
            tracing::warn!("{warning}");
        }
        ready.print();
    }

    async fn serve(mut self, stop: &mut StopSignals) -> Exit {
        loop {
            let broker = self.running.broker.clone();
            tokio::select! {
                biased;
                () = stop.received() => return self.stop().await,
                ended = broker.wal.ended() => {
                    tracing::error!(reason = ?ended, "the write-ahead log ended; registering again");
                }
                ended = broker.metadata.ended() => {
                    tracing::error!(reason = %ended, "the metadata log ended; registering again");
                }
            }
            // Requests wait until there is a broker again.
            self.broker.send_replace(None);
            self.running.abandon();
            tokio::select! {
                biased;
                () = stop.received() => return Exit::Failed,
                next = self.reincarnate() => match next {
                    Ok(running) => self.running = running,
                    Err(error) => return report(&error),
                },
            }
            self.broker.send_replace(Some(self.running.broker.clone()));
        }
    }

    /// The next incarnation of this process. Only a newer process with this node id, or damage, ends
    /// the attempts.
    async fn reincarnate(&self) -> Result<Running, StartError> {
        loop {
            self.parts.env.clock.sleep(REINCARNATE_PAUSE).await;
            let replayed = match self.parts.look(false).await {
                Ok(replayed) => replayed,
                Err(error @ (StartError::Foreign { .. } | StartError::InUse { .. })) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot register again yet");
                    continue;
                }
            };
            if self.running.is_replaced_in(replayed.image()) {
                let latest = replayed
                    .image()
                    .incarnations
                    .latest(self.parts.config.node_id);
                let registration = latest.map(|latest| latest.registration.clone());
                return Err(StartError::InUse {
                    node_id: self.parts.config.node_id,
                    host: registration
                        .as_ref()
                        .map(|r| r.host.clone())
                        .unwrap_or_default(),
                    start_ms: registration.map_or(0, |r| r.start_ms),
                });
            }
            match self.parts.incarnate(replayed, &self.endpoints).await {
                Err(StartError::Incarnation(error)) if error.is_damage() => {
                    return Err(error.into());
                }
                Err(error) => tracing::warn!(%error, "cannot register again yet"),
                running => return running,
            }
        }
    }

    /// Clean stop: no new requests, everything buffered is written, answers leave, the log is closed.
    async fn stop(self) -> Exit {
        let env = &self.parts.env;
        let limit = self.parts.config.shutdown_timeout;
        env.tasks.stop();
        match env.timeout(limit, self.running.close()).await {
            Ok(Ok(())) => {
                // The log is closed. A client that does not take its last answers does not change that.
                let _ = env.timeout(LAST_ANSWERS, env.tasks.ended()).await;
                Exit::Clean
            }
            Ok(Err(error)) => report(&error),
            Err(_) => {
                tracing::error!(
                    limit_ms = limit.as_millis() as u64,
                    "not everything could be written in time (weir.shutdown.timeout.ms); the next start takes over what was"
                );
                Exit::Failed
            }
        }
    }
}
