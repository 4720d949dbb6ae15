//! What DescribeConfigs shows of topics, brokers and groups.
//!
//! Owns: value, source, synonyms, type and documentation of each setting, as Kafka's ConfigHelper
//! builds them.
//! Does not own: the wire form (the handler).

use super::{
    group_keys,
    key::{Key, Kind},
    keys,
    layers::{Settings, Source},
    topic::{Overrides, TopicDefaults},
    topic_keys::{self, TopicKey},
    value,
};

/// Kafka's `ConfigSource`, with its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    Topic = 1,
    StaticBroker = 4,
    Default = 5,
}

/// A place that could give a setting its value; the first one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    pub name: &'static str,
    pub value: Option<String>,
    pub source: ConfigSource,
}

/// One setting as DescribeConfigs shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    pub name: &'static str,
    /// `None`: unset, or sensitive.
    pub value: Option<String>,
    pub source: ConfigSource,
    pub read_only: bool,
    pub sensitive: bool,
    /// Most specific first.
    pub synonyms: Vec<ConfigSynonym>,
    pub kind: Kind,
    pub documentation: String,
}

/// Kafka's `ConfigType`, as its number on the wire.
pub fn config_type(kind: Kind) -> i8 {
    match kind {
        Kind::Boolean => 1,
        Kind::String => 2,
        Kind::Int => 3,
        Kind::Short => 4,
        Kind::Long => 5,
        Kind::Double => 6,
        Kind::List => 7,
        Kind::Class => 8,
        Kind::Password => 9,
    }
}

/// All settings of a topic by name; an internal one only if the topic has it of its own.
pub fn topic(
    overrides: &Overrides,
    defaults: &TopicDefaults,
    settings: &Settings,
) -> Vec<ConfigEntry> {
    topic_keys::ALL
        .iter()
        .filter(|topic_key| !topic_key.key.internal || overrides.contains_key(topic_key.key.name))
        .map(|topic_key| topic_entry(topic_key, overrides, defaults, settings))
        .collect()
}

fn topic_entry(
    topic_key: &'static TopicKey,
    overrides: &Overrides,
    defaults: &TopicDefaults,
    settings: &Settings,
) -> ConfigEntry {
    let key = &topic_key.key;
    let mut synonyms = Vec::new();
    let mut shown = defaults.value(key.name).text();
    if let Some(text) = overrides.get(key.name) {
        // An override that no longer parses (a newer version wrote it) is shown as it is.
        shown = value::parse(key, text).map_or_else(|_| Some(text.clone()), |value| value.text());
        synonyms.push(ConfigSynonym {
            name: key.name,
            value: shown.clone(),
            source: ConfigSource::Topic,
        });
    }
    let names: Vec<&'static str> = topic_key
        .synonyms
        .iter()
        .map(|synonym| synonym.name)
        .collect();
    if let Some(first) = names.first() {
        synonyms.extend(broker_synonyms(first, &names, settings));
    }
    entry(key, shown, synonyms, false)
}

/// All settings of this broker by name; an internal one only if it is set.
pub fn broker(settings: &Settings) -> Vec<ConfigEntry> {
    keys::all()
        .filter(|key| !key.internal || settings.explicit(key.name).is_some())
        .map(|key| broker_entry(key, settings))
        .collect()
}

fn broker_entry(key: &'static Key, settings: &Settings) -> ConfigEntry {
    let family = topic_keys::ALL.iter().find_map(|topic_key| {
        let names: Vec<&'static str> = topic_key
            .synonyms
            .iter()
            .map(|synonym| synonym.name)
            .collect();
        // Kafka knows flush.ms's two keys as a family only under the first of them.
        let is_member = names.contains(&key.name) && key.name != "log.flush.scheduler.interval.ms";
        is_member.then_some(names)
    });
    let names = family.unwrap_or_else(|| vec![key.name]);
    let synonyms = broker_synonyms(key.name, &names, settings);
    let shown = settings.effective(key).value.text();
    entry(
        key,
        shown,
        synonyms,
        key.update == super::key::Update::ReadOnly,
    )
}

/// All settings of a group by name. Those that have a broker key, `group.` + the name, inherit its value.
pub fn group(settings: &Settings) -> Vec<ConfigEntry> {
    let entries = group_keys::ALL.iter();
    entries.map(|key| group_entry(key, settings)).collect()
}

fn group_entry(key: &'static Key, settings: &Settings) -> ConfigEntry {
    match keys::find(&format!("group.{}", key.name)) {
        Some(broker_key) => {
            let synonyms = broker_synonyms(broker_key.name, &[broker_key.name], settings);
            let shown = settings.effective(broker_key).value.text();
            entry(key, shown, synonyms, false)
        }
        None => {
            let default = value::default_of(key).text();
            let synonym = ConfigSynonym {
                name: key.name,
                value: default.clone(),
                source: ConfigSource::Default,
            };
            entry(key, default, vec![synonym], false)
        }
    }
}

/// As Kafka: of the family `names`, what is set, then the defaults that are not null, and of those
/// nothing before the first `name`. So a topic whose retention comes from log.retention.hours shows no
/// synonym at all, as log.retention.ms is not set.
fn broker_synonyms(name: &str, names: &[&'static str], settings: &Settings) -> Vec<ConfigSynonym> {
    let is_set = |name: &&'static str| {
        settings
            .explicit(name)
            .is_some_and(|s| s.source != Source::Default)
    };
    let set = names
        .iter()
        .copied()
        .filter(is_set)
        .map(|name| ConfigSynonym {
            name,
            value: settings.value(name).text(),
            source: ConfigSource::StaticBroker,
        });
    let defaults = names.iter().filter_map(|name| {
        let key = keys::find(name)?;
        let text = value::default_of(key).text()?;
        Some(ConfigSynonym {
            name: key.name,
            value: Some(text),
            source: ConfigSource::Default,
        })
    });
    set.chain(defaults)
        .skip_while(|synonym| synonym.name != name)
        .collect()
}

fn entry(
    key: &'static Key,
    value: Option<String>,
    mut synonyms: Vec<ConfigSynonym>,
    read_only: bool,
) -> ConfigEntry {
    let sensitive = key.is_sensitive();
    if sensitive {
        synonyms.iter_mut().for_each(|synonym| synonym.value = None);
    }
    ConfigEntry {
        name: key.name,
        value: if sensitive { None } else { value },
        source: synonyms
            .first()
            .map_or(ConfigSource::Default, |synonym| synonym.source),
        read_only,
        sensitive,
        synonyms,
        kind: key.kind,
        documentation: key.documentation(),
    }
}
