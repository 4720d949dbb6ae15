//! Pages at work: writing them at a checkpoint, and rebuilding partitions from them at a start.
//!
//! Owns: which placement groups get a new page, the order of writes of a checkpoint, recovery from
//! pages and footers. Does not own: what a page looks like (`format::page`), when a checkpoint is due
//! (the broker), what the record means (`ownership::checkpoint_record`).

mod checkpoint;
mod convert;
mod recover;

pub use checkpoint::{CheckpointError, Checkpointer};
pub use recover::{RecoverError, Recovered, recover};
