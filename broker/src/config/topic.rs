//! The effective settings of a topic: its own, else what the broker's keys say, else Kafka's default.
//!
//! Owns: what a topic inherits, typed values for produce and fetch, the check of settings that a
//! client sends.
//! Does not own: storing overrides (metadata), showing them (`describe`).
//! Invariant: overrides that passed `validate` resolve.

use std::collections::BTreeMap;
use weir_protocol::records::{self, Codec};

use super::{
    error::ConfigError,
    key::{Class, Reason},
    layers::Settings,
    topic_keys::{self, Synonym, TopicKey},
    value::{self, Value},
};

/// Settings that a topic has of its own, by name, in the text form that the client sent.
pub type Overrides = BTreeMap<String, String>;

/// Longest value of an override, in UTF-16 units (ConfigurationControlManager: Short.MAX_VALUE; its
/// message says bytes).
pub const VALUE_CHARS_MAX: usize = 32_767;

/// What `compression.type` asks of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Batches are stored as producers sent them.
    Producer,
    Uncompressed,
    Gzip {
        level: i32,
    },
    Snappy,
    Lz4 {
        level: i32,
    },
    Zstd {
        level: i32,
    },
}

impl Compression {
    /// The codec that batches must have; `None`: whatever the producer chose.
    pub fn target(self) -> Option<records::Compression> {
        let with = |codec, level| Some(records::Compression { codec, level });
        match self {
            Compression::Producer => None,
            Compression::Uncompressed => with(Codec::None, None),
            Compression::Gzip { level } => with(Codec::Gzip, Some(level)),
            Compression::Snappy => with(Codec::Snappy, None),
            Compression::Lz4 { level } => with(Codec::Lz4, Some(level)),
            Compression::Zstd { level } => with(Codec::Zstd, Some(level)),
        }
    }
}

/// What `message.timestamp.type` asks of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// `cleanup.policy`, as far as this version acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Records without a key are refused.
    pub compact: bool,
}

/// The settings of one topic that the broker acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    pub cleanup_policy: CleanupPolicy,
    pub compression: Compression,
    /// Largest batch as it is stored.
    pub message_bytes_max: u32,
    pub timestamp_type: TimestampType,
    /// How far a record's CreateTime may lie before the broker's clock.
    pub timestamp_before_max_ms: i64,
    /// How far a record's CreateTime may lie after the broker's clock.
    pub timestamp_after_max_ms: i64,
}

/// A topic's settings that cannot be accepted: Kafka's INVALID_CONFIG (40) with this message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicConfigError {
    #[error("Unknown topic config name: {name}")]
    UnknownName { name: String },
    #[error("Null value not supported for topic configs: {name}")]
    NullValue { name: String },
    #[error(
        "The configuration value cannot be added because it exceeds the maximum value size of {VALUE_CHARS_MAX} bytes."
    )]
    ValueTooLong { name: String },
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    BadValue {
        name: String,
        value: String,
        reason: String,
    },
    #[error(
        "conflict topic config setting min.compaction.lag.ms ({min_ms}) > max.compaction.lag.ms ({max_ms})"
    )]
    CompactionLag { min_ms: i64, max_ms: i64 },
    #[error(
        "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
    )]
    RemoteStorage,
}

/// What topics inherit from the broker: the value of every topic setting without an override.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicDefaults(BTreeMap<&'static str, Value>);

impl TopicDefaults {
    /// From the broker's settings. Fails when keys that are valid alone give a value that is not.
    pub fn resolve(settings: &Settings) -> Result<TopicDefaults, ConfigError> {
        let defaults = TopicDefaults(
            topic_keys::ALL
                .iter()
                .map(|topic_key| (topic_key.key.name, inherited(topic_key, settings)))
                .collect(),
        );
        for topic_key in topic_keys::ALL {
            let name = topic_key.key.name;
            let text = defaults.0[name].text().unwrap_or_default();
            if let Err(reason) = value::parse(&topic_key.key, &text)
                && topic_key.key.default.is_some()
            {
                return Err(ConfigError::Rule(format!(
                    "the broker's keys give topics {name}={text}, which is not valid: {reason}"
                )));
            }
        }
        check_lags(&|name| defaults.0[name].clone())
            .map_err(|error| ConfigError::Rule(format!("the broker's keys: {error}")))?;
        Ok(defaults)
    }

    /// The value a topic has without an override of `name`, which must be declared.
    pub fn value(&self, name: &str) -> &Value {
        &self.0[name]
    }
}

