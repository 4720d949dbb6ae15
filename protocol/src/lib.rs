//! The Kafka wire protocol: framing, headers, messages, record batches.
//!
//! Bytes in, typed values out. Owns every fact about the wire format. Knows no I/O, no runtime and
//! no storage. A decoder never allocates more than the bytes that arrived justify, never recurses on
//! input and never panics.

pub mod records;
pub mod types;
