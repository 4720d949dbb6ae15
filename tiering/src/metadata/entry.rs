//! One object of the metadata log: what its writer knew, and the commands that it adds.
//!
//! The whole protobuf message is the object's footer (the body is empty), so its checksum is the one
//! by which a put recognises itself, and flipping any byte of the object is noticed.

use bytes::Bytes;
use prost::Message;

use crate::{
    fenced_log::EntryHead,
    format::{
        FormatError, ObjectIdentity, ObjectKind, SealedObject,
        envelope::{open_object, seal_object},
    },
    ids::{ClusterId, Incarnation, ProcessId, PutId, Slot},
    metadata::{
        command::{Command, Term},
        hash::{EntryHash, StateHash},
        proto::{self, invalid},
    },
};

/// Largest encoding of one command, in bytes. Bounds an entry together with [`ENTRY_COMMANDS_LEN_MAX`].
pub const COMMAND_LEN_MAX: usize = 1 << 20;
/// An entry takes more commands while theirs are below this, in bytes.
pub const ENTRY_COMMANDS_LEN_MAX: usize = 4 << 20;
/// Most commands of one entry.
pub const ENTRY_COMMANDS_MAX: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub term: Term,
    /// The controller. In a registration its epoch is the slot of this entry.
    pub writer: Incarnation,
    pub process: ProcessId,
    /// Of the object in the slot before, whatever it was.
    pub previous: EntryHash,
    /// Of the state before this entry, as the writer knows it (the running check of I4).
    pub state: StateHash,
    /// Commands of later versions that may be skipped are left out.
    pub commands: Vec<Command>,
}

impl Entry {
    /// What decides whether the entry counts.
    pub fn head(&self) -> EntryHead {
        EntryHead {
            term: self.term.0,
            is_fence: matches!(self.commands.first(), Some(Command::Fence(_))),
        }
    }

    /// The object to put in `slot`.
    pub fn encode(&self, cluster: ClusterId, slot: Slot, put_id: PutId) -> SealedObject {
        let message = proto::MetadataEntry {
            term: self.term.0,
            process_id: self.process.0.0.to_vec(),
            previous_hash: self.previous.0.to_be_bytes().to_vec(),
            state_hash: self.state.0.to_be_bytes().to_vec(),
            commands: self.commands.iter().map(proto::Command::from).collect(),
        };
        let identity = ObjectIdentity {
            kind: ObjectKind::MetadataEntry,
            cluster,
            writer: self.writer,
            lane: 0,
            number: slot.0,
            put_id,
        };
        seal_object(&identity, [], message.encode_to_vec().into())
    }

    /// Checks everything that does not depend on the entries before.
    pub fn decode(bytes: &Bytes, cluster: ClusterId, slot: Slot) -> Result<Entry, FormatError> {
        let object = open_object(bytes)?;
        let identity = object.header.identity;
        check_place(&identity, ObjectKind::MetadataEntry, cluster, slot)?;
        if !object.body.is_empty() {
            return Err(invalid("metadata entry", "bytes before the footer"));
        }
        let message = proto::MetadataEntry::decode(object.footer)
            .map_err(|error| invalid("metadata entry", error.to_string()))?;
        let mut commands = Vec::new();
        for command in message.commands {
            commands.extend(command.into_domain()?);
        }
        let misplaced = |command: &Command| matches!(command, Command::Fence(_));
        if commands.iter().skip(1).any(misplaced) {
            return Err(invalid("metadata entry", "a fence that is not first"));
        }
        Ok(Entry {
            term: Term(message.term),
            writer: identity.writer,
            process: ProcessId(proto::uuid("process id", &message.process_id)?),
            previous: EntryHash(proto::hash("previous hash", &message.previous_hash)?),
            state: StateHash(proto::hash("state hash", &message.state_hash)?),
            commands,
        })
    }
}

/// Whether an object is of the kind, the cluster and the number that its name says.
pub(super) fn check_place(
    identity: &ObjectIdentity,
    kind: ObjectKind,
    cluster: ClusterId,
    slot: Slot,
) -> Result<(), FormatError> {
    if identity.kind != kind {
        return Err(invalid("object kind", format!("{:?}", identity.kind)));
    }
    if identity.cluster != cluster {
        let message = format!("{} instead of {cluster}", identity.cluster);
        return Err(invalid("cluster id", message));
    }
    if identity.number != slot.0 {
        let message = format!("{} in slot {slot}", identity.number);
        return Err(invalid("object number", message));
    }
    Ok(())
}
