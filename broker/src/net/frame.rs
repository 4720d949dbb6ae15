//! Reads request frames: size, API key and version first, then memory, then the body as it arrives.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use weir_protocol::api_key::ApiKey;
use weir_tiering::{budget::Permit, env::Env};

use super::{Admission, connection::ConnectionLimits, peer::Peer, session::SessionState};
use crate::node::WHO_KEY;

/// First allocation for a frame; more only as its bytes arrive.
const FIRST_ALLOCATION_MAX: usize = 1 << 20;
/// Size field, API key, API version.
const PREFIX_LEN: usize = 8;
/// Longest "who are you?" request.
const WHO_LEN_MAX: usize = 64;

/// How long a frame may wait for memory before its connection is closed.
const ADMISSION_MAX: Duration = Duration::from_secs(120);

/// A whole request: header and body, without the size field.
pub struct Frame {
    pub key: FrameKey,
    pub api_version: i16,
    pub bytes: Bytes,
    /// Memory of `bytes`; kept until nothing refers to them.
    pub permit: Permit,
    /// When its last byte came; boot time.
    pub arrived: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKey {
    Kafka(ApiKey),
    /// The private "who are you?".
    Who,
}

/// Why no further frame is read; the connection closes, as Kafka does, without an answer.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the client closed the connection")]
    Closed,
    #[error("no request for a long time (connections.max.idle.ms)")]
    Idle,
    #[error("a request did not arrive whole in time")]
    Stalled,
    #[error("no memory for a frame of {len} bytes for a long time (weir.memory.bytes)")]
    NoMemory { len: usize },
    #[error(
        "a frame of {len} bytes; allowed are 8 to {max} (socket.request.max.bytes, and at most a quarter of weir.memory.bytes)"
    )]
    Size { len: i32, max: usize },
    #[error("API key {0} does not exist")]
    UnknownApi(i16),
    #[error("{0} before authentication")]
    NotAuthenticated(&'static str),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Reads the next frame. Allocates as its bytes arrive, and only after its whole size was admitted.
pub async fn read_frame<R: AsyncRead + Unpin + Peer>(
    stream: &mut R,
    env: &Env,
    session: &SessionState,
    admission: &Admission,
    limits: &ConnectionLimits,
) -> Result<Frame, FrameError> {
    let prefix = read_prefix(stream, env, limits).await?;
    let len = i32::from_be_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]);
    let number = i16::from_be_bytes([prefix[4], prefix[5]]);
    let key = frame_key(number, session)?;
    let max = match key {
        FrameKey::Kafka(_) => session
            .frame_len_max(limits.frame_len_max)
            .min(admission.frame_len_max()),
        FrameKey::Who => WHO_LEN_MAX,
    };
    let body_len = usize::try_from(len).ok().filter(|n| (8..=max).contains(n));
    let body_len = body_len.ok_or(FrameError::Size { len, max })?;
    // Waiting for memory is not the client's fault: the frame's time begins behind it.
    let permit = tokio::select! {
        biased;
        permit = admission.admit(key, body_len) => permit,
        () = stream.gone(env) => return Err(FrameError::Closed),
        () = env.clock.sleep(ADMISSION_MAX) => return Err(FrameError::NoMemory { len: body_len }),
    };
    let bytes = in_time(env, limits.frame, read_body(stream, &prefix[4..], body_len)).await?;
    Ok(Frame {
        key,
        api_version: i16::from_be_bytes([prefix[6], prefix[7]]),
        bytes,
        permit,
        arrived: env.clock.boot(),
    })
}

async fn read_prefix<R: AsyncRead + Unpin>(
    stream: &mut R,
    env: &Env,
    limits: &ConnectionLimits,
) -> Result<[u8; PREFIX_LEN], FrameError> {
    let mut prefix = [0u8; PREFIX_LEN];
    let got = match limits.idle {
        Some(idle) => env
            .timeout(idle, stream.read(&mut prefix))
            .await
            .map_err(|_| FrameError::Idle)??,
        None => stream.read(&mut prefix).await?,
    };
    if got == 0 {
        return Err(FrameError::Closed);
    }
    if got < PREFIX_LEN {
        in_time(env, limits.frame, stream.read_exact(&mut prefix[got..])).await?;
    }
    Ok(prefix)
}

fn frame_key(number: i16, session: &SessionState) -> Result<FrameKey, FrameError> {
    if number == WHO_KEY {
        return Ok(FrameKey::Who);
    }
    let key = ApiKey::from_i16(number).ok_or(FrameError::UnknownApi(number))?;
    if session.admits(key) {
        Ok(FrameKey::Kafka(key))
    } else {
        Err(FrameError::NotAuthenticated(key.name()))
    }
}

async fn in_time<T>(
    env: &Env,
    limit: Duration,
    read: impl Future<Output = std::io::Result<T>>,
) -> Result<T, FrameError> {
    let read = env
        .timeout(limit, read)
        .await
        .map_err(|_| FrameError::Stalled)?;
    read.map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => FrameError::Closed,
        _ => FrameError::Io(error),
    })
}

async fn read_body<R: AsyncRead + Unpin>(
    stream: &mut R,
    start: &[u8],
    len: usize,
) -> std::io::Result<Bytes> {
    let mut body = BytesMut::with_capacity(len.min(FIRST_ALLOCATION_MAX));
    body.extend_from_slice(start);
    while body.len() < len {
        if body.len() == body.capacity() {
            body.reserve((len - body.len()).min(body.len()));
        }
        let missing = len - body.len();
        let mut limited = (&mut *stream).take(missing as u64);
        if limited.read_buf(&mut body).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(body.freeze())
}
