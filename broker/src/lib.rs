//! The `weir` broker: network, APIs, coordinators over the tiering layer.

pub mod admin;
pub mod cli;
pub mod config;
pub mod docs;
pub mod telemetry;
