//! The Kafka wire protocol: framing, headers, messages, record batches.
//!
//! Bytes in, typed values out. Owns every fact about the wire format. Knows no I/O, no runtime and
//! no storage. A decoder never allocates more than the bytes that arrived justify, never recurses on
//! input and never panics.

pub mod api_key;
pub mod error_code;
pub mod frame;
pub mod header;
pub mod message;
pub mod messages;
pub mod records;
pub mod str;
pub mod types;
pub mod wire;

pub use api_key::ApiKey;
pub use error_code::ErrorCode;
pub use message::{Message, Request};
