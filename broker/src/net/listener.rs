//! Binds listeners and accepts connections within their limits.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};
use weir_tiering::env::{Env, TaskKind};

use super::{Admission, ConnectionLimits, connection};
use crate::api::Dispatch;

/// Pause after an accept error (file descriptors used up), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection of a listener shares.
pub struct ListenerContext {
    /// `listeners` entry, e.g. `PLAINTEXT`.
    pub name: Arc<str>,
    pub env: Env,
    pub dispatch: Arc<Dispatch>,
    pub admission: Admission,
    pub limits: ConnectionLimits,
    /// `max.connections`.
    pub connections_max: usize,
    /// `max.connections.per.ip`.
    pub connections_per_ip_max: usize,
}

/// A bound socket that does not accept yet.
pub struct BoundListener {
    socket: TcpListener,
}

impl BoundListener {
    /// Binds `host:port`; an empty host means all interfaces, port 0 any free one.
    pub async fn bind(host: &str, port: u16) -> std::io::Result<BoundListener> {
        let host = if host.is_empty() { "0.0.0.0" } else { host };
        let socket = TcpListener::bind((host, port)).await?;
        Ok(BoundListener { socket })
    }

    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Accepts until the process stops; then closes the socket.
pub fn serve(listener: BoundListener, context: Arc<ListenerContext>) {
    let env = context.env.clone();
    env.tasks.clone().spawn(TaskKind::Accept, async move {
        let open = Arc::new(OpenConnections::default());
        let mut stopping = std::pin::pin!(env.tasks.stopping());
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stopping => return,
                accepted = listener.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => admit(stream, peer, &open, &context),
                Err(error) => {
                    tracing::warn!(%error, listener = %context.name, "cannot accept connections; raise the limit of open files");
                    env.clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
}

fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    open: &Arc<OpenConnections>,
    context: &Arc<ListenerContext>,
) {
    let Some(place) = open.take(peer.ip(), context) else {
        tracing::debug!(%peer, "refused: max.connections or max.connections.per.ip reached");
        return;
    };
    let context = context.clone();
    let tasks = context.env.tasks.clone();
    tasks.spawn(TaskKind::Connection, async move {
        connection::run(stream, peer, context).await;
        drop(place);
    });
}

#[derive(Default)]
struct OpenConnections {
    count: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

struct Place {
    open: Arc<OpenConnections>,
    ip: IpAddr,
}

impl OpenConnections {
    fn take(self: &Arc<Self>, ip: IpAddr, context: &ListenerContext) -> Option<Place> {
        let mut count = self.count.lock().expect("no code panics under this lock");
        let of_ip = count.1.get(&ip).copied().unwrap_or(0);
        if count.0 >= context.connections_max || of_ip >= context.connections_per_ip_max {
            return None;
        }
        count.0 += 1;
        count.1.insert(ip, of_ip + 1);
        Some(Place {
            open: self.clone(),
            ip,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = self.open.count.lock().expect("no code panics under this lock");
        count.0 -= 1;
        if let Some(of_ip) = count.1.get_mut(&self.ip) {
            *of_ip -= 1;
            if *of_ip == 0 {
                count.1.remove(&self.ip);
            }
        }
    }
}
