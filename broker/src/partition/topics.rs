//! The topics of the newest metadata, with their effective settings and open logs.
//!
//! Owns: a table that is rebuilt when the metadata moved, keeping what did not change, so that a
//! produce or fetch costs one look-up by name or id. Does not own: the metadata, the logs' content.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use weir_protocol::types::{LeaderEpoch, PartitionIndex, Uuid};
use weir_tiering::{
    ids::{OwnershipEpoch, PgId, Slot, TopicPartition},
    log::{Durable, PartitionLog, Registry},
    metadata::{Image, image::topics::TopicRecord},
};

use crate::config::{TopicConfig, TopicDefaults};

/// One topic.
pub struct Topic {
    pub record: Arc<TopicRecord>,
    pub config: TopicConfig,
    registry: Arc<Registry>,
    image: Arc<Image>,
    logs: Vec<OnceLock<Arc<PartitionLog>>>,
    /// Set before its logs are closed: one that is opened later is closed at once.
    deleted: AtomicBool,
}

/// All topics at one position of the metadata log.
#[derive(Default)]
pub struct TopicTable {
    position: Option<Slot>,
    by_name: HashMap<Arc<str>, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

pub struct Topics {
    registry: Arc<Registry>,
    defaults: TopicDefaults,
    table: ArcSwap<TopicTable>,
    rebuild: Mutex<()>,
}

impl Topics {
    pub fn new(registry: Arc<Registry>, defaults: TopicDefaults) -> Topics {
        Topics {
            registry,
            defaults,
            table: ArcSwap::default(),
            rebuild: Mutex::default(),
        }
    }

    /// The table of `image`, or of a newer one.
    pub fn at(&self, image: &Arc<Image>) -> Arc<TopicTable> {
        let table = self.table.load_full();
        if table.position >= Some(image.next_slot) {
            return table;
        }
        let _one_at_a_time = self.rebuild.lock().expect("no code panics under this lock");
        let old = self.table.load_full();
        if old.position >= Some(image.next_slot) {
            return old;
        }
        let table = Arc::new(self.build(&old, image));
        for (id, topic) in &old.by_id {
            if table.by_id.contains_key(id) {
                continue;
            }
            topic.deleted.store(true, Ordering::SeqCst);
            self.registry.delete_topic(*id);
        }
        self.table.store(table.clone());
        table
    }

    fn build(&self, old: &TopicTable, image: &Arc<Image>) -> TopicTable {
        let mut table = TopicTable {
            position: Some(image.next_slot),
            ..TopicTable::default()
        };
        for record in image.topics.iter() {
            let known = old.by_id.get(&record.id);
            let topic = match known.filter(|topic| Arc::ptr_eq(&topic.record, record)) {
                Some(topic) => topic.clone(),
                None => Arc::new(self.open(record, image)),
            };
            table.by_name.insert(record.name.clone(), topic.clone());
            table.by_id.insert(record.id, topic);
        }
        table
    }

    fn open(&self, record: &Arc<TopicRecord>, image: &Arc<Image>) -> Topic {
        let config = TopicConfig::resolve(&record.configs, &self.defaults).unwrap_or_else(|error| {
            tracing::error!(topic = %record.name, %error, "stored topic settings cannot be read; the broker's defaults apply");
            TopicConfig::resolve(&Default::default(), &self.defaults).expect("the defaults were checked at start")
        });
        let partitions = usize::try_from(record.partitions).unwrap_or(0);
        Topic {
            record: record.clone(),
            config,
            registry: self.registry.clone(),
            image: image.clone(),
            logs: (0..partitions).map(|_| OnceLock::new()).collect(),
            deleted: AtomicBool::new(false),
        }
    }
}

impl TopicTable {
    pub fn by_name(&self, name: &str) -> Option<Arc<Topic>> {
        self.by_name.get(name).cloned()
    }

    pub fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.by_id.get(&id).cloned()
    }

    /// All topics, by name.
    pub fn sorted(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<_> = self.by_name.values().cloned().collect();
        topics.sort_by(|a, b| a.record.name.cmp(&b.record.name));
        topics
    }
}

impl Topic {
    pub fn name(&self) -> &Arc<str> {
        &self.record.name
    }

    pub fn id(&self) -> Uuid {
        self.record.id
    }

    pub fn is_internal(&self) -> bool {
        self.record.internal
    }

    /// Partitions, numbered from 0.
    pub fn partition_count(&self) -> i32 {
        self.record.partitions
    }

    /// The log of a partition; `None` when the topic has no such partition.
    pub fn log(&self, partition: i32) -> Option<Arc<PartitionLog>> {
        let cell = self.logs.get(usize::try_from(partition).ok()?)?;
        let log = cell.get_or_init(|| {
            let id = TopicPartition {
                topic: self.record.id,
                partition: PartitionIndex(partition),
            };
            self.registry.get_or_open(id, || {
                PartitionLog::new(
                    id,
                    self.record.internal,
                    self.epoch(partition),
                    Durable::default(),
                )
            })
        });
        if self.deleted.load(Ordering::SeqCst) {
            log.delete();
        }
        Some(log.clone())
    }

    /// Kafka's leader epoch of a partition.
    pub fn leader_epoch(&self, partition: i32) -> LeaderEpoch {
        LeaderEpoch(self.epoch(partition).0)
    }

    /// Ownership epoch of the partition's placement group.
    fn epoch(&self, partition: i32) -> OwnershipEpoch {
        let pg: Option<PgId> = self.record.pg_of(PartitionIndex(partition));
        let record = pg.and_then(|pg| self.image.ownership.get(pg));
        record.map(|pg| pg.epoch).unwrap_or_default()
    }
}
