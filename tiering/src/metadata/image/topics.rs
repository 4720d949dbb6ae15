//! Topics: their names, ids, partition counts, placement and configs.
//!
//! A topic's config overrides live in its record, not with the other configs: they are read with the
//! topic and go with it. Commands name a topic by id, so none can hit a topic that took over a name.
//!
//! Invariants: names and ids are unique; no two names are equal after '.' became '_' (Kafka keeps
//! metric names apart that way).

use std::sync::Arc;

use weir_protocol::types::{PartitionIndex, Uuid};

use super::{CommandRejected, configs::ConfigValues};
use crate::{
    ids::{PgId, Slot},
    metadata::{
        cow_map::CowMap,
        hash::StateHash,
        proto::{self, RecordKind, SnapshotRecord},
    },
    ownership::placement::Placement,
};

/// Longest name, in bytes; Kafka's limit (a directory `name-partition` had to fit in 255).
pub const MAX_NAME_LEN: usize = 249;
pub const MAX_PARTITIONS_PER_TOPIC: i32 = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    pub name: Arc<str>,
    pub id: Uuid,
    /// ≥ 1; partitions are numbered from 0.
    pub partitions: i32,
    pub placement: Placement,
    pub configs: ConfigValues,
    pub internal: bool,
    /// Slot of the entry that created it.
    pub created: Slot,
}

