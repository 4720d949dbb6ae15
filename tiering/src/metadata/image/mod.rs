//! The state of a cluster's metadata: an immutable value, cheap to clone, hot to read.
//!
//! Owns: the state, one file per domain, and [`Image::apply`], the only way to change it. Does not own:
//! entries and their order (`replay`), persistence (`snapshot`).
//!
//! Invariants: `apply` is a function of the image, the command and the slot, nothing else; a rejected
//! command leaves the image as it was; equal histories give equal state hashes (I4), and restoring a
//! snapshot gives the state that was written (I5).

pub mod configs;
pub mod features;
pub mod incarnations;
pub mod ownership;
pub mod producer_ids;
mod rejected;
pub mod topics;

#[cfg(test)]
mod ownership_tests;
#[cfg(test)]
mod topics_tests;

use std::sync::Arc;

pub use rejected::CommandRejected;
use weir_protocol::types::ProducerId;

use self::{
    configs::{ConfigResource, ConfigsImage},
    features::FeaturesImage,
    incarnations::IncarnationsImage,
    ownership::OwnershipImage,
    producer_ids::ProducerIdsImage,
    topics::TopicsImage,
};
use crate::{
    format::FormatError,
    ids::{BrokerEpoch, BrokerId, Incarnation, ProcessId, Slot},
    metadata::{
        command::{Command, CommandOutcome, Fence, Term},
        hash::StateHash,
        proto::{self, RecordKind, SnapshotRecord, invalid},
    },
};

/// Who wrote the newest fence entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Controller {
    pub incarnation: Incarnation,
    pub process: ProcessId,
}

#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Count of entries that are in it; the slot of the next one.
    pub next_slot: Slot,
    pub term: Term,
    pub controller: Option<Controller>,
    pub topics: Arc<TopicsImage>,
    pub configs: Arc<ConfigsImage>,
    pub incarnations: Arc<IncarnationsImage>,
    pub ownership: Arc<OwnershipImage>,
    pub producer_ids: ProducerIdsImage,
    pub features: FeaturesImage,
}

impl Image {
    /// Applies one command of the entry in `slot`. An error leaves the image as it was.
    pub fn apply(
        &mut self,
        command: &Command,
        slot: Slot,
    ) -> Result<CommandOutcome, CommandRejected> {
        let topics = &mut self.topics;
        match command {
            Command::Fence(c) => self.apply_fence(c, slot)?,
            Command::RegisterBroker(c) => {
                Arc::make_mut(&mut self.incarnations).register(c, slot)?;
                return Ok(CommandOutcome::Registered(BrokerEpoch(slot.0)));
            }
            Command::FenceIncarnation(c) => Arc::make_mut(&mut self.incarnations).fence(c)?,
            Command::SealIncarnation(c) => {
                self.incarnations.check_seal(c)?;
                self.ownership.check_seal(c, &self.incarnations)?;
                Arc::make_mut(&mut self.incarnations).seal(c);
                Arc::make_mut(&mut self.ownership).seal(c, &self.incarnations);
            }
            Command::AssignPgs(c) => {
                Arc::make_mut(&mut self.ownership).assign(c, &self.incarnations)?;
            }
            Command::CreateTopic(c) => Arc::make_mut(topics).create(c, slot)?,
            Command::DeleteTopic(c) => Arc::make_mut(topics).delete(c)?,
            Command::CreatePartitions(c) => Arc::make_mut(topics).create_partitions(c)?,
            Command::AlterConfigs(c) => self.apply_alter_configs(c)?,
            Command::AllocateProducerIds(c) => {
                self.incarnations.require_active(&c.incarnation)?;
                return Ok(CommandOutcome::ProducerIds(self.producer_ids.allocate()?));
            }
            Command::Checkpoint(c) => return self.apply_checkpoint(c),
            Command::FinalizeFeatures(c) => self.features.finalize(c, slot)?,
        }
        Ok(CommandOutcome::Done)
    }

    fn apply_fence(&mut self, fence: &Fence, slot: Slot) -> Result<(), CommandRejected> {
        if fence.term != self.term.next() {
            return Err(CommandRejected::WrongTerm {
                current: self.term,
                requested: fence.term,
            });
        }
        // The incarnation that this very entry registers, or one that is registered.
        if fence.controller.epoch.0 != slot.0 {
            self.incarnations.require_active(&fence.controller)?;
        }
        self.term = fence.term;
        self.controller = Some(Controller {
            incarnation: fence.controller,
            process: fence.process,
        });
        Ok(())
    }

