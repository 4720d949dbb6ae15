//! The model of the fenced log (design §4), checked exhaustively within bounds.
//!
//! `wal_*`: writers, takers, SEALs. `metadata_*`: controllers, fences, terms, deleted names. Each rule
//! of the design that can be broken here is broken once, and the checker must find it. The larger
//! bounds are ignored tests, run by name at length (`.ci/full`).

mod metadata_model;
mod metadata_system;
mod metadata_tests;
mod wal_model;
mod wal_properties;
mod wal_system;
mod wal_tests;
