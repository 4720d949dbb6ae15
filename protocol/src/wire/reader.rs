//! Reads the primitive types out of one frame.
//!
//! Owns: every bound of decoding. Strings, bytes and records are slices of the frame.
//! Does not own: what a message consists of (`messages`).
//! Invariants: `position` never passes the end of the frame; a vector is only reserved for elements
//! whose bytes have arrived, and all vectors of a message together stay within a limit that grows
//! with the frame; nothing recurses on input; nothing panics on any input.

use super::error::{DecodeError, DecodeErrorKind};
use super::{RawTaggedField, Records, STRING_BYTES_MAX};
use crate::str::Str;
use crate::types::Uuid;
use bytes::Bytes;
use std::mem::size_of;

/// Decoded vectors may take this many times the bytes of the frame …
const MEMORY_PER_FRAME_BYTE: usize = 32;
/// … and this much on top.
const MEMORY_BASE_BYTES: usize = 64 * 1024;
/// Larger vectors grow while their elements arrive.
const RESERVE_BYTES_MAX: usize = 64 * 1024;

/// Position in a frame.
#[derive(Debug)]
pub struct Reader {
    frame: Bytes,
    position: usize,
    memory_left: usize,
    message: &'static str,
    version: i16,
}

impl Reader {
    /// Reads from the start of `frame`. The vectors that are decoded from it may take 32 times its
    /// length and 64 KiB; see `with_memory_limit`.
    pub fn new(frame: Bytes) -> Reader {
        let limit = frame.len().saturating_mul(MEMORY_PER_FRAME_BYTE);
        let limit = limit.saturating_add(MEMORY_BASE_BYTES);
        Reader::with_memory_limit(frame, limit)
    }

    /// As `new`, with the limit of the memory of all decoded vectors together, in bytes. What would
    /// need more is an error before it is allocated. (A vector may briefly take twice its size.)
    pub fn with_memory_limit(frame: Bytes, limit: usize) -> Reader {
        Reader {
            frame,
            position: 0,
            memory_left: limit,
            message: "frame",
            version: 0,
        }
    }

    /// Bytes that further vectors may take.
    pub fn memory_left(&self) -> usize {
        self.memory_left
    }

