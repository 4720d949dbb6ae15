//! The frame of every object: a 96-byte header before the body and a 32-byte trailer behind the
//! footer, so that one dump and one scrubber read all kinds and a truncated object shows.
//!
//! Owns: header and trailer bytes. Does not own: what body and footer mean (one file per kind).
//!
//! ```text
//! header   0 magic "WEIR"   4 kind u8   5 major u8   6 minor u8   7 header length u8 (96)
//!          8 incompatible bits u32     12 compatible bits u32    16 cluster id [16]
//!         32 broker id u32             36 broker epoch u64       44 lane u16
//!         46 number u64                54 put id [16]            70 key id u32 (0 = not encrypted)
//!         74 total length u64          82 zeros [10]             92 CRC32C of bytes 0..92
//! body, footer
//! trailer  0 footer position u64   8 footer length u64   16 footer CRC32C u32   20 kind u8
//!         21 zeros [3]
//!         24 CRC32C of bytes 0..24 u32                   28 magic "RIEW"
//! ```
//! A reader refuses a major version or an incompatible bit that it does not know; it ignores minor
//! versions and compatible bits.

use bytes::{BufMut, Bytes, BytesMut};
use weir_protocol::types::Uuid;

use crate::{
    ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation, PutId},
    store::{Body, PutIdentity},
};

pub const HEADER_LEN: usize = 96;
pub const TRAILER_LEN: usize = 32;
const HEADER_MAGIC: [u8; 4] = *b"WEIR";
const TRAILER_MAGIC: [u8; 4] = *b"RIEW";
const MAJOR: u8 = 1;
const MINOR: u8 = 0;
const KNOWN_INCOMPATIBLE: u32 = 0;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    Cluster = 1,
    Wal = 2,
    /// Ends a fenced log; stands in a slot of that log.
    Seal = 3,
    MetadataEntry = 4,
    MetadataSnapshot = 5,
    Checkpoint = 6,
    Merged = 7,
    Segment = 8,
    Probe = 9,
}

impl ObjectKind {
    /// Reads the one-byte form.
    pub fn decode(byte: u8) -> Result<ObjectKind, FormatError> {
        use ObjectKind::*;
        [
            Cluster,
            Wal,
            Seal,
            MetadataEntry,
            MetadataSnapshot,
            Checkpoint,
            Merged,
            Segment,
            Probe,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
        .ok_or(FormatError::Unknown {
            what: "object kind",
            value: byte.into(),
        })
    }
}

/// Who wrote an object, and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectIdentity {
    pub kind: ObjectKind,
    pub cluster: ClusterId,
    /// The writer; for a SEAL the taker, not the sealed incarnation.
    pub writer: Incarnation,
    pub lane: u16,
    /// Slot in a fenced log, or number of a data object.
    pub number: u64,
    pub put_id: PutId,
}

/// A decoded header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectHeader {
    pub identity: ObjectIdentity,
    pub minor: u8,
    pub compatible_bits: u32,
    /// 0 = not encrypted: this version reads no others.
    pub key_id: u32,
    /// Length of the whole object in bytes, header and trailer included.
    pub total_len: u64,
}

impl ObjectHeader {
    pub fn expect_kind(&self, kind: ObjectKind) -> Result<(), FormatError> {
        expect_kind("header", self.identity.kind, kind)
    }

    /// `total_len` is what the store says, or what was read.
    pub fn expect_len(&self, total_len: u64) -> Result<(), FormatError> {
        if self.total_len == total_len {
            return Ok(());
        }
        Err(FormatError::Truncated {
            what: "object",
            needed: self.total_len,
            found: total_len,
        })
    }
}

/// A decoded trailer. The footer lies right before it. It repeats the kind, so that a read from the
/// end of an object knows what the footer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    pub kind: ObjectKind,
    pub footer_position: u64,
    pub footer_len: u64,
    pub footer_crc: u32,
}

impl Trailer {
    pub fn expect_kind(&self, kind: ObjectKind) -> Result<(), FormatError> {
        expect_kind("trailer", self.kind, kind)
    }
}

fn expect_kind(
    what: &'static str,
    found: ObjectKind,
    wanted: ObjectKind,
) -> Result<(), FormatError> {
    if found == wanted {
        return Ok(());
    }
    Err(FormatError::Invalid {
        what,
        message: format!("a {found:?} object instead of a {wanted:?} object"),
    })
}

