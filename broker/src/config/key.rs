//! What one configuration key is: the declaration from which everything else is derived.
//!
//! Owns: the shape of a declaration and the words for its parts.
//! Does not own: the tables (`keys/`, `topic_keys`, `group_keys`), parsing of values (`value`).
//! Invariant: the parser, `--check`, DescribeConfigs and docs/generated/configs.md read nothing but
//! these declarations; a name that stands in no table does not exist.

/// Type of a value, with the names and parsing rules of Kafka's `ConfigDef.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Short,
    Int,
    Long,
    Double,
    String,
    List,
    Class,
    Password,
}

impl Kind {
    /// Kafka's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::Short => "SHORT",
            Kind::Int => "INT",
            Kind::Long => "LONG",
            Kind::Double => "DOUBLE",
            Kind::String => "STRING",
            Kind::List => "LIST",
            Kind::Class => "CLASS",
            Kind::Password => "PASSWORD",
        }
    }
}

/// How much a value matters to most people, in Kafka's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Where Kafka lets the value change while the broker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    ReadOnly,
    PerBroker,
    ClusterWide,
}

impl Update {
    /// Kafka's name of the update mode.
    pub fn name(self) -> &'static str {
        match self {
            Update::ReadOnly => "read-only",
            Update::PerBroker => "per-broker",
            Update::ClusterWide => "cluster-wide",
        }
    }
}

/// Why a Kafka key is accepted without having an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    NoLocalDisk,
    NoReplicas,
    NoController,
    Threads,
    Kernel,
    MemoryBudget,
    NoPurgatory,
    NoPluginTiering,
    JavaClass,
    PrometheusMetrics,
    NoQuotas,
    NoTransactions,
    NoConsumerProtocol,
    NoShareGroups,
    NoStreamsGroups,
    NoAuthentication,
    NoClientTelemetry,
    TopicDefault,
    StoreGroups,
    NoFeatureGate,
    FreesNoSpace,
}

impl Reason {
    /// One sentence for documentation; it follows "Accepted, no effect: ".
    pub fn text(self) -> &'static str {
        match self {
            Reason::NoLocalDisk => {
                "data lives in the store (weir.store.url); nothing is kept on a broker's own disk."
            }
            Reason::NoReplicas => {
                "durability is the store's; there are no replicas to fetch, elect or keep in sync."
            }
            Reason::NoController => {
                "there is no controller quorum; the metadata log lives in the store."
            }
            Reason::Threads => "work is shared by one pool with a thread per core.",
            Reason::Kernel => "socket buffers and queues are left to the kernel's own tuning.",
            Reason::MemoryBudget => "requests in flight are bounded by weir.memory.bytes instead.",
            Reason::NoPurgatory => {
                "a waiting request is dropped when it is done; nothing is purged."
            }
            Reason::NoPluginTiering => {
                "all data is in the object store already; Kafka's plug-in tiering does not exist here."
            }
            Reason::JavaClass => "Java classes cannot be loaded.",
            Reason::PrometheusMetrics => "metrics are served to Prometheus at weir.admin.listener.",
            Reason::NoQuotas => "client quotas are not enforced by this version.",
            Reason::NoTransactions => "transactions are not served by this version.",
            Reason::NoConsumerProtocol => {
                "the consumer group protocol of KIP-848 is not served by this version; clients use \
                 the classic one."
            }
            Reason::NoShareGroups => "share groups are not served by this version.",
            Reason::NoStreamsGroups => "streams groups are not served by this version.",
            Reason::NoAuthentication => {
                "it matters only with SASL, which this version does not serve."
            }
            Reason::NoClientTelemetry => "clients' own metrics are not collected by this version.",
            Reason::TopicDefault => {
                "shown as the default of topics; the store's layout does not depend on it."
            }
            Reason::StoreGroups => {
                "coordinator records go through the same write-ahead log as all others."
            }
            Reason::NoFeatureGate => "only versions that behave are offered.",
            Reason::FreesNoSpace => {
                "shown as the default of topics, but nothing is deleted or compacted by this \
                 version: no space is freed yet."
            }
        }
    }
}

/// What Weir does with a key that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It does what it says.
    Honoured,
    /// Accepted, type-checked, shown by DescribeConfigs, without effect; one WARN at start.
    Accepted(Reason),
    /// Whoever set it relies on it (security): refused until implemented.
    Unsafe,
}

