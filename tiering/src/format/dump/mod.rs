//! A human-readable dump of any object, also of a damaged one: it prints what can be read, names each
//! problem where it is, and ends with the first as its error.
//!
//! Owns: the text. Does not own: reading (the same decoders as everywhere).

mod checkpoint;
mod metadata;
mod wal;

use std::fmt;

use bytes::Bytes;

use super::{
    FormatError, ObjectHeader, ObjectKind,
    envelope::{OpenObject, TRAILER_LEN, decode_header, decode_trailer, open_object},
    seal::decode_seal,
    verify::cluster_problem,
};
use crate::cluster;

/// Writes what `bytes`, a whole object, say. Never panics; an error names the first problem, which
/// stands in the text too.
pub fn dump(bytes: &Bytes, out: &mut impl fmt::Write) -> Result<(), FormatError> {
    let mut dump = Dump {
        out,
        first_problem: None,
    };
    dump.object(bytes)
        .map_err(|fmt::Error| FormatError::Invalid {
            what: "output",
            message: "the dump could not be written".into(),
        })?;
    dump.first_problem.map_or(Ok(()), Err)
}

struct Dump<'a, W> {
    out: &'a mut W,
    first_problem: Option<FormatError>,
}

impl<W: fmt::Write> Dump<'_, W> {
    fn object(&mut self, bytes: &Bytes) -> fmt::Result {
        match decode_header(bytes) {
            Ok(header) => self.header(&header)?,
            Err(error) => self.problem("", error)?,
        }
        match open_object(bytes) {
            Ok(open) => self.open(bytes, &open),
            Err(error) => {
                self.problem("", error)?;
                self.trailer_alone(bytes)
            }
        }
    }

    fn header(&mut self, header: &ObjectHeader) -> fmt::Result {
        let identity = &header.identity;
        writeln!(
            self.out,
            "{:?} object, format 1.{}, {} bytes",
            identity.kind, header.minor, header.total_len
        )?;
        writeln!(self.out, "  cluster   {}", identity.cluster)?;
        writeln!(self.out, "  writer    {}", identity.writer)?;
        writeln!(self.out, "  lane      {}", identity.lane)?;
        writeln!(self.out, "  number    {}", identity.number)?;
        writeln!(self.out, "  put id    {}", Hex(&identity.put_id.0))
    }

    fn open(&mut self, bytes: &Bytes, open: &OpenObject) -> fmt::Result {
        writeln!(
            self.out,
            "  footer    at {}, {} bytes, CRC {:08x}",
            open.trailer.footer_position, open.trailer.footer_len, open.trailer.footer_crc
        )?;
        match open.header.identity.kind {
            ObjectKind::Wal => self.wal(bytes),
            ObjectKind::Seal => self.seal(bytes),
            ObjectKind::Checkpoint => self.checkpoint(bytes),
            ObjectKind::Cluster => self.cluster(bytes),
            ObjectKind::MetadataEntry => self.metadata_entry(bytes, &open.header.identity),
            ObjectKind::MetadataSnapshot => self.metadata_snapshot(bytes, &open.header.identity),
            _ => self.raw(open),
        }
    }

    /// Nothing but the trailer can be read, if that.
    fn trailer_alone(&mut self, bytes: &Bytes) -> fmt::Result {
        match decode_trailer(bytes, bytes.len() as u64) {
            Ok(trailer) => writeln!(self.out, "  trailer   {trailer:?}"),
            Err(error) => {
                let at = bytes.len().saturating_sub(TRAILER_LEN);
                self.problem(&format!("at {at}: "), error)
            }
        }
    }

    fn seal(&mut self, bytes: &Bytes) -> fmt::Result {
        match decode_seal(bytes) {
            Ok(seal) => {
                let reason = if seal.is_clean_stop() {
                    "clean stop"
                } else {
                    "takeover"
                };
                writeln!(
                    self.out,
                    "seals lane {} of {} at slot {} ({reason})",
                    seal.lane, seal.sealed, seal.slot
                )
            }
            Err(error) => self.problem("", error),
        }
    }

    fn cluster(&mut self, bytes: &Bytes) -> fmt::Result {
        match cluster::decode(bytes) {
            Ok(record) => writeln!(
                self.out,
                "cluster {} of format level {}, probe result '{}'",
                record.cluster_id, record.format_level, record.probe
            ),
            Err(error) => self.problem("", cluster_problem(error)),
        }
    }

    /// A kind without a text of its own.
    fn raw(&mut self, open: &OpenObject) -> fmt::Result {
        for (name, bytes) in [("body", &open.body), ("footer", &open.footer)] {
            writeln!(self.out, "{name}, {} bytes", bytes.len())?;
            for line in bytes.chunks(32) {
                writeln!(self.out, "  {}", Hex(line))?;
            }
        }
        Ok(())
    }

    fn problem(&mut self, place: &str, error: FormatError) -> fmt::Result {
        writeln!(self.out, "PROBLEM: {place}{error}")?;
        self.first_problem.get_or_insert(error);
        Ok(())
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