/// Why bytes are not an object of ours, or not a whole one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("truncated: {what} needs {needed} bytes, {found} are there")]
    Truncated {
        what: &'static str,
        needed: u64,
        found: u64,
    },
    #[error("not a Weir object: {what} has the wrong magic")]
    Magic { what: &'static str },
    #[error("checksum mismatch in {what}: stored {stored:08x}, computed {computed:08x}")]
    Checksum {
        what: &'static str,
        stored: u32,
        computed: u32,
    },
    #[error("{what} {value} is not known to this version")]
    Unknown { what: &'static str, value: u64 },
    #[error("impossible {what}: {message}")]
    Invalid { what: &'static str, message: String },
}

/// Frames `chunks` (the body, behind the header) and `footer` as one object. Copies neither.
///
/// The footer must cover the body (hold checksums of it, or the body is empty): its CRC stands for
/// the whole object when a put recognises itself.
pub fn seal_object(
    identity: &ObjectIdentity,
    chunks: impl IntoIterator<Item = Bytes>,
    footer: Bytes,
) -> SealedObject {
    let chunks: Vec<Bytes> = chunks.into_iter().collect();
    let body_len: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
    let trailer = Trailer {
        kind: identity.kind,
        footer_position: HEADER_LEN as u64 + body_len,
        footer_len: footer.len() as u64,
        footer_crc: crc32c::crc32c(&footer),
    };
    let total_len = trailer.footer_position + trailer.footer_len + TRAILER_LEN as u64;
    let mut body = Body::default();
    body.push(encode_header(identity, total_len));
    for chunk in chunks {
        body.push(chunk);
    }
    body.push(footer);
    body.push(encode_trailer(&trailer));
    debug_assert_eq!(body.len(), total_len);
    SealedObject {
        body,
        put: PutIdentity {
            put_id: identity.put_id,
            footer_crc: trailer.footer_crc,
        },
        trailer,
    }
}

/// A whole object, ready to be written.
#[derive(Clone, Debug)]
pub struct SealedObject {
    pub body: Body,
    pub put: PutIdentity,
    pub trailer: Trailer,
}

fn encode_header(identity: &ObjectIdentity, total_len: u64) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_LEN);
    out.put_slice(&HEADER_MAGIC);
    out.put_slice(&[identity.kind as u8, MAJOR, MINOR, HEADER_LEN as u8]);
    out.put_u32_le(0);
    out.put_u32_le(0);
    out.put_slice(&identity.cluster.0.0);
    out.put_u32_le(identity.writer.broker.0);
    out.put_u64_le(identity.writer.epoch.0);
    out.put_u16_le(identity.lane);
    out.put_u64_le(identity.number);
    out.put_slice(&identity.put_id.0);
    out.put_u32_le(0);
    out.put_u64_le(total_len);
    out.put_bytes(0, 10);
    let crc = crc32c::crc32c(&out);
    out.put_u32_le(crc);
    debug_assert_eq!(out.len(), HEADER_LEN);
    out.freeze()
}

/// Decodes the first [`HEADER_LEN`] bytes of an object; more bytes are ignored.
pub fn decode_header(bytes: &[u8]) -> Result<ObjectHeader, FormatError> {
    let bytes = first(bytes, HEADER_LEN, "header")?;
    if bytes[..4] != HEADER_MAGIC {
        return Err(FormatError::Magic { what: "header" });
    }
    check_crc("header", &bytes[..92], u32_at(bytes, 92))?;
    if bytes[5] != MAJOR {
        return Err(FormatError::Unknown {
            what: "major format version",
            value: bytes[5].into(),
        });
    }
    let unknown_bits = u32_at(bytes, 8) & !KNOWN_INCOMPATIBLE;
    if unknown_bits != 0 {
        return Err(FormatError::Unknown {
            what: "incompatible feature bits",
            value: unknown_bits.into(),
        });
    }
    let kind = ObjectKind::decode(bytes[4])?;
    if usize::from(bytes[7]) != HEADER_LEN {
        return Err(FormatError::Unknown {
            what: "header length",
            value: bytes[7].into(),
        });
    }
    let key_id = u32_at(bytes, 70);
    if key_id != 0 {
        return Err(FormatError::Unknown {
            what: "encryption key id",
            value: key_id.into(),
        });
    }
    Ok(ObjectHeader {
        identity: ObjectIdentity {
            kind,
            cluster: ClusterId(Uuid(array_at(bytes, 16))),
            writer: Incarnation {
                broker: BrokerId(u32_at(bytes, 32)),
                epoch: BrokerEpoch(u64_at(bytes, 36)),
            },
            lane: u16::from_le_bytes(array_at(bytes, 44)),
            number: u64_at(bytes, 46),
            put_id: PutId(array_at(bytes, 54)),
        },
        minor: bytes[6],
        compatible_bits: u32_at(bytes, 12),
        key_id,
        total_len: u64_at(bytes, 74),
    })
}

