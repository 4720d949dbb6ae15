//! What the writer of a WAL shows to those who wait: how far it is committed, and whether it ended.

use crate::ids::Slot;

/// What is known of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalState {
    /// Exclusive: slots below are committed, and `on_commit` has seen them. Equally the count of
    /// committed slots for a log that began at slot 0.
    pub committed: Slot,
    pub ended: Option<Ended>,
}

/// The log is over: no slot at or above `at` is ever committed. Lower ones may still be, until
/// everything in flight is answered; `at` may fall meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log ended at slot {at}: {reason}")]
pub struct Ended {
    pub at: Slot,
    pub reason: EndReason,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// Somebody else's object stands in our slot: this incarnation is over.
    #[error("fenced")]
    Fenced,
    /// The outcome of a put will never be known, or the store cannot be trusted: this incarnation
    /// is over.
    #[error("{0}")]
    Fatal(String),
    /// [`WalWriter::drain`] or [`WalWriter::close`] was called; at is final once the SEAL stands
    /// there.
    #[error("closed")]
    Closed,
}

/// What became of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotFate {
    Committed,
    /// Not known yet.
    Pending,
    /// Never to be acknowledged by this incarnation. A taker may still find the object valid.
    Lost,
}

impl WalState {
    pub fn fate(&self, slot: Slot) -> SlotFate {
        if slot < self.committed {
            SlotFate::Committed
        } else if self.ended.as_ref().is_some_and(|ended| slot >= ended.at) {
            SlotFate::Lost
        } else {
            SlotFate::Pending
        }
    }
}
