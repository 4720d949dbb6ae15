//! Stored form of an entry and its commands.

use super::*;
use crate::{
    ids::ProcessId,
    metadata::command::{Command as Domain, Fence as DomainFence, Term},
};

#[derive(Clone, PartialEq, prost::Message)]
pub struct MetadataEntry {
    #[prost(uint64, tag = "1")]
    pub term: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub process_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub previous_hash: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub state_hash: Vec<u8>,
    #[prost(message, repeated, tag = "5")]
    pub commands: Vec<Command>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Command {
    #[prost(bool, tag = "1")]
    pub skippable: bool,
    #[prost(oneof = "CommandKind", tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13")]
    pub kind: Option<CommandKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum CommandKind {
    #[prost(message, tag = "2")]
    Fence(Fence),
    #[prost(message, tag = "3")]
    RegisterBroker(RegisterBroker),
    #[prost(message, tag = "4")]
    FenceIncarnation(FenceIncarnation),
    #[prost(message, tag = "5")]
    SealIncarnation(SealIncarnation),
    #[prost(message, tag = "6")]
    AssignPgs(AssignPgs),
    #[prost(message, tag = "7")]
    CreateTopic(CreateTopic),
    #[prost(message, tag = "8")]
    DeleteTopic(DeleteTopic),
    #[prost(message, tag = "9")]
    CreatePartitions(CreatePartitions),
    #[prost(message, tag = "10")]
    AlterConfigs(AlterConfigs),
    #[prost(message, tag = "11")]
    AllocateProducerIds(AllocateProducerIds),
    #[prost(message, tag = "12")]
    Checkpoint(CheckpointRecord),
    #[prost(message, tag = "13")]
    FinalizeFeatures(FinalizeFeatures),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Fence {
    #[prost(uint64, tag = "1")]
    pub term: u64,
    #[prost(message, optional, tag = "2")]
    pub controller: Option<Incarnation>,
    #[prost(bytes = "vec", tag = "3")]
    pub process_id: Vec<u8>,
}

impl From<&Domain> for Command {
    fn from(from: &Domain) -> Self {
        let kind = match from {
            Domain::Fence(c) => CommandKind::Fence(c.into()),
            Domain::RegisterBroker(c) => CommandKind::RegisterBroker(c.into()),
            Domain::FenceIncarnation(c) => CommandKind::FenceIncarnation(c.into()),
            Domain::SealIncarnation(c) => CommandKind::SealIncarnation(c.into()),
            Domain::AssignPgs(c) => CommandKind::AssignPgs(c.into()),
            Domain::CreateTopic(c) => CommandKind::CreateTopic(c.into()),
            Domain::DeleteTopic(c) => CommandKind::DeleteTopic(c.into()),
            Domain::CreatePartitions(c) => CommandKind::CreatePartitions(c.into()),
            Domain::AlterConfigs(c) => CommandKind::AlterConfigs(c.into()),
            Domain::AllocateProducerIds(c) => CommandKind::AllocateProducerIds(c.into()),
            Domain::Checkpoint(c) => CommandKind::Checkpoint(c.into()),
            Domain::FinalizeFeatures(c) => CommandKind::FinalizeFeatures(c.into()),
        };
        Command {
            skippable: false,
            kind: Some(kind),
        }
    }
}

impl Command {
    /// `None`: a command of a later version that this one may skip.
    pub fn into_domain(self) -> Result<Option<Domain>, FormatError> {
        let Some(kind) = self.kind else {
            return if self.skippable {
                Ok(None)
            } else {
                Err(invalid("metadata command", "not known to this version"))
            };
        };
        Ok(Some(match kind {
            CommandKind::Fence(c) => Domain::Fence(c.try_into()?),
            CommandKind::RegisterBroker(c) => Domain::RegisterBroker(c.try_into()?),
            CommandKind::FenceIncarnation(c) => Domain::FenceIncarnation(c.try_into()?),
            CommandKind::SealIncarnation(c) => Domain::SealIncarnation(c.try_into()?),
            CommandKind::AssignPgs(c) => Domain::AssignPgs(c.try_into()?),
            CommandKind::CreateTopic(c) => Domain::CreateTopic(c.try_into()?),
            CommandKind::DeleteTopic(c) => Domain::DeleteTopic(c.try_into()?),
            CommandKind::CreatePartitions(c) => Domain::CreatePartitions(c.try_into()?),
            CommandKind::AlterConfigs(c) => Domain::AlterConfigs(c.try_into()?),
            CommandKind::AllocateProducerIds(c) => Domain::AllocateProducerIds(c.try_into()?),
            CommandKind::Checkpoint(c) => Domain::Checkpoint(c.try_into()?),
            CommandKind::FinalizeFeatures(c) => Domain::FinalizeFeatures(c.try_into()?),
        }))
    }
}

impl From<&DomainFence> for Fence {
    fn from(from: &DomainFence) -> Self {
        Fence {
            term: from.term.0,
            controller: Some(from.controller.into()),
            process_id: from.process.0.0.to_vec(),
        }
    }
}

impl TryFrom<Fence> for DomainFence {
    type Error = FormatError;

    fn try_from(from: Fence) -> Result<Self, FormatError> {
        Ok(DomainFence {
            term: Term(from.term),
            controller: required("fence controller", from.controller)?.into(),
            process: ProcessId(uuid("fence process id", &from.process_id)?),
        })
    }
}
