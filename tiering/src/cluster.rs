//! The object `cluster`: what makes a place in a store a cluster (design §2, §3).
//!
//! Owns: creating it in an empty place, opening it, refusing another one. Does not own: the probe of
//! foreign stores, registration.
//! Invariant: it is created only where nothing but scratch was listed, so that a wrong path or
//! prefix is never taken for an empty one; the put-if-absent decides between two creators.
//! Crash: the object is there or not; the next start goes on from either.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use crate::{
    env::Env,
    format::envelope::{
        FormatError, ObjectIdentity, ObjectKind, SealedObject, open_object, seal_object,
    },
    ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation},
    keys,
    store::{
        PutOutcome, Store, StoreError, StoreErrorKind,
        put::{START_PATIENCE, put_if_absent_until_clear},
        retry::{ReadPatience, read_with_patience},
    },
};

/// What this version writes, and the highest it reads.
pub const FORMAT_LEVEL: u32 = 1;
/// Probe result of stores that are not probed: memory and the local directory.
const PROBE_OWN: &str = "own";

/// Footer of the object; `tiering/proto/cluster.proto`.
#[derive(Clone, PartialEq, Message)]
struct ClusterRecord {
    #[prost(uint32, tag = "1")]
    format_level: u32,
    #[prost(string, tag = "2")]
    probe: String,
    #[prost(string, tag = "3")]
    created_by: String,
    #[prost(int64, tag = "4")]
    created_ms: i64,
}

/// The cluster of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub cluster_id: ClusterId,
    pub format_level: u32,
    /// "own", or what the probe of a foreign store found.
    pub probe: String,
    /// By this call.
    pub created: bool,
}

/// Why there is no cluster to work with. Messages say what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(
        "the store belongs to cluster {found}, not to {wanted}; name the other store, or start \
         without the cluster id"
    )]
    Other { found: ClusterId, wanted: ClusterId },
    #[error(
        "the store is empty and creating a cluster is not allowed here; check the store's name, or \
         allow it (weir.store.create=true)"
    )]
    CreationForbidden,
    #[error(
        "the store holds no cluster but is not empty: {name:?} was found; name an empty place, or the \
         right one"
    )]
    Foreign { name: String },
    #[error(
        "the cluster has format level {found}, this version knows {FORMAT_LEVEL}; use a newer Weir"
    )]
    Newer { found: u32 },
    #[error("the object `cluster` cannot be read: {0}")]
    Damaged(FormatError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens the cluster of `store`, or creates it when the place is empty and `create_allowed`: with
/// the id `wanted`, or a random one. Durable on return. Unclear answers are repeated for 10 s.
pub async fn open_or_create(
    env: &Env,
    store: &dyn Store,
    wanted: Option<ClusterId>,
    create_allowed: bool,
) -> Result<Opened, ClusterError> {
    if let Some(opened) = read(env, store).await? {
        return accept(opened, wanted);
    }
    let foreign = || store.first_foreign_name();
    let foreign = read_with_patience(env, READ_PATIENCE, foreign).await?;
    if let Some(name) = foreign {
        // Another starter may have won meanwhile, and even have written more.
        return match read(env, store).await? {
            Some(opened) => accept(opened, wanted),
            None => Err(ClusterError::Foreign { name }),
        };
    }
    if !create_allowed {
        return Err(ClusterError::CreationForbidden);
    }
    let id = wanted.unwrap_or_else(|| ClusterId(env.new_uuid()));
    match create(env, store, id).await? {
        PutOutcome::Created => Ok(Opened {
            cluster_id: id,
            format_level: FORMAT_LEVEL,
            probe: PROBE_OWN.to_owned(),
            created: true,
        }),
        PutOutcome::Exists => accept(read_winner(env, store).await?, wanted),
    }
}

const READ_PATIENCE: ReadPatience = ReadPatience {
    attempts_max: 100,
    total_max: Duration::from_secs(10),
};

fn accept(opened: Opened, wanted: Option<ClusterId>) -> Result<Opened, ClusterError> {
    match wanted {
        Some(wanted) if wanted != opened.cluster_id => {
            let found = opened.cluster_id;
            Err(ClusterError::Other { found, wanted })
        }
        _ => Ok(opened),
    }
}

async fn create(env: &Env, store: &dyn Store, id: ClusterId) -> Result<PutOutcome, StoreError> {
    let object = encode(env, id);
    let key = keys::cluster();
    put_if_absent_until_clear(env, store, &key, &object.body, object.put, START_PATIENCE).await
}

/// The cluster of `store`; `None` when there is none.
pub async fn read(env: &Env, store: &dyn Store) -> Result<Option<Opened>, ClusterError> {
    let key = keys::cluster();
    match read_with_patience(env, READ_PATIENCE, || store.get(&key)).await {
        Ok(bytes) => decode(&bytes).map(Some),
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The object that was in the way of ours; not found is not final.
async fn read_winner(env: &Env, store: &dyn Store) -> Result<Opened, ClusterError> {
    let key = keys::cluster();
    let attempt = async || {
        let bytes = store.get(&key).await;
        bytes.map_err(|mut error| {
            if error.kind == StoreErrorKind::NotFound {
                error.kind = StoreErrorKind::Retry;
            }
            error
        })
    };
    let bytes = read_with_patience(env, READ_PATIENCE, attempt).await?;
    decode(&bytes)
}

fn encode(env: &Env, id: ClusterId) -> SealedObject {
    let record = ClusterRecord {
        format_level: FORMAT_LEVEL,
        probe: PROBE_OWN.to_owned(),
        created_by: env!("CARGO_PKG_VERSION").to_owned(),
        created_ms: env.clock.wall_ms(),
    };
    let identity = ObjectIdentity {
        kind: ObjectKind::Cluster,
        cluster: id,
        // It is older than every incarnation.
        writer: Incarnation {
            broker: BrokerId(0),
            epoch: BrokerEpoch(0),
        },
        lane: 0,
        number: 0,
        put_id: env.new_put_id(),
    };
    seal_object(&identity, [], record.encode_to_vec().into())
}

/// Decodes the whole object `cluster`.
pub fn decode(bytes: &Bytes) -> Result<Opened, ClusterError> {
    let object = open_object(bytes).map_err(ClusterError::Damaged)?;
    let invalid = |message: String| {
        let what = "cluster object";
        ClusterError::Damaged(FormatError::Invalid { what, message })
    };
    let identity = object.header.identity;
    if identity.kind != ObjectKind::Cluster {
        return Err(invalid(format!("its kind is {:?}", identity.kind)));
    }
    object.expect_no_body().map_err(ClusterError::Damaged)?;
    let record = ClusterRecord::decode(object.footer);
    let record = record.map_err(|error| invalid(error.to_string()))?;
    if record.format_level > FORMAT_LEVEL {
        return Err(ClusterError::Newer {
            found: record.format_level,
        });
    }
    if record.format_level == 0 || identity.cluster.0.is_zero() {
        return Err(invalid(
            "it has no format level or no cluster id".to_owned(),
        ));
    }
    Ok(Opened {
        cluster_id: identity.cluster,
        format_level: record.format_level,
        probe: record.probe,
        created: false,
    })
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod cluster_tests;
