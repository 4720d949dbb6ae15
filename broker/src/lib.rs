//! The `weir` broker: network, APIs, coordinators over the tiering layer.

pub mod config;
