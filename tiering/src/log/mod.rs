//! The log of one partition: offsets, high watermark, epochs, producers, index, reads, time look-up.
//!
//! Owns: the state of a partition while this broker owns it. Does not own: the write-ahead log that
//! makes it durable (`wal`), topics and ownership (`metadata`).

mod cold;
mod epochs;
mod lookup;
mod partition;
mod producer_state;
mod read;
mod registry;
mod run_index;
mod tail;
mod waiters;

pub use cold::{ColdReader, ReadError};
pub use epochs::EpochHistory;
pub use lookup::FoundRecord;
pub(crate) use partition::produced_batch;
pub use partition::{
    AppendBatch, AppendError, Appended, Batches, Bounds, Durable, HoleError, PartitionLog,
};
pub use producer_state::{
    BATCHES_MAX, ProducedBatch, ProducerEntry, Producers, SequenceError, Sequenced, next_sequence,
};
pub use read::InMemory;
pub use registry::Registry;
pub use run_index::{RUN_BYTES, Run, RunIndex, WalIndex};
pub use tail::TailBatch;
pub use waiters::{Waiting, Waker};

#[cfg(test)]
mod partition_tests;
#[cfg(test)]
pub(crate) mod test_support;
