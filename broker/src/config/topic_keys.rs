//! Declarations of topic settings: Kafka 4.3.1's 33 public ones and one internal.
//!
//! Owns: names, types, defaults, ranges, help, and the broker keys that give a topic its default.
//! Does not own: the effective values of a topic (`topic`), what a broker key is (`keys`).
//! Invariant: a topic setting without an override has the value of the first of its broker keys
//! that is set, else its own default.

use super::key::{Key, Kind, Reason, Valid, boolean, double, int, list, long, string, unset};

pub const CLEANUP_POLICIES: &[&str] = &["compact", "delete"];
pub const COMPRESSION_TYPES: &[&str] =
    &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
pub const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];
pub const GZIP_LEVELS: Valid = Valid::BetweenOr(1, 9, -1);
pub const LZ4_LEVELS: Valid = Valid::Between(1, 17);
pub const ZSTD_LEVELS: Valid = Valid::Between(-131_072, 22);

/// How the number of a broker key becomes the number of the topic setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Same,
    /// The topic setting is in milliseconds; the broker key counts units of so many.
    Millis(i64),
    /// As `Millis`; any negative number means "for ever", which is -1 in the topic setting.
    RetentionMillis(i64),
}

impl Scale {
    /// The text of the topic setting for the text of the broker key. Text that is no number is kept.
    pub fn apply(self, text: &str) -> String {
        match (self, text.parse::<i64>()) {
            (Scale::RetentionMillis(_), Ok(number)) if number < 0 => "-1".to_owned(),
            (Scale::Millis(factor) | Scale::RetentionMillis(factor), Ok(number)) => {
                number.saturating_mul(factor).to_string()
            }
            _ => text.to_owned(),
        }
    }
}

/// A broker key that gives a topic setting its default.
#[derive(Clone, Copy, Debug)]
pub struct Synonym {
    pub name: &'static str,
    pub scale: Scale,
}

/// The declaration of one topic setting.
#[derive(Clone, Copy, Debug)]
pub struct TopicKey {
    pub key: Key,
    /// Most specific first.
    pub synonyms: &'static [Synonym],
}

const fn of(key: Key, synonyms: &'static [Synonym]) -> TopicKey {
    TopicKey { key, synonyms }
}

const fn same(name: &'static str) -> Synonym {
    Synonym {
        name,
        scale: Scale::Same,
    }
}

const fn millis(name: &'static str, factor: i64) -> Synonym {
    Synonym {
        name,
        scale: Scale::Millis(factor),
    }
}

const fn retention(name: &'static str, factor: i64) -> Synonym {
    Synonym {
        name,
        scale: Scale::RetentionMillis(factor),
    }
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

/// The declaration of a topic setting.
pub fn find(name: &str) -> Option<&'static TopicKey> {
    ALL.iter().find(|topic_key| topic_key.key.name == name)
}

