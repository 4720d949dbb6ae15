//! Start order, step 2: is an earlier run of this node id still alive? (design §6)
//!
//! Same cluster and id, another process → it lives, exit 3. Connection refused in the same place → it
//! is dead. Anything else → watch its logs for one session: growth means it lives.

use std::time::Duration;

use weir_tiering::{
    env::Env,
    fenced_log::{WalName, read_end},
    ids::{BrokerId, ClusterId, ProcessId, Slot},
    metadata::{
        Image, Replayed,
        image::incarnations::{IncarnationRecord, IncarnationState},
    },
    store::{DynStore, put::START_PATIENCE},
};

use super::{
    identity::HostIdentity,
    run::StartError,
    who::{Asked, WhoAnswer, ask},
};

/// Who asks.
pub struct Me<'a> {
    pub cluster: ClusterId,
    pub node_id: BrokerId,
    pub process: ProcessId,
    pub host: &'a HostIdentity,
    /// `broker.session.timeout.ms` of the design: how long a silent predecessor is watched.
    pub session: Duration,
}

impl Me<'_> {
    /// Whether the answer comes from another process that runs this node.
    pub fn is_other_run(&self, who: &WhoAnswer) -> bool {
        who.cluster == self.cluster && who.node_id == self.node_id && who.process != self.process
    }
}

/// The newest incarnation of this node id, when it did not end its log itself and is another process.
pub fn unclosed<'a>(image: &'a Image, me: &Me<'_>) -> Option<&'a IncarnationRecord> {
    let latest = image.incarnations.latest(me.node_id)?;
    let closed = matches!(
        latest.state,
        IncarnationState::Closed { .. } | IncarnationState::Sealed { .. }
    );
    let own = latest.registration.process_id == me.process;
    (!closed && !own).then_some(latest)
}

/// Returns when the predecessor is known or taken to be dead; an error names it when it lives.
pub async fn check_dead(
    env: &Env,
    store: &DynStore,
    me: &Me<'_>,
    predecessor: &IncarnationRecord,
    replayed: &mut Replayed,
) -> Result<(), StartError> {
    let registration = &predecessor.registration;
    for endpoint in &registration.endpoints {
        match ask(env, &endpoint.host, endpoint.port).await {
            Asked::Answered(who) if me.is_other_run(&who) => {
                return Err(StartError::InUse {
                    node_id: me.node_id,
                    host: who.host,
                    start_ms: who.start_ms,
                });
            }
            // Another broker has the address now: the predecessor, if it lived, would hold it.
            Asked::Answered(_) | Asked::Refused
                if me
                    .host
                    .is_same_place(&registration.host_boot_id, &registration.network_namespace) =>
            {
                return Ok(());
            }
            Asked::Answered(_) | Asked::Refused | Asked::Unclear(_) => {}
        }
    }
    watch(env, store, me, predecessor, replayed).await
}

async fn watch(
    env: &Env,
    store: &DynStore,
    me: &Me<'_>,
    predecessor: &IncarnationRecord,
    replayed: &mut Replayed,
) -> Result<(), StartError> {
    tracing::warn!(
        node_id = %me.node_id, host = %predecessor.registration.host, session_ms = me.session.as_millis() as u64,
        "an earlier run of this node id did not end cleanly and cannot be asked; watching its log for one session"
    );
    let wal = WalName {
        incarnation: predecessor.incarnation,
        lane: 0,
    };
    let end = |from: Slot| read_end(env, store, me.cluster, wal, from, START_PATIENCE);
    let before = end(predecessor.checkpointed)
        .await
        .map_err(StartError::Takeover)?;
    let slot = replayed.next_slot();
    env.clock.sleep(me.session).await;
    let after = end(before.end).await.map_err(StartError::Takeover)?;
    replayed.catch_up().await.map_err(StartError::Metadata)?;
    if after.end > before.end || replayed.next_slot() > slot {
        return Err(StartError::InUse {
            node_id: me.node_id,
            host: predecessor.registration.host.clone(),
            start_ms: predecessor.registration.start_ms,
        });
    }
    Ok(())
}
