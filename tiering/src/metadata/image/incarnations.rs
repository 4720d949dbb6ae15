//! Broker incarnations: who registered when and from where, and how each ended.
//!
//! ```text
//! register ──▶ Active ──fence──▶ Fenced ──seal──▶ Sealed
//!                 ├──────────────seal───────────▶ Sealed
//!                 └──────────seal, clean────────▶ Closed
//! ```
//! A newer registration of the same broker id fences the older one. Records stay after the end: the
//! sealed end says for ever which WAL slots count.

use std::{collections::BTreeMap, sync::Arc};

use super::{CommandRejected, ownership::Assignment};
use crate::{
    ids::{BrokerEpoch, BrokerId, Incarnation, ProcessId, Slot},
    metadata::{
        hash::StateHash,
        proto::{self, RecordKind, SnapshotRecord},
    },
};

/// What a broker says about itself when it registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub broker: BrokerId,
    pub process_id: ProcessId,
    pub host: String,
    /// Advertised addresses.
    pub endpoints: Vec<Endpoint>,
    /// Changes with each boot of the machine; empty when unknown.
    pub host_boot_id: String,
    /// Identity of the network namespace; empty when unknown.
    pub network_namespace: String,
    pub rack: Option<String>,
    /// Wall clock, for people.
    pub start_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub listener: String,
    /// Security protocol, as Kafka spells it.
    pub protocol: String,
    pub host: String,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncarnationState {
    Active,
    /// It may write no more; where its log ends is not known yet.
    Fenced,
    /// Its log ended at `end` (exclusive), by another's SEAL.
    Sealed {
        end: Slot,
    },
    /// It ended its log at `end` (exclusive) itself.
    Closed {
        end: Slot,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncarnationRecord {
    pub incarnation: Incarnation,
    pub registration: Registration,
    pub state: IncarnationState,
    /// Count of committed slots that its last checkpoint record covers.
    pub checkpointed: Slot,
    pub data_floor: u64,
    pub wal_floor: Slot,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterBroker {
    pub registration: Registration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceIncarnation {
    pub incarnation: Incarnation,
}

/// Ends an incarnation. Its PGs have no owner then, except those that `assignments` gives one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealIncarnation {
    pub incarnation: Incarnation,
    /// Exclusive.
    pub end: Slot,
    /// It closed its log itself.
    pub clean: bool,
    pub assignments: Vec<Assignment>,
}

#[derive(Clone, Debug, Default)]
pub struct IncarnationsImage {
    all: BTreeMap<Incarnation, Arc<IncarnationRecord>>,
    first_broker: Option<BrokerId>,
    hash: StateHash,
}

impl IncarnationsImage {
    pub fn get(&self, incarnation: &Incarnation) -> Option<&Arc<IncarnationRecord>> {
        self.all.get(incarnation)
    }

    /// The newest registration of a broker id.
    pub fn latest(&self, broker: BrokerId) -> Option<&Arc<IncarnationRecord>> {
        let end = incarnation(broker, u64::MAX);
        let mut of_broker = self.all.range(incarnation(broker, 0)..=end);
        of_broker.next_back().map(|(_, record)| record)
    }

    /// The broker id that registered first in this cluster. Until clusters come, the store is its.
    pub fn first_registered_broker(&self) -> Option<BrokerId> {
        self.first_broker
    }

    /// Sorted by broker, then epoch.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<IncarnationRecord>> {
        self.all.values()
    }

    /// Those that serve, sorted by broker.
    pub fn active(&self) -> impl Iterator<Item = &Arc<IncarnationRecord>> {
        self.iter()
            .filter(|record| record.state == IncarnationState::Active)
    }

    /// Fenced and not sealed yet: the to-do of every controller.
    pub fn to_seal(&self) -> impl Iterator<Item = &Arc<IncarnationRecord>> {
        self.iter()
            .filter(|record| record.state == IncarnationState::Fenced)
    }

    pub(super) fn existing(
        &self,
        incarnation: &Incarnation,
    ) -> Result<&Arc<IncarnationRecord>, CommandRejected> {
        self.get(incarnation)
            .ok_or(CommandRejected::UnknownIncarnation(*incarnation))
    }

    pub(super) fn require_active(
        &self,
        incarnation: &Incarnation,
    ) -> Result<&Arc<IncarnationRecord>, CommandRejected> {
        let record = self.existing(incarnation)?;
        if record.state == IncarnationState::Active {
            Ok(record)
        } else {
            Err(CommandRejected::NotActive(*incarnation))
        }
    }

    pub(super) fn register(
        &mut self,
        command: &RegisterBroker,
        slot: Slot,
    ) -> Result<(), CommandRejected> {
        let broker = command.registration.broker;
        let new = incarnation(broker, slot.0);
        let newest = self.latest(broker).cloned();
        if let Some(newest) = newest {
            if newest.incarnation >= new {
                return Err(CommandRejected::NotActive(new));
            }
            if newest.state == IncarnationState::Active {
                self.put(IncarnationRecord {
                    state: IncarnationState::Fenced,
                    ..(*newest).clone()
                });
            }
        }
        self.first_broker.get_or_insert(broker);
        self.put(IncarnationRecord {
            incarnation: new,
            registration: command.registration.clone(),
            state: IncarnationState::Active,
            checkpointed: Slot(0),
            data_floor: 0,
            wal_floor: Slot(0),
        });
        Ok(())
    }

    pub(super) fn fence(&mut self, command: &FenceIncarnation) -> Result<(), CommandRejected> {
        let record = self.require_active(&command.incarnation)?;
        self.put(IncarnationRecord {
            state: IncarnationState::Fenced,
            ..(**record).clone()
        });
        Ok(())
    }

    pub(super) fn check_seal(&self, command: &SealIncarnation) -> Result<(), CommandRejected> {
        let record = self.existing(&command.incarnation)?;
        match record.state {
            IncarnationState::Sealed { end } | IncarnationState::Closed { end } => {
                Err(CommandRejected::AlreadySealed {
                    incarnation: command.incarnation,
                    end,
                })
            }
            // Only a live incarnation can say that it closed its log itself.
            IncarnationState::Fenced if command.clean => {
                Err(CommandRejected::NotActive(command.incarnation))
            }
            _ if command.end < record.checkpointed => Err(CommandRejected::SealedBelowCheckpoint {
                incarnation: command.incarnation,
                checkpointed: record.checkpointed,
                end: command.end,
            }),
            _ => Ok(()),
        }
    }

    /// After [`IncarnationsImage::check_seal`].
    pub(super) fn seal(&mut self, command: &SealIncarnation) {
        let end = command.end;
        let state = if command.clean {
            IncarnationState::Closed { end }
        } else {
            IncarnationState::Sealed { end }
        };
        if let Some(record) = self.all.get(&command.incarnation) {
            self.put(IncarnationRecord {
                state,
                ..(**record).clone()
            });
        }
    }

    /// Adds a record, or replaces the one of the same incarnation.
    pub(super) fn put(&mut self, record: IncarnationRecord) {
        self.hash.add(&stored(&record));
        if let Some(old) = self.all.insert(record.incarnation, Arc::new(record)) {
            self.hash.remove(&stored(&old));
        }
    }

    /// Adds a record of a snapshot; `false` when it is there already.
    pub(super) fn restore(&mut self, record: IncarnationRecord) -> bool {
        let known = self.all.contains_key(&record.incarnation);
        if !known {
            self.put(record);
        }
        !known
    }

    pub(super) fn restore_first_broker(&mut self, broker: Option<BrokerId>) {
        self.first_broker = broker;
    }

    /// Without the first broker, which is part of the cluster record.
    pub(super) fn hash(&self) -> StateHash {
        self.hash
    }

    pub(super) fn records(&self) -> impl Iterator<Item = SnapshotRecord> {
        self.iter().map(|record| stored(record))
    }
}

/// The incarnations whose records differ between two images, sorted. None ever disappears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncarnationsDelta {
    pub changed: Vec<Incarnation>,
}

impl IncarnationsDelta {
    pub fn between(old: &IncarnationsImage, new: &IncarnationsImage) -> IncarnationsDelta {
        let differs = |record: &&Arc<IncarnationRecord>| {
            old.get(&record.incarnation)
                .is_none_or(|before| before != *record)
        };
        IncarnationsDelta {
            changed: new.iter().filter(differs).map(|r| r.incarnation).collect(),
        }
    }
}

fn incarnation(broker: BrokerId, epoch: u64) -> Incarnation {
    Incarnation {
        broker,
        epoch: BrokerEpoch(epoch),
    }
}

fn stored(record: &IncarnationRecord) -> SnapshotRecord {
    RecordKind::Incarnation(proto::IncarnationRecord::from(record)).into()
}
