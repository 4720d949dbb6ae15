//! The name of a WAL, and of its slots.

use crate::{
    ids::{Incarnation, Slot},
    keys::{self, ObjectName},
    store::Key,
};

/// One WAL: an incarnation's, in one lane. Lane 0 is the only one today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalName {
    pub incarnation: Incarnation,
    pub lane: u16,
}

impl WalName {
    /// The object in `slot`, data or SEAL.
    pub fn key(&self, slot: Slot) -> Key {
        keys::wal(self.incarnation, self.lane, slot)
    }

    /// The slot that `key` names, if it is one of this WAL.
    pub(super) fn slot_of(&self, key: &Key) -> Option<Slot> {
        match ObjectName::parse(key.as_str())? {
            ObjectName::Wal { writer, lane, slot }
                if writer == self.incarnation && lane == self.lane =>
            {
                Some(slot)
            }
            _ => None,
        }
    }

    /// What all slots' names begin with, with its trailing `/`.
    pub fn prefix(&self) -> String {
        keys::wal_log_prefix(self.incarnation, self.lane)
    }
}

impl std::fmt::Display for WalName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WAL of {}, lane {}", self.incarnation, self.lane)
    }
}
