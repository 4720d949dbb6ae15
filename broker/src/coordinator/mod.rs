//! Runs the group coordinators (design §10): one task per partition of `__consumer_offsets` that
//! this broker owns, around a pure state machine (`weir_coordinator::Shard`).
//!
//! Owns: loading a shard from its partition, the order of its requests, appending its records,
//! holding answers back until what they tell is durable, its timers, its end.
//! Does not own: any rule of a request (`weir_coordinator`), wire versions and error codes (`api`),
//! offsets and slots (`weir_tiering`).
//! Invariant: an answer leaves only after every record that its shard had written by then is
//! committed; what cannot be known to be so is answered with an error.
//! Crash: a shard is what its partition says; rebalances and sessions begin anew.

mod actor;
mod append;
mod ask;
mod groups;
mod load;
mod serving;
mod topics;
mod waiting;

#[cfg(test)]
mod failure_tests;
#[cfg(test)]
mod runtime_tests;
#[cfg(test)]
mod waiting_tests;

pub use ask::Ask;
pub use groups::{Groups, start};

/// Why a coordinator gave no answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorError {
    #[error("this broker does not coordinate the group")]
    NotCoordinator,
    #[error("the group's coordinator is reading its partition")]
    LoadInProgress,
    #[error("the coordinator is stopping or cannot take more writes at the moment")]
    NotAvailable,
    #[error("the store did not confirm a write in time; it may still do so")]
    TimedOut,
    #[error("the records of the request are larger than a batch of the partition may be")]
    TooLarge,
}
