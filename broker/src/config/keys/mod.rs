//! The tables of all keys a broker knows: Kafka 4.3.1's 360 and our own `weir.*`.
//!
//! Owns: one declaration per key, and looking one up by name.
//! Does not own: topic and group keys (`topic_keys`, `group_keys`).
//! Invariant: no name stands twice; every default is valid for its own key (tested).

mod cluster;
mod groups;
mod groups_kafka;
mod network;
mod process;
mod security;
mod storage;
mod topics;
mod transactions;
mod weir;

use std::{collections::BTreeMap, sync::LazyLock};

use super::key::Key;

static BY_NAME: LazyLock<BTreeMap<&'static str, &'static Key>> = LazyLock::new(|| {
    [
        cluster::KEYS,
        groups::KEYS,
        groups_kafka::KEYS,
        network::KEYS,
        process::KEYS,
        security::KEYS,
        storage::KEYS,
        topics::KEYS,
        transactions::KEYS,
        weir::KEYS,
    ]
    .into_iter()
    .flatten()
    .map(|key| (key.name, key))
    .collect()
});

/// The declaration of a broker key.
pub fn find(name: &str) -> Option<&'static Key> {
    BY_NAME.get(name).copied()
}

/// All broker keys by name.
pub fn all() -> impl Iterator<Item = &'static Key> {
    BY_NAME.values().copied()
}

/// Security keys of Kafka that stand in no table because their names are open-ended or belong to
/// plug-ins: their absence would leave a broker open all the same.
pub fn is_security_name(name: &str) -> bool {
    const PREFIXES: [&str; 4] = ["ssl.", "sasl.", "authorizer.", "listener.name."];
    const NAMES: [&str; 2] = ["super.users", "allow.everyone.if.no.acl.found"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

/// Keys of older Kafka releases: what to tell somebody who still has one in a file.
pub fn removed_in_kafka_4(name: &str) -> bool {
    const NAMES: [&str; 13] = [
        "broker.id.generation.enable",
        "control.plane.listener.name",
        "delegation.token.master.key",
        "inter.broker.protocol.version",
        "log.message.downconversion.enable",
        "log.message.format.version",
        "log.message.timestamp.difference.max.ms",
        "offsets.commit.required.acks",
        "password.encoder.secret",
        "reserved.broker.max.id",
        "zookeeper.connect",
        "zookeeper.connection.timeout.ms",
        "zookeeper.session.timeout.ms",
    ];
    NAMES.contains(&name) || name.starts_with("zookeeper.")
}
