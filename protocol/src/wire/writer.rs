//! Writes the primitive types into a gather list.
//!
//! Owns: one growing buffer of the small fields, and the places in it where shared bytes go in.
//! Does not own: what a message consists of (`messages`).
//! Invariants: records are never copied; a value that cannot be expressed is remembered as the first
//! error and given at the end, so that writing itself needs no `Result`.

use super::error::{EncodeError, EncodeErrorKind};
use super::{RawTaggedField, Records, STRING_BYTES_MAX};
use crate::message::Wire;
use crate::str::Str;
use crate::types::Uuid;
use bytes::Bytes;

/// A bytes field is shared from this length on; a shorter one is cheaper to copy than to gather.
const SHARE_BYTES_MIN: usize = 1024;
const LENGTH_MAX: usize = i32::MAX as usize;

/// A message, or several one after the other, being written.
#[derive(Debug, Default)]
pub struct Writer {
    small: Vec<u8>,
    /// Chunks and the positions in `small` before which they stand, ascending.
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
    framed: bool,
    error: Option<EncodeError>,
    message: &'static str,
    version: i16,
}

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    /// `capacity`: expected bytes of everything but records.
    pub fn with_capacity(capacity: usize) -> Writer {
        Writer {
            small: Vec::with_capacity(capacity),
            ..Writer::default()
        }
    }

    /// A writer whose output begins with its own size as int32, as a frame does.
    pub fn framed(capacity: usize) -> Writer {
        let mut writer = Writer::with_capacity(capacity + 4);
        writer.small.extend_from_slice(&[0; 4]);
        writer.framed = true;
        writer
    }

    /// Bytes written so far, with the size prefix of a frame.
    pub fn len(&self) -> usize {
        self.small.len() + self.shared_bytes
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names the message that is written from here on, for errors.
    pub(crate) fn begin(&mut self, message: &'static str, version: i16) {
        self.message = message;
        self.version = version;
    }

    /// Remembers the first error.
    #[cold]
    pub(crate) fn fail(&mut self, field: &'static str, kind: EncodeErrorKind) {
        let (message, version) = (self.message, self.version);
        self.error.get_or_insert(EncodeError {
            message,
            version,
            field,
            kind,
        });
    }

    /// Everything written, as chunks to be sent one after the other.
    pub fn finish(mut self) -> Result<Vec<Bytes>, EncodeError> {
        self.seal()?;
        let small = Bytes::from(self.small);
        let mut chunks = Vec::with_capacity(self.shared.len() * 2 + 1);
        let mut from = 0;
        for (position, chunk) in self.shared {
            if position > from {
                chunks.push(small.slice(from..position));
                from = position;
            }
            chunks.push(chunk);
        }
        if from == 0 {
            chunks.push(small);
        } else if from < small.len() {
            chunks.push(small.slice(from..));
        }
        Ok(chunks)
    }

    /// Everything written in one piece; copies only what was shared.
    pub fn finish_contiguous(mut self) -> Result<Bytes, EncodeError> {
        self.seal()?;
        if self.shared.is_empty() {
            return Ok(Bytes::from(self.small));
        }
        let mut all = Vec::with_capacity(self.small.len() + self.shared_bytes);
        let mut from = 0;
        for (position, chunk) in &self.shared {
            all.extend_from_slice(&self.small[from..*position]);
            all.extend_from_slice(chunk);
            from = *position;
        }
        all.extend_from_slice(&self.small[from..]);
        Ok(Bytes::from(all))
    }

    /// Reports the first error, and fills in the size of a frame.
    fn seal(&mut self) -> Result<(), EncodeError> {
        if self.framed {
            let size = self.len() - 4;
            match i32::try_from(size) {
                Ok(size) => self.small[..4].copy_from_slice(&size.to_be_bytes()),
                Err(_) => self.too_long("frame", size, LENGTH_MAX),
            }
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    #[cold]
    fn too_long(&mut self, field: &'static str, length: usize, limit: usize) {
        self.fail(field, EncodeErrorKind::TooLong { length, limit });
    }

    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.small.push(u8::from(value));
    }

    #[inline]
    pub fn i8(&mut self, value: i8) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn i16(&mut self, value: i16) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn i32(&mut self, value: i32) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn f64(&mut self, value: f64) {
        self.small.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn uuid(&mut self, value: Uuid) {
        self.small.extend_from_slice(&value.0);
    }

    #[inline]
    pub fn uvarint(&mut self, value: u32) {
        // Not through an array: a store of bytes that is loaded as a word stalls the processor.
        if value < 0x80 {
            self.small.push(value as u8);
        } else if value < 0x4000 {
            let pair = [value as u8 | 0x80, (value >> 7) as u8];
            self.small.extend_from_slice(&pair);
        } else {
            self.uvarint_long(value);
        }
    }

    fn uvarint_long(&mut self, value: u32) {
        let (bytes, length) = uvarint_bytes(value);
        self.small.extend_from_slice(&bytes[..length]);
    }

    /// A length in one of its three forms.
    #[inline]
    fn length(&mut self, compact: bool, short: bool, field: &'static str, length: usize) {
        let limit = if short { STRING_BYTES_MAX } else { LENGTH_MAX };
        if length > limit {
            self.too_long(field, length, limit);
        } else if compact {
            self.uvarint(length as u32 + 1);
        } else if short {
            self.i16(length as i16);
        } else {
            self.i32(length as i32);
        }
    }

    #[inline]
    fn null(&mut self, compact: bool, short: bool) {
        if compact {
            self.small.push(0);
        } else if short {
            self.i16(-1);
        } else {
            self.i32(-1);
        }
    }

    #[inline]
    pub fn string(&mut self, compact: bool, field: &'static str, value: &Str) {
        self.length(compact, true, field, value.len());
        self.small.extend_from_slice(value.as_bytes());
    }

    #[inline]
    pub fn nullable_string(&mut self, compact: bool, field: &'static str, value: Option<&Str>) {
        match value {
            Some(value) => self.string(compact, field, value),
            None => self.null(compact, true),
        }
    }

    #[inline]
    pub fn bytes(&mut self, compact: bool, field: &'static str, value: &Bytes) {
        self.length(compact, false, field, value.len());
        if value.len() < SHARE_BYTES_MIN {
            self.small.extend_from_slice(value);
        } else {
            self.share(value);
        }
    }

    #[inline]
    pub fn nullable_bytes(&mut self, compact: bool, field: &'static str, value: Option<&Bytes>) {
        match value {
            Some(value) => self.bytes(compact, field, value),
            None => self.null(compact, false),
        }
    }

    #[inline]
    fn share(&mut self, chunk: &Bytes) {
        if !chunk.is_empty() {
            self.shared_bytes += chunk.len();
            self.shared.push((self.small.len(), chunk.clone()));
        }
    }

    #[inline]
    pub fn records(&mut self, compact: bool, field: &'static str, value: &Records) {
        self.length(compact, false, field, value.len());
        for chunk in value.chunks() {
            self.share(chunk);
        }
    }

    #[inline]
    pub fn nullable_records(
        &mut self,
        compact: bool,
        field: &'static str,
        value: Option<&Records>,
    ) {
        match value {
            Some(value) => self.records(compact, field, value),
            None => self.null(compact, false),
        }
    }

    #[inline]
    pub fn nullable_struct<T: Wire>(&mut self, value: Option<&T>, version: i16) {
        match value {
            Some(value) => {
                self.i8(1);
                value.write(self, version);
            }
            None => self.i8(-1),
        }
    }

    #[inline]
    pub fn nullable_tagged_struct<T: Wire>(&mut self, value: Option<&T>, version: i16) {
        self.uvarint(u32::from(value.is_some()));
        if let Some(value) = value {
            value.write(self, version);
        }
    }

    #[inline]
    pub fn array<T>(
        &mut self,
        compact: bool,
        field: &'static str,
        elements: &[T],
        mut write: impl FnMut(&mut Writer, &T),
    ) {
        self.length(compact, false, field, elements.len());
        for element in elements {
            write(self, element);
        }
    }

    #[inline]
    pub fn nullable_array<T>(
        &mut self,
        compact: bool,
        field: &'static str,
        elements: Option<&[T]>,
        write: impl FnMut(&mut Writer, &T),
    ) {
        match elements {
            Some(elements) => self.array(compact, field, elements, write),
            None => self.null(compact, false),
        }
    }

    /// The value of a field that must not be null in this version; null is remembered as an error.
    #[inline]
    pub fn not_null<'a, T>(&mut self, field: &'static str, value: &'a Option<T>) -> Option<&'a T> {
        if value.is_none() {
            self.fail(field, EncodeErrorKind::UnexpectedNull);
        }
        value.as_ref()
    }

    /// The tagged fields of a struct that has none of its own to write.
    #[inline]
    pub fn unknown_tagged_fields(&mut self, unknown: &[RawTaggedField]) {
        if unknown.is_empty() {
            self.small.push(0);
        } else {
            self.tags(unknown, 0).finish(self);
        }
    }

    /// Begins the tagged fields of a struct: `known` of its own, and the `unknown` ones.
    #[inline]
    pub fn tags<'a>(&mut self, unknown: &'a [RawTaggedField], known: usize) -> TagWriter<'a> {
        let count = unknown.len() + known;
        match u32::try_from(count) {
            Ok(count) => self.uvarint(count),
            Err(_) => self.too_long("tagged fields", count, LENGTH_MAX),
        }
        TagWriter { unknown }
    }

    /// Writes a value behind its own size.
    fn sized(&mut self, field: &'static str, write: impl FnOnce(&mut Writer)) {
        let start = self.small.len();
        let (first_shared, shared_before) = (self.shared.len(), self.shared_bytes);
        self.small.push(0);
        write(self);
        let size = self.small.len() - start - 1 + self.shared_bytes - shared_before;
        let Ok(size) = u32::try_from(size) else {
            return self.too_long(field, size, LENGTH_MAX);
        };
        let (bytes, length) = uvarint_bytes(size);
        self.small[start] = bytes[0];
        if length > 1 {
            let at = start + 1;
            self.small.splice(at..at, bytes[1..length].iter().copied());
            for (position, _) in &mut self.shared[first_shared..] {
                *position += length - 1;
            }
        }
    }
}

