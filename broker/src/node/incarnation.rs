//! One incarnation: from registration to serving, and its end (design §6, start order 2–6).
//!
//! Owns: whether this process may start, registration, what a serving incarnation consists of. Does
//! not own: the order of takeover, recovery and clean stop (`weir_tiering::incarnation`).

use std::sync::{Arc, atomic::AtomicU64};

use weir_tiering::{
    env::Env,
    ids::{ClusterId, Incarnation, ProcessId, Slot},
    incarnation::{OpenLogs, Place, take_over},
    log::ColdReader,
    metadata::{
        self, Image, RegisterError, Replayed,
        image::incarnations::{Endpoint as RegisteredEndpoint, IncarnationState, Registration},
    },
    store::{DynStore, put::START_PATIENCE, url::StoreUrl},
    wal::{WalConfig, flush_policy::FlushPolicy},
};

use super::{
    Broker, Endpoint, ProducerIds,
    identity::HostIdentity,
    predecessor::{self, Me},
    recovery,
    run::StartError,
    tasks,
};
use crate::{
    config::BrokerConfig,
    coordinator::Groups,
    fetch::FetchSessions,
    partition::{AutoCreation, Topics},
    telemetry::metrics::Metrics,
};

/// What all incarnations of a process share.
pub struct NodeParts {
    pub env: Env,
    pub config: Arc<BrokerConfig>,
    pub store: DynStore,
    pub cluster: ClusterId,
    pub process: ProcessId,
    pub host: HostIdentity,
    pub start_ms: i64,
    pub metrics: Arc<Metrics>,
}

/// A serving incarnation.
#[derive(Clone)]
pub struct Running {
    pub broker: Arc<Broker>,
    logs: OpenLogs,
}