    fn apply_alter_configs(
        &mut self,
        command: &configs::AlterConfigs,
    ) -> Result<(), CommandRejected> {
        let ConfigResource::Topic(id) = &command.resource else {
            return Arc::make_mut(&mut self.configs).alter(command);
        };
        let values = command.applied_to(Some(&self.topics.existing(id)?.configs))?;
        Arc::make_mut(&mut self.topics).set_configs(id, values)
    }

    fn apply_checkpoint(
        &mut self,
        record: &crate::ownership::checkpoint_record::CheckpointRecord,
    ) -> Result<CommandOutcome, CommandRejected> {
        let current = self.incarnations.existing(&record.incarnation)?.clone();
        crate::ownership::checkpoint_record::check_record(record, &current)?;
        let outcome = Arc::make_mut(&mut self.ownership).checkpoint(record, &current)?;
        let mut moved = (*current).clone();
        moved.checkpointed = record.committed;
        moved.data_floor = record.data_floor;
        moved.wal_floor = record.wal_floor;
        Arc::make_mut(&mut self.incarnations).put(moved);
        Ok(CommandOutcome::Checkpoint(outcome))
    }

    /// The value of a config override of a topic.
    pub fn topic_config(&self, topic: &weir_protocol::types::Uuid, name: &str) -> Option<&str> {
        let record = self.topics.by_id(topic)?;
        record.configs.get(name).map(String::as_str)
    }

    /// Equal on all brokers at the same position.
    pub fn state_hash(&self) -> StateHash {
        let mut cluster = StateHash::default();
        cluster.add(&self.cluster_record());
        cluster
            .plus(self.topics.hash())
            .plus(self.configs.hash())
            .plus(self.incarnations.hash())
            .plus(self.ownership.hash())
    }

    /// The state as a snapshot stores it, sorted within each domain.
    pub fn records(&self) -> impl Iterator<Item = SnapshotRecord> {
        std::iter::once(self.cluster_record())
            .chain(self.topics.records())
            .chain(self.configs.records())
            .chain(self.incarnations.records())
            .chain(self.ownership.records())
    }

    /// Adds one record of a snapshot to an image under construction.
    pub(super) fn restore(&mut self, record: SnapshotRecord) -> Result<(), FormatError> {
        let kind = record
            .kind
            .ok_or_else(|| invalid("snapshot record", "not known to this version"))?;
        let fresh = match kind {
            RecordKind::Cluster(r) => self.restore_cluster(r)?,
            RecordKind::Topic(r) => Arc::make_mut(&mut self.topics).restore(r.try_into()?),
            RecordKind::Config(r) => {
                let (resource, values) = r.into_domain()?;
                Arc::make_mut(&mut self.configs).restore(resource, values)
            }
            RecordKind::Incarnation(r) => {
                Arc::make_mut(&mut self.incarnations).restore(r.try_into()?)
            }
            RecordKind::Pg(r) => {
                let (pg, record) = r.into_domain()?;
                Arc::make_mut(&mut self.ownership).restore(pg, record)
            }
        };
        if fresh {
            Ok(())
        } else {
            Err(invalid("snapshot record", "twice, or out of range"))
        }
    }

    fn cluster_record(&self) -> SnapshotRecord {
        let controller = self.controller;
        RecordKind::Cluster(proto::ClusterRecord {
            term: self.term.0,
            controller: controller.map(|c| c.incarnation.into()),
            controller_process: controller.map_or(Vec::new(), |c| c.process.0.0.to_vec()),
            first_broker: (self.incarnations.first_registered_broker()).map(|b| b.0),
            next_producer_id: self.producer_ids.next.0,
            feature_level: self.features.level.0,
            feature_epoch: self.features.epoch.0,
        })
        .into()
    }

    fn restore_cluster(&mut self, from: proto::ClusterRecord) -> Result<bool, FormatError> {
        let known = self.term != Term::default();
        self.term = Term(from.term);
        self.controller = match from.controller {
            None => None,
            Some(incarnation) => Some(Controller {
                incarnation: incarnation.into(),
                process: ProcessId(proto::uuid("process id", &from.controller_process)?),
            }),
        };
        let first = from.first_broker.map(BrokerId);
        Arc::make_mut(&mut self.incarnations).restore_first_broker(first);
        self.producer_ids.next = ProducerId(from.next_producer_id);
        self.features = FeaturesImage {
            level: proto::feature_level(from.feature_level)?,
            epoch: Slot(from.feature_epoch),
        };
        Ok(!known)
    }
}

/// Whether two images hold the same state; the slow, certain form of comparing state hashes.
impl PartialEq for Image {
    fn eq(&self, other: &Image) -> bool {
        self.next_slot == other.next_slot && self.records().eq(other.records())
    }
}
