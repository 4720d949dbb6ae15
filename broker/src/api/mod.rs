//! The Kafka APIs: one file each, listed once in [`list`]; dispatch, ApiVersions, metric labels and
//! the support table in the docs come from that list.
//!
//! A handler file is a header, `const API` and one function: validate → authorise → call the domain
//! → map. Handlers get a decoded request and give a typed response; what is common to all
//! (decoding, unsupported versions, encoding, metrics) is here.

mod api_versions;
mod context;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod dispatch;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list;
mod list_groups;
mod list_offsets;
mod metadata;
mod meter;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod produce;
mod sync_group;
mod topic_changes;

use std::ops::RangeInclusive;

use bytes::Bytes;
use futures::future::BoxFuture;
use weir_protocol::{api_key::ApiKey, header::HeaderError, wire::DecodeError};
use weir_tiering::budget::Permit;

pub use context::{Connection, RequestContext};
pub use dispatch::{ApiEntry, Call, Dispatch, Reply};
pub use list::all;
pub use meter::Meter;

/// The declaration of an API that this broker serves.
#[derive(Clone, Debug)]
pub struct Api {
    pub key: ApiKey,
    /// Versions that are served.
    pub versions: RangeInclusive<i16>,
    /// Lowest version that ApiVersions tells; differs from the lowest served one only for Produce.
    pub advertised_min: i16,
    /// What differs from Kafka, for the support table; empty = nothing known.
    pub differs: &'static str,
}

impl Api {
    pub const fn new(key: ApiKey, versions: RangeInclusive<i16>) -> Api {
        let advertised_min = *versions.start();
        Api {
            key,
            versions,
            advertised_min,
            differs: "",
        }
    }

    /// Advertises a lower minimum than is served; requests below `versions` close the connection.
    pub const fn advertised_from(mut self, min: i16) -> Api {
        self.advertised_min = min;
        self
    }

    pub const fn differs(mut self, differs: &'static str) -> Api {
        self.differs = differs;
        self
    }
}

/// A response as it goes to the socket: size field, header and body, in slices.
pub type AnswerBytes = Vec<Bytes>;

/// An encoded answer; empty for acks=0.
#[derive(Default)]
pub struct Outgoing {
    pub chunks: AnswerBytes,
    /// Whether it carries an error code.
    pub has_error: bool,
    /// What `chunks` take of the memory budget, until they are written.
    pub memory: Vec<Permit>,
}

/// What a handled request leaves for the connection's writer.
pub enum Answer {
    Ready(Outgoing),
    /// Still waits for something (the store); the next request may begin. `Err` closes the connection.
    Later(BoxFuture<'static, Result<Outgoing, Refused>>),
}

/// An answer under way, and where it is counted once it leaves.
pub struct Answering {
    pub answer: Answer,
    pub meter: Meter,
}

/// A request without an answer failed; Kafka closes the connection to tell the client.
#[derive(Debug)]
pub struct Refused(pub String);

/// A request that gets no answer: the connection closes, as in Kafka.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("{api} is not served")]
    NotServed { api: &'static str },
    #[error("this broker is registering with its cluster")]
    NotReady,
    #[error("{api} version {version} is not served")]
    Version { api: &'static str, version: i16 },
    #[error("this incarnation of the broker is over")]
    Replaced,
    #[error("{0}")]
    Decode(#[from] DecodeError),
    #[error("{0}")]
    Header(#[from] HeaderError),
    #[error("{api} v{version}: the answer cannot be encoded: {message}")]
    Encode {
        api: &'static str,
        version: i16,
        message: String,
    },
}
