//! One client connection: requests are taken in order, answers leave in order.
//!
//! Owns: reading, the queue of answers that are under way, writing. Does not own: what a request
//! does (`api::dispatch`).
//! Invariants: a request is handled after the one before it was; only behind a Produce the next one
//! is read before the answer has left (pipelining), and the *append* is done by then. So a client
//! that does not read holds one answer of any size and some small ones.
//! Crash or close: what was appended stays appended; its answer is lost, as with any broken
//! connection.
//!
//! A client that closes while its request waits (long poll, rebalance, memory) is noticed: the wait
//! is given up after [`GONE_GRACE`].

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::{Notify, mpsc},
};

use super::{
    frame::{FrameError, read_frame},
    listener::ListenerContext,
    peer::{GONE_GRACE, gone_for_good},
    session::SessionState,
    write::write_all,
};
use crate::{
    api::{Answer, Answering, Connection, RequestError},
    telemetry::metrics::NetworkMetrics,
};

#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// `socket.request.max.bytes`.
    pub frame_len_max: usize,
    /// `connections.max.idle.ms`; `None` = for ever.
    pub idle: Option<Duration>,
    /// From the first byte of a frame to its last.
    pub frame: Duration,
    /// An answer of which the client takes no byte for this long ends the connection.
    pub write: Duration,
    /// Produce requests of one connection whose answers may be under way at a time, ≥ 1; then reading
    /// pauses.
    pub answers_max: usize,
}

/// Why a connection ended, for the debug log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Request(#[from] RequestError),
    #[error("writing failed: {0}")]
    Write(std::io::Error),
    #[error("acks=0 produce failed: {0}")]
    Refused(String),
    #[error("the broker stops")]
    Stopping,
}

pub(super) async fn run(stream: TcpStream, peer: SocketAddr, listener: Arc<ListenerContext>) {
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let (answers, queue) = mpsc::channel(listener.limits.answers_max);
    let written = Written::default();
    let mut writing = std::pin::pin!(write_loop(write, queue, &written, &listener));
    let ended = tokio::select! {
        biased;
        ended = &mut writing => ended,
        ended = read_loop(read, peer, answers, &written, &listener) => {
            // The answers under way still leave; the writer ends when the queue is empty.
            match ended {
                Ended::Stopping => writing.await,
                ended => {
                    // What happens to them does not matter any more.
                    let _ = listener.env.timeout(GONE_GRACE, writing).await;
                    ended
                }
            }
        }
    };
    count_end(&ended, &listener.metrics);
    tracing::debug!(%peer, reason = %ended, "connection ended");
}

/// How many answers of a connection have left.
#[derive(Default)]
struct Written {
    count: AtomicU64,
    changed: Notify,
}

impl Written {
    fn add(&self) {
        self.count.fetch_add(1, Ordering::Release);
        self.changed.notify_one();
    }

    /// For one waiter at a time.
    async fn reaches(&self, count: u64) {
        while self.count.load(Ordering::Acquire) < count {
            self.changed.notified().await;
        }
    }
}

fn count_end(ended: &Ended, metrics: &NetworkMetrics) {
    match ended {
        Ended::Frame(FrameError::Idle) => metrics.closed_idle.increment(1),
        Ended::Frame(FrameError::Stalled) | Ended::Write(_) => metrics.closed_slow.increment(1),
        Ended::Frame(FrameError::Closed | FrameError::Io(_)) => {}
        Ended::Frame(FrameError::NoMemory { .. }) => {}
        Ended::Frame(_) | Ended::Request(_) => metrics.closed_frame.increment(1),
        Ended::Refused(_) | Ended::Stopping => {}
    }
}

async fn read_loop(
    mut stream: OwnedReadHalf,
    peer: SocketAddr,
    answers: mpsc::Sender<Answering>,
    written: &Written,
    listener: &ListenerContext,
) -> Ended {
    let env = &listener.env;
    let session = SessionState::plaintext();
    let connection = Arc::new(Connection::new(peer, listener.name.clone()));
    let mut stopping = std::pin::pin!(env.tasks.stopping());
    let mut taken = 0;
    loop {
        let frame = tokio::select! {
            biased;
            () = &mut stopping => return Ended::Stopping,
            frame = read_frame(&mut stream, env, &session, &listener.admission, &listener.limits) => frame,
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Ended::Frame(error),
        };
        let received = frame.bytes.len() as u64 + 4;
        listener.metrics.received_bytes.increment(received);
        taken += 1;
        let handled = async {
            let answering = listener.dispatch.handle(connection.clone(), frame).await?;
            let pipelined = matches!(answering.answer, Answer::Later(_));
            // Fails only when the writer has ended, and then this is dropped.
            let _ = answers.send(answering).await;
            if !pipelined {
                written.reaches(taken).await;
            }
            Ok(())
        };
        let handled = tokio::select! {
            biased;
            handled = handled => handled,
            () = gone_for_good(&mut stream, env) => return Ended::Frame(FrameError::Closed),
        };
        if let Err(error) = handled {
            return Ended::Request(error);
        }
    }
}

async fn write_loop(
    mut stream: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Answering>,
    written: &Written,
    listener: &ListenerContext,
) -> Ended {
    while let Some(Answering { answer, meter }) = queue.recv().await {
        let outgoing = match answer {
            Answer::Ready(outgoing) => Ok(outgoing),
            Answer::Later(outgoing) => outgoing.await,
        };
        meter.answered(&outgoing, listener.env.clock.boot());
        let outgoing = match outgoing {
            Ok(outgoing) => outgoing,
            Err(refused) => return Ended::Refused(refused.0),
        };
        let len: usize = outgoing.chunks.iter().map(|chunk| chunk.len()).sum();
        listener.metrics.sent_bytes.increment(len as u64);
        if let Err(error) = write_all(
            &mut stream,
            &listener.env,
            &listener.limits,
            outgoing.chunks,
        )
        .await
        {
            return Ended::Write(error);
        }
        drop(outgoing.memory);
        written.add();
    }
    Ended::Stopping
}
