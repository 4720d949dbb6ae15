//! The fenced log: immutable objects `…/{slot}` written with put-if-absent, ended by a SEAL (design
//! §4).
//!
//! Used twice: as the WAL of one incarnation ([`WalWriter`], up to [`SLOTS_IN_FLIGHT_MAX`] puts at
//! once) and as the metadata log of the cluster ([`EntryLog`], one put at a time). [`WalTaker`]
//! ends the WAL of an incarnation that is over.
//!
//! Owns: which slot may be written, acknowledged, or is the end. Does not own: what an object
//! contains (`format`), the metadata entries `Fenced` and `Sealed` around a takeover (`metadata`),
//! deletion (`gc`).
//!
//! The rules, all of them in pure functions that the model (`model/`) checks exhaustively:
//! - `window`: slots are reserved in order, none is skipped, the window from the first uncommitted
//!   slot to the next free one is never longer than [`SLOTS_IN_FLIGHT_MAX`]; only the contiguous
//!   prefix is committed. Hence: *an object in slot j proves that every slot up to j −
//!   [`SLOTS_IN_FLIGHT_MAX`] holds data.*
//! - `end`: the end is the lowest slot that holds a SEAL; everything above is void for everybody.
//! - `terms`: entries of a lower term behind a fence are void.
//!
//! Invariants: I1 a valid slot never changes, I2 valid entries are contiguous, I7 what was
//! acknowledged is in the log, R3 no task that holds a slot can be cancelled.

mod end;
mod entry_log;
mod name;
mod put;
mod takeover;
mod terms;
mod wal_driver;
mod wal_reader;
mod wal_state;
mod wal_writer;
mod window;

#[cfg(test)]
mod entry_log_tests;
#[cfg(test)]
mod takeover_power_tests;
#[cfg(test)]
mod takeover_tests;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod wal_writer_tests;

pub use end::{EndSearch, SlotContent, end_of_seal_round, first_open_slot};
pub use entry_log::{Appended, EntryLog, IDLE_MAX, OwnSnapshot};
pub use name::WalName;
pub use takeover::{EndBounds, WalTaker};
pub use terms::{EntryHead, Verdict, judge_entry};
pub use wal_reader::{TakeoverError, WalEnd, read_end};
pub use wal_state::{EndReason, Ended, SlotFate, WalState};
pub use wal_writer::{Limits, OnCommit, SlotPermit, WalIdentity, WalWriter};
pub use window::{SLOTS_IN_FLIGHT_MAX, SlotWindow};
