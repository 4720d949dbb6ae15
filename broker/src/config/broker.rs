//! The configuration of a broker, understood: typed values, built once at start.
//!
//! Owns: turning settings into types, and the rules that involve several keys.
//! Does not own: parsing of single values (`value`), listeners (`listeners`), topics (`topic`).
//! Invariant: a `BrokerConfig` that exists is valid; nobody parses a setting again.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use weir_tiering::{
    ids::{BrokerId, ClusterId},
    store::url::StoreUrl,
};

use super::{
    address::HostPort,
    classify,
    error::{ConfigError, ConfigErrors},
    layers::{self, Layers, Settings},
    listeners::{self, Listeners},
    machine::Machine,
    reader::Reader,
    topic::TopicDefaults,
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
