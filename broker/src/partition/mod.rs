//! The topics that this broker serves, and what happens to a batch before it is appended.

mod produce;
mod topics;

pub use produce::{ProduceOutcome, ProduceRefused, produce_batch};
pub use topics::{Topic, TopicTable, Topics};
