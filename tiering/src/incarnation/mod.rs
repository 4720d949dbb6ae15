//! One incarnation's way through the log: taking over, rebuilding, serving, closing (design §4.2,
//! §4.6, §6).
//!
//! Order, and why a crash between any two steps is harmless:
//! 1. registration (`metadata::Replayed::register`): one entry that fences the predecessor and names
//!    us; its slot is our epoch;
//! 2. [`take_over`]: SEALs into the predecessor's WAL; until the next step it is a to-do for every
//!    later start; then one entry `Sealed` with the end and our assignments: from here on only we own
//!    the groups;
//! 3. [`OpenLogs::open`]: recovery, which only reads; a checkpoint at once, so that the next start has
//!    little to do;
//! 4. [`OpenLogs::close`]: everything buffered is committed, a last checkpoint at the end, the SEAL
//!    there, one entry that says so.
//!
//! Owns: the order of these steps. Does not own: the steps; who may start (the broker).

mod open_logs;
mod take_over;
#[cfg(test)]
mod tests;

pub use open_logs::{OpenLogs, Recovery};
pub use take_over::take_over;

use crate::{
    env::Env,
    fenced_log::TakeoverError,
    ids::ClusterId,
    metadata::{
        Command, CommandOutcome, CommandRejected, MetadataError, MetadataErrorKind, MetadataLog,
    },
    page::{CheckpointError, RecoverError},
    store::{DynStore, put::Patience},
};

/// Where an incarnation lives.
#[derive(Clone)]
pub struct Place {
    /// Its tasks are those of the incarnation.
    pub env: Env,
    pub store: DynStore,
    pub cluster: ClusterId,
    /// How long SEALs wait for a store that does not answer.
    pub patience: Patience,
}

/// Why an incarnation cannot begin, go on, or end cleanly.
#[derive(Debug, thiserror::Error)]
pub enum IncarnationError {
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("the metadata log refused a command of this incarnation: {0}")]
    Rejected(CommandRejected),
    #[error("the predecessor's log cannot be taken over: {0}")]
    Takeover(#[from] TakeoverError),
    #[error("{0}; run `weir log verify`")]
    Recover(#[from] RecoverError),
    #[error("the checkpoint failed: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("the write-ahead log of this incarnation has ended")]
    WalEnded,
}

impl IncarnationError {
    /// Whether the store holds something that no later attempt will find different.
    pub fn is_damage(&self) -> bool {
        match self {
            IncarnationError::Recover(error) => error.is_damage(),
            IncarnationError::Takeover(TakeoverError::Damaged { .. })
            | IncarnationError::Rejected(CommandRejected::SealedBelowCheckpoint { .. }) => true,
            IncarnationError::Metadata(error) => error.kind() == MetadataErrorKind::Damage,
            _ => false,
        }
    }
}

/// Appends a command that is refused only when this incarnation is over, or by a bug.
async fn accepted(
    metadata: &MetadataLog,
    command: Command,
) -> Result<CommandOutcome, IncarnationError> {
    let outcome = metadata.append_one(command).await?;
    outcome.map_err(IncarnationError::Rejected)
}
