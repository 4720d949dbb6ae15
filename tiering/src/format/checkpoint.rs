//! The checkpoint object: the new pages of one broker, behind each other, each readable with one
//! ranged GET.
//!
//! Owns: the object's bytes and references to its pages. Does not own: the metadata record that makes
//! the pages valid.
//! Invariant: all pages are as of one slot; they fill the body without gaps, each under its own CRC.
//! Crash: an object that no record names is an orphan; the collector removes it once its number is
//! below its incarnation's floor.

use bytes::Bytes;
use prost::Message;

use super::{
    FormatError, ObjectHeader, ObjectIdentity, ObjectKind, ObjectRef, PageRef, SealedObject,
    StoreId,
    envelope::{HEADER_LEN, check_crc, open_object, seal_object},
    object_ref::narrow,
    page::Page,
    page_codec::{self, decode_message, encode_page},
    proto,
};
use crate::{
    ids::{OwnershipEpoch, PgId, Slot},
    store::{DynStore, Key, StoreError},
};

/// A checkpoint, ready to be written.
#[derive(Clone, Debug)]
pub struct BuiltCheckpoint {
    pub object: SealedObject,
    /// One per page, in the order given.
    pub pages: Vec<(PgId, PageRef)>,
}

/// Builds the object with `identity`, which is one of the broker whose pages these are. All pages
/// must be of that writer and as of `as_of` of its `lane`.
///
/// Errors say which page is impossible; nothing of it may be written then.
pub fn build_checkpoint(
    identity: &ObjectIdentity,
    lane: u16,
    as_of: Slot,
    pages: &[Page],
) -> Result<BuiltCheckpoint, FormatError> {
    assert_eq!(identity.kind, ObjectKind::Checkpoint);
    let mut entries = Vec::with_capacity(pages.len());
    let mut chunks = Vec::with_capacity(pages.len());
    let mut position = HEADER_LEN as u64;
    for page in pages {
        if page.writer != identity.writer || page.lane != lane || page.as_of != as_of {
            return Err(FormatError::Invalid {
                what: "page",
                message: format!(
                    "PG {} as of slot {} of {}",
                    page.pg, page.as_of, page.writer
                ),
            });
        }
        let stored = encode_page(page)?;
        entries.push(proto::PageEntry {
            pg: page.pg.0,
            ownership_epoch: page.ownership_epoch.0,
            position,
            length: stored.len() as u64,
            crc: crc32c::crc32c(&stored),
        });
        position += stored.len() as u64;
        chunks.push(stored);
    }
    let footer = proto::CheckpointFooter {
        lane: lane.into(),
        as_of: as_of.0,
        pages: entries,
    };
    let object = seal_object(identity, chunks, footer.encode_to_vec().into());
    let reference = ObjectRef {
        store: StoreId(0),
        origin: identity.cluster,
        kind: ObjectKind::Checkpoint,
        writer: identity.writer,
        lane: identity.lane,
        number: identity.number,
        len: object.body.len(),
        footer_crc: object.trailer.footer_crc,
    };
    let pages = footer
        .pages
        .iter()
        .map(|entry| (PgId(entry.pg), page_ref(reference, entry)))
        .collect();
    Ok(BuiltCheckpoint { object, pages })
}

fn page_ref(object: ObjectRef, entry: &proto::PageEntry) -> PageRef {
    PageRef {
        object,
        position: entry.position,
        len: entry.length,
        crc: entry.crc,
    }
}

/// A checkpoint object whose frame and footer were checked; pages are checked as they are taken out.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub header: ObjectHeader,
    pub lane: u16,
    /// Exclusive.
    pub as_of: Slot,
    pub pages: Vec<PageEntry>,
    bytes: Bytes,
}

/// One page of a checkpoint object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageEntry {
    pub pg: PgId,
    pub ownership_epoch: OwnershipEpoch,
    pub page: PageRef,
}

