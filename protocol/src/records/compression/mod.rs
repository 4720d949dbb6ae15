//! The codecs of record batches: gzip, snappy, lz4, zstd.
//!
//! Owns: which bytes Kafka's clients write and read per codec, the cap on what comes out, and the
//! buffers and contexts that threads re-use.
//! Does not own: batch headers; records are compressed together, the header isn't.
//! Invariant: output never exceeds the caller's cap, a size that the input declares is never
//! trusted, and whatever Kafka's Java client refuses to read is refused here, so that no accepted
//! batch can block a consumer.

mod gzip;
mod lz4;
mod sink;
mod snappy;
mod zstd;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use sink::Sink;

/// A compression codec by its id in the batch attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    #[default]
    None = 0,
    Gzip = 1,
    Snappy = 2,
    Lz4 = 3,
    Zstd = 4,
}

impl Codec {
    pub const ALL: [Codec; 5] = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];

    pub fn from_id(id: u8) -> Option<Codec> {
        Codec::ALL.get(usize::from(id)).copied()
    }

    pub fn id(self) -> u8 {
        self as u8
    }

    /// Kafka's name (`compression.type`; there `uncompressed` is `none` for topics).
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A codec and how hard it works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    pub codec: Codec,
    /// `compression.{gzip,lz4,zstd}.level`; `None` = the codec's default (gzip −1 = 6, lz4 9,
    /// zstd 3). Levels outside the codec's range are moved to its nearest end. Snappy and none have
    /// no level; lz4 has only its fast mode here, so its level is accepted and changes nothing.
    pub level: Option<i32>,
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Compression {
        Compression { codec, level: None }
    }
}

/// Why a payload could not be decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    #[error("unknown compression type id {id}")]
    UnknownCodec { id: u8 },
    #[error("{codec} payload decompresses to more than {cap_bytes} bytes")]
    TooLarge { codec: Codec, cap_bytes: usize },
    #[error("corrupt {codec} payload: {reason}")]
    Corrupt {
        codec: Codec,
        reason: Cow<'static, str>,
    },
}

/// What the codecs report; the codec's name is added outside.
#[derive(Debug)]
enum Failure {
    TooLarge,
    Corrupt(Cow<'static, str>),
}

impl From<&'static str> for Failure {
    fn from(reason: &'static str) -> Failure {
        Failure::Corrupt(Cow::Borrowed(reason))
    }
}

/// A thread keeps its scratch buffer up to this size; a larger one is freed after use.
const SCRATCH_KEPT_BYTES_MAX: usize = 4 << 20;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Decompresses `input` into a buffer of this thread and passes it to `read`; with [`Codec::None`]
/// the input itself, which has no cap then. Calls may be nested.
pub fn with_decompressed<R>(
    codec: Codec,
    input: &[u8],
    cap_bytes: usize,
    read: impl FnOnce(&[u8]) -> R,
) -> Result<R, DecompressError> {
    if codec == Codec::None {
        return Ok(read(input));
    }
    let mut scratch = SCRATCH.take();
    let result = fill(codec, input, cap_bytes, &mut scratch);
    let result = result.map(|filled| read(&scratch[..filled]));
    if scratch.len() <= SCRATCH_KEPT_BYTES_MAX {
        SCRATCH.set(scratch);
    }
    result
}

/// Decompresses `input` (with [`Codec::None`]: copies it). The result has at most `cap_bytes` bytes.
pub fn decompress(
    codec: Codec,
    input: &[u8],
    cap_bytes: usize,
) -> Result<Vec<u8>, DecompressError> {
    if codec == Codec::None {
        if input.len() > cap_bytes {
            return Err(DecompressError::TooLarge { codec, cap_bytes });
        }
        return Ok(input.to_vec());
    }
    let mut out = Vec::new();
    let filled = fill(codec, input, cap_bytes, &mut out)?;
    out.truncate(filled);
    Ok(out)
}

/// Fills the front of `buffer`, growing it where needed, and returns how much.
fn fill(
    codec: Codec,
    input: &[u8],
    cap_bytes: usize,
    buffer: &mut Vec<u8>,
) -> Result<usize, DecompressError> {
    let mut sink = Sink::new(buffer, cap_bytes);
    let result = match codec {
        Codec::None => Err("not a codec".into()),
        Codec::Gzip => gzip::decompress(input, &mut sink),
        Codec::Snappy => snappy::decompress(input, &mut sink),
        Codec::Lz4 => lz4::decompress(input, &mut sink),
        Codec::Zstd => zstd::decompress(input, &mut sink),
    };
    match result {
        Ok(()) => Ok(sink.filled()),
        Err(Failure::TooLarge) => Err(DecompressError::TooLarge { codec, cap_bytes }),
        Err(Failure::Corrupt(reason)) => Err(DecompressError::Corrupt { codec, reason }),
    }
}

/// Appends the compressed form of `input` to `out`, in the framing that Kafka's clients write.
pub fn compress(compression: Compression, input: &[u8], out: &mut Vec<u8>) {
    let level = compression.level;
    match compression.codec {
        Codec::None => out.extend_from_slice(input),
        Codec::Gzip => gzip::compress(input, level, out),
        Codec::Snappy => snappy::compress(input, out),
        Codec::Lz4 => lz4::compress(input, out),
        Codec::Zstd => zstd::compress(input, level, out),
    }
}
