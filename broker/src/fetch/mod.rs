//! Fetching: sessions (KIP-227) and the wait for enough bytes. The API's mapping is `api/fetch.rs`.

mod session;
mod session_cache;

pub use session::{Cached, FetchPartition, PartitionKey, PartitionOutcome, TopicKey};
pub use session_cache::{FetchContext, FetchSessions, SessionError, SessionRequest};
