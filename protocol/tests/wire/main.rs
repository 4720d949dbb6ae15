//! Black-box tests of the codec: against Kafka's own classes, against another codec, and against
//! bytes that lie.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod choices;
mod encode;
mod golden;
mod lies;
mod oracle;
mod vectors;
