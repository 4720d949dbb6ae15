//! The configuration of a broker, understood: typed values, built once at start.
//!
//! Owns: turning settings into types, and the rules that involve several keys.
//! Does not own: parsing of single values (`value`), listeners (`listeners`), topics (`topic`).
//! Invariant: a `BrokerConfig` that exists is valid; nobody parses a setting again.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use weir_protocol::types::Uuid;
use weir_tiering::{
    ids::{BrokerId, ClusterId},
    store::url::StoreUrl,
};

use super::{
    classify,
    error::{ConfigError, ConfigErrors},
    keys,
    layers::{self, Layers, Settings},
    listeners::{self, HostPort, Listeners},
    machine::Machine,
    topic::TopicDefaults,
    value::Value,
};

/// When gathered records are written to the store (design §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushConfig {
    /// Average time between writes; `None` chooses by the store.
    pub interval: Option<Duration>,
    /// Write at once from here on.
    pub bytes: u64,
    /// Write after 2 ms without an arrival from here on.
    pub early_bytes: u64,
}

/// How far compressed batches are checked before they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProduceValidate {
    Full,
    Header,
}

/// Limits of the network side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// `None`: idle connections stay.
    pub idle_max: Option<Duration>,
    pub connections_max: u32,
    pub connections_per_ip_max: u32,
    /// Other limits for some addresses, from `max.connections.per.ip.overrides`.
    pub connections_per_ip_overrides: BTreeMap<IpAddr, u32>,
    /// Largest request frame, without its length field.
    pub request_bytes_max: u32,
    /// From the first byte of a frame to its last.
    pub frame_timeout: Duration,
    /// Without progress while an answer is being written.
    pub write_timeout: Duration,
    /// Requests of one connection being answered at one time, ≥ 1.
    pub requests_max: usize,
}

/// Creation and deletion of topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicCreationConfig {
    pub auto_create: bool,
    pub delete_enable: bool,
    pub partitions_default: i32,
    pub replication_factor_default: i16,
    pub replication_factor_strict: bool,
}

/// Fetch limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchConfig {
    pub response_bytes_max: u32,
    pub sessions_max: usize,
}

/// The classic group coordinator and committed offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    pub initial_rebalance_delay: Duration,
    pub session_timeout_min: Duration,
    pub session_timeout_max: Duration,
    pub members_max: usize,
    pub offsets_topic_partitions: i32,
    pub offsets_retention: Duration,
    pub offsets_retention_check_interval: Duration,
    pub offset_metadata_bytes_max: usize,
    pub offsets_commit_timeout: Duration,
}

/// Idle idempotent producers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerConfig {
    pub expiration: Duration,
    pub expiration_check_interval: Duration,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Everything a broker is told at start.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    pub node_id: BrokerId,
    /// `None`: any cluster; a new one gets a random id.
    pub cluster_id: Option<ClusterId>,
    pub rack: Option<String>,
    pub store_url: StoreUrl,
    /// An empty store may become a new cluster.
    pub store_create: bool,
    /// `--take-over`: do not ask whether an earlier run of this node id lives.
    pub take_over: bool,
    pub listeners: Listeners,
    pub admin: HostPort,
    pub shutdown_timeout: Duration,
    pub session_timeout: Duration,
    pub checkpoint_interval: Duration,
    /// The byte budget of everything in flight and of the tail.
    pub memory_bytes: u64,
    pub flush: FlushConfig,
    pub produce_validate: ProduceValidate,
    pub connection: ConnectionConfig,
    pub topic_creation: TopicCreationConfig,
    pub fetch: FetchConfig,
    pub group: GroupConfig,
    pub producer: ProducerConfig,
    /// What topics inherit.
    pub topic_defaults: TopicDefaults,
    pub log_level: String,
    pub log_format: LogFormat,
    /// Lines for the log at start, each a WARN.
    pub warnings: Vec<String>,
    /// Every value with its source: for `--check` and DescribeConfigs.
    pub settings: Settings,
}

