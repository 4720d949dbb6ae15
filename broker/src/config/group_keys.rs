//! Declarations of group settings: Kafka 4.3.1's 17. They belong to group protocols that this version
//! does not serve, so that none has an effect yet.

use super::key::{
    Key,
    Reason::{NoConsumerProtocol, NoShareGroups, NoStreamsGroups},
    boolean, int, string,
};

/// All group settings by name.
#[rustfmt::skip]
pub static ALL: &[Key] = &[
    int("consumer.assignment.interval.ms", "1000").accepted(NoConsumerProtocol),
    int("consumer.heartbeat.interval.ms", "5000").accepted(NoConsumerProtocol),
    int("consumer.session.timeout.ms", "45000").accepted(NoConsumerProtocol),
    int("share.assignment.interval.ms", "1000").accepted(NoShareGroups),
    string("share.auto.offset.reset", "latest").accepted(NoShareGroups),
    int("share.delivery.count.limit", "5").accepted(NoShareGroups),
    int("share.heartbeat.interval.ms", "5000").accepted(NoShareGroups),
    string("share.isolation.level", "read_uncommitted").one_of(&["read_committed", "read_uncommitted"]).accepted(NoShareGroups),
    int("share.partition.max.record.locks", "2000").accepted(NoShareGroups),
    int("share.record.lock.duration.ms", "30000").accepted(NoShareGroups),
    boolean("share.renew.acknowledge.enable", "true").accepted(NoShareGroups),
    int("share.session.timeout.ms", "45000").accepted(NoShareGroups),
    int("streams.assignment.interval.ms", "1000").accepted(NoStreamsGroups),
    int("streams.heartbeat.interval.ms", "5000").accepted(NoStreamsGroups),
    int("streams.initial.rebalance.delay.ms", "3000").accepted(NoStreamsGroups),
    int("streams.num.standby.replicas", "0").accepted(NoStreamsGroups),
    int("streams.session.timeout.ms", "45000").accepted(NoStreamsGroups),
];
