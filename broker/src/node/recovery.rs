//! Recovery at a start, with its figures in the log.

use std::time::Duration;

use weir_tiering::{
    env::Env,
    ids::{ClusterId, Incarnation},
    log::{RUN_BYTES, Registry, WalIndex},
    metadata::Image,
    page::{self, Recovered},
    store::DynStore,
    wal::WalTable,
};

use super::run::StartError;

/// From here on a start reads so many footers that merging is due.
const WAL_OBJECTS_WARN: u64 = 100_000;
const SLOW: Duration = Duration::from_secs(5);

/// Rebuilds the partitions that `incarnation` owns; also the number of its own WAL.
pub async fn recover(
    env: &Env,
    store: &DynStore,
    cluster: ClusterId,
    image: &Image,
    incarnation: Incarnation,
    table: &WalTable,
    registry: &Registry,
) -> Result<(Recovered, WalIndex), StartError> {
    let started = env.clock.boot();
    let wal = table.index_of(incarnation).ok_or(StartError::TooManyWals)?;
    let recovered = page::recover(env, store, cluster, image, incarnation, table, registry).await?;
    let took = env.clock.boot() - started;
    let index_bytes = recovered.runs * RUN_BYTES as u64;
    if recovered.objects >= WAL_OBJECTS_WARN {
        tracing::warn!(
            objects = recovered.objects,
            index_bytes,
            "the store holds very many WAL objects; each start reads all their footers"
        );
    }
    if took >= SLOW {
        tracing::warn!(
            objects = recovered.objects,
            runs = recovered.runs,
            ms = took.as_millis() as u64,
            "slow recovery"
        );
    } else {
        tracing::info!(
            objects = recovered.objects,
            runs = recovered.runs,
            ms = took.as_millis() as u64,
            "recovered"
        );
    }
    Ok((recovered, wal))
}
