//! Reading of fixed-width fields with bounds checks: a length that lies is an error, never a panic.

use bytes::Bytes;

use super::FormatError;

/// A place in `bytes`, moving forward. `what` names the bytes in errors.
pub(crate) struct Cursor<'a> {
    what: &'static str,
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(what: &'static str, bytes: &'a Bytes) -> Cursor<'a> {
        Cursor { what, bytes, at: 0 }
    }

    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `len` bytes, as a slice of the same allocation.
    pub fn take(&mut self, len: usize) -> Result<Bytes, FormatError> {
        let start = self.advance(len)?;
        Ok(self.bytes.slice(start..start + len))
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let start = self.advance(N)?;
        Ok(self.bytes[start..start + N]
            .try_into()
            .expect("the slice has N bytes"))
    }

    pub fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn i16(&mut self) -> Result<i16, FormatError> {
        self.array().map(i16::from_le_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, FormatError> {
        self.array().map(i32::from_le_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, FormatError> {
        self.array().map(i64::from_le_bytes)
    }

    fn advance(&mut self, len: usize) -> Result<usize, FormatError> {
        if len > self.remaining() {
            return Err(FormatError::Truncated {
                what: self.what,
                needed: len as u64,
                found: self.remaining() as u64,
            });
        }
        let start = self.at;
        self.at += len;
        Ok(start)
    }
}
