//! A growing output buffer with a cap. Its bytes are initialised once and re-used, so that a warm
//! buffer costs a decoder nothing.

use super::Failure;

pub(super) struct Sink<'a> {
    buffer: &'a mut Vec<u8>,
    filled: usize,
    cap_bytes: usize,
}

impl<'a> Sink<'a> {
    /// Fills `buffer` from its front; what was in it is overwritten.
    pub fn new(buffer: &'a mut Vec<u8>, cap_bytes: usize) -> Sink<'a> {
        Sink {
            buffer,
            filled: 0,
            cap_bytes,
        }
    }

    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Bytes that still fit under the cap.
    pub fn room(&self) -> usize {
        self.cap_bytes - self.filled
    }

    /// The free part, `wanted` bytes or what the cap leaves; call [`Sink::advance`] after writing.
    pub fn free(&mut self, wanted: usize) -> &mut [u8] {
        let end = self.filled + wanted.min(self.room());
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        &mut self.buffer[self.filled..end]
    }

    /// As [`Sink::free`], but as large as the buffer already is, where that is more.
    pub fn free_at_least(&mut self, wanted: usize) -> &mut [u8] {
        let warm = self.buffer.len().saturating_sub(self.filled);
        self.free(wanted.max(warm))
    }

    /// `written` bytes of what `free` returned last are output now.
    pub fn advance(&mut self, written: usize) {
        self.filled = (self.filled + written).min(self.buffer.len());
    }

    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.len() > self.room() {
            return Err(Failure::TooLarge);
        }
        self.free(bytes.len()).copy_from_slice(bytes);
        self.advance(bytes.len());
        Ok(())
    }

    pub fn output(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}
