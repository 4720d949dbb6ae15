//! CreateTopics, all versions: what is refused, with Kafka's codes and words.

use weir_protocol::messages::{CreateTopicsRequest, create_topics_request::CreatableTopic};

use crate::{
    broker::Broker,
    client::{Client, versions},
    topics::{assigned, create, outcome, topic, with_config},
};

/// `t`, with one setting.
fn t(name: &str, value: Option<&str>) -> CreatableTopic {
    with_config(topic("t", 1, 1), name, value)
}

/// Mistakes: a topic that is refused, the code, and how the message begins.
fn expect_refused<M: AsRef<str>>(client: &mut Client, mistakes: &[(CreatableTopic, i16, M)]) {
    for version in versions::<CreateTopicsRequest>() {
        for (wrong, code, message) in mistakes {
            let response = create(client, version, vec![wrong.clone()]);
            let (got, text) = outcome(&response);
            let message = message.as_ref();
            assert_eq!(got, *code, "v{version} {text:?}, expected: {message}");
            assert!(text.unwrap().starts_with(message), "v{version}: {text:?}");
        }
    }
    assert_eq!(client.topic("t").error_code, 3, "nothing was created");
}

#[test]
fn bad_names() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("a.b", 1, &[]);
    let long = "x".repeat(250);
    let mistakes = [
        (
            topic("", 1, 1),
            17,
            "Topic name is invalid: the empty string is not allowed",
        ),
        (
            topic("..", 1, 1),
            17,
            "Topic name is invalid: '..' is not allowed",
        ),
        (
            topic("a b", 1, 1),
            17,
            "Topic name is invalid: 'a b' contains one or more characters",
        ),
        (
            topic(&long, 1, 1),
            17,
            "Topic name is invalid: the length of",
        ),
        (
            topic("a_b", 1, 1),
            17,
            "Topic 'a_b' collides with existing topic: a.b",
        ),
        (
            topic("__cluster_metadata", 1, 1),
            42,
            "Creation of internal topic __cluster_metadata is prohibited.",
        ),
    ];
    expect_refused(&mut client, &mistakes);
}

#[test]
fn bad_numbers() {
    let broker = Broker::start();
    let partitions = "Number of partitions was set to an invalid non-positive value.";
    let replicas = "Replication factor must be larger than 0, or -1 to use the default value.";
    let mistakes = [
        (topic("t", 0, 1), 37, partitions),
        (topic("t", -2, 1), 37, partitions),
        (topic("t", 1, 0), 38, replicas),
        (topic("t", 1, -2), 38, replicas),
        // Kafka looks at the replication factor first.
        (topic("t", 0, 0), 38, replicas),
        (
            topic("t", 10_001, 1),
            44,
            "Excessively large number of partitions per request.",
        ),
    ];
    expect_refused(&mut broker.client(), &mistakes);
}

#[test]
fn bad_configs() {
    let broker = Broker::start();
    let lags = with_config(
        t("min.compaction.lag.ms", Some("9")),
        "max.compaction.lag.ms",
        Some("8"),
    );
    let mistakes = [
        (
            t("no.such", Some("1")),
            40,
            "Unknown topic config name: no.such",
        ),
        // Gone since Kafka 4.
        (
            t("message.format.version", Some("3.0")),
            40,
            "Unknown topic config name: message.format.version",
        ),
        (
            t("retention.ms", None),
            40,
            "Null value not supported for topic configs: retention.ms",
        ),
        (
            with_config(t("b", None), "a", None),
            40,
            "Null value not supported for topic configs: b,a",
        ),
        (
            t("retention.ms", Some("soon")),
            40,
            "Invalid value soon for configuration retention.ms: Not a number of type LONG",
        ),
        (
            t("segment.bytes", Some("100")),
            40,
            "Invalid value 100 for configuration segment.bytes: Value must be at least 1048576",
        ),
        (
            lags,
            40,
            "conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms (8)",
        ),
    ];
    expect_refused(&mut broker.client(), &mistakes);
}

#[test]
fn bad_assignments() {
    let broker = Broker::start();
    let with_count = CreatableTopic {
        num_partitions: 1,
        ..assigned("t", &[(0, &[1])])
    };
    let with_factor = CreatableTopic {
        replication_factor: 1,
        ..assigned("t", &[(0, &[1])])
    };
    let prefix = "The manual partition assignment includes ";
    let gap = "partitions should be a consecutive 0-based integer sequence";
    let but = "A manual partition assignment was specified, but ";
    let mistakes = [
        (
            with_count,
            42,
            format!("{but}numPartitions was not set to -1."),
        ),
        (
            with_factor,
            42,
            format!("{but}replication factor was not set to -1."),
        ),
        (
            assigned("t", &[(0, &[1]), (0, &[1])]),
            39,
            "Found multiple manual partition assignments for partition 0".to_owned(),
        ),
        (assigned("t", &[(0, &[1]), (2, &[1])]), 39, gap.to_owned()),
        (assigned("t", &[(1, &[1])]), 39, gap.to_owned()),
        (
            assigned("t", &[(0, &[])]),
            39,
            format!("{prefix}an empty replica list."),
        ),
        (
            assigned("t", &[(0, &[1, 7])]),
            39,
            format!("{prefix}broker 7, but no such broker is registered."),
        ),
        (
            assigned("t", &[(0, &[1, 1])]),
            39,
            format!("{prefix}the broker 1 more than once."),
        ),
    ];
    expect_refused(&mut broker.client(), &mistakes);
}
