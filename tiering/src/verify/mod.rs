//! Reads every object of a store and says what is damaged (`weir log verify`).
//!
//! Owns: the walk over the store, what must exist, what must agree with what. Does not own: what makes
//! one object sound (`format`), the metadata log (`metadata::verify`).
//! Writes nothing and may run beside a broker. That is safe because the metadata is read first, at one
//! position: everything it names is durable by then, objects never change, and what was written since
//! only adds: slots at the end of a live WAL (asked for once more before they count as missing), and
//! incarnations that registered meanwhile (looked up again before they count as foreign).
//! Invariant: damage is only what no correct history explains. Slots above an end or a SEAL, and runs
//! that no placement group refers to, were never acknowledged or are nobody's any more: void.
//! Bounded: objects in flight ([`CHECKS_AT_ONCE`]), findings, remembered producers; what grows with the
//! store is one interval per partition, the pages' lists of live WALs and the metadata itself.
//!
//! - `walk`: the order; `object`: one object, in a task of its own; `wal`: the slots of one WAL;
//! - `expected`: what metadata and pages refer to; `offsets`, `producers`: what the runs add up to;
//! - `report`: the findings and how they read.

mod expected;
mod object;
mod offsets;
mod producers;
mod report;
mod wal;
mod walk;

#[cfg(test)]
mod engine_tests;
#[cfg(test)]
mod offsets_tests;
#[cfg(test)]
mod wal_tests;

use crate::{
    cluster::{self, ClusterError},
    env::Env,
    keys::ObjectName,
    store::{
        DynStore, StoreError,
        retry::{ReadPatience, read_with_patience},
    },
};

pub use self::report::Report;

/// Objects that are read and checked at a time; each is in memory as a whole (8 MiB as a rule).
pub const CHECKS_AT_ONCE: usize = 8;

/// Why nothing could be checked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("there is no cluster; name the directory that was given to `weir start --store`")]
    NoCluster,
    #[error(transparent)]
    Cluster(ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads all of `store`. An error: there was nothing to check, or the store refused the first reads.
pub async fn verify(env: &Env, store: &DynStore) -> Result<Report, VerifyError> {
    let mut report = Report::default();
    let cluster = match cluster::read(env, &**store).await {
        Ok(Some(opened)) => opened.cluster_id,
        Ok(None) => return without_cluster(env, store, report).await,
        Err(ClusterError::Damaged(error)) => {
            report.damaged(crate::keys::cluster(), error, report::RESTORE);
            return Ok(report);
        }
        Err(ClusterError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(VerifyError::Cluster(error)),
    };
    walk::walk(env, store, cluster, report).await
}

/// A store that lost its `cluster` object, or a place that never was one.
async fn without_cluster(
    env: &Env,
    store: &DynStore,
    mut report: Report,
) -> Result<Report, VerifyError> {
    let patience = ReadPatience::default();
    let found = read_with_patience(env, patience, || store.first_foreign_name()).await?;
    match found {
        Some(name) if ObjectName::parse(&name).is_some() => {
            let what = format!("it is missing, although {name} is there");
            report.damaged(crate::keys::cluster(), what, report::RESTORE);
            Ok(report)
        }
        _ => Err(VerifyError::NoCluster),
    }
}