fn encode_trailer(trailer: &Trailer) -> Bytes {
    let mut out = BytesMut::with_capacity(TRAILER_LEN);
    out.put_u64_le(trailer.footer_position);
    out.put_u64_le(trailer.footer_len);
    out.put_u32_le(trailer.footer_crc);
    out.put_u8(trailer.kind as u8);
    out.put_bytes(0, 3);
    let crc = crc32c::crc32c(&out);
    out.put_u32_le(crc);
    out.put_slice(&TRAILER_MAGIC);
    debug_assert_eq!(out.len(), TRAILER_LEN);
    out.freeze()
}

/// Decodes the last [`TRAILER_LEN`] bytes of `bytes`, which end where the object of `total_len` bytes
/// ends; checks that the footer lies right before it.
pub fn decode_trailer(bytes: &[u8], total_len: u64) -> Result<Trailer, FormatError> {
    let start = bytes
        .len()
        .checked_sub(TRAILER_LEN)
        .ok_or(FormatError::Truncated {
            what: "trailer",
            needed: TRAILER_LEN as u64,
            found: bytes.len() as u64,
        })?;
    let bytes = &bytes[start..];
    if bytes[28..] != TRAILER_MAGIC {
        return Err(FormatError::Magic { what: "trailer" });
    }
    check_crc("trailer", &bytes[..24], u32_at(bytes, 24))?;
    let trailer = Trailer {
        kind: ObjectKind::decode(bytes[20])?,
        footer_position: u64_at(bytes, 0),
        footer_len: u64_at(bytes, 8),
        footer_crc: u32_at(bytes, 16),
    };
    let end = trailer.footer_position.checked_add(trailer.footer_len);
    if trailer.footer_position < HEADER_LEN as u64
        || end != total_len.checked_sub(TRAILER_LEN as u64)
    {
        let message = format!(
            "footer at {} of {} bytes in an object of {total_len}",
            trailer.footer_position, trailer.footer_len
        );
        return Err(FormatError::Invalid {
            what: "trailer",
            message,
        });
    }
    Ok(trailer)
}

/// A whole object, checked: header, trailer, footer checksum, and that its length is the declared one.
/// What lies between header and footer is checked by the kind's own reader.
pub fn open_object(bytes: &Bytes) -> Result<OpenObject, FormatError> {
    let header = decode_header(bytes)?;
    let total_len = bytes.len() as u64;
    header.expect_len(total_len)?;
    let trailer = decode_trailer(bytes, total_len)?;
    trailer.expect_kind(header.identity.kind)?;
    let position = trailer.footer_position as usize;
    let footer = bytes.slice(position..position + trailer.footer_len as usize);
    check_crc("footer", &footer, trailer.footer_crc)?;
    Ok(OpenObject {
        header,
        trailer,
        footer,
        body: bytes.slice(HEADER_LEN..position),
    })
}

/// A checked object in memory.
#[derive(Clone, Debug)]
pub struct OpenObject {
    pub header: ObjectHeader,
    pub trailer: Trailer,
    /// Bytes between the header and the footer; their first byte has position [`HEADER_LEN`].
    pub body: Bytes,
    pub footer: Bytes,
}

impl OpenObject {
    /// For kinds whose footer holds everything.
    pub fn expect_no_body(&self) -> Result<(), FormatError> {
        if self.body.is_empty() {
            return Ok(());
        }
        Err(FormatError::Invalid {
            what: "body",
            message: format!(
                "{} bytes in a {:?} object",
                self.body.len(),
                self.header.identity.kind
            ),
        })
    }
}

/// The kind of the object that begins with `bytes` (at least [`HEADER_LEN`] of them): a slot of a
/// WAL may hold a SEAL.
pub fn peek_kind(bytes: &[u8]) -> Result<ObjectKind, FormatError> {
    Ok(decode_header(bytes)?.identity.kind)
}

pub(crate) fn check_crc(what: &'static str, bytes: &[u8], stored: u32) -> Result<(), FormatError> {
    let computed = crc32c::crc32c(bytes);
    if computed == stored {
        Ok(())
    } else {
        Err(FormatError::Checksum {
            what,
            stored,
            computed,
        })
    }
}

fn first<'a>(bytes: &'a [u8], len: usize, what: &'static str) -> Result<&'a [u8], FormatError> {
    bytes.get(..len).ok_or(FormatError::Truncated {
        what,
        needed: len as u64,
        found: bytes.len() as u64,
    })
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the slice has N bytes")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}
