//! One client connection: requests are taken in order, answers leave in order.
//!
//! Owns: reading, the queue of answers that are under way, writing. Does not own: what a request
//! does (`api::dispatch`).
//! Invariant: a request is handled after the one before it was; only Produce lets the next one begin
//! while its answer still waits for the store (pipelining), and its *append* is done by then.
//! Crash or close: what was appended stays appended; its answer is lost, as with any broken
//! connection.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::mpsc,
};

use super::{
    frame::{FrameError, read_frame},
    listener::ListenerContext,
    session::SessionState,
    write::write_all,
};
use crate::{
    api::{Answer, AnswerBytes, Connection, RequestError},
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
    /// Answers of one connection that may be under way at a time, ≥ 1; then reading pauses.
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
    let ended = tokio::select! {
        biased;
        ended = write_loop(write, queue, &listener) => ended,
        ended = read_loop(read, peer, answers, &listener) => ended,
    };
    count_end(&ended, &listener.metrics);
    tracing::debug!(%peer, reason = %ended, "connection ended");
}

fn count_end(ended: &Ended, metrics: &NetworkMetrics) {
    match ended {
        Ended::Frame(FrameError::Idle) => metrics.closed_idle.increment(1),
        Ended::Frame(FrameError::Stalled) | Ended::Write(_) => metrics.closed_slow.increment(1),
        Ended::Frame(FrameError::Closed | FrameError::Io(_)) => {}
        Ended::Frame(_) | Ended::Request(_) => metrics.closed_frame.increment(1),
        Ended::Refused(_) | Ended::Stopping => {}
    }
}

async fn read_loop(
    mut stream: OwnedReadHalf,
    peer: SocketAddr,
    answers: mpsc::Sender<Answer>,
    listener: &ListenerContext,
) -> Ended {
    let session = SessionState::plaintext();
    let connection = Arc::new(Connection::new(peer, listener.name.clone()));
    let mut stopping = std::pin::pin!(listener.env.tasks.stopping());
    loop {
        let frame = tokio::select! {
            biased;
            () = &mut stopping => break,
            frame = read_frame(&mut stream, &listener.env, &session, &listener.admission, &listener.limits) => frame,
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Ended::Frame(error),
        };
        listener
            .metrics
            .received_bytes
            .increment(frame.bytes.len() as u64 + 4);
        let answer = match listener.dispatch.handle(connection.clone(), frame).await {
            Ok(answer) => answer,
            Err(error) => return Ended::Request(error),
        };
        if answers.send(answer).await.is_err() {
            break;
        }
    }
    // The answers under way still leave; the writer ends when the queue is empty.
    drop(answers);
    std::future::pending().await
}

async fn write_loop(
    mut stream: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Answer>,
    listener: &ListenerContext,
) -> Ended {
    while let Some(answer) = queue.recv().await {
        let chunks: AnswerBytes = match answer {
            Answer::None => continue,
            Answer::Ready(chunks) => chunks,
            Answer::Later(chunks) => match chunks.await {
                Ok(chunks) => chunks,
                Err(refused) => return Ended::Refused(refused.0),
            },
        };
        if chunks.is_empty() {
            continue;
        }
        let len: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        listener.metrics.sent_bytes.increment(len as u64);
        if let Err(error) = write_all(&mut stream, &listener.env, &listener.limits, chunks).await {
            return Ended::Write(error);
        }
    }
    Ended::Stopping
}
