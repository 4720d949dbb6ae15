//! Frames: an int32 size and that many bytes.

use crate::header::{RequestHeader, encode_response_header};
use crate::message::{Message, Request};
use crate::str::Str;
use crate::wire::{EncodeError, Writer};
use bytes::Bytes;
use thiserror::Error;

/// Bytes in front of every frame.
pub const SIZE_PREFIX_BYTES: usize = 4;

/// A size that is no frame; the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    #[error("a frame of {size} bytes: the size is negative")]
    Negative { size: i32 },
    #[error("a frame of {size} bytes is over the limit of {limit} (socket.request.max.bytes)")]
    TooLarge { size: usize, limit: usize },
}

/// The size of a frame (without the prefix) from its prefix, checked against `limit` (inclusive).
pub fn check_size(prefix: [u8; SIZE_PREFIX_BYTES], limit: usize) -> Result<usize, FrameError> {
    let size = i32::from_be_bytes(prefix);
    let Ok(size) = usize::try_from(size) else {
        return Err(FrameError::Negative { size });
    };
    if size > limit {
        return Err(FrameError::TooLarge { size, limit });
    }
    Ok(size)
}

/// A whole response frame, with its size in front, as chunks to be sent one after the other.
pub fn response<R: Request>(
    version: i16,
    correlation_id: i32,
    body: &R::Response,
) -> Result<Vec<Bytes>, EncodeError> {
    let mut w = Writer::framed(512);
    encode_response_header(&mut w, R::KEY, version, correlation_id);
    body.encode(&mut w, version);
    w.finish()
}

/// A whole request frame, as a client sends it.
pub fn request<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: Option<Str>,
    body: &R,
) -> Result<Vec<Bytes>, EncodeError> {
    let mut w = Writer::framed(512);
    let header = RequestHeader {
        api_key: R::KEY.as_i16(),
        api_version: version,
        correlation_id,
        client_id,
    };
    header.encode(&mut w);
    body.encode(&mut w, version);
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{MetadataRequest, MetadataResponse};

    #[test]
    fn a_size_that_is_no_frame_is_refused() {
        assert_eq!(check_size(7i32.to_be_bytes(), 7), Ok(7));
        assert_eq!(
            check_size(8i32.to_be_bytes(), 7),
            Err(FrameError::TooLarge { size: 8, limit: 7 })
        );
        assert_eq!(
            check_size([0xff; 4], 7),
            Err(FrameError::Negative { size: -1 })
        );
    }

    #[test]
    fn frames_begin_with_their_size() {
        let body = MetadataResponse {
            cluster_id: Some("c".into()),
            ..Default::default()
        };
        let frame = response::<MetadataRequest>(12, 5, &body).unwrap().concat();
        let size = check_size(frame[..4].try_into().unwrap(), 1000).unwrap();
        assert_eq!(size, frame.len() - 4);
        assert_eq!(frame[4..9], [0, 0, 0, 5, 0]);
    }
}
