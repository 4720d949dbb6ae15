//! Incarnations on a store in memory that can be put into trouble, without network.

use std::sync::Arc;

use weir_protocol::types::Uuid;
use weir_tiering::{
    cluster,
    env::{Env, testing},
    metadata::{Command, image::topics::DeleteTopic},
    store::{
        DynStore,
        faulty::{Chances, FaultyStore},
        memory::MemoryStore,
    },
};

use super::{
    Broker, Endpoint,
    identity::HostIdentity,
    incarnation::{NodeParts, Running},
};
use crate::{
    config::{BrokerConfig, Layers, Machine},
    partition::create_command,
    telemetry::metrics::Metrics,
};

/// A store, and the settings of the nodes that run on it.
pub struct TestStore {
    env: Env,
    pub store: Arc<FaultyStore>,
    settings: Vec<String>,
}

/// A node that serves.
pub struct TestNode {
    pub running: Running,
    pub broker: Arc<Broker>,
}

impl TestStore {
    /// Call it inside the runtime. `settings`: `KEY=VALUE`.
    pub fn new(settings: &[&str]) -> TestStore {
        let env = testing::env(7);
        let memory: DynStore = Arc::new(MemoryStore::default());
        TestStore {
            store: FaultyStore::new(memory, env.clone()),
            env,
            settings: settings.iter().map(|s| s.to_string()).collect(),
        }
    }

    /// From now on no request succeeds.
    pub fn fail(&self) {
        self.store.set_chances(Chances {
            fail: 1000,
            ..Chances::default()
        });
    }

    /// The next incarnation: takes over from the one before, as after a crash.
    pub async fn start(&self) -> TestNode {
        let machine = Machine {
            host_name: "test".to_owned(),
            memory_bytes: None,
        };
        let layers = Layers {
            overrides: self.settings.clone(),
            ..Layers::default()
        };
        let opened = cluster::open_or_create(&self.env, &*self.store, None, true);
        let parts = NodeParts {
            env: self.env.clone(),
            config: Arc::new(BrokerConfig::load(&layers, &machine).unwrap()),
            store: self.store.clone(),
            cluster: opened.await.unwrap().cluster_id,
            process: self.env.new_process_id(),
            host: HostIdentity::default(),
            start_ms: 0,
            metrics: Arc::new(Metrics::new()),
        };
        let endpoint = Endpoint {
            listener: Arc::from("PLAINTEXT"),
            host: "test".to_owned(),
            port: 9092,
        };
        let replayed = parts.look(false).await.unwrap();
        let running = parts.incarnate(replayed, &[endpoint]).await.unwrap();
        TestNode {
            broker: running.broker.clone(),
            running,
        }
    }
}

impl TestNode {
    /// Creates a topic; returns its id.
    pub async fn create_topic(&self, name: &str, partitions: i32) -> Uuid {
        let env = &self.broker.env;
        let command = create_command(env, name, partitions, Default::default());
        let id = command.id;
        self.append(Command::CreateTopic(command)).await;
        id
    }

    pub async fn delete_topic(&self, id: Uuid) {
        self.append(Command::DeleteTopic(DeleteTopic { id })).await;
    }

    async fn append(&self, command: Command) {
        let outcome = self.broker.metadata.append_one(command).await;
        outcome.unwrap().unwrap();
    }
}
