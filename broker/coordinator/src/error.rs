//! What can be wrong with a request to a group. The broker maps these to Kafka's error codes in
//! its own file; the variants carry Kafka's names.

use thiserror::Error;

/// One fact per variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum GroupError {
    #[error("this broker no longer coordinates the group")]
    NotCoordinator,
    #[error("the group id is empty or too long")]
    InvalidGroupId,
    #[error("the session timeout is outside the allowed range")]
    InvalidSessionTimeout,
    #[error("the group has reached its maximum size")]
    GroupMaxSizeReached,
    #[error("the member's protocols do not fit those of the group")]
    InconsistentGroupProtocol,
    #[error("the member is not known")]
    UnknownMemberId,
    #[error("the member must join again with the id that comes with this answer")]
    MemberIdRequired,
    #[error("another member has taken over this group instance id")]
    FencedInstanceId,
    #[error("the generation is not the current one")]
    IllegalGeneration,
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    #[error("the group does not exist")]
    GroupIdNotFound,
    #[error("the group has members")]
    NonEmptyGroup,
    #[error("the group is subscribed to the topic")]
    GroupSubscribedToTopic,
    #[error("the metadata of the offset is too large")]
    OffsetMetadataTooLarge,
    #[error("the topic or partition does not exist")]
    UnknownTopicOrPartition,
    #[error("the topic id is not known")]
    UnknownTopicId,
    #[error("the request contradicts itself or has a text that is too long")]
    InvalidRequest,
}
