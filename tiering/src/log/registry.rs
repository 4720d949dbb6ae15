//! The partitions that this broker has open.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use weir_protocol::types::Uuid;

use super::partition::PartitionLog;
use crate::ids::TopicPartition;

/// Open logs by partition. Looked up by key; never iterated in hash order.
#[derive(Default)]
pub struct Registry {
    logs: RwLock<HashMap<TopicPartition, Arc<PartitionLog>>>,
}

impl Registry {
    pub fn get(&self, id: &TopicPartition) -> Option<Arc<PartitionLog>> {
        self.read().get(id).cloned()
    }

    /// The open log of `id`; `open` makes it on first use.
    pub fn get_or_open(
        &self,
        id: TopicPartition,
        open: impl FnOnce() -> PartitionLog,
    ) -> Arc<PartitionLog> {
        if let Some(log) = self.get(&id) {
            return log;
        }
        let mut logs = self.logs.write().expect("no code panics under this lock");
        logs.entry(id).or_insert_with(|| Arc::new(open())).clone()
    }

    /// Adds a recovered log; none of that partition is open yet.
    pub fn insert(&self, log: PartitionLog) -> Arc<PartitionLog> {
        let log = Arc::new(log);
        let mut logs = self.logs.write().expect("no code panics under this lock");
        let before = logs.insert(log.id(), log.clone());
        assert!(before.is_none(), "partition {} was open already", log.id());
        log
    }

    /// Closes the partitions of a deleted topic.
    pub fn delete_topic(&self, topic: Uuid) {
        let removed: Vec<_> = {
            let mut logs = self.logs.write().expect("no code panics under this lock");
            let of_topic: Vec<_> = logs
                .keys()
                .filter(|id| id.topic == topic)
                .copied()
                .collect();
            of_topic.iter().filter_map(|id| logs.remove(id)).collect()
        };
        for log in removed {
            log.delete();
        }
    }

    /// All open logs, by topic id and partition.
    pub fn all(&self) -> Vec<Arc<PartitionLog>> {
        let mut logs: Vec<_> = self.read().values().cloned().collect();
        logs.sort_by_key(|log| log.id());
        logs
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<TopicPartition, Arc<PartitionLog>>> {
        self.logs.read().expect("no code panics under this lock")
    }
}
