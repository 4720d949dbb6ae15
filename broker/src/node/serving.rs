//! The sockets of a node: bound before it registers, served from then on.
//!
//! Owns: binding listeners and the admin address, what their connections share, readiness. Does not
//! own: when (the start order in `run`), connections (`net`).

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::watch};
use weir_tiering::{keys, store::DynStore};

use super::{Broker, Endpoint, WhoAnswer, endpoints, incarnation::NodeParts, run::StartError};
use crate::{
    admin::{self, Readiness},
    api::Dispatch,
    config::BrokerConfig,
    net::{
        self, Admission, AdmissionConfig, BoundListener, ConnectionLimits, ListenerContext,
        OpenConnections,
    },
};

/// The addresses as configured, for `--take-over`, which registers before it binds.
pub fn advertised(config: &BrokerConfig) -> Vec<Endpoint> {
    let endpoint = |listener: &crate::config::Listener| Endpoint {
        listener: Arc::from(listener.name.as_str()),
        host: listener.advertised.host.clone(),
        port: listener.advertised.port,
    };
    config.listeners.bind.iter().map(endpoint).collect()
}

/// Bound and not yet served.
pub struct Sockets {
    listeners: Vec<(Endpoint, BoundListener)>,
    admin: TcpListener,
}

/// Binds, retrying busy ports for one session.
pub async fn bind_patiently(parts: &NodeParts) -> Result<Sockets, StartError> {
    let until = parts.env.clock.boot() + parts.config.session_timeout;
    loop {
        match bind(parts).await {
            Err(StartError::PortInUse { .. } | StartError::InUse { .. })
                if parts.env.clock.boot() < until =>
            {
                parts.env.clock.sleep(Duration::from_millis(200)).await;
            }
            result => return result,
        }
    }
}

/// Binds all listeners and the admin address.
pub async fn bind(parts: &NodeParts) -> Result<Sockets, StartError> {
    // Listeners first: a busy one is asked who it is, and an incarnation that was replaced learns of it.
    let listeners = endpoints::bind(&parts.env, &parts.me(), &parts.config.listeners.bind).await?;
    let admin = admin::bind(&parts.config.admin)
        .await
        .map_err(|error| admin_failed(parts, &error))?;
    Ok(Sockets { listeners, admin })
}

fn admin_failed(parts: &NodeParts, error: &std::io::Error) -> StartError {
    let address = parts.config.admin.to_string();
    match error.kind() {
        std::io::ErrorKind::AddrInUse => StartError::PortInUse { address },
        _ => StartError::Bind {
            address,
            error: error.to_string(),
        },
    }
}

/// Begins to accept; until there is a broker, only "who are you?" is answered.
pub fn serve(
    parts: &NodeParts,
    sockets: Sockets,
    ready: watch::Receiver<Option<Arc<Broker>>>,
) -> Result<Vec<Endpoint>, StartError> {
    let readiness = Arc::new(StoreReadiness {
        store: parts.store.clone(),
        broker: ready.clone(),
    });
    admin::serve(sockets.admin, &parts.env, parts.metrics.clone(), readiness)
        .map_err(|error| admin_failed(parts, &error))?;
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
    let mut addresses = Vec::with_capacity(sockets.listeners.len());
    for (endpoint, socket) in sockets.listeners {
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