/// All topic settings by name.
#[rustfmt::skip]
pub static ALL: &[TopicKey] = &[
    of(list("cleanup.policy", "delete").one_of(CLEANUP_POLICIES)
        .accepted_with(Reason::FreesNoSpace, "'delete' forgets old records by time or size, 'compact' keeps the newest record of each key, both may be combined."),
        &[same("log.cleanup.policy")]),
    of(int("compression.gzip.level", "-1").valid(GZIP_LEVELS)
        .honoured("Effort of gzip when the broker re-compresses (compression.type=gzip): 1 to 9, or -1 for gzip's own default."),
        &[same("compression.gzip.level")]),
    of(int("compression.lz4.level", "9").valid(LZ4_LEVELS)
        .honoured("Effort of lz4 when the broker re-compresses (compression.type=lz4)."),
        &[same("compression.lz4.level")]),
    of(string("compression.type", "producer").one_of(COMPRESSION_TYPES)
        .honoured("'producer' stores batches as producers send them; a codec re-compresses everything, which costs CPU on the broker."),
        &[same("compression.type")]),
    of(int("compression.zstd.level", "3").valid(ZSTD_LEVELS)
        .honoured("Effort of zstd when the broker re-compresses (compression.type=zstd)."),
        &[same("compression.zstd.level")]),
    of(long("delete.retention.ms", "86400000").at_least(0)
        .accepted_with(Reason::FreesNoSpace, "How long a compacted topic keeps the mark of a deleted key."),
        &[same("log.cleaner.delete.retention.ms")]),
    of(long("file.delete.delay.ms", "60000").at_least(0).accepted(Reason::NoLocalDisk),
        &[same("log.segment.delete.delay.ms")]),
    of(long("flush.messages", "9223372036854775807").at_least(1)
        .accepted_with(Reason::TopicDefault, "Every acknowledged record is durable."),
        &[same("log.flush.interval.messages")]),
    of(long("flush.ms", "9223372036854775807").at_least(0)
        .accepted_with(Reason::TopicDefault, "Every acknowledged record is durable."),
        &[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")]),
    of(list("follower.replication.throttled.replicas", "").valid(Valid::ThrottledReplicas).accepted(Reason::NoReplicas), &[]),
    of(int("index.interval.bytes", "4096").at_least(0).accepted(Reason::TopicDefault),
        &[same("log.index.interval.bytes")]),
    of(unset(Kind::Int, "internal.segment.bytes").internal().accepted(Reason::TopicDefault), &[]),
    of(list("leader.replication.throttled.replicas", "").valid(Valid::ThrottledReplicas).accepted(Reason::NoReplicas), &[]),
    of(long("local.retention.bytes", "-2").at_least(-2).accepted(Reason::NoPluginTiering),
        &[same("log.local.retention.bytes")]),
    of(long("local.retention.ms", "-2").at_least(-2).accepted(Reason::NoPluginTiering),
        &[same("log.local.retention.ms")]),
    of(long("max.compaction.lag.ms", "9223372036854775807").at_least(1)
        .accepted_with(Reason::FreesNoSpace, "How long a record may stay uncompacted at most."),
        &[same("log.cleaner.max.compaction.lag.ms")]),
    of(int("max.message.bytes", "1048588").at_least(0)
        .honoured("Largest batch as it is stored, after compression. Raise the fetch sizes of old consumers with it."),
        &[same("message.max.bytes")]),
    of(long("message.timestamp.after.max.ms", "3600000").at_least(0)
        .honoured("A record whose time lies further in the future is refused. Applies to CreateTime only."),
        &[same("log.message.timestamp.after.max.ms")]),
    of(long("message.timestamp.before.max.ms", "9223372036854775807").at_least(0)
        .honoured("A record whose time lies further in the past is refused. Applies to CreateTime only."),
        &[same("log.message.timestamp.before.max.ms")]),
    of(string("message.timestamp.type", "CreateTime").one_of(TIMESTAMP_TYPES)
        .honoured("CreateTime keeps the producers' times, LogAppendTime writes the broker's."),
        &[same("log.message.timestamp.type")]),
    of(double("min.cleanable.dirty.ratio", "0.5").valid(Valid::BetweenReal(0.0, 1.0))
        .accepted_with(Reason::FreesNoSpace, "Part of a topic that must be uncompacted before it is compacted again."),
        &[same("log.cleaner.min.cleanable.ratio")]),
    of(long("min.compaction.lag.ms", "0").at_least(0)
        .accepted_with(Reason::FreesNoSpace, "How long a record stays uncompacted at least."),
        &[same("log.cleaner.min.compaction.lag.ms")]),
    of(int("min.insync.replicas", "1").at_least(1).accepted(Reason::NoReplicas),
        &[same("min.insync.replicas")]),
    of(boolean("preallocate", "false").accepted(Reason::NoLocalDisk), &[same("log.preallocate")]),
    of(boolean("remote.log.copy.disable", "false").accepted(Reason::NoPluginTiering), &[]),
    of(boolean("remote.log.delete.on.disable", "false").accepted(Reason::NoPluginTiering), &[]),
    of(boolean("remote.storage.enable", "false").accepted(Reason::NoPluginTiering), &[]),
    of(long("retention.bytes", "-1")
        .accepted_with(Reason::FreesNoSpace, "Size at which a partition forgets its oldest records; -1 is no limit."),
        &[same("log.retention.bytes")]),
    of(long("retention.ms", "604800000").at_least(-1)
        .accepted_with(Reason::FreesNoSpace, "Age at which records are forgotten; -1 keeps them for ever."),
        &[retention("log.retention.ms", 1), retention("log.retention.minutes", MINUTE_MS), retention("log.retention.hours", HOUR_MS)]),
    of(int("segment.bytes", "1073741824").at_least(1_048_576).accepted(Reason::TopicDefault),
        &[same("log.segment.bytes")]),
    of(int("segment.index.bytes", "10485760").at_least(4).accepted(Reason::TopicDefault),
        &[same("log.index.size.max.bytes")]),
    of(long("segment.jitter.ms", "0").at_least(0).accepted(Reason::TopicDefault),
        &[same("log.roll.jitter.ms"), millis("log.roll.jitter.hours", HOUR_MS)]),
    of(long("segment.ms", "604800000").at_least(1).accepted(Reason::TopicDefault),
        &[same("log.roll.ms"), millis("log.roll.hours", HOUR_MS)]),
    of(boolean("unclean.leader.election.enable", "false").accepted(Reason::NoReplicas),
        &[same("unclean.leader.election.enable")]),
];
