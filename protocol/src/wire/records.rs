//! `Records`: the value of a records field, in as many pieces as it was stored in.

use bytes::{Bytes, BytesMut};
use std::fmt;

/// Encoded record batches, one after the other, as chunks of shared memory. The codec never copies
/// them: a decoded value is one slice of its frame, an encoded one goes out as the chunks it has.
/// Two values are equal when their bytes are, however they are cut.
#[derive(Clone, Default)]
pub struct Records(Chunks);

#[derive(Clone)]
enum Chunks {
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Default for Chunks {
    fn default() -> Self {
        Chunks::One(Bytes::new())
    }
}

impl Records {
    pub const fn new() -> Records {
        Records(Chunks::One(Bytes::new()))
    }

    /// Sum of the chunks, in bytes.
    pub fn len(&self) -> usize {
        self.chunks().iter().map(Bytes::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.chunks().iter().all(Bytes::is_empty)
    }

    pub fn chunks(&self) -> &[Bytes] {
        match &self.0 {
            Chunks::One(bytes) => std::slice::from_ref(bytes),
            Chunks::Many(chunks) => chunks,
        }
    }

    /// Appends a chunk.
    pub fn push(&mut self, chunk: Bytes) {
        match &mut self.0 {
            Chunks::One(only) if only.is_empty() => *only = chunk,
            Chunks::One(only) => self.0 = Chunks::Many(vec![std::mem::take(only), chunk]),
            Chunks::Many(chunks) => chunks.push(chunk),
        }
    }

    /// All bytes in one piece. Copies only when there is more than one chunk.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Chunks::One(bytes) => bytes,
            Chunks::Many(chunks) => {
                let mut all = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
                chunks.iter().for_each(|chunk| all.extend_from_slice(chunk));
                all.freeze()
            }
        }
    }

    fn bytes(&self) -> impl Iterator<Item = &u8> {
        self.chunks().iter().flat_map(|chunk| chunk.iter())
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Records {
        Records(Chunks::One(bytes))
    }
}

impl From<Vec<Bytes>> for Records {
    fn from(mut chunks: Vec<Bytes>) -> Records {
        match chunks.len() {
            0 => Records::new(),
            1 => Records(Chunks::One(chunks.remove(0))),
            _ => Records(Chunks::Many(chunks)),
        }
    }
}

impl FromIterator<Bytes> for Records {
    fn from_iter<I: IntoIterator<Item = Bytes>>(chunks: I) -> Records {
        Records::from(chunks.into_iter().collect::<Vec<_>>())
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Records) -> bool {
        match (&self.0, &other.0) {
            (Chunks::One(a), Chunks::One(b)) => a == b,
            _ => self.bytes().eq(other.bytes()),
        }
    }
}

impl Eq for Records {}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chunks = self.chunks().len();
        write!(f, "Records({} bytes, {chunks} chunks)", self.len())
    }
}
