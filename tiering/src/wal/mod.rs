//! The write-ahead log of this incarnation: from batches of many partitions to one object per flush.
//!
//! The way of a batch: `Wal::push` (under its partition's lock) → a buffer → the flush task cuts it
//! by the policy → the object is built and put into the next slot → slots are committed in order →
//! partitions move their high watermarks → the answer leaves.
//!
//! Owns: buffering, flushing, the order of commits, the byte limit of the tails. Does not own: slots
//! and their puts (`fenced_log`), the object's bytes (`format`), a partition's state (`log`).
//! Invariant: everything a slot brought is readable before anybody learns that it is committed.
//! Crash: what was not committed was not acknowledged; it may still be found and kept by the takeover.

mod buffer;
mod commit;
mod engine;
pub mod flush_policy;
mod group;
mod replay;
mod table;
mod tail_budget;

pub use buffer::Buffered;
pub use engine::{Wal, WalConfig, WalEnded, WalMeters};
pub use replay::{ReplayError, ReplayedRun, WalRange, replay_range};
pub use table::WalTable;

#[cfg(test)]
mod wal_tests;
