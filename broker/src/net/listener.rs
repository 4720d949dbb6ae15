//! Binds listeners and accepts connections within their limits.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};
use weir_tiering::env::{Env, TaskKind};

use super::{Admission, ConnectionLimits, connection};
use crate::{api::Dispatch, telemetry::metrics::NetworkMetrics};

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
    pub open: Arc<OpenConnections>,
    pub metrics: NetworkMetrics,
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
        let mut stopping = std::pin::pin!(env.tasks.stopping());
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stopping => return,
                accepted = listener.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => admit(stream, peer, &context),
                Err(error) => {
                    tracing::warn!(%error, listener = %context.name, "cannot accept connections; raise the limit of open files");
                    env.clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
}

fn admit(stream: TcpStream, peer: SocketAddr, context: &Arc<ListenerContext>) {
    let place = match context.open.take(peer.ip()) {
        Ok(place) => place,
        Err(limit) => {
            match limit {
                Limit::All => context.metrics.refused_max.increment(1),
                Limit::Ip => context.metrics.refused_per_ip.increment(1),
            }
            tracing::debug!(%peer, ?limit, "connection refused");
            return;
        }
    };
    context.metrics.connections.increment(1.0);
    let context = context.clone();
    let tasks = context.env.tasks.clone();
    tasks.spawn(TaskKind::Connection, async move {
        let metrics = context.metrics.clone();
        connection::run(stream, peer, context).await;
        metrics.connections.decrement(1.0);
        drop(place);
    });
}

/// How many connections there may be; shared by all listeners.
pub struct OpenConnections {
    /// `max.connections`.
    max: usize,
    /// `max.connections.per.ip`.
    per_ip_max: usize,
    /// `max.connections.per.ip.overrides`.
    overrides: BTreeMap<IpAddr, u32>,
    count: Mutex<Count>,
}

#[derive(Default)]
struct Count {
    all: usize,
    by_ip: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
enum Limit {
    All,
    Ip,
}

struct Place {
    open: Arc<OpenConnections>,
    ip: IpAddr,
}

impl OpenConnections {
    pub fn new(max: usize, per_ip_max: usize, overrides: BTreeMap<IpAddr, u32>) -> OpenConnections {
        OpenConnections {
            max,
            per_ip_max,
            overrides,
            count: Mutex::default(),
        }
    }

    fn take(self: &Arc<Self>, ip: IpAddr) -> Result<Place, Limit> {
        let mut count = self.count.lock().expect("no code panics under this lock");
        let of_ip = count.by_ip.get(&ip).copied().unwrap_or(0);
        let of_ip_max = self
            .overrides
            .get(&ip)
            .map_or(self.per_ip_max, |max| *max as usize);
        if count.all >= self.max {
            return Err(Limit::All);
        }
        if of_ip >= of_ip_max {
            return Err(Limit::Ip);
        }
        count.all += 1;
        count.by_ip.insert(ip, of_ip + 1);
        Ok(Place {
            open: self.clone(),
            ip,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = self
            .open
            .count
            .lock()
            .expect("no code panics under this lock");
        count.all -= 1;
        if let Some(of_ip) = count.by_ip.get_mut(&self.ip) {
            *of_ip -= 1;
            if *of_ip == 0 {
                count.by_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_limited_in_all_and_by_address_and_places_return() {
        let other = IpAddr::from([10, 0, 0, 2]);
        let open = Arc::new(OpenConnections::new(3, 1, BTreeMap::from([(other, 5)])));
        let local = IpAddr::from([127, 0, 0, 1]);
        let first = open.take(local).map_err(|_| ()).unwrap();
        assert!(matches!(open.take(local), Err(Limit::Ip)));
        let _second = open.take(other).map_err(|_| ()).unwrap();
        let _third = open.take(other).map_err(|_| ()).unwrap();
        assert!(matches!(open.take(other), Err(Limit::All)));
        drop(first);
        assert!(open.take(local).is_ok());
    }
}
