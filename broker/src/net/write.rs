//! Writes answers: gather lists of slices, never copied into one buffer.

use std::{io::IoSlice, time::Duration};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use weir_tiering::env::Env;

use super::connection::ConnectionLimits;

/// Slices per system call (IOV_MAX of Linux).
const SLICES_MAX: usize = 1024;

/// A reader may be as slow as this on the whole of an answer, in bytes per second, and no slower.
const SLOWEST_READER: u64 = 8 * 1024;

/// Answers up to this many bytes have one time limit as a whole.
const ONE_TIMER_MAX: usize = 64 * 1024;

/// Writes all of `chunks`. A reader that accepts no byte for `limits.write`, or is slower than
/// [`SLOWEST_READER`] beyond that, is given up.
pub async fn write_all<W: AsyncWrite + Unpin>(
    stream: &mut W,
    env: &Env,
    limits: &ConnectionLimits,
    chunks: Vec<Bytes>,
) -> std::io::Result<()> {
    let len: usize = chunks.iter().map(Bytes::len).sum();
    let limit = limits.write + Duration::from_secs(len as u64 / SLOWEST_READER);
    // One timer is enough for an answer that is mostly one write.
    let each = (len > ONE_TIMER_MAX).then_some(limits.write);
    let written = env.timeout(limit, write_chunks(stream, env, each, chunks));
    written.await.map_err(|_| too_slow())?
}

fn too_slow() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "the client does not read")
}

async fn write_chunks<W: AsyncWrite + Unpin>(
    stream: &mut W,
    env: &Env,
    each: Option<Duration>,
    mut chunks: Vec<Bytes>,
) -> std::io::Result<()> {
    let mut first = 0;
    while first < chunks.len() {
        let end = chunks.len().min(first + SLICES_MAX);
        let slices: Vec<IoSlice<'_>> = chunks[first..end].iter().map(|c| IoSlice::new(c)).collect();
        let write = stream.write_vectored(&slices);
        let written = match each {
            Some(limit) => env.timeout(limit, write).await.map_err(|_| too_slow())??,
            None => write.await?,
        };
        if written == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        first = advance(&mut chunks, first, written);
    }
    Ok(())
}

/// Drops `written` bytes from `chunks[first..]`; returns the first chunk with bytes left.
fn advance(chunks: &mut [Bytes], mut first: usize, mut written: usize) -> usize {
    while first < chunks.len() {
        let len = chunks[first].len();
        if written < len {
            chunks[first].advance(written);
            break;
        }
        written -= len;
        chunks[first] = Bytes::new();
        first += 1;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_writes_go_on_where_they_stopped() {
        let mut chunks = vec![
            Bytes::from_static(b"abc"),
            Bytes::from_static(b"defg"),
            Bytes::from_static(b"h"),
        ];
        let first = advance(&mut chunks, 0, 5);
        assert_eq!((first, &chunks[1][..]), (1, &b"fg"[..]));
        let first = advance(&mut chunks, first, 2);
        assert_eq!((first, &chunks[2][..]), (2, &b"h"[..]));
        assert_eq!(advance(&mut chunks, first, 1), 3);
    }
}
