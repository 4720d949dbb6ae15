//! What a handler knows beside the request.

use std::{net::SocketAddr, ops::Deref, sync::Arc};

use weir_protocol::str::Str;

use crate::{net::RequestMemory, node::Broker};

/// One client connection.
#[derive(Debug)]
pub struct Connection {
    pub peer: SocketAddr,
    /// Name of the listener it came in on.
    pub listener: Arc<str>,
}

impl Connection {
    pub fn new(peer: SocketAddr, listener: Arc<str>) -> Connection {
        Connection { peer, listener }
    }
}

/// One request. Dereferences to the broker, so that handlers read `ctx.metadata`, `ctx.wal`, ….
pub struct RequestContext {
    pub broker: Arc<Broker>,
    pub connection: Arc<Connection>,
    pub version: i16,
    /// `client.id`; empty when the client sent none.
    pub client_id: Str,
    pub memory: RequestMemory,
}

impl RequestContext {
    /// `/127.0.0.1`, as Kafka shows a client's host.
    pub fn client_host(&self) -> String {
        format!("/{}", self.connection.peer.ip())
    }
}

impl Deref for RequestContext {
    type Target = Broker;

    fn deref(&self) -> &Broker {
        &self.broker
    }
}
