//! The commands of the metadata log. Each domain's own commands stand in its file under `image`.

use std::fmt;

use crate::{
    ids::{BrokerEpoch, Incarnation, PgId, ProcessId},
    metadata::image::{
        configs::AlterConfigs,
        features::FinalizeFeatures,
        incarnations::{FenceIncarnation, RegisterBroker, SealIncarnation},
        ownership::AssignPgs,
        producer_ids::{AllocateProducerIds, ProducerIdBlock},
        topics::{CreatePartitions, CreateTopic, DeleteTopic},
    },
    ownership::checkpoint_record::CheckpointRecord,
};

/// Number of a controllership, from 1; each fence entry adds one. 0: no fence yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u64);

impl Term {
    pub fn next(self) -> Term {
        Term(self.0 + 1)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes the writer of the entry the controller; always the first command of its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The term before + 1.
    pub term: Term,
    pub controller: Incarnation,
    pub process: ProcessId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Fence(Fence),
    RegisterBroker(RegisterBroker),
    FenceIncarnation(FenceIncarnation),
    SealIncarnation(SealIncarnation),
    AssignPgs(AssignPgs),
    CreateTopic(CreateTopic),
    DeleteTopic(DeleteTopic),
    CreatePartitions(CreatePartitions),
    AlterConfigs(AlterConfigs),
    AllocateProducerIds(AllocateProducerIds),
    Checkpoint(CheckpointRecord),
    FinalizeFeatures(FinalizeFeatures),
}

/// What an accepted command gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    Done,
    Registered(BrokerEpoch),
    ProducerIds(ProducerIdBlock),
    Checkpoint(CheckpointOutcome),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointOutcome {
    /// Pages that are the PG's newest now.
    pub accepted: usize,
    /// PGs whose page was refused, sorted: another owner, epoch or previous page.
    pub refused: Vec<PgId>,
}
