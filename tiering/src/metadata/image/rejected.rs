//! Why a command is refused in a state.

use weir_protocol::types::Uuid;

use crate::{
    ids::{Incarnation, PgId, Slot},
    metadata::command::Term,
};

/// A command that is not allowed in the state it met. The state is unchanged. Every reader decides
/// the same from the same state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRejected {
    #[error("topic '{0}' exists")]
    TopicExists(String),
    #[error("topic '{name}' collides with '{existing}': '.' and '_' count as the same")]
    NameCollision { name: String, existing: String },
    #[error("'{0}' is not a legal topic name")]
    InvalidTopicName(String),
    #[error("topic id {0} is in use or reserved")]
    InvalidTopicId(Uuid),
    #[error("no topic has the id {0}")]
    UnknownTopic(Uuid),
    #[error("a topic cannot have {0} partitions")]
    InvalidPartitionCount(i32),
    #[error("the topic has {current} partitions, {requested} are not more")]
    PartitionsNotIncreased { current: i32, requested: i32 },
    #[error("the placement of topic {0} names a placement group or partition out of range")]
    InvalidPlacement(Uuid),
    #[error("'{0}' is not a possible name of a config or its resource")]
    InvalidConfig(String),
    #[error("{0} is not registered")]
    UnknownIncarnation(Incarnation),
    #[error("{0} is not active")]
    NotActive(Incarnation),
    #[error("{incarnation} is sealed at {end} already")]
    AlreadySealed { incarnation: Incarnation, end: Slot },
    #[error("{incarnation} has a checkpoint at {checkpointed}, its end cannot be {end}")]
    SealedBelowCheckpoint {
        incarnation: Incarnation,
        checkpointed: Slot,
        end: Slot,
    },
    #[error("placement group {pg} is owned by {owner}")]
    PgOwned { pg: PgId, owner: Incarnation },
    #[error("placement group {0} is out of range, named twice, or has used up its epochs")]
    InvalidPg(PgId),
    #[error("the last checkpoint is at {last}, one at {committed} is stale")]
    StaleCheckpoint { last: Slot, committed: Slot },
    #[error("a floor of {0} moves back or lies above its checkpoint")]
    BadFloor(Incarnation),
    #[error("{incarnation} names object {number}, which is not its own or below its floor {floor}")]
    OutputBelowFloor {
        incarnation: Incarnation,
        number: u64,
        floor: u64,
    },
    #[error("all producer ids are used up")]
    ProducerIdsExhausted,
    #[error("the term is {current}, a fence must be of the next one, not of {requested}")]
    WrongTerm { current: Term, requested: Term },
    #[error("feature level {0} is not higher, or not known to this version")]
    InvalidFeatureLevel(u32),
    #[error("the command takes {len} bytes, the limit is {limit}")]
    TooLarge { len: usize, limit: usize },
    #[error("only the log itself adds fences and registrations")]
    Reserved,
}
