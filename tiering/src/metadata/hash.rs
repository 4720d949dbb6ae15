//! The two hashes of the metadata log: of an entry's bytes, and of a whole state.
//!
//! Both are XXH3-128. 128 bits, because a chain that is compared for years by every broker must not
//! meet a chance collision, which a CRC32C does after some 2^16 diverging pairs; not a cryptographic
//! hash, because both sides of every comparison are our own brokers, and whoever can write to the
//! bucket can rewrite the chain anyway.
//!
//! The state hash is the sum (mod 2^128) over the state's records of the hash of their encoding in a
//! snapshot. A sum does not depend on the order of the records, so it is kept up to date with two
//! additions per change, and a snapshot's own hash is checked from its bytes alone.

use std::fmt;

use prost::Message;
use twox_hash::XxHash3_128;

use super::proto::SnapshotRecord;

/// Hash of all bytes of one entry object; zero stands for "no entry before".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryHash(pub u128);

impl EntryHash {
    /// `object` is the whole object, header and trailer included, in pieces.
    pub fn of<'a>(object: impl IntoIterator<Item = &'a [u8]>) -> EntryHash {
        let mut hasher = XxHash3_128::new();
        for piece in object {
            hasher.write(piece);
        }
        EntryHash(hasher.finish_128())
    }
}

/// Hash of a metadata state; equal on all brokers at the same position (invariant I4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateHash(pub u128);

impl StateHash {
    pub(super) fn add(&mut self, record: &SnapshotRecord) {
        self.0 = self.0.wrapping_add(record_hash(record));
    }

    pub(super) fn remove(&mut self, record: &SnapshotRecord) {
        self.0 = self.0.wrapping_sub(record_hash(record));
    }

    /// The hash of two disjoint parts of a state together.
    pub(super) fn plus(self, other: StateHash) -> StateHash {
        StateHash(self.0.wrapping_add(other.0))
    }
}

fn record_hash(record: &SnapshotRecord) -> u128 {
    XxHash3_128::oneshot(&record.encode_to_vec())
}

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
