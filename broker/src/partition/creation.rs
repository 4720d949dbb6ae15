//! Creating topics: the command, and the creation that a Metadata request sets off.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use weir_tiering::{
    env::{Env, TaskKind},
    metadata::{
        Command,
        image::topics::{CreateTopic, is_legal_name},
    },
    ownership::placement::Placement,
};

use crate::node::Broker;

/// `__consumer_offsets`: groups and their offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// Kafka's internal topics; no other name is one, whatever its prefix.
pub const INTERNAL_TOPICS: [&str; 3] =
    [OFFSETS_TOPIC, "__transaction_state", "__share_group_state"];
/// Kafka's own metadata log, which is no topic anywhere.
pub const METADATA_TOPIC: &str = "__cluster_metadata";
/// Topics that may be on their way at a time because somebody asked for their metadata.
const IN_FLIGHT_MAX: usize = 1000;

/// The command that creates a topic with a fresh id.
pub fn create_command(
    env: &Env,
    name: &str,
    partitions: i32,
    configs: BTreeMap<String, String>,
) -> CreateTopic {
    CreateTopic {
        name: Arc::from(name),
        id: env.new_uuid(),
        partitions,
        placement: Placement::default(),
        configs,
        internal: INTERNAL_TOPICS.contains(&name),
    }
}

/// As Kafka creates it: compacted, small segments, batches as they are written.
pub fn offsets_topic(broker: &Broker) -> CreateTopic {
    let config = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let configs = BTreeMap::from([
        config("cleanup.policy", "compact"),
        config("compression.type", "producer"),
        config("segment.bytes", "104857600"),
    ]);
    let partitions = broker.config.group.offsets_topic_partitions;
    create_command(&broker.env, OFFSETS_TOPIC, partitions, configs)
}

/// Topics that are being created because a client asked for their metadata; each once at a time.
#[derive(Default)]
pub struct AutoCreation {
    in_flight: Arc<Mutex<BTreeSet<String>>>,
}

impl AutoCreation {
    /// Whether the name may be created at all.
    pub fn is_legal(name: &str) -> bool {
        is_legal_name(name)
    }

    /// Whether asking for its metadata may create it. Internal topics of what is not served must wait
    /// for it, because it decides on their partitions; the metadata log is no topic.
    pub fn is_creatable(name: &str) -> bool {
        let internal = INTERNAL_TOPICS.contains(&name) || name == METADATA_TOPIC;
        !internal || name == OFFSETS_TOPIC
    }

    /// Begins to create `name` with the broker's defaults and returns; the client asks again.
    pub fn begin(&self, broker: &Arc<Broker>, name: &str) {
        {
            let mut in_flight = self
                .in_flight
                .lock()
                .expect("no code panics under this lock");
            if in_flight.len() >= IN_FLIGHT_MAX || !in_flight.insert(name.to_owned()) {
                return;
            }
        }
        let (broker, name, in_flight) = (broker.clone(), name.to_owned(), self.in_flight.clone());
        let tasks = broker.env.tasks.clone();
        tasks.spawn(TaskKind::AutoCreate, async move {
            create(&broker, &name).await;
            in_flight
                .lock()
                .expect("no code panics under this lock")
                .remove(&name);
        });
    }
}

async fn create(broker: &Broker, name: &str) {
    let command = if name == OFFSETS_TOPIC {
        offsets_topic(broker)
    } else {
        let partitions = broker.config.topic_creation.partitions_default;
        create_command(&broker.env, name, partitions, BTreeMap::new())
    };
    match broker
        .metadata
        .append_one(Command::CreateTopic(command))
        .await
    {
        Ok(Ok(_)) => tracing::info!(topic = name, "created because a client asked for it"),
        // Somebody else was faster, or the name collides: the next Metadata answer says so.
        Ok(Err(rejected)) => tracing::debug!(topic = name, %rejected, "not created"),
        Err(error) => tracing::warn!(topic = name, %error, "cannot create a topic"),
    }
}
