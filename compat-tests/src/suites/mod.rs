//! What `compat` runs.

pub mod java;
pub mod librdkafka;
