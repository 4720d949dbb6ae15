//! zstd frames. Clients stream, so the content size is often absent; it is never used.
//!
//! Decoded in one call straight into the output, which saves the window buffer (up to 128 MiB by a
//! frame's own word) and a copy. Too little room is met by doubling and starting again: that at most
//! doubles the work, and a thread's warm buffer makes it rare. Contexts are kept per thread.

use std::cell::Cell;

use ::zstd::zstd_safe::{
    self, CCtx, CParameter, DCtx, ResetDirective, get_error_name, zstd_sys::ZSTD_ErrorCode,
};

use super::Failure;
use super::sink::Sink;

const DEFAULT_LEVEL: i32 = 3;
/// A compression context grows with the level; a larger one than this is freed after use.
const CONTEXT_KEPT_BYTES_MAX: usize = 8 << 20;
const WINDOW_BYTES_MAX: u64 = 128 << 20;
const FIRST_ROOM_BYTES: usize = 64 << 10;
/// A block has at least 4 bytes (3 of header, 1 of content) and yields at most 128 KiB.
const BLOCK_BYTES_MIN: usize = 4;
const BLOCK_OUTPUT_BYTES_MAX: usize = 128 << 10;

thread_local! {
    static DECODER: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
    static ENCODER: Cell<Option<CCtx<'static>>> = const { Cell::new(None) };
}

pub(super) fn decompress(input: &[u8], sink: &mut Sink<'_>) -> Result<(), Failure> {
    let mut decoder = DECODER.take().unwrap_or_else(DCtx::create);
    let result = decompress_with(&mut decoder, input, sink);
    DECODER.set(Some(decoder));
    result
}

/// Java's streaming decoder, and so Kafka's clients and broker, refuse windows above 128 MiB. Our
/// one-call decoding wouldn't notice.
fn check_windows(mut frames: &[u8]) -> Result<(), Failure> {
    const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
    while !frames.is_empty() {
        if frames.starts_with(&MAGIC) && window_bytes(frames).unwrap_or(0) > WINDOW_BYTES_MAX {
            return Err("the frame needs a window above 128 MiB".into());
        }
        let size = zstd_safe::find_frame_compressed_size(frames)
            .map_err(|code| Failure::from(get_error_name(code)))?;
        frames = frames.get(size.max(1)..).unwrap_or(&[]);
    }
    Ok(())
}

/// Of the frame header at the start of `frame` (RFC 8878, 3.1.1.1).
fn window_bytes(frame: &[u8]) -> Option<u64> {
    const SINGLE_SEGMENT: u8 = 1 << 5;
    let [descriptor, window] = *frame.get(4..)?.first_chunk::<2>()?;
    if descriptor & SINGLE_SEGMENT != 0 {
        return zstd_safe::get_frame_content_size(frame).ok().flatten();
    }
    let base = 1u64 << (10 + (window >> 3));
    Some(base + base / 8 * u64::from(window & 7))
}

fn decompress_with(
    decoder: &mut DCtx<'static>,
    input: &[u8],
    sink: &mut Sink<'_>,
) -> Result<(), Failure> {
    check_windows(input)?;
    let possible = (input.len() / BLOCK_BYTES_MIN + 1).saturating_mul(BLOCK_OUTPUT_BYTES_MAX);
    let mut wanted = FIRST_ROOM_BYTES.max(input.len().saturating_mul(4));
    loop {
        wanted = wanted.min(possible);
        let free = sink.free_at_least(wanted);
        let tried = free.len();
        match decoder.decompress(free, input) {
            Ok(written) => {
                sink.advance(written);
                return Ok(());
            }
            Err(code) if !is_too_small(code) => {
                return Err(Failure::Corrupt(get_error_name(code).into()));
            }
            Err(_) if tried >= sink.room() => return Err(Failure::TooLarge),
            Err(_) if tried >= possible => {
                return Err("the frame announces more than its bytes can hold".into());
            }
            Err(_) => wanted = tried.saturating_mul(2),
        }
    }
}

fn is_too_small(code: usize) -> bool {
    zstd_safe::is_error_kind(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall)
}

pub(super) fn compress(input: &[u8], level: Option<i32>, out: &mut Vec<u8>) {
    let mut encoder = ENCODER.take().unwrap_or_else(CCtx::create);
    let level = level
        .unwrap_or(DEFAULT_LEVEL)
        .clamp(zstd_safe::min_c_level(), zstd_safe::max_c_level());
    let from = out.len();
    out.resize(from + zstd_safe::compress_bound(input.len()), 0);
    let written = encoder
        .reset(ResetDirective::SessionAndParameters)
        .and_then(|_| encoder.set_parameter(CParameter::CompressionLevel(level)))
        .and_then(|_| encoder.compress2(&mut out[from..], input))
        .expect("the level is in range and the output as large as the bound");
    out.truncate(from + written);
    if encoder.sizeof() <= CONTEXT_KEPT_BYTES_MAX {
        ENCODER.set(Some(encoder));
    }
}