/// Which values are valid beyond the type. Ranges are inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Valid {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    /// Between, or exactly the third value.
    BetweenOr(i64, i64, i64),
    BetweenReal(f64, f64),
    /// For strings: exactly one of these. For lists: each element is one of these, none twice.
    OneOf(&'static [&'static str]),
    NonEmpty,
    /// Kafka's lists of throttled replicas: `*`, or `partition:broker` pairs.
    ThrottledReplicas,
}

/// The declaration of one key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// In the text form of the config file. `None` is Kafka's null: unset.
    pub default: Option<&'static str>,
    pub importance: Importance,
    pub update: Update,
    pub valid: Valid,
    pub class: Class,
    /// Kafka hides it from DescribeConfigs unless it is set.
    pub internal: bool,
    help: &'static str,
}

impl Key {
    const fn new(kind: Kind, name: &'static str, default: Option<&'static str>) -> Key {
        Key {
            name,
            kind,
            default,
            importance: Importance::Medium,
            update: Update::ReadOnly,
            valid: Valid::Any,
            class: Class::Honoured,
            internal: false,
            help: "",
        }
    }

    pub const fn high(mut self) -> Key {
        self.importance = Importance::High;
        self
    }

    pub const fn low(mut self) -> Key {
        self.importance = Importance::Low;
        self
    }

    pub const fn per_broker(mut self) -> Key {
        self.update = Update::PerBroker;
        self
    }

    pub const fn cluster_wide(mut self) -> Key {
        self.update = Update::ClusterWide;
        self
    }

    pub const fn internal(mut self) -> Key {
        self.internal = true;
        self
    }

    pub const fn valid(mut self, valid: Valid) -> Key {
        self.valid = valid;
        self
    }

    pub const fn at_least(self, min: i64) -> Key {
        self.valid(Valid::AtLeast(min))
    }

    pub const fn between(self, min: i64, max: i64) -> Key {
        self.valid(Valid::Between(min, max))
    }

    pub const fn one_of(self, values: &'static [&'static str]) -> Key {
        self.valid(Valid::OneOf(values))
    }

    pub const fn honoured(mut self, help: &'static str) -> Key {
        self.class = Class::Honoured;
        self.help = help;
        self
    }

    pub const fn accepted(mut self, reason: Reason) -> Key {
        self.class = Class::Accepted(reason);
        self
    }

    /// Accepted, with help of its own before the reason.
    pub const fn accepted_with(mut self, reason: Reason, help: &'static str) -> Key {
        self.class = Class::Accepted(reason);
        self.help = help;
        self
    }

    pub const fn unsafe_if_ignored(mut self) -> Key {
        self.class = Class::Unsafe;
        self
    }

    /// Help for people, in whole sentences.
    pub fn documentation(&self) -> String {
        match self.class {
            Class::Honoured => self.help.to_owned(),
            Class::Accepted(reason) if self.help.is_empty() => {
                format!("Accepted, no effect: {}", reason.text())
            }
            Class::Accepted(reason) => format!("{} Accepted, no effect: {}", self.help, reason.text()),
            Class::Unsafe => {
                "Refused: it belongs to security that this version does not implement, and a broker \
                 that ignored it would be open."
                    .to_owned()
            }
        }
    }

    /// Values of this key never leave the broker.
    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }

    pub fn is_weir(&self) -> bool {
        self.name.starts_with("weir.")
    }
}

pub const fn boolean(name: &'static str, default: &'static str) -> Key {
    Key::new(Kind::Boolean, name, Some(default))
}

pub const fn short(name: &'static str, default: &'static str) -> Key {
    Key::new(Kind::Short, name, Some(default))
}

pub const fn int(name: &'static str, default: &'static str) -> Key {
    Key::new(Kind::Int, name, Some(default))
}

pub const fn long(name: &'static str, default: &'static str) -> Key {
    Key::new(Kind::Long, name, Some(default))
}

pub const fn double(name: &'static str, default: &'static str) -> Key {
    Key::new(Kind::Double, name, Some(default))
}

pub const fn string(name: &'static str, default: &'static str) -> Key {
    Key::new(Kind::String, name, Some(default))
}

pub const fn list(name: &'static str, default: &'static str) -> Key {
    Key::new(Kind::List, name, Some(default))
}

pub const fn class(name: &'static str, default: &'static str) -> Key {
    Key::new(Kind::Class, name, Some(default))
}

/// A key whose default is Kafka's null.
pub const fn unset(kind: Kind, name: &'static str) -> Key {
    Key::new(kind, name, None)
}
