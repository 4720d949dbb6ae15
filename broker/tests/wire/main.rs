//! Black-box tests of the wire: raw requests over a socket against a broker process.
//!
//! `broker` runs the real binary on a fresh directory, `client` speaks to it through the messages of
//! `weir-protocol`; each other module is about some APIs, and loops over all their versions.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod broker;
mod canary;
mod client;
mod cluster;
mod configs;
mod connections;
mod create_topics;
mod create_topics_mistakes;
mod data;
mod delete_topics;
mod fetch;
mod fetch_limits;
mod fetch_sessions;
mod frames;
mod idempotence;
mod list_offsets;
mod metadata;
mod partitions;
mod produce;
mod produce_rules;
mod records;
mod sessions;
mod topics;