    /// Names the message that is read from here on, for errors.
    pub(crate) fn begin(&mut self, message: &'static str, version: i16) {
        self.message = message;
        self.version = version;
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    pub fn remaining(&self) -> usize {
        self.frame.len() - self.position
    }

    /// The first two fields of a request header, which say in which version the rest is written.
    pub(crate) fn peek_api(&mut self) -> Result<(i16, i16), DecodeError> {
        self.begin("RequestHeader", 0);
        let start = self.position;
        let api_key = self.i16("request_api_key")?;
        let api_version = self.i16("request_api_version")?;
        self.position = start;
        Ok((api_key, api_version))
    }

    /// An error when anything is left.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(self.error("end", DecodeErrorKind::TrailingBytes { count })),
        }
    }

    #[cold]
    pub(crate) fn error(&self, field: &'static str, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.message, self.version, field, self.position, kind)
    }

    #[cold]
    fn error_at(&self, position: usize, field: &'static str, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.message, self.version, field, position, kind)
    }

    #[inline]
    fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let rest = &self.frame[self.position..];
        match rest.first_chunk::<N>() {
            Some(chunk) => {
                self.position += N;
                Ok(*chunk)
            }
            None => Err(self.truncated(field, N)),
        }
    }

    #[cold]
    fn truncated(&self, field: &'static str, needed: usize) -> DecodeError {
        let remaining = self.remaining();
        self.error(field, DecodeErrorKind::Truncated { needed, remaining })
    }

    #[inline]
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.take::<1>(field)?[0] != 0)
    }

    #[inline]
    pub fn i8(&mut self, field: &'static str) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.take(field)?))
    }

    #[inline]
    pub fn i16(&mut self, field: &'static str) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.take(field)?))
    }

    #[inline]
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.take(field)?))
    }

    #[inline]
    pub fn i32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.take(field)?))
    }

    #[inline]
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.take(field)?))
    }

    #[inline]
    pub fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.take(field)?))
    }

    #[inline]
    pub fn f64(&mut self, field: &'static str) -> Result<f64, DecodeError> {
        Ok(f64::from_be_bytes(self.take(field)?))
    }

    #[inline]
    pub fn uuid(&mut self, field: &'static str) -> Result<Uuid, DecodeError> {
        Ok(Uuid(self.take(field)?))
    }

    /// An unsigned number of up to 32 bits in groups of seven, lowest first.
    #[inline]
    pub fn uvarint(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        match self.frame[self.position..] {
            [one @ ..0x80, ..] => {
                self.position += 1;
                Ok(u32::from(one))
            }
            [one, two @ ..0x80, ..] => {
                self.position += 2;
                Ok(u32::from(one & 0x7f) | u32::from(two) << 7)
            }
            _ => self.uvarint_long(field),
        }
    }

    fn uvarint_long(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let start = self.position;
        let mut value = 0u32;
        for group in 0..5 {
            let byte = self.take::<1>(field)?[0];
            if group == 4 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << (7 * group);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error_at(start, field, DecodeErrorKind::VarintTooLong))
    }

    /// A presence byte in front of a nullable struct: negative is null.
    #[inline]
    pub fn struct_present(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.i8(field)? >= 0)
    }

    /// The presence of a nullable struct that is a tagged field: 0 is null, as for a length.
    #[inline]
    pub fn tagged_struct_present(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.uvarint(field)? != 0)
    }

    /// A length in one of its three forms; `None` is null. `start` is where it began.
    #[inline]
    fn length(
        &mut self,
        compact: bool,
        short: bool,
        field: &'static str,
    ) -> Result<Option<usize>, DecodeError> {
        if compact {
            let length = self.uvarint(field)?;
            return Ok((length as usize).checked_sub(1));
        }
        let start = self.position;
        let length = if short {
            i32::from(self.i16(field)?)
        } else {
            self.i32(field)?
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => {
                let length = i64::from(length);
                Err(self.error_at(start, field, DecodeErrorKind::NegativeLength { length }))
            }
        }
    }

    #[cold]
    fn null(&self, position: usize, field: &'static str) -> DecodeError {
        self.error_at(position, field, DecodeErrorKind::UnexpectedNull)
    }

    /// The next `length` bytes, shared with the frame.
    #[inline]
    fn slice(
        &mut self,
        start: usize,
        length: usize,
        field: &'static str,
    ) -> Result<Bytes, DecodeError> {
        let remaining = self.remaining();
        if length > remaining {
            let kind = DecodeErrorKind::LengthBeyondFrame { length, remaining };
            return Err(self.error_at(start, field, kind));
        }
        let slice = self.frame.slice(self.position..self.position + length);
        self.position += length;
        Ok(slice)
    }

    #[inline]
    pub fn nullable_string(
        &mut self,
        compact: bool,
        field: &'static str,
    ) -> Result<Option<Str>, DecodeError> {
        let start = self.position;
        let Some(length) = self.length(compact, true, field)? else {
            return Ok(None);
        };
        if length > STRING_BYTES_MAX {
            let kind = DecodeErrorKind::StringTooLong { length };
            return Err(self.error_at(start, field, kind));
        }
        let bytes = self.slice(start, length, field)?;
        match Str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let valid = error.valid_up_to();
                Err(self.error_at(start, field, DecodeErrorKind::InvalidUtf8 { valid }))
            }
        }
    }

    #[inline]
    pub fn string(&mut self, compact: bool, field: &'static str) -> Result<Str, DecodeError> {
        let start = self.position;
        match self.nullable_string(compact, field)? {
            Some(text) => Ok(text),
            None => Err(self.null(start, field)),
        }
    }

    #[inline]
    pub fn nullable_bytes(
        &mut self,
        compact: bool,
        field: &'static str,
    ) -> Result<Option<Bytes>, DecodeError> {
        let start = self.position;
        match self.length(compact, false, field)? {
            Some(length) => Ok(Some(self.slice(start, length, field)?)),
            None => Ok(None),
        }
    }

    #[inline]
    pub fn bytes(&mut self, compact: bool, field: &'static str) -> Result<Bytes, DecodeError> {
        let start = self.position;
        match self.nullable_bytes(compact, field)? {
            Some(bytes) => Ok(bytes),
            None => Err(self.null(start, field)),
        }
    }

    #[inline]
    pub fn nullable_records(
        &mut self,
        compact: bool,
        field: &'static str,
    ) -> Result<Option<Records>, DecodeError> {
        Ok(self.nullable_bytes(compact, field)?.map(Records::from))
    }

    #[inline]
    pub fn records(&mut self, compact: bool, field: &'static str) -> Result<Records, DecodeError> {
        Ok(Records::from(self.bytes(compact, field)?))
    }

    /// An array whose elements take at least `element_bytes_min` (≥ 1) bytes each.
    #[inline]
    pub fn nullable_array<T>(
        &mut self,
        compact: bool,
        field: &'static str,
        element_bytes_min: usize,
        mut read: impl FnMut(&mut Reader) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let start = self.position;
        let Some(count) = self.length(compact, false, field)? else {
            return Ok(None);
        };
        let reserve = self.admit(start, field, count, element_bytes_min, size_of::<T>())?;
        let mut elements = Vec::with_capacity(reserve);
        for _ in 0..count {
            elements.push(read(self)?);
        }
        Ok(Some(elements))
    }

    #[inline]
    pub fn array<T>(
        &mut self,
        compact: bool,
        field: &'static str,
        element_bytes_min: usize,
        read: impl FnMut(&mut Reader) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let start = self.position;
        match self.nullable_array(compact, field, element_bytes_min, read)? {
            Some(elements) => Ok(elements),
            None => Err(self.null(start, field)),
        }
    }

    /// Checks a declared count against what has arrived and what memory is allowed. Returns how
    /// many elements to reserve.
    fn admit(
        &mut self,
        start: usize,
        field: &'static str,
        count: usize,
        element_bytes_min: usize,
        element_memory: usize,
    ) -> Result<usize, DecodeError> {
        let element_bytes_min = element_bytes_min.max(1);
        let element_memory = element_memory.max(1);
        let remaining = self.remaining();
        if count > remaining / element_bytes_min {
            let kind = DecodeErrorKind::CountBeyondFrame {
                count,
                element_bytes_min,
                remaining,
            };
            return Err(self.error_at(start, field, kind));
        }
        let needed = count.saturating_mul(element_memory);
        let left = self.memory_left;
        if needed > left {
            let kind = DecodeErrorKind::MemoryLimit {
                count,
                needed,
                left,
            };
            return Err(self.error_at(start, field, kind));
        }
        self.memory_left -= needed;
        Ok(count.min(RESERVE_BYTES_MAX / element_memory))
    }

    /// The tagged fields of a struct that knows none of its own.
    #[inline]
    pub fn unknown_tagged_fields(&mut self) -> Result<Vec<RawTaggedField>, DecodeError> {
        // Nearly always there are none.
        if self.frame.get(self.position) == Some(&0) {
            self.position += 1;
            return Ok(Vec::new());
        }
        let mut unknown = Vec::new();
        self.tagged_fields(&mut unknown, |_, _| Ok(false))?;
        Ok(unknown)
    }

    /// The tagged fields of a struct. `known` reads the value of a tag that it knows and returns
    /// true; it returns false, having read nothing, for any other.
    #[inline]
    pub fn tagged_fields(
        &mut self,
        unknown: &mut Vec<RawTaggedField>,
        mut known: impl FnMut(&mut Reader, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let start = self.position;
        let count = self.uvarint("tagged fields")? as usize;
        if count == 0 {
            return Ok(());
        }
        // A tag and a size take two bytes. The memory of those that are kept is admitted as well.
        self.admit(
            start,
            "tagged fields",
            count,
            2,
            size_of::<RawTaggedField>(),
        )?;
        for _ in 0..count {
            let start = self.position;
            let tag = self.uvarint("tag")?;
            let declared = self.uvarint("tagged field size")? as usize;
            let from = self.position;
            let remaining = self.remaining();
            if declared > remaining {
                let length = declared;
                let kind = DecodeErrorKind::LengthBeyondFrame { length, remaining };
                return Err(self.error_at(start, "tagged field size", kind));
            }
            if !known(self, tag)? {
                let data = self.slice(start, declared, "tagged field")?;
                unknown.push(RawTaggedField { tag, data });
            }
            let read = self.position - from;
            if read != declared {
                let kind = DecodeErrorKind::TaggedFieldSize {
                    tag,
                    declared,
                    read,
                };
                return Err(self.error_at(start, "tagged field size", kind));
            }
        }
        Ok(())
    }
}
