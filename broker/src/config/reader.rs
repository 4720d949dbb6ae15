//! Reads settings as the types that the broker's parts want, with the rules between a few keys.
//!
//! Owns: one function per part of [`BrokerConfig`](super::broker::BrokerConfig).
//! Invariant: a type mismatch is a wrong declaration, not a wrong file; tests read every key.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use weir_protocol::types::Uuid;
use weir_tiering::{
    ids::{BrokerId, ClusterId},
    store::url::StoreUrl,
};

use super::{
    broker::{
        ConnectionConfig, FetchConfig, FlushConfig, GroupConfig, ProducerConfig,
        TopicCreationConfig,
    },
    error::ConfigError,
    keys,
    layers::Settings,
    value::Value,
};

/// Reads declared keys with their declared types.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a Settings);

impl Reader<'_> {
    pub(super) fn number(self, name: &str) -> i64 {
        match self.0.value(name) {
            Value::Number(number) => number,
            other => unreachable!("{name} is declared as a number, not {other:?}"),
        }
    }

    /// For keys whose range excludes negative numbers or where they mean nothing else than 0.
    pub(super) fn size<T: TryFrom<i64>>(self, name: &str) -> T {
        let number = self.number(name).max(0);
        T::try_from(number).unwrap_or_else(|_| unreachable!("{name} fits its declared type"))
    }

    pub(super) fn millis(self, name: &str) -> Duration {
        Duration::from_millis(self.size(name))
    }

    pub(super) fn boolean(self, name: &str) -> bool {
        self.0.value(name) == Value::Boolean(true)
    }

    /// `None` when unset or empty.
    pub(super) fn text(self, name: &str) -> Option<String> {
        match self.0.value(name) {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn bad(self, name: &str, reason: impl Into<String>) -> ConfigError {
        let setting = self
            .0
            .effective(keys::find(name).expect("the caller names a declared key"));
        ConfigError::BadValue {
            key: name.to_owned(),
            value: setting.value.text().unwrap_or_default(),
            origin: setting.source,
            reason: reason.into(),
        }
    }

    pub(super) fn parsed<T>(
        self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        parse(&self.text(name).unwrap_or_default()).map_err(|reason| self.bad(name, reason))
    }

    pub(super) fn store_url(self) -> Result<StoreUrl, ConfigError> {
        self.parsed("weir.store.url", parse_store_url)
    }

    /// As Kafka: `broker.id` is another name of `node.id`; both may be set if they agree.
    pub(super) fn node_id(self) -> Result<BrokerId, ConfigError> {
        let old = self
            .0
            .explicit("broker.id")
            .map(|_| self.number("broker.id"));
        let new = self.0.explicit("node.id").map(|_| self.number("node.id"));
        let id = match (new, old) {
            (Some(new), Some(old)) if new != old => {
                return Err(self.bad("broker.id", format!("it differs from node.id={new}")));
            }
            (Some(id), _) => id,
            (None, Some(old)) => old,
            (None, None) => self.number("node.id"),
        };
        match u32::try_from(id) {
            Ok(id) => Ok(BrokerId(id)),
            Err(_) => Err(self.bad("broker.id", "Value must be at least 0")),
        }
    }

    pub(super) fn cluster_id(self) -> Result<Option<ClusterId>, ConfigError> {
        const KEY: &str = "weir.cluster.id";
        let Some(text) = self.text(KEY) else {
            return Ok(None);
        };
        match Uuid::parse(&text) {
            Some(id) if id.is_zero() || id == Uuid::METADATA_TOPIC => {
                Err(self.bad(KEY, "Kafka reserves this id"))
            }
            Some(id) => Ok(Some(ClusterId(id))),
            None => Err(self.bad(
                KEY,
                "it must be a Kafka UUID: 22 characters of URL-safe base64",
            )),
        }
    }

    pub(super) fn flush(self) -> Result<FlushConfig, ConfigError> {
        let flush = FlushConfig {
            interval: u64::try_from(self.number("weir.flush.interval.ms"))
                .ok()
                .map(Duration::from_millis),
            bytes: self.size("weir.flush.bytes"),
            early_bytes: self.size("weir.flush.early.bytes"),
        };
        if flush.early_bytes > flush.bytes {
            return Err(self.bad(
                "weir.flush.early.bytes",
                "it must not exceed weir.flush.bytes",
            ));
        }
        Ok(flush)
    }

    pub(super) fn connection(self) -> Result<ConnectionConfig, ConfigError> {
        const OVERRIDES: &str = "max.connections.per.ip.overrides";
        Ok(ConnectionConfig {
            // As in Kafka, a negative time means never.
            idle_max: u64::try_from(self.number("connections.max.idle.ms"))
                .ok()
                .map(Duration::from_millis),
            connections_max: self.size("max.connections"),
            connections_per_ip_max: self.size("max.connections.per.ip"),
            connections_per_ip_overrides: self.parsed(OVERRIDES, parse_per_ip)?,
            request_bytes_max: self.size("socket.request.max.bytes"),
            frame_timeout: self.millis("weir.connection.frame.timeout.ms"),
            write_timeout: self.millis("weir.connection.write.timeout.ms"),
            requests_max: self.size("weir.connection.requests.max"),
        })
    }

    pub(super) fn log_level(self) -> Result<String, ConfigError> {
        self.parsed("weir.log.level", |text| {
            crate::telemetry::log::parse_level(text).map(|_| text.to_owned())
        })
    }

    pub(super) fn topic_creation(self) -> TopicCreationConfig {
        TopicCreationConfig {
            auto_create: self.boolean("auto.create.topics.enable"),
            delete_enable: self.boolean("delete.topic.enable"),
            partitions_default: self.size("num.partitions"),
            replication_factor_default: self.size("default.replication.factor"),
            replication_factor_strict: self.boolean("weir.replication.factor.strict"),
        }
    }

    pub(super) fn fetch(self) -> FetchConfig {
        FetchConfig {
            response_bytes_max: self.size("fetch.max.bytes"),
            sessions_max: self.size("max.incremental.fetch.session.cache.slots"),
        }
    }

    pub(super) fn group(self) -> Result<GroupConfig, ConfigError> {
        const MINUTES_PER_MILLI: u64 = 60_000;
        let group = GroupConfig {
            initial_rebalance_delay: self.millis("group.initial.rebalance.delay.ms"),
            session_timeout_min: self.millis("group.min.session.timeout.ms"),
            session_timeout_max: self.millis("group.max.session.timeout.ms"),
            members_max: self.size("group.max.size"),
            offsets_topic_partitions: self.size("offsets.topic.num.partitions"),
            offsets_retention: Duration::from_millis(
                self.size::<u64>("offsets.retention.minutes") * MINUTES_PER_MILLI,
            ),
            offsets_retention_check_interval: self.millis("offsets.retention.check.interval.ms"),
            offset_metadata_bytes_max: self.size("offset.metadata.max.bytes"),
            offsets_commit_timeout: self.millis("offsets.commit.timeout.ms"),
        };
        if group.session_timeout_min > group.session_timeout_max {
            let reason = "it must not exceed group.max.session.timeout.ms";
            return Err(self.bad("group.min.session.timeout.ms", reason));
        }
        Ok(group)
    }

    pub(super) fn producer(self) -> ProducerConfig {
        ProducerConfig {
            expiration: self.millis("producer.id.expiration.ms"),
            expiration_check_interval: self.millis("producer.id.expiration.check.interval.ms"),
        }
    }
}

/// A relative path counts from the working directory of now.
fn parse_store_url(text: &str) -> Result<StoreUrl, String> {
    match StoreUrl::parse(text).map_err(|error| error.to_string())? {
        StoreUrl::Local(path) => std::path::absolute(path)
            .map(StoreUrl::Local)
            .map_err(|error| error.to_string()),
        other => Ok(other),
    }
}

fn parse_per_ip(text: &str) -> Result<BTreeMap<IpAddr, u32>, String> {
    let mut limits = BTreeMap::new();
    for entry in text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        let (address, limit) = entry
            .rsplit_once(':')
            .ok_or_else(|| format!("'{entry}' is not of the form ADDRESS:COUNT"))?;
        let address: IpAddr = address
            .trim_matches(['[', ']'])
            .parse()
            .map_err(|_| format!("'{address}' is not an IP address"))?;
        let limit = limit
            .parse()
            .map_err(|_| format!("'{limit}' is not a number of connections"))?;
        limits.insert(address, limit);
    }
    Ok(limits)
}