/// Reads the bytes of a whole checkpoint object.
pub fn decode_checkpoint(bytes: &Bytes) -> Result<Checkpoint, FormatError> {
    let open = open_object(bytes)?;
    open.header.expect_kind(ObjectKind::Checkpoint)?;
    let footer: proto::CheckpointFooter = decode_message("checkpoint footer", open.footer)?;
    let identity = open.header.identity;
    let reference = ObjectRef {
        store: StoreId(0),
        origin: identity.cluster,
        kind: ObjectKind::Checkpoint,
        writer: identity.writer,
        lane: identity.lane,
        number: identity.number,
        len: open.header.total_len,
        footer_crc: open.trailer.footer_crc,
    };
    let mut position = HEADER_LEN as u64;
    let mut pages = Vec::new();
    for entry in &footer.pages {
        let end = entry.position.checked_add(entry.length);
        let inside = end.filter(|&end| end <= open.trailer.footer_position);
        let Some(end) = inside.filter(|_| entry.position == position) else {
            return Err(not_tiled(entry.position, position));
        };
        position = end;
        pages.push(PageEntry {
            pg: PgId(entry.pg),
            ownership_epoch: OwnershipEpoch(entry.ownership_epoch),
            page: page_ref(reference, entry),
        });
    }
    if position != open.trailer.footer_position {
        return Err(not_tiled(open.trailer.footer_position, position));
    }
    Ok(Checkpoint {
        header: open.header,
        lane: narrow("lane", footer.lane)?,
        as_of: Slot(footer.as_of),
        pages,
        bytes: bytes.clone(),
    })
}

fn not_tiled(found: u64, expected: u64) -> FormatError {
    FormatError::Invalid {
        what: "checkpoint footer",
        message: format!("a page or the footer at {found} instead of {expected}"),
    }
}

impl Checkpoint {
    /// One page, checked against its entry, the footer and the object's writer.
    pub fn page(&self, entry: &PageEntry) -> Result<Page, FormatError> {
        let start = entry.page.position as usize;
        let stored = self.bytes.slice(start..start + entry.page.len as usize);
        let page = decode_page(&stored, &entry.page)?;
        if page.pg == entry.pg
            && page.ownership_epoch == entry.ownership_epoch
            && page.as_of == self.as_of
            && page.lane == self.lane
        {
            return Ok(page);
        }
        Err(FormatError::Invalid {
            what: "page",
            message: format!("PG {} as of {} under {entry:?}", page.pg, page.as_of),
        })
    }
}

/// Decodes the bytes that were read from where `reference` says; checks length, checksum, writer and
/// the page's own rules. The caller compares PG and ownership epoch with what it asked for.
pub fn decode_page(stored: &Bytes, reference: &PageRef) -> Result<Page, FormatError> {
    if stored.len() as u64 != reference.len {
        return Err(FormatError::Truncated {
            what: "page",
            needed: reference.len,
            found: stored.len() as u64,
        });
    }
    check_crc("page", stored, reference.crc)?;
    let page = page_codec::decode_page(stored)?;
    if page.writer != reference.object.writer {
        return Err(FormatError::Invalid {
            what: "page",
            message: format!(
                "{} in an object of {}",
                page.writer, reference.object.writer
            ),
        });
    }
    Ok(page)
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum PageReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("page in {key}: {error}")]
    Format { key: Key, error: FormatError },
}

/// Reads one page with one ranged GET. `key` is the name of `reference.object`.
pub async fn read_page(
    store: &DynStore,
    key: &Key,
    reference: &PageRef,
) -> Result<Page, PageReadError> {
    let format = |error| PageReadError::Format {
        key: key.clone(),
        error,
    };
    let end = reference.position.checked_add(reference.len);
    let range = end.map(|end| reference.position..end);
    let Some(range) = range.filter(|range| !range.is_empty()) else {
        return Err(format(FormatError::Invalid {
            what: "page reference",
            message: format!("{reference:?}"),
        }));
    };
    let stored = store.get_range(key, range).await?;
    decode_page(&stored, reference).map_err(format)
}
