//! Reads a whole WAL object that is in memory.

use bytes::Bytes;

use super::{
    ENCODING_KAFKA, RunRow,
    controls::{ControlRecord, decode_controls},
    footer::{ControlsRegion, WalFooter},
};
use crate::{
    format::{
        FormatError, ObjectHeader, ObjectKind,
        compress::decompress_exact,
        envelope::{check_crc, open_object},
    },
    ids::Slot,
};

/// A WAL object whose frame, footer and control records were checked; runs are checked as they are
/// taken out by [`WalObject::run`].
#[derive(Clone, Debug)]
pub struct WalObject {
    pub header: ObjectHeader,
    pub footer: WalFooter,
    pub controls: Vec<ControlRecord>,
    bytes: Bytes,
}

/// Reads the bytes of a whole object.
pub fn decode_wal(bytes: &Bytes) -> Result<WalObject, FormatError> {
    let open = open_object(bytes)?;
    open.header.expect_kind(ObjectKind::Wal)?;
    let footer = WalFooter::decode(&open.footer, &open.trailer)?;
    check_same_identity(&open.header, &footer)?;
    let region = footer.controls;
    let stored = bytes.slice(region.position as usize..(region.position + region.len) as usize);
    let controls = decode_controls_region(&region, stored)?;
    Ok(WalObject {
        header: open.header,
        footer,
        controls,
        bytes: bytes.clone(),
    })
}

impl WalObject {
    /// The batches of one of this object's rows, checked. A slice of the object, not a copy.
    pub fn run(&self, row: &RunRow) -> Result<Bytes, FormatError> {
        let bytes = usize::try_from(row.position)
            .ok()
            .zip(usize::try_from(row.end()).ok())
            .filter(|&(_, end)| end <= self.bytes.len())
            .map(|(start, end)| self.bytes.slice(start..end))
            .ok_or(FormatError::Truncated {
                what: "run",
                needed: row.len,
                found: self.bytes.len() as u64,
            })?;
        check_run(row, &bytes)?;
        Ok(bytes)
    }
}

/// Checks bytes that were read from where `row` says against its length and checksum.
pub fn check_run(row: &RunRow, bytes: &[u8]) -> Result<(), FormatError> {
    if row.encoding != ENCODING_KAFKA {
        return Err(FormatError::Unknown {
            what: "run encoding",
            value: row.encoding.into(),
        });
    }
    if bytes.len() as u64 != row.len {
        return Err(FormatError::Truncated {
            what: "run",
            needed: row.len,
            found: bytes.len() as u64,
        });
    }
    check_crc("run", bytes, row.crc)
}

pub(super) fn check_same_identity(
    header: &ObjectHeader,
    footer: &WalFooter,
) -> Result<(), FormatError> {
    let identity = &header.identity;
    let same = identity.cluster == footer.cluster
        && identity.writer == footer.writer
        && identity.lane == footer.lane
        && Slot(identity.number) == footer.slot;
    if same {
        return Ok(());
    }
    Err(FormatError::Invalid {
        what: "WAL footer",
        message: format!(
            "slot {} of {} in the object of slot {} of {}",
            footer.slot, footer.writer, identity.number, identity.writer
        ),
    })
}

/// `stored` are the region's bytes as they lie in the object.
pub(super) fn decode_controls_region(
    region: &ControlsRegion,
    stored: Bytes,
) -> Result<Vec<ControlRecord>, FormatError> {
    check_crc("control records", &stored, region.crc)?;
    let raw = if region.compressed {
        decompress_exact("control records", &stored, region.raw_len)?
    } else {
        stored
    };
    decode_controls(&raw, region.count)
}
