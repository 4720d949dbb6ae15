//! Transaction keys of Kafka without an effect here.

use crate::config::key::{Key, Reason::NoTransactions, boolean, int, short};

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    int("add.partitions.to.txn.retry.backoff.max.ms", "100").high().accepted(NoTransactions),
    int("add.partitions.to.txn.retry.backoff.ms", "20").high().accepted(NoTransactions),
    int("transaction.abort.timed.out.transaction.cleanup.interval.ms", "10000").low().accepted(NoTransactions),
    int("transaction.max.timeout.ms", "900000").high().accepted(NoTransactions),
    boolean("transaction.partition.verification.enable", "true").low().cluster_wide().accepted(NoTransactions),
    int("transaction.remove.expired.transaction.cleanup.interval.ms", "3600000").low().accepted(NoTransactions),
    int("transaction.state.log.load.buffer.size", "5242880").high().accepted(NoTransactions),
    int("transaction.state.log.min.isr", "2").high().accepted(NoTransactions),
    int("transaction.state.log.num.partitions", "50").high().accepted(NoTransactions),
    short("transaction.state.log.replication.factor", "3").high().accepted(NoTransactions),
    int("transaction.state.log.segment.bytes", "104857600").high().accepted(NoTransactions),
    boolean("transaction.two.phase.commit.enable", "false").low().accepted(NoTransactions),
    int("transactional.id.expiration.ms", "604800000").high().accepted(NoTransactions),
];
