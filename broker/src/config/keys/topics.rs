//! What topics inherit from the broker.

use crate::config::key::{
    Key, Kind,
    Reason::{FreesNoSpace, TopicDefault},
    Valid, boolean, double, int, list, long, string, unset,
};
use crate::config::topic_keys::{
    CLEANUP_POLICIES, COMPRESSION_TYPES, GZIP_LEVELS, LZ4_LEVELS, TIMESTAMP_TYPES, ZSTD_LEVELS,
};

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    boolean("auto.create.topics.enable", "true").high()
        .honoured("A client that asks for an unknown topic creates it, with num.partitions partitions. Turn it off where a mistyped name should be an error."),
    int("compression.gzip.level", "-1").cluster_wide().valid(GZIP_LEVELS)
        .honoured("Default of the topic setting compression.gzip.level, used when the broker re-compresses."),
    int("compression.lz4.level", "9").cluster_wide().valid(LZ4_LEVELS)
        .honoured("Default of the topic setting compression.lz4.level, used when the broker re-compresses."),
    string("compression.type", "producer").high().cluster_wide().one_of(COMPRESSION_TYPES)
        .honoured("Default of the topic setting compression.type: 'producer' stores what producers send; a codec re-compresses everything, which costs CPU on the broker."),
    int("compression.zstd.level", "3").cluster_wide().valid(ZSTD_LEVELS)
        .honoured("Default of the topic setting compression.zstd.level, used when the broker re-compresses."),
    int("default.replication.factor", "1")
        .honoured("Replication factor of a topic that is created without one. Durability is the store's, so it is a number that is shown, unless weir.replication.factor.strict is on."),
    boolean("delete.topic.enable", "true").high()
        .honoured("Topics can be deleted. Turn it off to protect them."),
    long("log.cleaner.backoff.ms", "15000").cluster_wide().accepted(FreesNoSpace),
    long("log.cleaner.dedupe.buffer.size", "134217728").cluster_wide().accepted(FreesNoSpace),
    long("log.cleaner.delete.retention.ms", "86400000").cluster_wide().at_least(0).accepted(FreesNoSpace),
    boolean("log.cleaner.enable", "true").accepted(FreesNoSpace),
    double("log.cleaner.io.buffer.load.factor", "0.9").cluster_wide().accepted(FreesNoSpace),
    int("log.cleaner.io.buffer.size", "524288").cluster_wide().accepted(FreesNoSpace),
    double("log.cleaner.io.max.bytes.per.second", "1.7976931348623157E308").cluster_wide().accepted(FreesNoSpace),
    long("log.cleaner.max.compaction.lag.ms", "9223372036854775807").cluster_wide().at_least(1).accepted(FreesNoSpace),
    double("log.cleaner.min.cleanable.ratio", "0.5").cluster_wide().valid(Valid::BetweenReal(0.0, 1.0)).accepted(FreesNoSpace),
    long("log.cleaner.min.compaction.lag.ms", "0").cluster_wide().at_least(0).accepted(FreesNoSpace),
    int("log.cleaner.threads", "1").cluster_wide().accepted(FreesNoSpace),
    list("log.cleanup.policy", "delete").cluster_wide().one_of(CLEANUP_POLICIES).accepted(FreesNoSpace),
    long("log.flush.interval.messages", "9223372036854775807").high().cluster_wide().at_least(1).accepted(TopicDefault),
    unset(Kind::Long, "log.flush.interval.ms").high().cluster_wide().accepted(TopicDefault),
    long("log.flush.scheduler.interval.ms", "9223372036854775807").high().accepted(TopicDefault),
    int("log.index.interval.bytes", "4096").cluster_wide().at_least(0).accepted(TopicDefault),
    int("log.index.size.max.bytes", "10485760").cluster_wide().at_least(4).accepted(TopicDefault),
    long("log.message.timestamp.after.max.ms", "3600000").cluster_wide().at_least(0)
        .honoured("Default of the topic setting message.timestamp.after.max.ms: how far a record's time may lie in the future."),
    long("log.message.timestamp.before.max.ms", "9223372036854775807").cluster_wide().at_least(0)
        .honoured("Default of the topic setting message.timestamp.before.max.ms: how far a record's time may lie in the past."),
    string("log.message.timestamp.type", "CreateTime").cluster_wide().one_of(TIMESTAMP_TYPES)
        .honoured("Default of the topic setting message.timestamp.type: CreateTime keeps the producers' times, LogAppendTime writes the broker's."),
    boolean("log.preallocate", "false").cluster_wide().accepted(TopicDefault),
    long("log.retention.bytes", "-1").high().cluster_wide().accepted(FreesNoSpace),
    long("log.retention.check.interval.ms", "300000").at_least(1).accepted(FreesNoSpace),
    int("log.retention.hours", "168").high().accepted(FreesNoSpace),
    unset(Kind::Int, "log.retention.minutes").high().accepted(FreesNoSpace),
    unset(Kind::Long, "log.retention.ms").high().cluster_wide().accepted(FreesNoSpace),
    int("log.roll.hours", "168").high().at_least(1).accepted(TopicDefault),
    int("log.roll.jitter.hours", "0").high().at_least(0).accepted(TopicDefault),
    unset(Kind::Long, "log.roll.jitter.ms").high().cluster_wide().at_least(0).accepted(TopicDefault),
    unset(Kind::Long, "log.roll.ms").high().cluster_wide().at_least(1).accepted(TopicDefault),
    int("log.segment.bytes", "1073741824").high().cluster_wide().at_least(1_048_576).accepted(TopicDefault),
    long("log.segment.delete.delay.ms", "60000").high().cluster_wide().at_least(0).accepted(TopicDefault),
    int("message.max.bytes", "1048588").high().cluster_wide().at_least(0)
        .honoured("Default of the topic setting max.message.bytes: the largest batch as it is stored, after compression."),
    int("num.partitions", "1").at_least(1)
        .honoured("Partitions of a topic that is created without a number. More partitions allow more consumers in a group; the number can grow later but not shrink."),
];