/// Writes tagged fields in ascending order of their tags, with the unknown ones among them.
#[derive(Debug)]
#[must_use]
pub struct TagWriter<'a> {
    unknown: &'a [RawTaggedField],
}

impl TagWriter<'_> {
    /// One known field. Called in ascending order of tags.
    pub fn field(&mut self, w: &mut Writer, tag: u32, write: impl FnOnce(&mut Writer)) {
        self.unknown_below(w, u64::from(tag));
        w.uvarint(tag);
        w.sized("tagged field", write);
    }

    pub fn finish(mut self, w: &mut Writer) {
        self.unknown_below(w, u64::MAX);
    }

    fn unknown_below(&mut self, w: &mut Writer, tag: u64) {
        while let Some((first, rest)) = self.unknown.split_first() {
            if u64::from(first.tag) >= tag {
                return;
            }
            w.uvarint(first.tag);
            w.sized("tagged field", |w| w.small.extend_from_slice(&first.data));
            self.unknown = rest;
        }
    }
}

/// The groups of a variable-length number, and how many of them count.
#[inline]
fn uvarint_bytes(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut length = 0;
    while value >= 0x80 {
        bytes[length] = value as u8 | 0x80;
        value >>= 7;
        length += 1;
    }
    bytes[length] = value as u8;
    (bytes, length + 1)
}
