//! The records inside a batch, read in place from the uncompressed records area.
//!
//! Owns: the record layout (varint length, i8 attributes, varlong timestamp delta, varint offset
//! delta, key, value, headers; −1 = null) and its errors.
//! Does not own: decompression, absolute offsets and times (`BatchHeader`).
//! Invariant: a record that is returned consumed exactly its declared length, its headers are whole,
//! and nothing was allocated or copied.

use std::fmt;

use super::varint::{VarintError, read_varint, read_varlong};

/// One record, borrowed from the records area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Unused by Kafka so far; not checked by it either.
    pub attributes: i8,
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
}

/// The headers of a record, in order, duplicates kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    count: u32,
    bytes: &'a [u8],
}

/// One header. Keys are UTF-8 by convention; neither Kafka's broker nor we insist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// The part of a record that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordField {
    Length,
    Attributes,
    TimestampDelta,
    OffsetDelta,
    Key,
    Value,
    HeaderCount,
    HeaderKey,
    HeaderValue,
}

impl fmt::Display for RecordField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordField::Length => "record length",
            RecordField::Attributes => "attributes",
            RecordField::TimestampDelta => "timestamp delta",
            RecordField::OffsetDelta => "offset delta",
            RecordField::Key => "key",
            RecordField::Value => "value",
            RecordField::HeaderCount => "header count",
            RecordField::HeaderKey => "header key",
            RecordField::HeaderValue => "header value",
        })
    }
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordErrorKind {
    #[error("the batch declares {count} records")]
    NegativeCount { count: i32 },
    #[error("{0} ends early: premature end of the declared size")]
    Truncated(RecordField),
    #[error("{0} is not a valid varint")]
    Varint(RecordField),
    #[error("{field} has invalid size {size}")]
    Size { field: RecordField, size: i32 },
    #[error("invalid record size: {declared} bytes declared, {read} used")]
    NotConsumed { declared: usize, read: usize },
    #[error("{bytes} bytes remain after the last of the declared records")]
    BytesRemain { bytes: usize },
}

/// A malformed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {index} at byte {position} of the uncompressed records: {kind}")]
pub struct RecordError {
    /// Of the record in its batch, from 0.
    pub index: u32,
    /// Where the record begins.
    pub position: usize,
    pub kind: RecordErrorKind,
}

/// Yields exactly the declared number of records, or one error and then nothing. Bytes behind the
/// last record are an error too.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    area: &'a [u8],
    position: usize,
    index: u32,
    count: i32,
    done: bool,
}

impl<'a> RecordIter<'a> {
    /// `area`: the uncompressed records; `count`: as the batch header declares it.
    pub fn new(area: &'a [u8], count: i32) -> RecordIter<'a> {
        RecordIter {
            area,
            position: 0,
            index: 0,
            count,
            done: false,
        }
    }

    /// Where the next record begins in the records area; its end after the last.
    pub fn position(&self) -> usize {
        self.position
    }

    #[cold]
    fn fail(&mut self, kind: RecordErrorKind) -> Option<Result<Record<'a>, RecordError>> {
        self.done = true;
        Some(Err(RecordError {
            index: self.index,
            position: self.position,
            kind,
        }))
    }

    fn end(&mut self) -> Option<Result<Record<'a>, RecordError>> {
        let (count, bytes) = (self.count, self.area.len() - self.position);
        if count < 0 {
            return self.fail(RecordErrorKind::NegativeCount { count });
        }
        if bytes > 0 {
            return self.fail(RecordErrorKind::BytesRemain { bytes });
        }
        self.done = true;
        None
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if i64::from(self.index) >= i64::from(self.count) {
            return self.end();
        }
        match read_record(self.area, self.position) {
            Ok((record, position_next)) => {
                self.position = position_next;
                self.index += 1;
                Some(Ok(record))
            }
            Err(kind) => self.fail(kind),
        }
    }
}

