//! Our declarations against the facts of Kafka 4.3.1: every name, type, default, importance and
//! update mode, as Kafka's own `ConfigDef`s print them (tests/data).

use std::collections::BTreeMap;

use weir::config::{
    Class, Importance, Key, all_group_keys, all_keys, all_topic_keys, default_value,
};

struct Fact<'a> {
    kind: &'a str,
    default: Option<&'a str>,
    importance: &'a str,
    internal: bool,
    update: &'a str,
}

fn facts(table: &'static str) -> BTreeMap<&'static str, Fact<'static>> {
    let rows = table.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, kind, default, importance, internal, update] = fields[..] else {
            panic!("a row has six fields: {line}");
        };
        let fact = Fact {
            kind,
            default: (default != "null").then_some(default),
            importance,
            internal: internal == "internal",
            update,
        };
        (name, fact)
    });
    rows.collect()
}

/// What differs between a declaration and the facts, in words.
fn differences(key: &Key, fact: &Fact<'_>) -> Vec<String> {
    let importance = match key.importance {
        Importance::High => "HIGH",
        Importance::Medium => "MEDIUM",
        Importance::Low => "LOW",
    };
    let mut differences = Vec::new();
    let mut compare = |what: &str, ours: String, kafkas: String| {
        if ours != kafkas {
            differences.push(format!("{} {what}: {ours}, Kafka: {kafkas}", key.name));
        }
    };
    compare("type", key.kind.name().to_owned(), fact.kind.to_owned());
    compare(
        "default",
        format!("{:?}", key.default),
        format!("{:?}", fact.default),
    );
    compare(
        "importance",
        importance.to_owned(),
        fact.importance.to_owned(),
    );
    compare(
        "internal",
        key.internal.to_string(),
        fact.internal.to_string(),
    );
    if !fact.update.is_empty() {
        compare(
            "update",
            key.update.name().to_owned(),
            fact.update.to_owned(),
        );
    }
    differences
}

#[test]
fn every_broker_key_of_kafka_is_declared_as_kafka_declares_it() {
    let facts = facts(include_str!("data/kafka-4.3.1-broker-configs.tsv"));
    assert_eq!(facts.len(), 360);
    let ours: BTreeMap<&str, &Key> = all_keys().map(|key| (key.name, key)).collect();
    let foreign = ours.keys().filter(|name| !name.starts_with("weir."));
    assert!(foreign.eq(facts.keys()), "the names differ");
    let differences: Vec<String> = facts
        .iter()
        .flat_map(|(name, fact)| differences(ours[name], fact))
        .collect();
    // Kafka demands three keys that mean nothing or have an obvious value here, and listens on all
    // interfaces by default, where we serve this machine only.
    let deliberate = [
        "controller.listener.names default: Some(\"\"), Kafka: Some(\"(required)\")",
        "listeners default: Some(\"PLAINTEXT://127.0.0.1:9092\"), Kafka: Some(\"PLAINTEXT://:9092\")",
        "node.id default: Some(\"1\"), Kafka: Some(\"(required)\")",
        "process.roles default: Some(\"\"), Kafka: Some(\"(required)\")",
    ];
    assert_eq!(differences, deliberate);
}

#[test]
fn every_topic_setting_of_kafka_is_declared_as_kafka_declares_it() {
    let facts = facts(include_str!("data/kafka-4.3.1-topic-configs.tsv"));
    assert_eq!(facts.len(), 34);
    assert!(
        all_topic_keys()
            .map(|key| key.key.name)
            .eq(facts.keys().copied())
    );
    for topic_key in all_topic_keys() {
        let key = &topic_key.key;
        assert_eq!(differences(key, &facts[key.name]), [""; 0]);
    }
}

#[test]
fn every_group_setting_of_kafka_is_declared_as_kafka_declares_it() {
    let facts = facts(include_str!("data/kafka-4.3.1-group-configs.tsv"));
    assert!(
        all_group_keys()
            .map(|key| key.name)
            .eq(facts.keys().copied())
    );
    for key in all_group_keys() {
        assert_eq!(differences(key, &facts[key.name]), [""; 0]);
        let broker_key =
            all_keys().find(|broker_key| broker_key.name == format!("group.{}", key.name));
        if let Some(broker_key) = broker_key {
            assert_eq!(broker_key.default, key.default, "{}", key.name);
        }
    }
}

#[test]
fn a_wrong_declaration_would_be_noticed() {
    let facts = facts(include_str!("data/kafka-4.3.1-broker-configs.tsv"));
    let key = all_keys().find(|key| key.name == "num.partitions").unwrap();
    assert_eq!(differences(key, &facts["num.io.threads"]).len(), 3);
}

#[test]
fn every_default_is_valid_for_its_own_key() {
    let topics = all_topic_keys().map(|topic_key| &topic_key.key);
    for key in all_keys().chain(topics).chain(all_group_keys()) {
        assert!(
            default_value(key).is_ok(),
            "{}: {:?}",
            key.name,
            default_value(key)
        );
    }
}

#[test]
fn topics_and_the_broker_keys_they_inherit_have_the_same_default() {
    for topic_key in all_topic_keys() {
        for synonym in topic_key.synonyms {
            let broker_key = all_keys()
                .find(|key| key.name == synonym.name)
                .expect(synonym.name);
            let Some(default) = broker_key.default else {
                continue;
            };
            let inherited = synonym.scale.apply(default);
            assert_eq!(
                Some(inherited.as_str()),
                topic_key.key.default,
                "{}",
                synonym.name
            );
        }
    }
}

#[test]
fn every_key_has_help_and_every_unsafe_key_belongs_to_security() {
    for key in all_keys() {
        let help = key.documentation();
        assert!(
            help.len() > 20 && help.ends_with('.'),
            "{}: {help}",
            key.name
        );
        let security = [
            "ssl.",
            "sasl.",
            "authorizer.",
            "principal.builder.",
            "client.quota.callback.",
        ];
        let belongs = security.iter().any(|prefix| key.name.starts_with(prefix));
        assert_eq!(key.class == Class::Unsafe, belongs, "{}", key.name);
    }
}