/// The first of the broker keys that is set wins; else the broker's default, which a test holds equal
/// to the topic setting's own.
fn inherited(topic_key: &TopicKey, settings: &Settings) -> Value {
    let explicit = topic_key.synonyms.iter().find_map(|synonym| {
        let setting = settings.explicit(synonym.name)?;
        (setting.value != Value::Null).then(|| scaled(synonym, &setting.value))
    });
    explicit.unwrap_or_else(|| value::default_of(&topic_key.key))
}

fn scaled(synonym: &Synonym, value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let text = synonym.scale.apply(&number.to_string());
            Value::Number(text.parse().expect("a scaled number is a number"))
        }
        value => value.clone(),
    }
}

/// Whether a topic has settings of its own that should free space, which this version never does.
pub fn expects_space(overrides: &Overrides) -> bool {
    let mut keys = overrides.keys().filter_map(|name| topic_keys::find(name));
    keys.any(|topic_key| topic_key.key.class == Class::Accepted(Reason::FreesNoSpace))
}

/// Checks the settings of a topic that is to be created (or altered): names, values, and what they
/// mean together with what the topic inherits. `None` is a null value from the wire.
pub fn validate<'a>(
    overrides: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    defaults: &TopicDefaults,
) -> Result<Overrides, TopicConfigError> {
    let mut accepted = Overrides::new();
    for (name, text) in overrides {
        let name = name.to_owned();
        let Some(topic_key) = topic_keys::find(&name) else {
            return Err(TopicConfigError::UnknownName { name });
        };
        let Some(text) = text else {
            return Err(TopicConfigError::NullValue { name });
        };
        if text.encode_utf16().nth(VALUE_CHARS_MAX).is_some() {
            return Err(TopicConfigError::ValueTooLong { name });
        }
        parse(topic_key, text)?;
        accepted.insert(name, text.to_owned());
    }
    TopicConfig::resolve(&accepted, defaults)?;
    Ok(accepted)
}

fn parse(topic_key: &TopicKey, text: &str) -> Result<Value, TopicConfigError> {
    let value =
        value::parse(&topic_key.key, text).map_err(|reason| TopicConfigError::BadValue {
            name: topic_key.key.name.to_owned(),
            value: text.to_owned(),
            reason,
        })?;
    if topic_key.key.name == "remote.storage.enable" && value == Value::Boolean(true) {
        return Err(TopicConfigError::RemoteStorage);
    }
    Ok(value)
}

fn check_lags(value_of: &dyn Fn(&str) -> Value) -> Result<(), TopicConfigError> {
    match (
        value_of("min.compaction.lag.ms"),
        value_of("max.compaction.lag.ms"),
    ) {
        (Value::Number(min_ms), Value::Number(max_ms)) if min_ms > max_ms => {
            Err(TopicConfigError::CompactionLag { min_ms, max_ms })
        }
        _ => Ok(()),
    }
}

impl TopicConfig {
    /// The effective settings of a topic with these overrides.
    pub fn resolve(
        overrides: &Overrides,
        defaults: &TopicDefaults,
    ) -> Result<TopicConfig, TopicConfigError> {
        let mut values = defaults.0.clone();
        for (name, text) in overrides {
            let topic_key = topic_keys::find(name)
                .ok_or_else(|| TopicConfigError::UnknownName { name: name.clone() })?;
            values.insert(topic_key.key.name, parse(topic_key, text)?);
        }
        check_lags(&|name| values[name].clone())?;
        let number = |name: &str| match values[name] {
            Value::Number(number) => number,
            _ => unreachable!("{name} is declared as a number"),
        };
        Ok(TopicConfig {
            cleanup_policy: cleanup_policy(&values["cleanup.policy"]),
            compression: compression(&values),
            message_bytes_max: u32::try_from(number("max.message.bytes")).unwrap_or(0),
            timestamp_type: match &values["message.timestamp.type"] {
                Value::Text(text) if text == "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
        })
    }
}

fn cleanup_policy(value: &Value) -> CleanupPolicy {
    let compact = match value {
        Value::List(policies) => policies.iter().any(|name| name == "compact"),
        _ => false,
    };
    CleanupPolicy { compact }
}

fn compression(values: &BTreeMap<&'static str, Value>) -> Compression {
    let level = |name: &str| match values[name] {
        Value::Number(level) => i32::try_from(level).expect("the declared type is INT"),
        _ => unreachable!("{name} is declared as a number"),
    };
    let Value::Text(name) = &values["compression.type"] else {
        unreachable!("compression.type is declared as a string")
    };
    match name.as_str() {
        "uncompressed" => Compression::Uncompressed,
        "gzip" => Compression::Gzip {
            level: level("compression.gzip.level"),
        },
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4 {
            level: level("compression.lz4.level"),
        },
        "zstd" => Compression::Zstd {
            level: level("compression.zstd.level"),
        },
        _ => Compression::Producer,
    }
}
