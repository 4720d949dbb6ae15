//! Binding the listeners, and what clients are told about them.

use std::{io::ErrorKind, sync::Arc};

use weir_tiering::env::Env;

use super::{
    Endpoint,
    predecessor::Me,
    run::StartError,
    who::{Asked, ask},
};
use crate::{config::Listener, net::BoundListener};

/// Binds every listener. A busy port is asked who holds it: a Weir of this node id means that the
/// node is running already.
pub async fn bind(
    env: &Env,
    me: &Me<'_>,
    listeners: &[Listener],
) -> Result<Vec<(Endpoint, BoundListener)>, StartError> {
    let mut bound = Vec::with_capacity(listeners.len());
    for listener in listeners {
        let (host, port) = (&listener.bind.host, listener.bind.port);
        let socket = match BoundListener::bind(host, port).await {
            Ok(socket) => socket,
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                return Err(busy(env, me, listener).await);
            }
            Err(error) => {
                return Err(StartError::Bind {
                    address: listener.bind.to_string(),
                    error: error.to_string(),
                });
            }
        };
        let local_port = socket.local_addr().map_or(port, |address| address.port());
        let advertised = &listener.advertised;
        let endpoint = Endpoint {
            listener: Arc::from(listener.name.as_str()),
            host: advertised.host.clone(),
            port: if advertised.port == 0 {
                local_port
            } else {
                advertised.port
            },
        };
        bound.push((endpoint, socket));
    }
    Ok(bound)
}

async fn busy(env: &Env, me: &Me<'_>, listener: &Listener) -> StartError {
    let host = match listener.bind.host.as_str() {
        "" | "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    match ask(env, host, listener.bind.port).await {
        Asked::Answered(who) if me.is_other_run(&who) => StartError::InUse {
            node_id: me.node_id,
            host: who.host,
            start_ms: who.start_ms,
        },
        _ => StartError::PortInUse {
            address: listener.bind.to_string(),
        },
    }
}