/// The record at `position` and the position behind it.
#[inline]
fn read_record(area: &[u8], position: usize) -> Result<(Record<'_>, usize), RecordErrorKind> {
    let mut start = position;
    let size = read_varint(area, &mut start).map_err(|e| varint_error(e, RecordField::Length))?;
    let declared = usize::try_from(size).map_err(|_| RecordErrorKind::Size {
        field: RecordField::Length,
        size,
    })?;
    // `start` is at most `area.len()`, so the subtraction holds where an addition might overflow.
    if declared > area.len() - start {
        return Err(RecordErrorKind::Truncated(RecordField::Length));
    }
    let end = start + declared;
    let mut body = Fields {
        bytes: &area[start..end],
        at: 0,
    };
    let record = body.record()?;
    if body.at != declared {
        let read = body.at;
        return Err(RecordErrorKind::NotConsumed { declared, read });
    }
    Ok((record, end))
}

#[cold]
fn varint_error(error: VarintError, field: RecordField) -> RecordErrorKind {
    match error {
        VarintError::Truncated => RecordErrorKind::Truncated(field),
        VarintError::Overflow => RecordErrorKind::Varint(field),
    }
}

/// Reads the fields of one record's bytes.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    #[inline]
    fn record(&mut self) -> Result<Record<'a>, RecordErrorKind> {
        let &attributes = self
            .bytes
            .first()
            .ok_or(RecordErrorKind::Truncated(RecordField::Attributes))?;
        self.at = 1;
        let timestamp_delta = read_varlong(self.bytes, &mut self.at)
            .map_err(|e| varint_error(e, RecordField::TimestampDelta))?;
        let offset_delta = self.varint(RecordField::OffsetDelta)?;
        let key = self.nullable(RecordField::Key)?;
        let value = self.nullable(RecordField::Value)?;
        Ok(Record {
            attributes: attributes as i8,
            timestamp_delta,
            offset_delta,
            key,
            value,
            headers: self.headers()?,
        })
    }

    #[inline]
    fn headers(&mut self) -> Result<Headers<'a>, RecordErrorKind> {
        let declared = self.varint(RecordField::HeaderCount)?;
        let count = u32::try_from(declared).map_err(|_| RecordErrorKind::Size {
            field: RecordField::HeaderCount,
            size: declared,
        })?;
        let from = self.at;
        // Ends by the bytes, whatever the count claims: a header has at least two.
        for _ in 0..count {
            self.header()?;
        }
        let bytes = &self.bytes[from..self.at];
        Ok(Headers { count, bytes })
    }

    fn header(&mut self) -> Result<Header<'a>, RecordErrorKind> {
        let key = self.nullable(RecordField::HeaderKey)?;
        let key = key.ok_or(RecordErrorKind::Size {
            field: RecordField::HeaderKey,
            size: -1,
        })?;
        let value = self.nullable(RecordField::HeaderValue)?;
        Ok(Header { key, value })
    }

    #[inline]
    fn varint(&mut self, field: RecordField) -> Result<i32, RecordErrorKind> {
        read_varint(self.bytes, &mut self.at).map_err(|e| varint_error(e, field))
    }

    /// −1 is null. Kafka reads any negative size so, but librdkafka fails on others, and its consumers
    /// would be stuck there; no client writes them.
    #[inline]
    fn nullable(&mut self, field: RecordField) -> Result<Option<&'a [u8]>, RecordErrorKind> {
        let size = self.varint(field)?;
        if size == -1 {
            return Ok(None);
        }
        if size < -1 {
            return Err(RecordErrorKind::Size { field, size });
        }
        if size as usize > self.bytes.len() - self.at {
            return Err(RecordErrorKind::Truncated(field));
        }
        let from = self.at;
        self.at += size as usize;
        Ok(Some(&self.bytes[from..self.at]))
    }
}

impl<'a> Headers<'a> {
    pub fn len(&self) -> usize {
        self.count as usize
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> HeaderIter<'a> {
        HeaderIter {
            left: self.count,
            fields: Fields {
                bytes: self.bytes,
                at: 0,
            },
        }
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = Header<'a>;
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        self.iter()
    }
}

/// See [`Headers::iter`].
pub struct HeaderIter<'a> {
    left: u32,
    fields: Fields<'a>,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.left = self.left.checked_sub(1)?;
        // The headers were walked when the record was read.
        self.fields.header().ok()
    }
}
