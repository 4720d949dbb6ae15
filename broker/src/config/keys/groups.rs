//! The classic group coordinator, committed offsets and idempotent producers.

use crate::config::key::{Key, int, long};

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    int("group.initial.rebalance.delay.ms", "3000")
        .honoured("A new group waits so long for more members before its first rebalance. 0 starts at once: good for tests; with many members it costs extra rebalances."),
    int("group.max.session.timeout.ms", "1800000")
        .honoured("Longest session timeout that a member may ask for. Longer ones survive long pauses, but a dead member is noticed later."),
    int("group.max.size", "2147483647").at_least(1)
        .honoured("Most members of a group; further ones are refused."),
    int("group.min.session.timeout.ms", "6000")
        .honoured("Shortest session timeout that a member may ask for."),
    int("offset.metadata.max.bytes", "4096").high()
        .honoured("Longest text that may be stored with a committed offset."),
    int("offsets.commit.timeout.ms", "5000").high().at_least(1)
        .honoured("A commit that is not durable after so long is answered with an error that clients retry."),
    long("offsets.retention.check.interval.ms", "600000").high().at_least(1)
        .honoured("How often expired offsets are looked for."),
    int("offsets.retention.minutes", "10080").high().at_least(1)
        .honoured("Committed offsets are forgotten so long after their group became empty (or after the commit, for consumers without a group)."),
    int("offsets.topic.num.partitions", "50").high().at_least(1)
        .honoured("Partitions of __consumer_offsets, used when it is created; afterwards its own number counts."),
    int("producer.id.expiration.check.interval.ms", "600000").low().internal().at_least(1)
        .honoured("How often expired producers are looked for."),
    int("producer.id.expiration.ms", "86400000").low().cluster_wide().at_least(1)
        .honoured("The sequence numbers of an idle idempotent producer are forgotten after so long."),
];
