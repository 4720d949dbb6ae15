//! The periodic tasks of an incarnation.

use std::time::Duration;

use weir_coordinator::{DeletedTopic, TopicName};
use weir_tiering::{
    env::TaskKind,
    ids::Slot,
    log::RUN_BYTES,
    metadata::image::topics::{TopicRecord, TopicsDelta},
};

use super::{Broker, incarnation::Running};
use crate::coordinator;

/// WAL objects after which a checkpoint is due, whatever the time.
const CHECKPOINT_OBJECTS: u64 = 4096;
/// How often the checkpoint task looks at the number of objects.
const CHECKPOINT_LOOK: Duration = Duration::from_secs(1);

/// How often gauges are set.
const GAUGE_INTERVAL: Duration = Duration::from_secs(5);

/// Starts them; they end with the incarnation's tasks.
pub fn start(running: &Running) {
    checkpoints(running.clone());
    expiry(running.clone());
    deleted_topics(running.clone());
    gauges(running.clone());
    coordinator::start(&running.broker);
}

fn gauges(running: Running) {
    let broker = running.broker;
    let env = broker.env.clone();
    env.tasks.clone().spawn(TaskKind::Sweep, async move {
        let mut stopping = std::pin::pin!(broker.env.tasks.stopping());
        loop {
            set_gauges(&broker);
            tokio::select! {
                biased;
                () = &mut stopping => return,
                () = broker.env.clock.sleep(GAUGE_INTERVAL) => {}
            }
        }
    });
}

fn set_gauges(broker: &Broker) {
    let image = broker.image();
    let partitions: i64 = image
        .topics
        .iter()
        .map(|topic| i64::from(topic.partitions))
        .sum();
    let runs: usize = broker
        .registry
        .all()
        .iter()
        .map(|log| log.run_count())
        .sum();
    let metrics = &broker.metrics;
    metrics.serving.topics.set(image.topics.len() as f64);
    metrics.serving.partitions.set(partitions as f64);
    metrics
        .memory
        .budget_bytes
        .set(broker.config.memory_bytes as f64);
    metrics
        .memory
        .tail_bytes
        .set(broker.wal.tail_bytes() as f64);
    metrics.wal.run_index_bytes.set((runs * RUN_BYTES) as f64);
    let objects = broker.recovered_objects + broker.wal.committed_now().0;
    metrics.wal.objects.set(objects as f64);
}

fn checkpoints(running: Running) {
    let env = running.broker.env.clone();
    env.tasks.clone().spawn(TaskKind::Checkpoint, async move {
        let mut last = (env.clock.boot(), running.broker.wal.committed_now());
        let mut stopping = std::pin::pin!(env.tasks.stopping());
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => return,
                () = env.clock.sleep(CHECKPOINT_LOOK) => {}
            }
            let (now, committed) = (env.clock.boot(), running.broker.wal.committed_now());
            if !is_due(&running, last, (now, committed)) {
                continue;
            }
            match running.checkpoint().await {
                Ok(slot) => last = (now, slot),
                Err(error) => {
                    tracing::warn!(%error, "a checkpoint failed; the next one covers it");
                    last.0 = now;
                }
            }
        }
    });
}

fn is_due(running: &Running, last: (Duration, Slot), now: (Duration, Slot)) -> bool {
    let objects = now.1.0 - last.1.0;
    let interval = running.broker.config.checkpoint_interval;
    objects >= CHECKPOINT_OBJECTS || (objects > 0 && now.0 - last.0 >= interval)
}

/// Forgets producers that have not written for `producer.id.expiration.ms`.
fn expiry(running: Running) {
    let broker = running.broker;
    let config = broker.config.producer;
    let env = broker.env.clone();
    env.tasks.clone().spawn(TaskKind::Sweep, async move {
        let mut stopping = std::pin::pin!(broker.env.tasks.stopping());
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => return,
                () = broker.env.clock.sleep(config.expiration_check_interval) => {}
            }
            let expiration_ms = i64::try_from(config.expiration.as_millis()).unwrap_or(i64::MAX);
            for log in broker.registry.all() {
                log.expire_producers(broker.env.clock.wall_ms(), expiration_ms);
            }
        }
    });
}

/// Closes the logs of deleted topics as soon as the metadata says so: parked fetches and produces
/// that wait learn of it.
fn deleted_topics(running: Running) {
    let broker = running.broker;
    let env = broker.env.clone();
    env.tasks.clone().spawn(TaskKind::Sweep, async move {
        let mut images = broker.metadata.watch();
        let mut topics = images.borrow_and_update().topics.clone();
        let mut stopping = std::pin::pin!(broker.env.tasks.stopping());
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => return,
                changed = images.changed() => if changed.is_err() { return },
            }
            let newer = images.borrow_and_update().topics.clone();
            broker.topics();
            let deleted = TopicsDelta::between(&topics, &newer).deleted;
            topics = newer;
            if !deleted.is_empty() {
                let deleted = deleted.iter().map(|topic| deleted_topic(topic)).collect();
                broker.groups.topics_deleted(deleted).await;
            }
        }
    });
}

fn deleted_topic(topic: &TopicRecord) -> DeletedTopic {
    DeletedTopic {
        name: TopicName::new(&topic.name),
        id: topic.id,
    }
}
