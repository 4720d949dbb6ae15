//! gzip: clients write one member; several are read, as Java's `GZIPInputStream` does.

use std::io::{Read, Write};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::Failure;
use super::sink::Sink;

const CHUNK_BYTES: usize = 64 << 10;

pub(super) fn decompress(input: &[u8], sink: &mut Sink<'_>) -> Result<(), Failure> {
    let mut decoder = MultiGzDecoder::new(input);
    loop {
        if sink.room() == 0 {
            // Full is fine, if that was all.
            return match read(&mut decoder, &mut [0])? {
                0 => Ok(()),
                _ => Err(Failure::TooLarge),
            };
        }
        // Doubles as bytes come out.
        let wanted = CHUNK_BYTES.max(sink.filled());
        let read = read(&mut decoder, sink.free(wanted))?;
        if read == 0 {
            return Ok(());
        }
        sink.advance(read);
    }
}

fn read(decoder: &mut MultiGzDecoder<&[u8]>, into: &mut [u8]) -> Result<usize, Failure> {
    decoder
        .read(into)
        .map_err(|error| Failure::Corrupt(error.to_string().into()))
}

/// Kafka's levels: 1 to 9, −1 = default.
pub(super) fn compress(input: &[u8], level: Option<i32>, out: &mut Vec<u8>) {
    let level = match level {
        None | Some(-1) => flate2::Compression::default(),
        Some(level) => flate2::Compression::new(level.clamp(1, 9) as u32),
    };
    let mut encoder = GzEncoder::new(out, level);
    let written = encoder.write_all(input).and_then(|()| encoder.try_finish());
    written.expect("a Vec takes every write");
}
