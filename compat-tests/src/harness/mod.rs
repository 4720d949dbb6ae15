//! Servers as processes, time limits, temporary directories, and suites of named cases.

pub mod broker;
pub mod files;
pub mod kafka;
pub mod maven;
pub mod ports;
pub mod process;
pub mod random;
pub mod suite;
pub mod time;
pub mod weir;
