//! What `compat` runs.

pub mod crash;
pub mod java;
pub mod librdkafka;
