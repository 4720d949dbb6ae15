//! The formats of all objects: round trips, golden files of every version, flipped bytes, truncation,
//! and a reader in another language.

#![expect(clippy::unwrap_used, reason = "tests: a panic is the failure")]

mod batches;
mod checkpoint;
mod envelope;
mod golden;
mod hostile;
mod metadata;
mod proto_agreement;
mod python;
mod reads;
mod verify;
mod wal;
