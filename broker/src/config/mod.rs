//! Configuration: declarations of all keys, the layers they come from, and typed values.
//!
//! Owns: everything from the text of a file, a variable or a flag to a [`BrokerConfig`].
//! Does not own: the command line itself (`cli`), the wire form of DescribeConfigs (its handler).
//! Invariant: a key is declared once (`key`, `keys`, `topic_keys`); parser, `--check`,
//! DescribeConfigs and the documentation are all derived from that declaration.
//!
//! The way of a value: `properties` / `environment` / flags → `layers` (which source wins, is the name
//! known, is the value valid) → `broker` (types, rules between keys) → the broker's parts.

mod address;
mod broker;
mod classify;
mod describe;
mod environment;
mod error;
mod group_keys;
mod key;
mod keys;
mod layers;
mod listeners;
mod machine;
mod nearest;
mod properties;
mod reader;
mod topic;
mod topic_keys;
mod value;

#[cfg(test)]
mod properties_tests;

pub use address::HostPort;
pub use broker::{
    BrokerConfig, ConnectionConfig, FetchConfig, FlushConfig, GroupConfig, LogFormat,
    ProduceValidate, ProducerConfig, TopicCreationConfig,
};
pub use describe::{
    ConfigEntry, ConfigSource, ConfigSynonym, broker as describe_broker, config_type,
    group as describe_group, topic as describe_topic,
};
pub use environment::{Variable, read as read_environment};
pub use error::{ConfigError, ConfigErrors};
pub use key::{Class, Importance, Key, Kind, Reason, Update};
pub use keys::all as all_keys;
pub use layers::{File, Layers, Setting, Settings, Source};
pub use listeners::{Listener, Listeners};
pub use machine::Machine;
pub use topic::{
    CleanupPolicy, Compression, Overrides, TimestampType, TopicConfig, TopicConfigError,
    TopicDefaults, expects_space, validate as validate_topic,
};
pub use topic_keys::{Scale, Synonym, TopicKey};
pub use value::Value;

/// The declarations of all topic settings, by name.
pub fn all_topic_keys() -> impl Iterator<Item = &'static TopicKey> {
    topic_keys::ALL.iter()
}

/// The declarations of all group settings, by name.
pub fn all_group_keys() -> impl Iterator<Item = &'static Key> {
    group_keys::ALL.iter()
}

/// The parsed default of a key; `Err` if a declaration contradicts itself (tested for all).
pub fn default_value(key: &Key) -> Result<Value, String> {
    match key.default {
        None => Ok(Value::Null),
        Some(text) => value::parse(key, text),
    }
}