impl TopicRecord {
    /// `None` when the topic has no such partition.
    pub fn pg_of(&self, partition: PartitionIndex) -> Option<PgId> {
        (0..self.partitions)
            .contains(&partition.0)
            .then(|| self.placement.pg_of(&self.id, partition))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTopic {
    pub name: Arc<str>,
    /// Chosen at random by the caller.
    pub id: Uuid,
    pub partitions: i32,
    pub placement: Placement,
    pub configs: ConfigValues,
    pub internal: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteTopic {
    pub id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatePartitions {
    pub id: Uuid,
    /// The new total.
    pub partitions: i32,
    /// Of new partitions only, sorted.
    pub overrides: Vec<(PartitionIndex, PgId)>,
}

#[derive(Clone, Debug, Default)]
pub struct TopicsImage {
    by_id: CowMap<Uuid, Arc<TopicRecord>>,
    by_name: CowMap<Arc<str>, Arc<TopicRecord>>,
    /// Names that contain '.' or '_', by their folded form.
    folded: CowMap<Arc<str>, Arc<str>>,
    hash: StateHash,
}

impl TopicsImage {
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicRecord>> {
        self.by_name.get(name)
    }

    pub fn by_id(&self, id: &Uuid) -> Option<&Arc<TopicRecord>> {
        self.by_id.get(id)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// In no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicRecord>> {
        self.by_id.iter().map(|(_, record)| record)
    }

    /// Sorted by name.
    pub fn sorted(&self) -> Vec<&Arc<TopicRecord>> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The other existing name that `name` cannot be told from in metric names.
    pub fn collision(&self, name: &str) -> Option<&Arc<str>> {
        let folded = self.folded.get(fold(name)?.as_str())?;
        (**folded != *name).then_some(folded)
    }

    /// Whether `command` could be applied now.
    pub fn check_create(&self, command: &CreateTopic) -> Result<(), CommandRejected> {
        let name = &command.name;
        if !is_legal_name(name) {
            return Err(CommandRejected::InvalidTopicName(name.to_string()));
        }
        if self.by_name.get(&**name).is_some() {
            return Err(CommandRejected::TopicExists(name.to_string()));
        }
        if let Some(existing) = self.collision(name) {
            return Err(CommandRejected::NameCollision {
                name: name.to_string(),
                existing: existing.to_string(),
            });
        }
        let reserved = command.id.is_zero() || command.id == Uuid::METADATA_TOPIC;
        if reserved || self.by_id.get(&command.id).is_some() {
            return Err(CommandRejected::InvalidTopicId(command.id));
        }
        if !(1..=MAX_PARTITIONS_PER_TOPIC).contains(&command.partitions) {
            return Err(CommandRejected::InvalidPartitionCount(command.partitions));
        }
        if !command.placement.is_valid(command.partitions) {
            return Err(CommandRejected::InvalidPlacement(command.id));
        }
        super::configs::check_values(&command.configs)
    }

    pub(super) fn create(
        &mut self,
        command: &CreateTopic,
        slot: Slot,
    ) -> Result<(), CommandRejected> {
        self.check_create(command)?;
        self.put(Arc::new(TopicRecord {
            name: command.name.clone(),
            id: command.id,
            partitions: command.partitions,
            placement: command.placement.clone(),
            configs: command.configs.clone(),
            internal: command.internal,
            created: slot,
        }));
        Ok(())
    }

    pub(super) fn delete(&mut self, command: &DeleteTopic) -> Result<(), CommandRejected> {
        let record = self
            .by_id
            .remove(&command.id)
            .ok_or(CommandRejected::UnknownTopic(command.id))?;
        self.by_name.remove(&*record.name);
        if let Some(folded) = fold(&record.name) {
            self.folded.remove(folded.as_str());
        }
        self.hash.remove(&stored(&record));
        Ok(())
    }

    pub(super) fn create_partitions(
        &mut self,
        command: &CreatePartitions,
    ) -> Result<(), CommandRejected> {
        let record = self.existing(&command.id)?;
        if command.partitions <= record.partitions {
            return Err(CommandRejected::PartitionsNotIncreased {
                current: record.partitions,
                requested: command.partitions,
            });
        }
        if command.partitions > MAX_PARTITIONS_PER_TOPIC {
            return Err(CommandRejected::InvalidPartitionCount(command.partitions));
        }
        let mut grown = TopicRecord::clone(record);
        let of_old = |(p, _): &(PartitionIndex, PgId)| p.0 < record.partitions;
        let names_old = command.overrides.iter().any(of_old);
        grown.partitions = command.partitions;
        grown.placement.overrides.extend(&command.overrides);
        if names_old || !grown.placement.is_valid(grown.partitions) {
            return Err(CommandRejected::InvalidPlacement(command.id));
        }
        self.put(Arc::new(grown));
        Ok(())
    }

    pub(super) fn set_configs(
        &mut self,
        id: &Uuid,
        configs: ConfigValues,
    ) -> Result<(), CommandRejected> {
        let mut record = TopicRecord::clone(self.existing(id)?);
        record.configs = configs;
        self.put(Arc::new(record));
        Ok(())
    }

    pub(super) fn existing(&self, id: &Uuid) -> Result<&Arc<TopicRecord>, CommandRejected> {
        self.by_id.get(id).ok_or(CommandRejected::UnknownTopic(*id))
    }

    /// Adds a record, or replaces the one of the same id and name.
    fn put(&mut self, record: Arc<TopicRecord>) {
        if let Some(folded) = fold(&record.name) {
            self.folded.insert(folded.into(), record.name.clone());
        }
        self.by_name.insert(record.name.clone(), record.clone());
        self.hash.add(&stored(&record));
        if let Some(old) = self.by_id.insert(record.id, record) {
            self.hash.remove(&stored(&old));
        }
    }

    /// Adds a record of a snapshot; `false` when its name or id is there already.
    pub(super) fn restore(&mut self, record: TopicRecord) -> bool {
        let known = self.by_id.get(&record.id).is_some() || self.by_name(&record.name).is_some();
        if !known {
            self.put(Arc::new(record));
        }
        !known
    }

    pub(super) fn hash(&self) -> StateHash {
        self.hash
    }

    pub(super) fn records(&self) -> impl Iterator<Item = SnapshotRecord> {
        self.sorted().into_iter().map(|record| stored(record))
    }
}

/// What differs between two images, each list sorted by topic id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsDelta {
    pub created: Vec<Arc<TopicRecord>>,
    pub deleted: Vec<Arc<TopicRecord>>,
    /// (before, now)
    pub changed: Vec<(Arc<TopicRecord>, Arc<TopicRecord>)>,
}

impl TopicsDelta {
    /// Cost follows the change, not the number of topics.
    pub fn between(old: &TopicsImage, new: &TopicsImage) -> TopicsDelta {
        let mut differences = new.by_id.differences(&old.by_id);
        differences.sort_unstable_by_key(|difference| difference.key);
        let mut delta = TopicsDelta::default();
        for difference in differences {
            match (difference.old, difference.new) {
                (Some(old), Some(new)) => delta.changed.push((old.clone(), new.clone())),
                (Some(old), None) => delta.deleted.push(old.clone()),
                (None, Some(new)) => delta.created.push(new.clone()),
                (None, None) => {}
            }
        }
        delta
    }
}

/// Kafka's rule for topic names.
pub fn is_legal_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (1..=MAX_NAME_LEN).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(legal)
}

/// The form that colliding names share; `None` when `name` can only collide with itself.
fn fold(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

fn stored(record: &TopicRecord) -> SnapshotRecord {
    RecordKind::Topic(proto::TopicRecord::from(record)).into()
}
