//! What a broker tells about itself: the log, the ready line, metrics.

mod declarations;
pub mod log;
pub mod metrics;
pub mod ready;
