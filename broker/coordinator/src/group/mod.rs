//! Groups of consumers. The classic protocol (JoinGroup, SyncGroup) is the only one so far.

pub(crate) mod classic;
pub(crate) mod delete;

#[cfg(test)]
mod delete_tests;
