//! What DescribeConfigs shows: values, sources and synonyms as Kafka 4.3.1 builds them.

use weir::config::{
    ConfigEntry, ConfigSource, Overrides, config_type, describe_broker, describe_topic,
};

use crate::from_file;

/// `value SOURCE [SOURCE:name=value …]` of one setting.
fn shown(entries: &[ConfigEntry], name: &str) -> String {
    let entry = entries
        .iter()
        .find(|entry| entry.name == name)
        .expect("the setting is shown");
    let synonyms: Vec<String> = entry
        .synonyms
        .iter()
        .map(|s| {
            format!(
                "{:?}:{}={}",
                s.source,
                s.name,
                s.value.as_deref().unwrap_or("null")
            )
        })
        .collect();
    let value = entry.value.as_deref().unwrap_or("null");
    format!("{value} {:?} [{}]", entry.source, synonyms.join(" "))
}

fn topic(file: &str, own: &[(&str, &str)]) -> Vec<ConfigEntry> {
    let config = from_file(file).unwrap();
    let own: Overrides = own
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    describe_topic(&own, &config.topic_defaults, &config.settings)
}

#[test]
fn a_topic_shows_33_settings_by_name_and_internal_ones_only_when_set() {
    let entries = topic("", &[]);
    assert_eq!(entries.len(), 33);
    assert!(entries.is_sorted_by_key(|entry| entry.name));
    assert!(
        entries
            .iter()
            .all(|entry| !entry.read_only && entry.source == ConfigSource::Default)
    );
    assert_eq!(topic("", &[("internal.segment.bytes", "5")]).len(), 34);
}

#[test]
fn the_most_specific_source_is_shown_first() {
    let name = "max.message.bytes";
    assert_eq!(
        shown(&topic("", &[]), name),
        "1048588 Default [Default:message.max.bytes=1048588]"
    );
    assert_eq!(
        shown(&topic("message.max.bytes=7", &[]), name),
        "7 StaticBroker [StaticBroker:message.max.bytes=7 Default:message.max.bytes=1048588]"
    );
    assert_eq!(
        shown(&topic("message.max.bytes=7", &[(name, "8")]), name),
        "8 Topic [Topic:max.message.bytes=8 StaticBroker:message.max.bytes=7 \
         Default:message.max.bytes=1048588]"
    );
}

/// KafkaConfig's log.retention.ms has no default, so Kafka's ConfigHelper drops the rest of its family
/// unless it is set itself. Tools know this output; we keep it.
#[test]
fn retention_shows_synonyms_as_kafka_does() {
    let name = "retention.ms";
    assert_eq!(shown(&topic("", &[]), name), "604800000 Default []");
    assert_eq!(
        shown(&topic("log.retention.hours=1", &[]), name),
        "3600000 Default []"
    );
    assert_eq!(
        shown(
            &topic("log.retention.ms=5\nlog.retention.hours=1", &[]),
            name
        ),
        "5 StaticBroker [StaticBroker:log.retention.ms=5 StaticBroker:log.retention.hours=1 \
         Default:log.retention.hours=168]"
    );
    assert_eq!(
        shown(&topic("", &[(name, "9")]), name),
        "9 Topic [Topic:retention.ms=9]"
    );
}

#[test]
fn settings_without_a_broker_key_have_no_synonyms() {
    assert_eq!(
        shown(&topic("", &[]), "remote.storage.enable"),
        "false Default []"
    );
    let entries = topic("", &[]);
    assert_eq!(
        shown(&entries, "leader.replication.throttled.replicas"),
        " Default []"
    );
}

#[test]
fn a_broker_shows_kafkas_340_public_keys_and_ours() {
    let config = from_file("num.io.threads=4\nlog.retention.hours=1").unwrap();
    let entries = describe_broker(&config.settings);
    let of_kafka = entries
        .iter()
        .filter(|entry| !entry.name.starts_with("weir."));
    assert_eq!(of_kafka.count(), 340);
    assert_eq!(
        shown(&entries, "num.io.threads"),
        "4 StaticBroker [StaticBroker:num.io.threads=4 Default:num.io.threads=8]"
    );
    assert_eq!(
        shown(&entries, "log.retention.hours"),
        "1 StaticBroker [StaticBroker:log.retention.hours=1 Default:log.retention.hours=168]"
    );
    assert_eq!(shown(&entries, "log.retention.ms"), "null Default []");
    assert_eq!(
        shown(&entries, "background.threads"),
        "10 Default [Default:background.threads=10]"
    );
    assert_eq!(
        shown(&entries, "log.cleaner.io.max.bytes.per.second"),
        "1.7976931348623157E308 Default \
         [Default:log.cleaner.io.max.bytes.per.second=1.7976931348623157E308]"
    );
    let read_only = |name| {
        entries
            .iter()
            .find(|entry| entry.name == name)
            .unwrap()
            .read_only
    };
    assert!(read_only("num.partitions") && !read_only("num.io.threads"));
    assert_eq!(config_type(entries[0].kind), 3);
}
