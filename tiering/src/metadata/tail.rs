//! The end of the log as one reader knows it: the state after all entries so far, and what the next
//! entry must fit to. A pure value; all readers and the writer's own side use it alike.
//!
//! Owns: which entries count (`fenced_log::judge_entry`, plus: only the controller writes), and the
//! checks that tie entries together. An entry that counts and does not fit is damage, never skipped.

use crate::{
    fenced_log::{Verdict, judge_entry},
    ids::Slot,
    metadata::{
        command::{Command, CommandOutcome},
        entry::Entry,
        hash::{EntryHash, StateHash},
        image::{CommandRejected, Image},
    },
};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tail {
    pub image: Image,
    /// Of the object in the slot before `image.next_slot`.
    pub last: EntryHash,
}

/// What an entry did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Its commands took effect.
    Counts,
    /// It occupies its slot and changes nothing: its writer did not know the fence before it.
    Void,
}

/// Why an entry cannot follow on what is before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error(
        "slot {slot}: the hash of the entry before is {found}, the entry was written behind {named}"
    )]
    Broken {
        slot: Slot,
        found: EntryHash,
        named: EntryHash,
    },
    #[error("slot {slot}: the state hash is {ours}, the writer had {writers}")]
    Diverged {
        slot: Slot,
        ours: StateHash,
        writers: StateHash,
    },
    #[error("slot {slot}: its term {found} cannot follow on term {current}")]
    ImpossibleTerm {
        slot: Slot,
        current: u64,
        found: u64,
    },
    #[error("slot {slot}: command {index} is not allowed there: {rejected}")]
    Rejected {
        slot: Slot,
        index: usize,
        rejected: CommandRejected,
    },
}

impl Tail {
    pub fn next_slot(&self) -> Slot {
        self.image.next_slot
    }

    /// Whether the entry counts. Every reader decides from the same values.
    pub fn judge(&self, entry: &Entry) -> Result<Applied, ChainError> {
        let current = self.image.term.0;
        match judge_entry(current, entry.head()) {
            Verdict::Void => Ok(Applied::Void),
            Verdict::Impossible => Err(ChainError::ImpossibleTerm {
                slot: self.next_slot(),
                current,
                found: entry.term.0,
            }),
            Verdict::Apply if entry.head().is_fence || self.is_by_controller(entry) => {
                Ok(Applied::Counts)
            }
            Verdict::Apply => Ok(Applied::Void),
        }
    }

    fn is_by_controller(&self, entry: &Entry) -> bool {
        self.image
            .controller
            .is_some_and(|c| c.incarnation == entry.writer && c.process == entry.process)
    }

    /// Applies the entry of the next slot; `hash` is of its object. After an error the tail is of no
    /// use.
    pub fn apply(&mut self, entry: &Entry, hash: EntryHash) -> Result<Applied, ChainError> {
        let slot = self.next_slot();
        let applied = self.judge(entry)?;
        if applied == Applied::Counts {
            self.check_fits(entry)?;
            for (index, command) in entry.commands.iter().enumerate() {
                // The writer validated in the same order on the same state.
                self.image
                    .apply(command, slot)
                    .map_err(|rejected| ChainError::Rejected {
                        slot,
                        index,
                        rejected,
                    })?;
            }
        }
        self.advance(hash);
        Ok(applied)
    }

    fn check_fits(&self, entry: &Entry) -> Result<(), ChainError> {
        let slot = self.next_slot();
        if entry.previous != self.last {
            return Err(ChainError::Broken {
                slot,
                found: self.last,
                named: entry.previous,
            });
        }
        let ours = self.image.state_hash();
        if entry.state != ours {
            return Err(ChainError::Diverged {
                slot,
                ours,
                writers: entry.state,
            });
        }
        Ok(())
    }

    /// Goes on to the next slot, after the image has what the object of this one did.
    pub(super) fn advance(&mut self, hash: EntryHash) {
        self.last = hash;
        self.image.next_slot = self.image.next_slot.next();
    }

    /// Tries a command for the entry of the next slot, behind those that were tried before.
    pub(super) fn try_command(
        &mut self,
        command: &Command,
    ) -> Result<CommandOutcome, CommandRejected> {
        let slot = self.next_slot();
        self.image.apply(command, slot)
    }
}
