//! What can go wrong with the metadata log, and what the caller must do then.

use crate::{
    format::FormatError,
    ids::Slot,
    metadata::{image::Controller, tail::ChainError},
    store::{StoreError, StoreErrorKind},
};

/// An error of the metadata log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MetadataError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{key}: {error}")]
    Object { key: String, error: FormatError },
    #[error("{key}: {error}")]
    Chain { key: String, error: ChainError },
    #[error("{key} is missing, although {later} exists")]
    Missing { key: String, later: String },
    #[error("the request takes {len} bytes in {count} commands, more than an entry may hold")]
    TooLarge { len: usize, count: usize },
    #[error("{0}")]
    Ended(Ended),
}

/// Why this process writes to the metadata log no more.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Ended {
    #[error("the metadata log was closed by this process")]
    Closed,
    /// Somebody else is the controller now.
    #[error("fenced at metadata slot {slot}{}", by(.controller))]
    Fenced {
        slot: Slot,
        controller: Option<Controller>,
    },
    /// The outcome of a write, or what the log holds, cannot be known or trusted.
    #[error("the metadata log cannot go on: {0}")]
    Failed(Box<MetadataError>),
}

/// What the caller must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetadataErrorKind {
    /// Ask the controller, or register again: this incarnation is over.
    NotController,
    /// Nothing any more: this process is shutting down.
    Closed,
    /// Split the request.
    TooLarge,
    /// A human must look: an object is damaged or missing.
    Damage,
    /// A human must look: the store refuses us.
    Store,
}

impl MetadataError {
    pub fn kind(&self) -> MetadataErrorKind {
        match self {
            MetadataError::Store(error) if error.kind != StoreErrorKind::Corrupt => {
                MetadataErrorKind::Store
            }
            MetadataError::Store(_)
            | MetadataError::Object { .. }
            | MetadataError::Chain { .. }
            | MetadataError::Missing { .. } => MetadataErrorKind::Damage,
            MetadataError::TooLarge { .. } => MetadataErrorKind::TooLarge,
            MetadataError::Ended(Ended::Closed) => MetadataErrorKind::Closed,
            MetadataError::Ended(Ended::Fenced { .. }) => MetadataErrorKind::NotController,
            MetadataError::Ended(Ended::Failed(error)) => error.kind(),
        }
    }

    pub(super) fn object(key: &crate::store::Key, error: FormatError) -> MetadataError {
        MetadataError::Object {
            key: key.to_string(),
            error,
        }
    }

    pub(super) fn chain(key: &crate::store::Key, error: ChainError) -> MetadataError {
        MetadataError::Chain {
            key: key.to_string(),
            error,
        }
    }
}

fn by(controller: &Option<Controller>) -> String {
    controller.map_or(String::new(), |c| format!(" by {}", c.incarnation))
}
