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

use super::{frame::read_frame, listener::ListenerContext, session::SessionState, write::write_all};
use crate::api::{Answer, AnswerBytes, Connection, RequestError};

/// Answers of one connection that may wait at a time; then reading pauses.
const ANSWERS_MAX: usize = 128;

#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// `socket.request.max.bytes`.
    pub frame_len_max: usize,
    /// `connections.max.idle.ms`.
    pub idle: Duration,
    /// A frame or an answer under way that makes no progress for this long ends the connection.
    pub stall: Duration,
}

/// Why a connection ended, for the debug log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("{0}")]
    Frame(#[from] super::frame::FrameError),
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
    let (answers, queue) = mpsc::channel(ANSWERS_MAX);
    let ended = tokio::select! {
        biased;
        ended = write_loop(write, queue, &listener) => ended,
        ended = read_loop(read, peer, answers, &listener) => ended,
    };
    tracing::debug!(%peer, reason = %ended, "connection ended");
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
        let answer = match listener.dispatch.handle(connection.clone(), frame.into()).await {
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
        listener.dispatch.count_bytes_out(&chunks);
        if let Err(error) = write_all(&mut stream, &listener.env, &listener.limits, chunks).await {
            return Ended::Write(error);
        }
    }
    Ended::Stopping
}