impl BrokerConfig {
    /// Understands `layers`. All that is wrong is reported at once.
    pub fn load(layers: &Layers, machine: &Machine) -> Result<BrokerConfig, ConfigErrors> {
        let settings = layers::collect(layers)?;
        let mut checks = Checks {
            read: Reader(&settings),
            errors: Vec::new(),
        };
        let listeners = checks.keep(listeners::resolve(&settings, machine));
        let store_url = checks.keep(checks.read.store_url());
        let admin = checks.keep(checks.read.parsed("weir.admin.listener", HostPort::parse));
        let node_id = checks.keep(checks.read.node_id());
        let cluster_id = checks.keep(checks.read.cluster_id());
        let topic_defaults = checks.keep(TopicDefaults::resolve(&settings));
        let connection = checks.keep(checks.read.connection());
        let group = checks.keep(checks.read.group());
        let flush = checks.keep(checks.read.flush());
        let log_level = checks.keep(checks.read.log_level());
        let (Some(listeners), Some(store_url), Some(admin), Some(node_id)) =
            (listeners, store_url, admin, node_id)
        else {
            return Err(ConfigErrors(checks.errors));
        };
        let (Some(cluster_id), Some(topic_defaults), Some(connection)) =
            (cluster_id, topic_defaults, connection)
        else {
            return Err(ConfigErrors(checks.errors));
        };
        let (Some(group), Some(flush), Some(log_level)) = (group, flush, log_level) else {
            return Err(ConfigErrors(checks.errors));
        };
        let read = Reader(&settings);
        let mut warnings = settings.remarks.clone();
        warnings.extend(classify::warnings(&settings, &listeners));
        Ok(BrokerConfig {
            node_id,
            cluster_id,
            rack: read.text("broker.rack"),
            store_url,
            store_create: read.boolean("weir.store.create"),
            take_over: false,
            listeners,
            admin,
            shutdown_timeout: read.millis("weir.shutdown.timeout.ms"),
            session_timeout: read.millis("weir.session.timeout.ms"),
            checkpoint_interval: read.millis("weir.checkpoint.interval.ms"),
            memory_bytes: match read.number("weir.memory.bytes") {
                -1 => machine.memory_budget(),
                bytes => bytes.unsigned_abs(),
            },
            flush,
            produce_validate: match read.text("weir.produce.validate").as_deref() {
                Some("header") => ProduceValidate::Header,
                _ => ProduceValidate::Full,
            },
            connection,
            topic_creation: read.topic_creation(),
            fetch: read.fetch(),
            group,
            producer: read.producer(),
            topic_defaults,
            log_level,
            log_format: match read.text("weir.log.format").as_deref() {
                Some("json") => LogFormat::Json,
                _ => LogFormat::Text,
            },
            warnings,
            settings,
        })
    }
}

struct Checks<'a> {
    read: Reader<'a>,
    errors: Vec<ConfigError>,
}

impl Checks<'_> {
    fn keep<T>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }
}

/// Reads declared keys with their declared types.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a Settings);

impl Reader<'_> {
    fn number(self, name: &str) -> i64 {
        match self.0.value(name) {
            Value::Number(number) => number,
            other => unreachable!("{name} is declared as a number, not {other:?}"),
        }
    }

    /// For keys whose range excludes negative numbers or where they mean nothing else than 0.
    fn size<T: TryFrom<i64>>(self, name: &str) -> T {
        let number = self.number(name).max(0);
        T::try_from(number).unwrap_or_else(|_| unreachable!("{name} fits its declared type"))
    }

    fn millis(self, name: &str) -> Duration {
        Duration::from_millis(self.size(name))
    }

    fn boolean(self, name: &str) -> bool {
        self.0.value(name) == Value::Boolean(true)
    }

    /// `None` when unset or empty.
    fn text(self, name: &str) -> Option<String> {
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

    fn parsed<T>(
        self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        parse(&self.text(name).unwrap_or_default()).map_err(|reason| self.bad(name, reason))
    }

    fn store_url(self) -> Result<StoreUrl, ConfigError> {
        self.parsed("weir.store.url", |text| {
            StoreUrl::parse(text).map_err(|error| error.to_string())
        })
    }

    /// As Kafka: `broker.id` is another name of `node.id`; both may be set if they agree.
    fn node_id(self) -> Result<BrokerId, ConfigError> {
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

    fn cluster_id(self) -> Result<Option<ClusterId>, ConfigError> {
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

    fn flush(self) -> Result<FlushConfig, ConfigError> {
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

    fn connection(self) -> Result<ConnectionConfig, ConfigError> {
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

    fn log_level(self) -> Result<String, ConfigError> {
        self.parsed("weir.log.level", |text| {
            crate::telemetry::log::parse_level(text).map(|_| text.to_owned())
        })
    }

    fn topic_creation(self) -> TopicCreationConfig {
        TopicCreationConfig {
            auto_create: self.boolean("auto.create.topics.enable"),
            delete_enable: self.boolean("delete.topic.enable"),
            partitions_default: self.size("num.partitions"),
            replication_factor_default: self.size("default.replication.factor"),
            replication_factor_strict: self.boolean("weir.replication.factor.strict"),
        }
    }

    fn fetch(self) -> FetchConfig {
        FetchConfig {
            response_bytes_max: self.size("fetch.max.bytes"),
            sessions_max: self.size("max.incremental.fetch.session.cache.slots"),
        }
    }

    fn group(self) -> Result<GroupConfig, ConfigError> {
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

    fn producer(self) -> ProducerConfig {
        ProducerConfig {
            expiration: self.millis("producer.id.expiration.ms"),
            expiration_check_interval: self.millis("producer.id.expiration.check.interval.ms"),
        }
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
