//! snappy, in two framings: Xerial's blocks (`82 53 4e 41 50 50 59 00`, version, compatible version,
//! then length-prefixed blocks; Java and Go clients) and one raw block (librdkafka).
//!
//! We write Xerial's, with blocks of 32 KiB as snappy-java does. The announced size of a block is
//! believed only as far as its compressed bytes could produce it.

use super::Failure;
use super::sink::Sink;

const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;
/// Version and lowest compatible version.
const XERIAL_VERSION: u32 = 1;
const BLOCK_BYTES: usize = 32 << 10;
/// A copy element of two bytes yields at most 11 bytes, one of three at most 64.
const EXPANSION_MAX: usize = 22;

pub(super) fn decompress(input: &[u8], sink: &mut Sink<'_>) -> Result<(), Failure> {
    if !input.starts_with(&XERIAL_MAGIC) {
        return raw_block(input, sink);
    }
    let mut rest = input;
    while !rest.is_empty() {
        // Streams may be concatenated, each with its header (snappy-java reads them so).
        if rest.starts_with(&XERIAL_MAGIC) {
            rest = xerial_header(rest)?;
            continue;
        }
        let (length, blocks) = rest
            .split_first_chunk::<4>()
            .ok_or("the stream ends inside a block length")?;
        let length = u32::from_be_bytes(*length) as usize;
        let block = blocks
            .get(..length)
            .ok_or("a block is longer than the stream")?;
        raw_block(block, sink)?;
        rest = &blocks[length..];
    }
    Ok(())
}

fn xerial_header(stream: &[u8]) -> Result<&[u8], Failure> {
    let header = stream
        .get(..XERIAL_HEADER_BYTES)
        .ok_or("the stream ends inside its header")?;
    let version = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    if version < XERIAL_VERSION {
        return Err("incompatible Xerial version".into());
    }
    Ok(&stream[XERIAL_HEADER_BYTES..])
}

fn raw_block(block: &[u8], sink: &mut Sink<'_>) -> Result<(), Failure> {
    let corrupt = |error: snap::Error| Failure::Corrupt(error.to_string().into());
    let size = snap::raw::decompress_len(block).map_err(corrupt)?;
    if size > block.len().saturating_mul(EXPANSION_MAX) {
        return Err("a block announces more than its bytes can hold".into());
    }
    if size > sink.room() {
        return Err(Failure::TooLarge);
    }
    let written = snap::raw::Decoder::new()
        .decompress(block, sink.free(size))
        .map_err(corrupt)?;
    sink.advance(written);
    Ok(())
}

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&XERIAL_MAGIC);
    out.extend_from_slice(&XERIAL_VERSION.to_be_bytes());
    out.extend_from_slice(&XERIAL_VERSION.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(BLOCK_BYTES) {
        let length_at = out.len();
        let data_at = length_at + 4;
        out.resize(data_at + snap::raw::max_compress_len(block.len()), 0);
        let written = encoder
            .compress(block, &mut out[data_at..])
            .expect("the output has the room that the encoder asks for");
        out[length_at..data_at].copy_from_slice(&(written as u32).to_be_bytes());
        out.truncate(data_at + written);
    }
}
