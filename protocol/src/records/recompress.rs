//! Rebuilds a batch with another codec (`compression.type` ≠ `producer`).
//!
//! The records area is the same bytes under every codec, so records, their deltas and all header
//! fields stay; only codec bits, length and CRC change. (Kafka re-encodes record by record, with the
//! same result for a validated batch.)

use super::batch::{self, BatchView};
use super::compression::{self, Codec, Compression, DecompressError};

/// Why a batch could not be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecompressError {
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    #[error("the rebuilt batch exceeds the format's i32")]
    TooLarge,
}

/// `batch` with its records in `target`. The caller checks the new size against
/// `max.message.bytes`, and leaves control batches as they are (Kafka never compresses them). A
/// level alone is no reason to call this: Kafka too keeps a batch that has the right codec.
pub fn recompress(
    batch: &BatchView<'_>,
    target: Compression,
    decompressed_cap_bytes: usize,
) -> Result<Vec<u8>, RecompressError> {
    let mut header = *batch.header();
    let id = header.attributes.codec_id();
    let source = Codec::from_id(id).ok_or(DecompressError::UnknownCodec { id })?;
    header.attributes = header.attributes.with_codec(target.codec);
    let rebuilt =
        compression::with_decompressed(source, batch.payload(), decompressed_cap_bytes, |area| {
            if target.codec == Codec::None {
                return batch::assemble(header, area);
            }
            let mut payload = Vec::new();
            compression::compress(target, area, &mut payload);
            batch::assemble(header, &payload)
        })?;
    rebuilt.ok_or(RecompressError::TooLarge)
}
