//! Record batches through the public API: round trips, damage, limits, and batches that Kafka's own
//! Java client wrote.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod batches;
mod codecs;
mod damage;
mod golden;
mod support;
mod time_lookup;
mod validation;
