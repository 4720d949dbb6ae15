//! Effective settings of topics, and what is refused at creation.

use weir::config::{
    CleanupPolicy, Compression, Overrides, TimestampType, TopicConfig, TopicDefaults, Value,
    expects_space, validate_topic,
};

use crate::{errors_of, from_file};

fn defaults(text: &str) -> TopicDefaults {
    from_file(text).unwrap().topic_defaults
}

fn overrides(pairs: &[(&str, &str)]) -> Overrides {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

#[test]
fn a_topic_without_overrides_has_kafkas_defaults() {
    let topic = TopicConfig::resolve(&Overrides::new(), &defaults("")).unwrap();
    assert_eq!(
        topic,
        TopicConfig {
            cleanup_policy: CleanupPolicy { compact: false },
            compression: Compression::Producer,
            message_bytes_max: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
        }
    );
}

#[test]
fn a_topic_inherits_the_most_specific_broker_key_and_overrides_it() {
    let defaults = defaults(
        "log.retention.hours=2\nlog.retention.minutes=30\nlog.roll.hours=1\nmessage.max.bytes=5000\n\
         compression.type=zstd\ncompression.zstd.level=7\nlog.message.timestamp.type=LogAppendTime\n\
         log.cleanup.policy=compact,delete",
    );
    let inherited = TopicConfig::resolve(&Overrides::new(), &defaults).unwrap();
    assert_eq!(*defaults.value("retention.ms"), Value::Number(30 * 60_000));
    assert_eq!(*defaults.value("segment.ms"), Value::Number(3_600_000));
    assert_eq!(inherited.message_bytes_max, 5000);
    assert_eq!(inherited.compression, Compression::Zstd { level: 7 });
    assert_eq!(inherited.timestamp_type, TimestampType::LogAppendTime);
    assert_eq!(inherited.cleanup_policy, CleanupPolicy { compact: true });
    let own = overrides(&[
        ("retention.ms", "-1"),
        ("compression.type", "producer"),
        ("cleanup.policy", "compact"),
    ]);
    let topic = TopicConfig::resolve(&own, &defaults).unwrap();
    assert_eq!(topic.compression, Compression::Producer);
    assert_eq!(topic.cleanup_policy, CleanupPolicy { compact: true });
    assert_eq!(topic.message_bytes_max, 5000);
}

#[test]
fn negative_retention_of_the_broker_means_for_ever() {
    let defaults = defaults("log.retention.hours=-5");
    assert_eq!(*defaults.value("retention.ms"), Value::Number(-1));
}

#[test]
fn broker_keys_that_give_topics_an_invalid_value_are_refused() {
    let error =
        errors_of("log.cleaner.min.compaction.lag.ms=10\nlog.cleaner.max.compaction.lag.ms=5");
    assert!(
        error.contains("min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"),
        "{error}"
    );
    assert!(errors_of("log.segment.bytes=1000").contains("at least 1048576"));
}

#[test]
fn valid_settings_are_kept_as_they_were_sent() {
    let sent = [
        ("retention.ms", Some(" 5 ")),
        ("cleanup.policy", Some("compact")),
        ("internal.segment.bytes", Some("7")),
    ];
    let accepted = validate_topic(sent, &defaults("")).unwrap();
    let expected = [
        ("retention.ms", " 5 "),
        ("cleanup.policy", "compact"),
        ("internal.segment.bytes", "7"),
    ];
    assert_eq!(accepted, overrides(&expected));
    assert!(expects_space(&accepted) && !expects_space(&Overrides::new()));
}

#[test]
fn settings_that_kafka_refuses_are_refused_in_its_words() {
    let long = "x".repeat(32_768);
    type Sent<'a> = &'a [(&'a str, Option<&'a str>)];
    let cases: [(Sent<'_>, &str); 12] = [
        (
            &[("retention.mss", Some("1"))],
            "Unknown topic config name: retention.mss",
        ),
        (
            &[("message.format.version", Some("3.0"))],
            "Unknown topic config name: message.format.version",
        ),
        (
            &[("retention.ms", None)],
            "Null value not supported for topic configs: retention.ms",
        ),
        (
            &[("retention.ms", Some("abc"))],
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        (
            &[("retention.ms", Some("-2"))],
            "Invalid value -2 for configuration retention.ms: Value must be at least -1",
        ),
        (
            &[("segment.bytes", Some("1000"))],
            "Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576",
        ),
        (
            &[("compression.type", Some("lzma"))],
            "Invalid value lzma for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        (
            &[("cleanup.policy", Some("shred"))],
            "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            &[("min.cleanable.dirty.ratio", Some("1.5"))],
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be between 0.0 and 1.0",
        ),
        (
            &[
                ("min.compaction.lag.ms", Some("9")),
                ("max.compaction.lag.ms", Some("8")),
            ],
            "conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms (8)",
        ),
        (
            &[("remote.storage.enable", Some("true"))],
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
        ),
        (
            &[("leader.replication.throttled.replicas", Some(&long))],
            "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.",
        ),
    ];
    for (sent, message) in cases {
        let error = validate_topic(sent.iter().copied(), &defaults("")).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn lists_of_throttled_replicas_are_a_star_or_pairs() {
    let check = |text| {
        validate_topic(
            [("leader.replication.throttled.replicas", Some(text))],
            &defaults(""),
        )
    };
    for good in ["*", "0:1,1:2", ""] {
        assert!(check(good).is_ok(), "{good}");
    }
    for bad in ["0", "a:1", "*,0:1", "0:1,"] {
        assert!(check(bad).is_err(), "{bad}");
    }
}
