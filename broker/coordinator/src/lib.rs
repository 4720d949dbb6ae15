//! The coordinators of Weir as pure state machines: no I/O, no clock, no tasks, no randomness.
//!
//! A [`Shard`] is one partition of `__consumer_offsets`: all consumer groups whose id hashes to it
//! ([`partition_for`]) and their committed offsets. A call takes a request, the time and read-only
//! facts, and returns an [`Output`]: records for the partition and answers for the clients.
//!
//! Owns: the rules of the classic group protocol and of committed offsets, the record formats.
//! Does not own: the wire versions of the requests, error codes, authorisation, the log, timers as
//! a service (it only names its next deadline), the choice of the partition's owner.
//! Invariant: what survives is exactly what [`Shard::replay`] makes of the records, in order; a
//! handler changes durable state by producing records and replaying them like a loader would.
//! Crash: rebalances in progress, pending members and session timers are lost; members rejoin.

mod api;
mod config;
mod error;
mod group;
mod ids;
mod offsets;
mod partitioner;
mod record;
mod shard;
mod stored;
mod subscription;
mod timer;

#[cfg(test)]
mod record_tests;
#[cfg(test)]
mod testing;

pub use api::{Answer, Context, Now, Output, Request, Token, TopicInfo, TopicLookup, TopicRef};
pub use config::GroupConfig;
pub use error::GroupError;
pub use group::classic::describe::{
    DescribeGroups, DescribedGroup, DescribedMember, ListGroups, ListedGroup,
};
pub use group::classic::heartbeat::Heartbeat;
pub use group::classic::join::{JoinGroup, JoinRefused, Joined, JoinedMember};
pub use group::classic::leave::{LeaveGroup, LeavingMember, LeftMember};
pub use group::classic::member::MemberProtocol;
pub use group::classic::state::GroupState;
pub use group::classic::sync::{SyncGroup, Synced};
pub use group::delete::{DeleteGroups, DeletedGroup};
pub use ids::{GroupId, InstanceId, MemberId, Text, TopicName};
pub use offsets::commit::{CommitPartition, CommitTopic, CommittedTopic, OffsetCommit};
pub use offsets::delete::{
    DeletedOffsets, DeletedTopic, OffsetDelete, OffsetDeleteAnswer, OffsetDeleteTopic,
};
pub use offsets::fetch::{FetchTopic, FetchedOffset, FetchedOffsets, FetchedTopic, OffsetFetch};
pub use partitioner::partition_for;
pub use record::{CoordinatorRecord, RecordError};
pub use shard::{Shard, ShardStats};
pub use stored::{CommittedOffset, ReplayError};
