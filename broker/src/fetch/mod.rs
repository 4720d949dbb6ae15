//! Fetching: sessions (KIP-227), reading what a request asks for, and the wait for enough bytes
//! (KIP-74). The API's mapping is `api/fetch.rs`.

mod pass;
mod session;
mod session_cache;
#[cfg(test)]
mod session_cache_tests;
mod wait;

pub use pass::{Found, check_epoch};
pub use session::{Cached, FetchPartition, PartitionKey, PartitionOutcome, TopicKey};
pub use session_cache::{FetchContext, FetchSessions, SessionError, SessionRequest};
pub use wait::{Fetched, Terms, fetch_until_enough};
