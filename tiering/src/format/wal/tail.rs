//! Reads a WAL object from its end: a start or a takeover needs footers and control records, and one
//! GET per object normally has them.

use bytes::{Bytes, BytesMut};

use super::{
    controls::ControlRecord,
    decode::{check_same_identity, decode_controls_region},
    footer::WalFooter,
};
use crate::{
    format::{
        FormatError, ObjectKind,
        envelope::{HEADER_LEN, TRAILER_LEN, check_crc, decode_header, decode_trailer},
        seal::{Seal, decode_seal},
    },
    store::{DynStore, Key, StoreError},
};

/// What is read first from the end of an object, in bytes.
pub const TAIL_READ_LEN: u64 = 64 << 10;
/// The trailer, the footer, the controls: each read can ask for at most one more.
const READS_MAX: usize = 4;

/// What the last bytes of an object tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalTail {
    Complete {
        footer: WalFooter,
        controls: Vec<ControlRecord>,
    },
    /// The bytes from `from` (absolute) to the end are needed.
    Need { from: u64 },
}

/// Decodes the last bytes (`suffix`) of an object of `total_len` bytes. When they are the whole
/// object, the header is checked too.
pub fn decode_wal_tail(suffix: &Bytes, total_len: u64) -> Result<WalTail, FormatError> {
    let suffix_start =
        total_len
            .checked_sub(suffix.len() as u64)
            .ok_or(FormatError::Truncated {
                what: "object",
                needed: suffix.len() as u64,
                found: total_len,
            })?;
    let object_len_min = (HEADER_LEN + TRAILER_LEN) as u64;
    if total_len < object_len_min {
        return Err(FormatError::Truncated {
            what: "object",
            needed: object_len_min,
            found: total_len,
        });
    }
    if suffix.len() < TRAILER_LEN {
        let from = total_len.saturating_sub(TAIL_READ_LEN);
        return Ok(WalTail::Need { from });
    }
    let trailer = decode_trailer(suffix, total_len)?;
    trailer.expect_kind(ObjectKind::Wal)?;
    if trailer.footer_position < suffix_start {
        // The control records lie before the footer: normally the next read has them too.
        let from = trailer.footer_position.saturating_sub(TAIL_READ_LEN);
        return Ok(WalTail::Need { from });
    }
    let at = |position: u64| (position - suffix_start) as usize;
    let footer_start = at(trailer.footer_position);
    let footer = suffix.slice(footer_start..footer_start + trailer.footer_len as usize);
    check_crc("footer", &footer, trailer.footer_crc)?;
    let footer = WalFooter::decode(&footer, &trailer)?;
    let region = footer.controls;
    if region.position < suffix_start {
        let from = region.position;
        return Ok(WalTail::Need { from });
    }
    if suffix_start == 0 {
        let header = decode_header(suffix)?;
        header.expect_len(total_len)?;
        header.expect_kind(ObjectKind::Wal)?;
        check_same_identity(&header, &footer)?;
    }
    let stored = suffix.slice(at(region.position)..footer_start);
    let controls = decode_controls_region(&region, stored)?;
    Ok(WalTail::Complete { footer, controls })
}

/// What stands in a slot of a WAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotTail {
    Wal {
        footer: WalFooter,
        controls: Vec<ControlRecord>,
        /// Length of the object in bytes.
        total_len: u64,
        /// CRC32C of the footer: the last field of a reference to this object.
        footer_crc: u32,
        /// What was read: the last bytes of the object, and at which position they begin. Runs of
        /// internal topics are usually inside.
        suffix: Bytes,
        suffix_position: u64,
    },
    Seal(Seal),
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum TailError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{key}: {error}")]
    Format { key: Key, error: FormatError },
}

/// Reads what stands in a slot, normally with one GET of [`TAIL_READ_LEN`] bytes.
///
/// The caller compares cluster, writer, lane and slot with what it asked for.
pub async fn read_slot_tail(store: &DynStore, key: &Key) -> Result<SlotTail, TailError> {
    let (suffix, total_len) = store.get_suffix(key, TAIL_READ_LEN).await?;
    slot_tail_from(store, key, suffix, total_len).await
}

/// As [`read_slot_tail`], when the last bytes (`suffix`) of the object of `total_len` bytes were read
/// already, alone or with many others: reads only what is missing.
pub async fn slot_tail_from(
    store: &DynStore,
    key: &Key,
    mut suffix: Bytes,
    total_len: u64,
) -> Result<SlotTail, TailError> {
    let format = |error| TailError::Format {
        key: key.clone(),
        error,
    };
    for _ in 0..READS_MAX {
        match decode_slot_tail(&suffix, total_len).map_err(format)? {
            Found::Slot(found) => return Ok(found),
            Found::Need { from } => {
                let start = total_len.saturating_sub(suffix.len() as u64);
                let missing = store.get_range(key, from..start).await?;
                let mut joined = BytesMut::with_capacity(missing.len() + suffix.len());
                joined.extend_from_slice(&missing);
                joined.extend_from_slice(&suffix);
                suffix = joined.freeze();
            }
        }
    }
    Err(format(FormatError::Invalid {
        what: "object",
        message: format!("{READS_MAX} reads did not reach the control records"),
    }))
}

enum Found {
    Slot(SlotTail),
    Need { from: u64 },
}

fn decode_slot_tail(suffix: &Bytes, total_len: u64) -> Result<Found, FormatError> {
    let trailer = decode_trailer(suffix, total_len)?;
    if trailer.kind == ObjectKind::Seal {
        if (suffix.len() as u64) < total_len {
            return Err(FormatError::Invalid {
                what: "SEAL",
                message: format!("{total_len} bytes long"),
            });
        }
        return Ok(Found::Slot(SlotTail::Seal(decode_seal(suffix)?)));
    }
    Ok(match decode_wal_tail(suffix, total_len)? {
        WalTail::Need { from } => Found::Need { from },
        WalTail::Complete { footer, controls } => Found::Slot(SlotTail::Wal {
            footer,
            controls,
            total_len,
            footer_crc: trailer.footer_crc,
            suffix: suffix.clone(),
            suffix_position: total_len - suffix.len() as u64,
        }),
    })
}
