//! Registration: one entry that fences the controller before and registers this process.
//!
//! Its slot is the broker epoch, so an epoch is never used twice. When another entry took the slot, the
//! caller gets the log as it is now and decides anew (design §6, start order): never straight on to the
//! next slot.

use crate::{
    fenced_log::Appended,
    ids::{BrokerEpoch, Incarnation},
    metadata::{
        command::{Command, Fence},
        entry::Entry,
        error::MetadataError,
        handle::MetadataLog,
        hash::EntryHash,
        image::{
            CommandRejected, Controller,
            incarnations::{RegisterBroker, Registration},
        },
        replay::Replayed,
        writer,
    },
};

#[derive(thiserror::Error)]
pub enum RegisterError {
    /// Another entry took the slot; this is the log with it.
    #[error("another process wrote to the metadata log first")]
    Lost(Box<Replayed>),
    #[error(transparent)]
    Rejected(#[from] CommandRejected),
    /// Whether the registration is in the log may be unknown.
    #[error(transparent)]
    Failed(#[from] MetadataError),
}

impl std::fmt::Debug for RegisterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Replayed {
    /// Registers this process as the controller and starts the writer. On return the registration is
    /// durable and the handle's image has it.
    pub async fn register(
        mut self,
        registration: Registration,
    ) -> Result<(MetadataLog, BrokerEpoch), RegisterError> {
        let slot = self.next_slot();
        let me = Controller {
            incarnation: Incarnation {
                broker: registration.broker,
                epoch: BrokerEpoch(slot.0),
            },
            process: registration.process_id,
        };
        let term = self.term().next();
        let commands = vec![
            Command::Fence(Fence {
                term,
                controller: me.incarnation,
                process: me.process,
            }),
            Command::RegisterBroker(RegisterBroker { registration }),
        ];
        let mut next = self.tail.clone();
        for command in &commands {
            next.try_command(command)?;
        }
        let entry = Entry {
            term,
            writer: me.incarnation,
            process: me.process,
            previous: self.tail.last,
            state: self.tail.image.state_hash(),
            commands,
        };
        let object = entry.encode(self.cluster, slot, self.env.new_put_id());
        let hash = EntryHash::of(object.body.chunks().iter().map(|chunk| &chunk[..]));
        let len = object.body.len();
        let appended = self.log.try_append(slot, object).await;
        match appended.map_err(MetadataError::from)? {
            Appended::Created => {
                next.advance(hash);
                self.tail = next;
                self.since_snapshot.entries += 1;
                self.since_snapshot.bytes += len;
                Ok((writer::start(self, me), me.incarnation.epoch))
            }
            Appended::Exists(bytes) => {
                drop(next);
                self.apply_or_read_again(bytes).await?;
                self.catch_up().await?;
                Err(RegisterError::Lost(Box::new(self)))
            }
            Appended::Superseded { .. } => {
                self.reload().await?;
                Err(RegisterError::Lost(Box::new(self)))
            }
        }
    }
}
