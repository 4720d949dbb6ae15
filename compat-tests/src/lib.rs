//! Black-box proof: real servers as processes, real clients, and the benchmark.
//!
//! [`harness`] starts and stops servers (Weir, Apache Kafka) and runs lists of named cases;
//! [`librdkafka`] wraps the C client for the suites; [`crash`] is the kill -9 test; [`perf`] the
//! benchmark. Nothing here is linked into the broker, and nothing here reads the broker's insides:
//! what it knows of Weir is its command line, its ready line and the Kafka protocol.

pub mod harness;
pub mod librdkafka;
