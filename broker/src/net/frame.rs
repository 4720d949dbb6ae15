//! Reads request frames: size, API key and version first, then memory, then the body as it arrives.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use weir_protocol::api_key::ApiKey;
use weir_tiering::{budget::Permit, env::Env};

use super::{Admission, connection::ConnectionLimits, session::SessionState};

/// First allocation for a frame; more only as its bytes arrive.
const FIRST_ALLOCATION_MAX: usize = 1 << 20;
/// Size field, API key, API version.
const PREFIX_LEN: usize = 8;

/// A whole request: header and body, without the size field.
pub struct Frame {
    pub api_key: ApiKey,
    pub api_version: i16,
    pub bytes: Bytes,
    pub permit: Permit,
}

/// Why no further frame is read; the connection closes, as Kafka does, without an answer.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the client closed the connection")]
    Closed,
    #[error("no request for {0} seconds (connections.max.idle.ms)")]
    Idle(u64),
    #[error("a request stalled: no byte for {0} seconds")]
    Stalled(u64),
    #[error("a frame of {len} bytes; allowed are 8 to {max} (socket.request.max.bytes)")]
    Size { len: i32, max: usize },
    #[error("API key {0} does not exist")]
    UnknownApi(i16),
    #[error("{0} before authentication")]
    NotAuthenticated(&'static str),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Reads the next frame.
pub async fn read_frame<R: AsyncRead + Unpin>(
    stream: &mut R,
    env: &Env,
    session: &SessionState,
    admission: &Admission,
    limits: &ConnectionLimits,
) -> Result<Frame, FrameError> {
    let mut prefix = [0u8; PREFIX_LEN];
    let first = env.timeout(limits.idle, stream.read(&mut prefix[..])).await;
    let got = match first {
        Err(_) => return Err(FrameError::Idle(limits.idle.as_secs())),
        Ok(result) => result?,
    };
    if got == 0 {
        return Err(FrameError::Closed);
    }
    let rest = env.timeout(limits.stall, stream.read_exact(&mut prefix[got..]));
    rest.await.map_err(|_| stalled(limits))??;
    let len = i32::from_be_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]);
    let max = session.frame_len_max(limits.frame_len_max);
    let body_len = usize::try_from(len).ok().filter(|n| (8..=max).contains(n));
    let body_len = body_len.ok_or(FrameError::Size { len, max })?;
    let key = i16::from_be_bytes([prefix[4], prefix[5]]);
    let api_key = ApiKey::from_i16(key).ok_or(FrameError::UnknownApi(key))?;
    if !session.admits(api_key) {
        return Err(FrameError::NotAuthenticated(api_key.name()));
    }
    let permit = admission.admit(api_key, body_len).await;
    let bytes = read_body(stream, env, limits, &prefix[4..], body_len).await?;
    Ok(Frame {
        api_key,
        api_version: i16::from_be_bytes([prefix[6], prefix[7]]),
        bytes,
        permit,
    })
}

async fn read_body<R: AsyncRead + Unpin>(
    stream: &mut R,
    env: &Env,
    limits: &ConnectionLimits,
    start: &[u8],
    len: usize,
) -> Result<Bytes, FrameError> {
    let mut body = BytesMut::with_capacity(len.min(FIRST_ALLOCATION_MAX));
    body.extend_from_slice(start);
    while body.len() < len {
        if body.len() == body.capacity() {
            body.reserve((len - body.len()).min(body.len()));
        }
        let missing = len - body.len();
        let mut limited = (&mut *stream).take(missing as u64);
        let read = env.timeout(limits.stall, limited.read_buf(&mut body)).await;
        if read.map_err(|_| stalled(limits))?? == 0 {
            return Err(FrameError::Closed);
        }
    }
    Ok(body.freeze())
}

fn stalled(limits: &ConnectionLimits) -> FrameError {
    FrameError::Stalled(limits.stall.as_secs())
}
