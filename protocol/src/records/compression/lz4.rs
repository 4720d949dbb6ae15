//! lz4 frames, read and written block by block (the block codec is `lz4_flex`).
//!
//! What Kafka's Java client refuses to read is refused: linked blocks, dictionaries, reserved bits,
//! a wrong header or block checksum. Content size and content checksum, which Java skips, are
//! checked, because librdkafka does. Bytes behind the frame, which Java ignores and librdkafka
//! refuses, are refused.
//! We write independent blocks of 64 KiB and no checksums but the header's, as Java does. The broken
//! header checksum of Kafka < 0.10 (KIP-57) exists only in formats that are gone.

use lz4_flex::block::{self, DecompressError};
use twox_hash::XxHash32;

use super::Failure;
use super::sink::Sink;

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
const FLAG_VERSION: u8 = 0b0100_0000;
const FLAG_VERSION_MASK: u8 = 0b1100_0000;
const FLAG_INDEPENDENT: u8 = 0b0010_0000;
const FLAG_BLOCK_CHECKSUM: u8 = 0b0001_0000;
const FLAG_CONTENT_SIZE: u8 = 0b0000_1000;
const FLAG_CONTENT_CHECKSUM: u8 = 0b0000_0100;
/// Bit 0 announces a dictionary; bit 1 is reserved.
const FLAG_REFUSED: u8 = 0b0000_0011;
const BLOCK_UNCOMPRESSED: u32 = 0x8000_0000;
/// Size class 4 of the block descriptor: 64 KiB.
const WRITTEN_BLOCK_DESCRIPTOR: u8 = 4 << 4;
const WRITTEN_BLOCK_BYTES: usize = 64 << 10;
/// A length byte of 255 in the compressed form stands for at most 255 bytes of output.
const EXPANSION_MAX: usize = 255;

struct FrameHeader {
    flags: u8,
    block_bytes_max: usize,
    content_size: Option<u64>,
}

pub(super) fn decompress(input: &[u8], sink: &mut Sink<'_>) -> Result<(), Failure> {
    let mut rest = input;
    let header = frame_header(&mut rest)?;
    loop {
        let size = u32::from_le_bytes(take(&mut rest)?);
        if size == 0 {
            break;
        }
        let length = (size & !BLOCK_UNCOMPRESSED) as usize;
        if length > header.block_bytes_max {
            return Err("a block exceeds the frame's block size".into());
        }
        let data = rest.get(..length).ok_or("the frame ends inside a block")?;
        rest = &rest[length..];
        if header.flags & FLAG_BLOCK_CHECKSUM != 0
            && u32::from_le_bytes(take(&mut rest)?) != XxHash32::oneshot(0, data)
        {
            return Err("block checksum mismatch".into());
        }
        if size & BLOCK_UNCOMPRESSED != 0 {
            sink.push(data)?;
        } else {
            compressed_block(data, header.block_bytes_max, sink)?;
        }
    }
    frame_end(&header, rest, sink)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Failure> {
    let (head, tail) = rest
        .split_first_chunk::<N>()
        .ok_or("the frame ends early")?;
    *rest = tail;
    Ok(*head)
}

fn frame_header(rest: &mut &[u8]) -> Result<FrameHeader, Failure> {
    if take::<4>(rest)? != MAGIC {
        return Err("not an lz4 frame".into());
    }
    let descriptor = *rest;
    let [flags, block_descriptor] = take::<2>(rest)?;
    if flags & FLAG_VERSION_MASK != FLAG_VERSION {
        return Err("unsupported frame version".into());
    }
    if flags & FLAG_INDEPENDENT == 0 {
        return Err("linked blocks are unsupported: block independence must be set".into());
    }
    if flags & FLAG_REFUSED != 0 {
        return Err("dictionaries and reserved flags are unsupported".into());
    }
    let block_bytes_max = match block_descriptor {
        0x40 => 64 << 10,
        0x50 => 256 << 10,
        0x60 => 1 << 20,
        0x70 => 4 << 20,
        _ => return Err("invalid block descriptor".into()),
    };
    let mut content_size = None;
    if flags & FLAG_CONTENT_SIZE != 0 {
        content_size = Some(u64::from_le_bytes(take(rest)?));
    }
    let descriptor = &descriptor[..descriptor.len() - rest.len()];
    let [checksum] = take::<1>(rest)?;
    if checksum != header_checksum(descriptor) {
        return Err("frame header checksum mismatch".into());
    }
    Ok(FrameHeader {
        flags,
        block_bytes_max,
        content_size,
    })
}

fn header_checksum(descriptor: &[u8]) -> u8 {
    (XxHash32::oneshot(0, descriptor) >> 8) as u8
}

fn compressed_block(data: &[u8], block_bytes: usize, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let wanted = block_bytes.min(data.len().saturating_mul(EXPANSION_MAX));
    let free = sink.free(wanted);
    let capped = free.len() < wanted;
    match block::decompress_into(data, free) {
        Ok(written) => {
            sink.advance(written);
            Ok(())
        }
        Err(DecompressError::OutputTooSmall { .. }) if capped => Err(Failure::TooLarge),
        Err(error) => Err(Failure::Corrupt(error.to_string().into())),
    }
}

fn frame_end(header: &FrameHeader, mut rest: &[u8], sink: &Sink<'_>) -> Result<(), Failure> {
    if header.flags & FLAG_CONTENT_CHECKSUM != 0
        && u32::from_le_bytes(take(&mut rest)?) != XxHash32::oneshot(0, sink.output())
    {
        return Err("content checksum mismatch".into());
    }
    if header
        .content_size
        .is_some_and(|size| size != sink.filled() as u64)
    {
        return Err("content size mismatch".into());
    }
    if !rest.is_empty() {
        return Err("bytes remain after the frame".into());
    }
    Ok(())
}

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) {
    let descriptor = [FLAG_VERSION | FLAG_INDEPENDENT, WRITTEN_BLOCK_DESCRIPTOR];
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&descriptor);
    out.push(header_checksum(&descriptor));
    for data in input.chunks(WRITTEN_BLOCK_BYTES) {
        let size_at = out.len();
        let data_at = size_at + 4;
        out.resize(data_at + block::get_maximum_output_size(data.len()), 0);
        let written = block::compress_into(data, &mut out[data_at..])
            .expect("the output has the room that the encoder asks for");
        let mut size = written as u32;
        out.truncate(data_at + written);
        if written >= data.len() {
            size = data.len() as u32 | BLOCK_UNCOMPRESSED;
            out.truncate(data_at);
            out.extend_from_slice(data);
        }
        out[size_at..data_at].copy_from_slice(&size.to_le_bytes());
    }
    out.extend_from_slice(&0u32.to_le_bytes());
}
