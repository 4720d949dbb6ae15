//! Logs over object storage: the store, the fenced log, formats, metadata, the log of a partition.
//!
//! Knows no Kafka API and no network. Everything ambient (time, randomness, tasks, files) comes in
//! through [`env::Env`] and [`store::Store`], so that a simulator can own it.

pub mod budget;
pub mod cluster;
pub mod env;
pub mod fenced_log;
pub mod format;
pub mod ids;
pub mod incarnation;
pub mod keys;
pub mod log;
pub mod metadata;
pub mod ownership;
pub mod page;
pub mod store;
pub mod verify;
pub mod wal;
