//! What every handler of one incarnation shares.

use std::sync::Arc;

use weir_protocol::types::Uuid;
use weir_tiering::{
    env::Env,
    ids::{ClusterId, Incarnation, ProcessId},
    log::{ColdReader, Registry},
    metadata::{Image, MetadataLog},
    wal::Wal,
};

use super::ProducerIds;
use crate::{
    api::Connection,
    config::BrokerConfig,
    coordinator::Groups,
    fetch::FetchSessions,
    partition::{AutoCreation, TopicTable, Topics},
    telemetry::metrics::Metrics,
};

/// An address that clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Listener name, as in `listeners`.
    pub listener: Arc<str>,
    pub host: String,
    pub port: u16,
}

/// One incarnation's parts. Dropped with the incarnation.
pub struct Broker {
    /// Its tasks end with the incarnation, not with the process.
    pub env: Env,
    pub config: Arc<BrokerConfig>,
    pub cluster: ClusterId,
    pub incarnation: Incarnation,
    pub process: ProcessId,
    pub metadata: MetadataLog,
    pub wal: Wal,
    pub registry: Arc<Registry>,
    pub cold: ColdReader,
    pub fetch_sessions: FetchSessions,
    pub producer_ids: ProducerIds,
    pub auto_creation: AutoCreation,
    pub groups: Groups,
    pub metrics: Arc<Metrics>,
    /// Live WAL objects of earlier incarnations.
    pub recovered_objects: u64,
    /// At least one.
    pub endpoints: Vec<Endpoint>,
    pub(super) topics: Topics,
}

impl Broker {
    /// The newest committed metadata.
    pub fn image(&self) -> Arc<Image> {
        self.metadata.image()
    }

    /// The topics of the newest committed metadata.
    pub fn topics(&self) -> Arc<TopicTable> {
        self.topics.at(&self.metadata.load())
    }

    /// Kafka's `node.id`.
    pub fn node_id(&self) -> i32 {
        self.incarnation.broker.0 as i32
    }

    /// The cluster's id as Kafka shows it.
    pub fn cluster_uuid(&self) -> Uuid {
        self.cluster.0
    }

    /// The address of the listener that a connection came in on.
    pub fn endpoint_of(&self, connection: &Connection) -> &Endpoint {
        let same = self
            .endpoints
            .iter()
            .find(|e| e.listener == connection.listener);
        same.unwrap_or(&self.endpoints[0])
    }

    /// Grows when a finalized feature changes its level (KIP-584).
    pub fn finalized_features_epoch(&self) -> i64 {
        i64::try_from(self.metadata.load().features.epoch.0).unwrap_or(i64::MAX)
    }
}
