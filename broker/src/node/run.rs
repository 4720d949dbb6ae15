//! The process: start order, ready line, signals, and registering again when an incarnation ends.
//!
//! Before the ready line an unusable store, a busy port or a node id in use end the process with a
//! message that says what to do; after it no store error does.

use std::{pin::Pin, sync::Arc, time::Duration};

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
    keys,
    metadata::MetadataError,
    store::{
        DynStore,
        local::{OpenError, OpenMode},
        metrics::MeteredStore,
        retry::{ReadPatience, RetryingStore},
        url,
    },
};

use super::{
    Broker, Endpoint, WhoAnswer, endpoints,
    identity::HostIdentity,
    incarnation::{NodeParts, Running},
    space,
};
use crate::{
    admin::{self, Readiness},
    api::Dispatch,
    cli::Exit,
    config::{BrokerConfig, HostPort},
    net::{self, Admission, AdmissionConfig, ConnectionLimits, ListenerContext, OpenConnections},
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
    broker: Arc<watch::Sender<Option<Arc<Broker>>>>,
    running: Running,
}

impl Node {
    async fn start(env: Env, config: BrokerConfig, started: Duration) -> Result<Node, StartError> {
        let config = Arc::new(config);
        let metrics = Arc::new(Metrics::new());
        metrics.install();
        metrics.spawn_upkeep(&env);
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
        let broker = Arc::new(broker);
        let (endpoints, replayed_running) = if parts.config.take_over {
            // The one that is being replaced holds the ports until it learns that it is fenced.
            let advertised = advertised(&parts.config);
            let running = parts.incarnate(replayed, &advertised).await?;
            (bind_patiently(&parts, ready).await?, running)
        } else {
            let endpoints = bind(&parts, ready).await?;
            let running = parts.incarnate(replayed, &endpoints).await?;
            (endpoints, running)
        };
        let node = Node {
            parts,
            endpoints,
            broker,
            running: replayed_running,
        };
        node.serve_admin().await?;
        node.broker.send_replace(Some(node.running.broker.clone()));
        node.announce(&open.location, opened.created, started);
        Ok(node)
    }

    async fn serve_admin(&self) -> Result<(), StartError> {
        let address = &self.parts.config.admin;
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AddrInUse => StartError::PortInUse {
                address: address.to_string(),
            },
            _ => StartError::Bind {
                address: address.to_string(),
                error: error.to_string(),
            },
        };
        let socket = admin::bind(address).await.map_err(failed)?;
        let readiness = Arc::new(StoreReadiness {
            store: self.parts.store.clone(),
            broker: self.broker.subscribe(),
        });
        admin::serve(
            socket,
            &self.parts.env,
            self.parts.metrics.clone(),
            readiness,
        )
        .map_err(failed)?;
        Ok(())
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
        let close = async {
            let closed = self.running.close().await;
            env.tasks.ended().await;
            closed
        };
        match env.timeout(limit, close).await {
            Ok(Ok(())) => Exit::Clean,
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

/// The addresses as configured, for `--take-over`, which registers before it binds.
fn advertised(config: &BrokerConfig) -> Vec<Endpoint> {
    let endpoint = |listener: &crate::config::Listener| Endpoint {
        listener: Arc::from(listener.name.as_str()),
        host: listener.advertised.host.clone(),
        port: listener.advertised.port,
    };
    config.listeners.bind.iter().map(endpoint).collect()
}

/// Binds, retrying busy ports for one session.
async fn bind_patiently(
    parts: &NodeParts,
    ready: watch::Receiver<Option<Arc<Broker>>>,
) -> Result<Vec<Endpoint>, StartError> {
    let until = parts.env.clock.boot() + parts.config.session_timeout;
    loop {
        match bind(parts, ready.clone()).await {
            Err(StartError::PortInUse { .. } | StartError::InUse { .. })
                if parts.env.clock.boot() < until =>
            {
                parts.env.clock.sleep(Duration::from_millis(200)).await;
            }
            result => return result,
        }
    }
}

/// Binds all listeners and begins to accept; until there is a broker, only "who are you?" is
/// answered.
async fn bind(
    parts: &NodeParts,
    ready: watch::Receiver<Option<Arc<Broker>>>,
) -> Result<Vec<Endpoint>, StartError> {
    let bound = endpoints::bind(&parts.env, &parts.me(), &parts.config.listeners.bind).await?;
    let who = WhoAnswer {
        cluster: parts.cluster,
        node_id: parts.config.node_id,
        process: parts.process,
        host: parts.host.name.clone(),
        start_ms: parts.start_ms,
    };
    let connection = &parts.config.connection;
    let admission = admission(parts);
    let dispatch = Arc::new(Dispatch::new(
        parts.env.clone(),
        ready,
        who,
        admission.requests().clone(),
        &parts.metrics,
    ));
    let open = Arc::new(OpenConnections::new(
        connection.connections_max as usize,
        connection.connections_per_ip_max as usize,
        connection.connections_per_ip_overrides.clone(),
    ));
    let mut addresses = Vec::with_capacity(bound.len());
    for (endpoint, socket) in bound {
        let context = listener_context(
            parts,
            &endpoint,
            dispatch.clone(),
            admission.clone(),
            open.clone(),
        );
        net::serve(socket, Arc::new(context));
        addresses.push(endpoint);
    }
    Ok(addresses)
}

fn admission(parts: &NodeParts) -> Admission {
    let admission = Admission::new(admission_config(parts.config.memory_bytes));
    let bytes_max = admission.frame_len_max();
    if bytes_max < parts.config.connection.request_bytes_max as usize {
        tracing::info!(
            bytes_max,
            "a quarter of weir.memory.bytes limits requests more than socket.request.max.bytes"
        );
    }
    let gauge = parts.metrics.memory.requests_bytes.clone();
    admission.spawn_gauge(&parts.env, gauge);
    admission
}

/// The network's shares of the memory budget, in 64ths: 16 + 2 + 3 + 3 + 1. The others: 32 the tail, 6
/// the cache of cold runs, 1 fetch sessions.
fn admission_config(memory_bytes: u64) -> AdmissionConfig {
    let share = memory_bytes / 64;
    AdmissionConfig {
        frames_bytes: 16 * share,
        decoded_bytes: 2 * share,
        answers_bytes: 3 * share,
        reserve_bytes: share,
    }
}

fn listener_context(
    parts: &NodeParts,
    endpoint: &Endpoint,
    dispatch: Arc<Dispatch>,
    admission: Admission,
    open: Arc<OpenConnections>,
) -> ListenerContext {
    let connection = &parts.config.connection;
    ListenerContext {
        name: endpoint.listener.clone(),
        env: parts.env.clone(),
        dispatch,
        admission,
        limits: ConnectionLimits {
            frame_len_max: connection.request_bytes_max as usize,
            idle: connection.idle_max,
            frame: connection.frame_timeout,
            write: connection.write_timeout,
            answers_max: connection.requests_max,
        },
        open,
        metrics: parts.metrics.network.clone(),
    }
}

/// `/readyz`: there is an incarnation that serves, and the store answers.
struct StoreReadiness {
    store: DynStore,
    broker: watch::Receiver<Option<Arc<Broker>>>,
}

impl Readiness for StoreReadiness {
    fn ready(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async {
            if self.broker.borrow().is_none() {
                return Err("this broker is registering with its cluster".to_owned());
            }
            let head = self.store.head(&keys::cluster()).await;
            head.map(|_| ())
                .map_err(|error| format!("the store does not answer: {error}"))
        })
    }
}
