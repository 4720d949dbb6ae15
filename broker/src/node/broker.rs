//! What every handler of one incarnation shares.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use weir_protocol::types::Uuid;
use weir_tiering::{
    env::{Env, TaskKind},
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
    /// When [`Broker::still_owns`] looked last; boot time, milliseconds.
    pub(super) looked_ms: AtomicU64,
}

/// How long a look at the metadata log may take before the store counts as away.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

impl Broker {
    /// The newest committed metadata.
    pub fn image(&self) -> Arc<Image> {
        self.metadata.image()
    }

    /// The topics of the newest committed metadata.
    pub fn topics(&self) -> Arc<TopicTable> {
        self.topics.at(&self.metadata.load())
    }

    /// Whether this incarnation still owns what it serves, as far as half a session ago (design §6): looks
    /// at the next metadata slot when the last look is older. A store that does not answer counts as yes.
    pub async fn still_owns(&self) -> bool {
        let half_session = self.config.session_timeout / 2;
        let now = self.env.clock.boot();
        let looked = Duration::from_millis(self.looked_ms.load(Ordering::Relaxed));
        if now.saturating_sub(looked) < half_session {
            return true;
        }
        let owns = self
            .metadata
            .check_controller(half_session, LOOK_LIMIT)
            .await;
        if owns.is_ok() {
            let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            self.looked_ms.store(now_ms, Ordering::Relaxed);
        }
        owns.is_ok()
    }

    /// Finds out in the background whether a newer incarnation took over; if so, this one ends.
    pub fn look_for_successor(self: &Arc<Self>) {
        let broker = self.clone();
        self.env.tasks.spawn(TaskKind::Sweep, async move {
            let _ = broker
                .metadata
                .check_controller(Duration::ZERO, LOOK_LIMIT)
                .await;
        });
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
