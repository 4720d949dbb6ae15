//! The topics that this broker serves, and what happens to a batch before it is appended.

mod creation;
mod produce;
mod topics;

pub use creation::{
    AutoCreation, INTERNAL_TOPICS, METADATA_TOPIC, OFFSETS_TOPIC, create_command, offsets_topic,
};
pub use produce::{ProduceOutcome, ProduceRefused, no_transactions, produce_batch};
pub use topics::{Topic, TopicTable, Topics};
