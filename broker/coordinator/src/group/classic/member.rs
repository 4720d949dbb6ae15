//! One member of a classic group.

use bytes::Bytes;

use crate::api::Token;
use crate::ids::{InstanceId, MemberId, Text};

/// An assignment strategy that a member offers, with the subscription in that strategy's format.
/// The coordinator only looks into it for protocol type "consumer", and only for expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberProtocol {
    pub name: Text,
    pub metadata: Bytes,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: MemberId,
    /// Present: a static member (KIP-345), which survives a missed rebalance.
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client_id: Text,
    pub(crate) client_host: Text,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// In the member's order of preference.
    pub(crate) protocols: Vec<MemberProtocol>,
    pub(crate) assignment: Bytes,
    /// Has not had its first answer, so it cannot send heartbeats yet.
    pub(crate) is_new: bool,
    /// A parked JoinGroup. Changed only through the group, which counts them.
    pub(crate) awaiting_join: Option<Token>,
    /// A parked SyncGroup.
    pub(crate) awaiting_sync: Option<Token>,
}

impl Member {
    pub(crate) fn is_static(&self) -> bool {
        self.instance.is_some()
    }

    pub(crate) fn is_awaiting_join(&self) -> bool {
        self.awaiting_join.is_some()
    }

    /// The subscription for `protocol`; empty when the member does not offer it.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|p| &*p.name == protocol)
            .map(|p| p.metadata.clone())
            .unwrap_or_default()
    }

    /// A member that waits for an answer of ours needs no heartbeat, except before its first one:
    /// the connection may be long dead, so `new_member_join_timeout` ends it.
    pub(crate) fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}
