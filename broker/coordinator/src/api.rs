//! What goes into a shard and what comes out of it.

use std::time::Duration;

use weir_protocol::types::Uuid;

use crate::error::GroupError;
use crate::group::classic::describe::{DescribeGroups, DescribedGroup, ListGroups, ListedGroup};
use crate::group::classic::heartbeat::Heartbeat;
use crate::group::classic::join::{JoinGroup, JoinRefused, Joined};
use crate::group::classic::leave::{LeaveGroup, LeftMember};
use crate::group::classic::sync::{SyncGroup, Synced};
use crate::group::delete::{DeleteGroups, DeletedGroup};
use crate::ids::TopicName;
use crate::offsets::commit::{CommittedTopic, OffsetCommit};
use crate::offsets::delete::{OffsetDelete, OffsetDeleteAnswer};
use crate::offsets::fetch::{FetchedOffsets, OffsetFetch};
use crate::record::CoordinatorRecord;

/// Names one request until its answer comes; chosen by the caller, opaque here. A join or a sync
/// may be answered by a much later call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// The time of a call. `boot` never goes back and drives the timers; `wall_ms` (Unix milliseconds)
/// is what Kafka's record formats store and what retention compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub wall_ms: i64,
    pub boot: Duration,
}

/// A topic as the metadata of this moment knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    pub id: Uuid,
    /// Partitions are `0..partition_count`.
    pub partition_count: i32,
}

/// Read-only view of the topics of the cluster.
pub trait TopicLookup {
    fn by_name(&self, name: &str) -> Option<TopicInfo>;
    fn by_id(&self, id: Uuid) -> Option<(TopicName, TopicInfo)>;
}

/// A topic as a request names it: by id from OffsetCommit and OffsetFetch v10, else by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicRef {
    Name(TopicName),
    Id(Uuid),
}

/// The facts of one call.
pub struct Context<'a> {
    pub now: Now,
    pub topics: &'a dyn TopicLookup,
    /// A fresh random id per call, for member ids.
    pub new_id: &'a mut dyn FnMut() -> Uuid,
}

/// Everything that a client or an administrator can ask of a shard.
#[derive(Clone, Debug)]
pub enum Request {
    JoinGroup(JoinGroup),
    SyncGroup(SyncGroup),
    Heartbeat(Heartbeat),
    LeaveGroup(LeaveGroup),
    OffsetCommit(OffsetCommit),
    OffsetFetch(OffsetFetch),
    DescribeGroups(DescribeGroups),
    ListGroups(ListGroups),
    DeleteGroups(DeleteGroups),
    OffsetDelete(OffsetDelete),
}

/// The answer to the [`Request`] of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    JoinGroup(Result<Joined, JoinRefused>),
    SyncGroup(Result<Synced, GroupError>),
    Heartbeat(Result<(), GroupError>),
    /// One entry per member of the request, in its order.
    LeaveGroup(Result<Vec<LeftMember>, GroupError>),
    /// One entry per topic of the request, in its order.
    OffsetCommit(Vec<CommittedTopic>),
    OffsetFetch(FetchedOffsets),
    DescribeGroups(Vec<DescribedGroup>),
    ListGroups(Vec<ListedGroup>),
    DeleteGroups(Vec<DeletedGroup>),
    OffsetDelete(OffsetDeleteAnswer),
}

/// What a call asks of its caller: append `records` to the partition, as one batch, and send the
/// answers once they are durable. Answers that come without records wait for the records of
/// earlier calls, because they may tell of them. Only records that come without answers (expiry,
/// deleted topics) may be split over several batches.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Output {
    pub records: Vec<CoordinatorRecord>,
    pub answers: Vec<(Token, Answer)>,
}
