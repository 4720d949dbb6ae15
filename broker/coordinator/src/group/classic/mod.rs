//! The classic group protocol: members join, one of them assigns, all sync.
//!
//! `group` is the state of one group with its small invariant-keeping methods; each request has a
//! file (`join`, `sync`, `heartbeat`, `leave`, `describe`), and so has what several of them start:
//! `rebalance` (from the first join to the new generation), `static_member` (replacement of an
//! instance id's holder) and `timers` (what happens when a deadline passes).

pub(crate) mod describe;
pub(crate) mod effects;
pub(crate) mod group;
pub(crate) mod heartbeat;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod member;
mod rebalance;
pub(crate) mod state;
mod static_member;
pub(crate) mod sync;
mod timers;

#[cfg(test)]
mod describe_tests;
#[cfg(test)]
mod heartbeat_tests;
#[cfg(test)]
mod join_tests;
#[cfg(test)]
mod leave_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod rebalance_tests;
#[cfg(test)]
mod reload_tests;
#[cfg(test)]
mod static_member_tests;
#[cfg(test)]
mod sync_tests;
#[cfg(test)]
mod unit_tests;
