//! The metadata of a cluster: topics, configs, incarnations, ownership, producer ids (design §4.3, §6).
//!
//! ```text
//! open ─▶ Replayed ─ register ─▶ MetadataLog ─ append(commands) ─▶ one entry for all that queued
//!  │ newest snapshot + entries       │
//!  └─▶ Tail::apply ◀─────────────────┘   a pure function of state and entry; all brokers run it alike
//! ```
//! Owns: what entries and snapshots mean, and the order in which they are written. Does not own: how a
//! slot is written and read (`fenced_log`), who decides on commands.
//!
//! - `command`, `image/`: the state, one file per domain, and what may change it;
//! - `proto/`, `entry`, `snapshot`, `hash`: the stored forms;
//! - `tail`, `replay`: which entries count, and reading the log to its end;
//! - `register`, `writer`, `handle`, `snapshotter`: this process as the controller;
//! - `verify`: reading everything and telling what is damaged.

pub mod command;
mod cow_map;
pub mod entry;
mod error;
mod handle;
pub mod hash;
pub mod image;
pub mod proto;
mod register;
mod replay;
pub mod snapshot;
mod snapshotter;
pub mod tail;
mod verify;
mod writer;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tail_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod writer_tests;

pub use command::{CheckpointOutcome, Command, CommandOutcome, Fence, Term};
pub use error::{Ended, MetadataError, MetadataErrorKind};
pub use handle::{AppendResult, MetadataLog};
pub use hash::{EntryHash, StateHash};
pub use image::{CommandRejected, Controller, Image};
pub use register::RegisterError;
pub use replay::{Replayed, open};
pub use snapshotter::{BYTES_PER_SNAPSHOT, ENTRIES_PER_SNAPSHOT};
pub use verify::{Damage, Verified, verify};
