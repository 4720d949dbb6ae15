//! The real binary over raw requests: what clients see, in every version.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod broker;
mod client;
mod group_calls;
mod group_offsets;
mod group_restart;
mod group_stored;
mod group_versions;
mod groups;