impl NodeParts {
    pub fn me(&self) -> Me<'_> {
        Me {
            cluster: self.cluster,
            node_id: self.config.node_id,
            process: self.process,
            host: &self.host,
            session: self.config.session_timeout,
        }
    }

    /// Steps (1) and (2) of the start order: reads the metadata and makes sure that no earlier run of
    /// this node id lives.
    pub async fn look(&self, ask_predecessor: bool) -> Result<Replayed, StartError> {
        let mut replayed = metadata::open(
            self.env.clone(),
            self.store.clone(),
            self.cluster,
            START_PATIENCE,
        )
        .await?;
        self.check_owner(&replayed)?;
        if ask_predecessor {
            self.check_predecessor(&mut replayed).await?;
        }
        Ok(replayed)
    }

    fn check_owner(&self, replayed: &Replayed) -> Result<(), StartError> {
        match replayed.image().incarnations.first_registered_broker() {
            Some(owner) if owner != self.config.node_id => Err(StartError::Foreign {
                owner,
                node_id: self.config.node_id,
            }),
            _ => Ok(()),
        }
    }

    async fn check_predecessor(&self, replayed: &mut Replayed) -> Result<(), StartError> {
        let me = self.me();
        let Some(record) = predecessor::unclosed(replayed.image(), &me).cloned() else {
            return Ok(());
        };
        predecessor::check_dead(&self.env, &self.store, &me, &record, replayed).await
    }

    /// Steps (4) to (6): registers, takes over what a predecessor left, recovers.
    pub async fn incarnate(
        &self,
        mut replayed: Replayed,
        endpoints: &[Endpoint],
    ) -> Result<Running, StartError> {
        // Its tasks must end with it, whatever the process does then.
        let env = Env {
            tasks: Default::default(),
            ..self.env.clone()
        };
        let (metadata, incarnation) = loop {
            match replayed.register(self.registration(endpoints)).await {
                Ok((metadata, epoch)) => {
                    break (
                        metadata,
                        Incarnation {
                            broker: self.config.node_id,
                            epoch,
                        },
                    );
                }
                Err(RegisterError::Lost(newer)) => {
                    replayed = *newer;
                    self.check_owner(&replayed)?;
                    self.check_predecessor(&mut replayed).await?;
                }
                Err(RegisterError::Rejected(rejected)) => {
                    return Err(StartError::Rejected(rejected.to_string()));
                }
                Err(RegisterError::Failed(error)) => return Err(error.into()),
            }
        };
        let place = Place {
            env,
            store: self.store.clone(),
            cluster: self.cluster,
            patience: START_PATIENCE,
        };
        take_over(&place, &metadata).await?;
        self.remove_staging(&metadata.image()).await;
        let logs = OpenLogs::open(&place, metadata, &self.wal_config()).await?;
        recovery::report(&logs.recovery);
        Ok(self.serving(place.env, logs, incarnation, endpoints))
    }

    fn registration(&self, endpoints: &[Endpoint]) -> Registration {
        let endpoint = |endpoint: &Endpoint| RegisteredEndpoint {
            listener: endpoint.listener.to_string(),
            protocol: "PLAINTEXT".to_owned(),
            host: endpoint.host.clone(),
            port: endpoint.port,
        };
        Registration {
            broker: self.config.node_id,
            process_id: self.process,
            host: self.host.name.clone(),
            endpoints: endpoints.iter().map(endpoint).collect(),
            host_boot_id: self.host.boot_id.clone(),
            network_namespace: self.host.network_namespace.clone(),
            rack: self.config.rack.clone(),
            start_ms: self.start_ms,
        }
    }

    /// Removes staging files of incarnations that ended: nothing of theirs can be linked any more.
    async fn remove_staging(&self, image: &Image) {
        let ended = |owner: &ProcessId| {
            let records = image.incarnations.iter();
            records
                .filter(|record| record.registration.process_id == *owner)
                .any(|record| {
                    matches!(
                        record.state,
                        IncarnationState::Sealed { .. } | IncarnationState::Closed { .. }
                    )
                })
        };
        let owners = self.store.staging_owners().await.unwrap_or_default();
        for owner in owners
            .into_iter()
            .filter(|owner| *owner != self.process && ended(owner))
        {
            if let Err(error) = self.store.remove_staging(owner).await {
                tracing::debug!(%error, "staging files of an earlier run stay; the next start tries again");
            }
        }
    }

    fn serving(
        &self,
        env: Env,
        logs: OpenLogs,
        incarnation: Incarnation,
        endpoints: &[Endpoint],
    ) -> Running {
        let OpenLogs {
            metadata,
            wal,
            registry,
            table,
            recovery,
            ..
        } = logs.clone();
        let broker = Arc::new(Broker {
            cold: ColdReader::new(self.store.clone(), table, self.config.memory_bytes / 64 * 6),
            fetch_sessions: FetchSessions::new(
                env.clone(),
                self.config.fetch.sessions_max,
                self.config.memory_bytes / 64,
            ),
            producer_ids: ProducerIds::new(metadata.clone(), incarnation),
            topics: Topics::new(registry.clone(), self.config.topic_defaults.clone()),
            auto_creation: AutoCreation::default(),
            groups: Groups::default(),
            env,
            config: self.config.clone(),
            cluster: self.cluster,
            incarnation,
            process: self.process,
            metadata,
            wal,
            registry,
            metrics: self.metrics.clone(),
            recovered_objects: recovery.objects,
            endpoints: endpoints.to_vec(),
            looked_ms: AtomicU64::new(0),
        });
        let running = Running { broker, logs };
        tasks::start(&running);
        running
    }

    fn wal_config(&self) -> WalConfig {
        let flush = &self.config.flush;
        let local = FlushPolicy::local();
        let interval = flush.interval.unwrap_or(match self.config.store_url {
            StoreUrl::Local(_) | StoreUrl::Memory => local.interval,
        });
        WalConfig {
            policy: FlushPolicy {
                interval,
                bytes_max: usize::try_from(flush.bytes).unwrap_or(local.bytes_max),
                early_bytes: usize::try_from(flush.early_bytes).unwrap_or(local.early_bytes),
                ..local
            },
            in_flight_max: weir_tiering::fenced_log::SLOTS_IN_FLIGHT_MAX,
            tail_bytes_max: usize::try_from(self.config.memory_bytes / 2).unwrap_or(usize::MAX),
            meters: self.metrics.wal.meters.clone(),
        }
    }
}

impl Running {
    /// Writes a checkpoint of everything committed; one at a time.
    pub async fn checkpoint(&self) -> Result<Slot, StartError> {
        Ok(self.logs.checkpoint().await?)
    }

    /// Ends the incarnation cleanly: everything buffered is written, a last checkpoint, the SEAL, and
    /// the entry that says so. The caller has stopped the network.
    pub async fn close(&self) -> Result<(), StartError> {
        self.broker.groups.unload().await;
        self.logs.close().await?;
        self.abandon();
        Ok(())
    }

    /// Ends the tasks of an incarnation that is over.
    pub fn abandon(&self) {
        self.broker.env.tasks.stop();
    }

    /// Whether a newer incarnation of this node id, of another process, stands in `image`.
    pub fn is_replaced_in(&self, image: &Image) -> bool {
        let latest = image.incarnations.latest(self.broker.incarnation.broker);
        latest.is_some_and(|latest| {
            latest.incarnation.epoch > self.broker.incarnation.epoch
                && latest.registration.process_id != self.broker.process
        })
    }
}
