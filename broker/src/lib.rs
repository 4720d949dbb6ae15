//! The `weir` broker: network, APIs, coordinators over the tiering layer.

pub mod admin;
pub mod api;
pub mod cli;
pub mod config;
pub mod coordinator;
pub mod docs;
pub mod error_code;
pub mod fetch;
pub mod net;
pub mod node;
pub mod partition;
pub mod telemetry;
