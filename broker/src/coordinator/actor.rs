//! The task of one partition of `__consumer_offsets`.
//!
//! ```text
//!   start ──▶ loading ──▶ serving ──▶ the end: the write-ahead log ended, or a clean stop
//!                ▲           │
//!                └───────────┘ its records did not fit a batch: what was decided is void
//! ```
//!
//! Owns: loading with retries, refusing requests meanwhile. Does not own: a loaded shard
//! (`serving`), reading (`load`).

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use weir_coordinator::{DeletedTopic, GroupConfig};
use weir_protocol::types::PartitionIndex;
use weir_tiering::{env::TaskKind, log::PartitionLog};

use super::{
    CoordinatorError,
    groups::{Message, Shared},
    load::{self, LoadError, Loaded},
    serving::{End, Serving},
};
use crate::{config, node::Broker};

/// Requests are held back so long while a shard loads, because most are loaded by then and a client
/// that is refused comes back much later.
const HOLD: Duration = Duration::from_millis(50);
/// Between two attempts to load.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The same when the log itself is damaged, in case somebody repairs the store.
const DAMAGED_RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Where a partition's coordinator works.
pub(super) struct Place {
    pub(super) broker: Arc<Broker>,
    pub(super) log: Arc<PartitionLog>,
    pub(super) shared: Arc<Shared>,
}

struct Actor {
    place: Arc<Place>,
    inbox: mpsc::Receiver<Message>,
    /// Completes when this broker no longer coordinates the partition. Not polled after that.
    over: BoxFuture<'static, ()>,
}

/// A shard and what came while it was loading.
struct Ready {
    loaded: Loaded,
    deleted: Vec<Arc<[DeletedTopic]>>,
}

pub(super) fn start(
    broker: &Arc<Broker>,
    log: Arc<PartitionLog>,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Message>,
) {
    let (wal, tasks) = (broker.wal.clone(), broker.env.tasks.clone());
    let over = Box::pin(async move {
        tokio::select! {
            biased;
            () = tasks.stopping() => {}
            _ = wal.ended() => {}
        }
    });
    let place = Arc::new(Place {
        broker: broker.clone(),
        log,
        shared,
    });
    let actor = Actor { place, inbox, over };
    broker.env.tasks.spawn(TaskKind::Coordinator, actor.run());
}

impl Actor {
    async fn run(mut self) {
        while let Some(ready) = self.load().await {
            let serving = Serving::new(self.place.clone(), ready.loaded.shard);
            let end = serving
                .run(&ready.deleted, &mut self.inbox, &mut self.over)
                .await;
            match end {
                End::Reload => {}
                End::Over => return,
            }
        }
    }

    /// Loads until it succeeds; `None` when that is no longer wanted.
    async fn load(&mut self) -> Option<Ready> {
        let place = self.place.clone();
        let clock = &place.broker.env.clock;
        let began = clock.boot();
        let mut hold = clock.sleep(HOLD);
        let mut is_holding = true;
        let mut refusal = CoordinatorError::LoadInProgress;
        let (mut pause, mut deleted, mut when_loaded) = (Duration::ZERO, Vec::new(), Vec::new());
        loop {
            let mut attempt = std::pin::pin!(place.load_after(pause));
            let outcome = loop {
                let message = tokio::select! {
                    biased;
                    () = &mut self.over => return None,
                    outcome = &mut attempt => break outcome,
                    () = &mut hold, if is_holding => {
                        is_holding = false;
                        continue;
                    }
                    message = self.inbox.recv(), if !is_holding => message?,
                };
                match message {
                    // Whoever asked may be gone.
                    Message::Request { reply, .. } => drop(reply.send(Err(refusal))),
                    Message::TopicsDeleted(topics) => deleted.push(topics),
                    Message::WhenLoaded(waiting) => when_loaded.push(waiting),
                    Message::Unload(ended) => {
                        let _ = ended.send(());
                        return None;
                    }
                }
            };
            match outcome {
                Ok(loaded) => {
                    for waiting in when_loaded {
                        let _ = waiting.send(());
                    }
                    place.report(&loaded, clock.boot() - began);
                    return Some(Ready { loaded, deleted });
                }
                Err(error) => (refusal, pause) = place.report_failure(&error),
            }
        }
    }
}

impl Place {
    pub(super) fn partition(&self) -> PartitionIndex {
        self.log.id().partition
    }

    async fn load_after(&self, pause: Duration) -> Result<Loaded, LoadError> {
        if !pause.is_zero() {
            self.broker.env.clock.sleep(pause).await;
        }
        let config = shard_config(&self.broker.config.group);
        load::load(&self.log, &self.broker.cold, &self.shared.reads, config).await
    }

    fn report(&self, loaded: &Loaded, took: Duration) {
        let (partition, took_ms) = (self.partition().0, took.as_millis() as u64);
        let (records, bytes) = (loaded.records, loaded.bytes);
        if records > 0 {
            tracing::info!(partition, records, bytes, took_ms, "coordinator loaded");
        } else {
            tracing::debug!(partition, took_ms, "coordinator of an empty partition");
        }
    }

    /// What requests are told until the next attempt, and when that is.
    fn report_failure(&self, error: &LoadError) -> (CoordinatorError, Duration) {
        let partition = self.partition().0;
        if error.is_transient() {
            tracing::warn!(partition, %error, "cannot load a coordinator yet");
            (CoordinatorError::LoadInProgress, RETRY_PAUSE)
        } else {
            tracing::error!(
                partition, %error,
                "the groups of a partition of __consumer_offsets cannot be loaded; run `weir log verify`"
            );
            (CoordinatorError::NotCoordinator, DAMAGED_RETRY_PAUSE)
        }
    }
}

fn shard_config(config: &config::GroupConfig) -> GroupConfig {
    let ms = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    GroupConfig {
        initial_rebalance_delay: config.initial_rebalance_delay,
        session_timeout_min_ms: ms(config.session_timeout_min),
        session_timeout_max_ms: ms(config.session_timeout_max),
        members_max: config.members_max,
        offsets_retention: config.offsets_retention,
        offsets_retention_check_interval: config.offsets_retention_check_interval,
        offset_metadata_max_units: config.offset_metadata_bytes_max,
        ..GroupConfig::default()
    }
}
