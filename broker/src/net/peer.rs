//! Whether the other side of a connection is still there, while nothing is read from it.

use std::time::Duration;

use tokio::{io::Interest, net::tcp::OwnedReadHalf};
use weir_tiering::env::Env;

/// How often a connection with unread requests is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// From the end of the client's stream until what it asked for is given up: a client that only closed
/// its sending side still gets what needs no long wait.
pub const GONE_GRACE: Duration = Duration::from_secs(1);

/// A stream that knows about its other side.
pub trait Peer {
    /// Completes when the other side sends no more, or reset the connection; takes nothing from the
    /// stream.
    fn gone(&mut self, env: &Env) -> impl Future<Output = ()> + Send;
}

impl Peer for OwnedReadHalf {
    async fn gone(&mut self, env: &Env) {
        // Most requests are over when this is looked at again, without a system call.
        tokio::task::yield_now().await;
        loop {
            match self.peek(&mut [0]).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            // A request that is not read yet hides the end of the stream, but for a flag.
            match self.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => env.clock.sleep(LOOK_INTERVAL).await,
                _ => return,
            }
        }
    }
}

/// As [`Peer::gone`], and [`GONE_GRACE`] later.
pub async fn gone_for_good(peer: &mut impl Peer, env: &Env) {
    peer.gone(env).await;
    env.clock.sleep(GONE_GRACE).await;
}
