//! The node: one process, one incarnation at a time.
//!
//! Owns: the order of start and stop, what every handler shares ([`Broker`]), registering again when
//! an incarnation ends. Does not own: APIs, network, logs.
//! Crash: nothing here is durable; the next start takes over (see `incarnation`).

mod broker;
mod endpoints;
mod identity;
mod incarnation;
mod predecessor;
mod producer_ids;
mod recovery;
mod run;
mod serving;
mod space;
mod tasks;
#[cfg(test)]
pub(crate) mod testing;
pub mod who;

pub use broker::{Broker, Endpoint};
pub use producer_ids::ProducerIds;
pub use run::run;
pub use who::{WHO_KEY, WhoAnswer};
