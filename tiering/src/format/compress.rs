//! zstd for footers and control regions, with the output capped by what the reader expects.

use std::{cell::RefCell, io::Read};

use bytes::Bytes;

use super::FormatError;

/// Sections up to this size stay uncompressed: simple readers can do without zstd then.
pub(crate) const COMPRESS_ABOVE: usize = 4096;
const LEVEL: i32 = 1;
/// 8 MiB: a frame may not make the reader allocate more for its window.
const WINDOW_LOG_MAX: u32 = 23;

thread_local! {
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// The zstd frame of `raw` when it is large and compression helps, else `None`.
pub(crate) fn compress_if_large(raw: &[u8]) -> Option<Bytes> {
    if raw.len() <= COMPRESS_ABOVE {
        return None;
    }
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Compressor::new(LEVEL).ok();
        }
        let packed = slot.as_mut()?.compress(raw).ok()?;
        (packed.len() < raw.len()).then(|| Bytes::from(packed))
    })
}

/// Unpacks one zstd frame to exactly `len` bytes. Memory grows with what comes out, not with `len`.
pub(crate) fn decompress_exact(
    what: &'static str,
    packed: &[u8],
    len: u64,
) -> Result<Bytes, FormatError> {
    let invalid = |message: String| FormatError::Invalid { what, message };
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)
        .map_err(|error| invalid(format!("zstd: {error}")))?
        .single_frame();
    decoder
        .window_log_max(WINDOW_LOG_MAX)
        .map_err(|error| invalid(format!("zstd: {error}")))?;
    let mut raw = Vec::new();
    decoder
        .take(len.saturating_add(1))
        .read_to_end(&mut raw)
        .map_err(|error| invalid(format!("zstd: {error}")))?;
    if raw.len() as u64 != len {
        let message = format!("unpacked to {} bytes or more instead of {len}", raw.len());
        return Err(invalid(message));
    }
    Ok(Bytes::from(raw))
}
