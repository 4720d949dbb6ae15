//! The settings that change what a shard answers. Names and defaults are Kafka's.

use std::time::Duration;

/// Settings of all groups of a shard. Read at each decision; a changed value needs a new shard.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// `group.initial.rebalance.delay.ms`: how long the first rebalance of an empty group waits
    /// for more members, extended while they arrive. 0 completes it at the next timer call.
    pub initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`, inclusive.
    pub session_timeout_min_ms: i32,
    /// `group.max.session.timeout.ms`, inclusive.
    pub session_timeout_max_ms: i32,
    /// `group.max.size`: members of one group.
    pub members_max: usize,
    /// How long a member that has not seen its first answer may wait for it. Kafka: 5 minutes,
    /// not configurable.
    pub new_member_join_timeout: Duration,
    /// Ids given out with `MEMBER_ID_REQUIRED` that have not joined yet, per group. Kafka has no
    /// bound but their session timeout.
    pub pending_members_max: usize,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval: Duration,
    /// `offset.metadata.max.bytes`; despite its name, UTF-16 units.
    pub offset_metadata_max_units: usize,
    /// Tombstones that one timer call writes at most while it expires offsets (the last group may
    /// go over it); the rest follows with the next call.
    pub expired_records_max: usize,
}

impl Default for GroupConfig {
    fn default() -> GroupConfig {
        GroupConfig {
            initial_rebalance_delay: Duration::from_millis(3000),
            session_timeout_min_ms: 6_000,
            session_timeout_max_ms: 1_800_000,
            members_max: i32::MAX as usize,
            new_member_join_timeout: Duration::from_secs(300),
            pending_members_max: 10_000,
            offsets_retention: Duration::from_secs(10_080 * 60),
            offsets_retention_check_interval: Duration::from_secs(600),
            offset_metadata_max_units: 4096,
            expired_records_max: 1000,
        }
    }
}
