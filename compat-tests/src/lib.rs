//! Black-box proof: real servers as processes, real clients, and the benchmark.
//!
//! [`harness`] starts and stops servers (Weir, Apache Kafka) and runs lists of named cases;
//! [`librdkafka`] wraps the C client; [`suites`] are what the program `compat` runs. The benchmark is
//! the program `perf`. Nothing here is linked into the broker, and nothing here reads the broker's insides:
//! what it knows of Weir is its command line, its ready line and the Kafka protocol.

pub mod harness;
pub mod librdkafka;
pub mod suites;
