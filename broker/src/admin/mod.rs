//! Admin HTTP: `/metrics`, `/healthz`, `/readyz`.
//!
//! Owns: binding, the routes, limits of connections and time.
//! Does not own: whether the broker is ready (the node says so through [`Readiness`]).
//! Invariant: `/healthz` answers as long as the process runs tasks at all; it never asks the store.
//! No authentication: it belongs on loopback or on an operators' network.

mod listener;

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use weir_tiering::env::{Env, TaskKind};

use crate::{config::HostPort, telemetry::metrics::Metrics};

/// `/readyz` gives up on an answer after this.
const READY_TIMEOUT: Duration = Duration::from_secs(5);
/// Open scrapes get so long after the process began to stop.
const STOP_GRACE: Duration = Duration::from_millis(200);

/// Whether the broker can serve clients right now.
pub trait Readiness: Send + Sync + 'static {
    /// `Err` says why not. May ask the store; is given up after 5 s.
    fn ready(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;
}

struct Admin {
    env: Env,
    metrics: Arc<Metrics>,
    readiness: Arc<dyn Readiness>,
}

/// Binds the admin listener; port 0 takes a free port.
pub async fn bind(address: &HostPort) -> io::Result<TcpListener> {
    TcpListener::bind((address.host.as_str(), address.port)).await
}

/// Serves in a task of its own until the process stops. Returns the bound address.
pub fn serve(
    listener: TcpListener,
    env: &Env,
    metrics: Arc<Metrics>,
    readiness: Arc<dyn Readiness>,
) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    metrics.spawn_upkeep(env);
    let admin = Arc::new(Admin {
        env: env.clone(),
        metrics,
        readiness,
    });
    let router = Router::new()
        .route("/metrics", get(metrics_page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready_page))
        .with_state(admin);
    let listener = listener::LimitedListener::new(listener, env.clone());
    let (env, stop) = (env.clone(), env.tasks.clone());
    env.tasks.clone().spawn(TaskKind::Admin, async move {
        let stopping = stop.clone();
        let server = axum::serve(listener, router)
            .with_graceful_shutdown(async move { stopping.stopping().await });
        let out_of_grace = async {
            stop.stopping().await;
            env.clock.sleep(STOP_GRACE).await;
        };
        tokio::select! {
            biased;
            result = server => if let Err(error) = result {
                tracing::error!(%error, "admin HTTP server ended");
            },
            () = out_of_grace => {}
        }
    });
    Ok(address)
}

async fn metrics_page(State(admin): State<Arc<Admin>>) -> Response {
    let content_type = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (content_type, admin.metrics.render()).into_response()
}

async fn ready_page(State(admin): State<Arc<Admin>>) -> Response {
    match admin
        .env
        .timeout(READY_TIMEOUT, admin.readiness.ready())
        .await
    {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(reason)) => not_ready(&reason),
        Err(_) => not_ready("no answer within 5 s"),
    }
}

fn not_ready(reason: &str) -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        format!("not ready: {reason}\n"),
    )
        .into_response()
}
