//! Identities that name things in the bucket: cluster, broker incarnation, slot, put, partition.

use std::fmt;

use weir_protocol::types::{PartitionIndex, Uuid};

/// Id of a cluster: one bucket + prefix. Every object carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClusterId(pub Uuid);

/// Kafka's `node.id`, ≥ 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId(pub u32);

/// The metadata slot of an incarnation's registration entry, hence never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerEpoch(pub u64);

/// One run of a broker process, as far as the log is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation {
    pub broker: BrokerId,
    pub epoch: BrokerEpoch,
}

/// Random id of one operating-system process; tells two processes with one broker id apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessId(pub Uuid);

/// Random id of one put-if-absent; recognises our own success in a later "already exists".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PutId(pub [u8; 16]);

/// Number of an entry in a fenced log, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u64);

impl Slot {
    pub fn next(self) -> Slot {
        Slot(self.0 + 1)
    }
}

/// Number of a placement group, below the cluster's count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PgId(pub u32);

/// Ownership epoch of a placement group: the Kafka leader epoch of all its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnershipEpoch(pub i32);

/// A partition by topic id: names can be re-used, ids cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: Uuid,
    pub partition: PartitionIndex,
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broker {} epoch {}", self.broker.0, self.epoch.0)
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

macro_rules! display_as_number {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}
display_as_number!(BrokerId, BrokerEpoch, Slot, PgId, OwnershipEpoch);
