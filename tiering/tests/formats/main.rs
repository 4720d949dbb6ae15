//! The formats of all objects: round trips, golden files of every version, flipped bytes, truncation,
//! and a reader in another language.

mod batches;
mod checkpoint;
mod wal;
