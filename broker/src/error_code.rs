//! The one file that turns facts of the domains into Kafka's error codes.

use weir_protocol::{
    error_code::ErrorCode,
    records::{BatchError, BatchErrorKind},
};
use weir_tiering::{
    log::{AppendError, ReadError, SequenceError},
    metadata::{CommandRejected, MetadataError, MetadataErrorKind},
};

use weir_coordinator::GroupError;

use crate::{coordinator::CoordinatorError, fetch::SessionError};

/// A code and what to tell the client about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaError {
    pub code: ErrorCode,
    pub message: String,
}

impl KafkaError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> KafkaError {
        KafkaError {
            code,
            message: message.into(),
        }
    }
}

impl From<&BatchError> for KafkaError {
    fn from(error: &BatchError) -> KafkaError {
        let code = match error.kind() {
            BatchErrorKind::InvalidRecord => ErrorCode::INVALID_RECORD,
            BatchErrorKind::InvalidTimestamp => ErrorCode::INVALID_TIMESTAMP,
            BatchErrorKind::CorruptMessage => ErrorCode::CORRUPT_MESSAGE,
            BatchErrorKind::MessageTooLarge => ErrorCode::MESSAGE_TOO_LARGE,
            BatchErrorKind::UnsupportedCompressionType => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        };
        // Kafka's texts where clients show them: one for each kind of refused records.
        let message = match (error, code) {
            (BatchError::Records(_), ErrorCode::INVALID_TIMESTAMP) => {
                "One or more records have been rejected due to invalid timestamp".to_owned()
            }
            (BatchError::Records(faults), _) => format!(
                "One or more records have been rejected due to {} record errors in total",
                faults.total
            ),
            _ => error.to_string(),
        };
        KafkaError { code, message }
    }
}

impl From<&AppendError> for KafkaError {
    fn from(error: &AppendError) -> KafkaError {
        let code = match error {
            AppendError::Sequence { error, .. } => match error {
                SequenceError::StaleEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
                SequenceError::OutOfOrder { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            },
            AppendError::Deleted => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            AppendError::NotOwner => ErrorCode::NOT_LEADER_OR_FOLLOWER,
            AppendError::OffsetsExhausted => ErrorCode::INVALID_RECORD,
        };
        KafkaError::new(code, error.to_string())
    }
}

impl From<&ReadError> for KafkaError {
    fn from(error: &ReadError) -> KafkaError {
        let code = match error {
            ReadError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
            // Retriable: clients refresh their metadata and ask again.
            ReadError::Store(_) | ReadError::Corrupt { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
        };
        KafkaError::new(code, error.to_string())
    }
}

impl From<&SessionError> for KafkaError {
    fn from(error: &SessionError) -> KafkaError {
        let code = match error {
            SessionError::NotFound => ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
            SessionError::InvalidEpoch => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
            SessionError::TopicIdMismatch => ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
        };
        KafkaError::new(code, error.to_string())
    }
}

/// What Kafka's coordinator answers; a group's errors have no messages of their own there.
pub fn of_group(error: GroupError) -> ErrorCode {
    match error {
        GroupError::NotCoordinator => ErrorCode::NOT_COORDINATOR,
        GroupError::InvalidGroupId => ErrorCode::INVALID_GROUP_ID,
        GroupError::InvalidSessionTimeout => ErrorCode::INVALID_SESSION_TIMEOUT,
        GroupError::GroupMaxSizeReached => ErrorCode::GROUP_MAX_SIZE_REACHED,
        GroupError::InconsistentGroupProtocol => ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        GroupError::UnknownMemberId => ErrorCode::UNKNOWN_MEMBER_ID,
        GroupError::MemberIdRequired => ErrorCode::MEMBER_ID_REQUIRED,
        GroupError::FencedInstanceId => ErrorCode::FENCED_INSTANCE_ID,
        GroupError::IllegalGeneration => ErrorCode::ILLEGAL_GENERATION,
        GroupError::RebalanceInProgress => ErrorCode::REBALANCE_IN_PROGRESS,
        GroupError::GroupIdNotFound => ErrorCode::GROUP_ID_NOT_FOUND,
        GroupError::NonEmptyGroup => ErrorCode::NON_EMPTY_GROUP,
        GroupError::GroupSubscribedToTopic => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
        GroupError::OffsetMetadataTooLarge => ErrorCode::OFFSET_METADATA_TOO_LARGE,
        GroupError::UnknownTopicOrPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        GroupError::UnknownTopicId => ErrorCode::UNKNOWN_TOPIC_ID,
        GroupError::InvalidRequest => ErrorCode::INVALID_REQUEST,
    }
}

/// 0 where there is none.
pub fn of_group_or_none(error: Option<GroupError>) -> ErrorCode {
    error.map_or(ErrorCode::NONE, of_group)
}

/// Kafka's mapping of what can happen around a coordinator (GroupCoordinatorService). OffsetFetch
/// has one of its own for the time-out.
pub fn of_coordinator(error: CoordinatorError) -> ErrorCode {
    match error {
        CoordinatorError::NotCoordinator => ErrorCode::NOT_COORDINATOR,
        CoordinatorError::LoadInProgress => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        CoordinatorError::NotAvailable | CoordinatorError::TimedOut => {
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        }
        CoordinatorError::TooLarge => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}

impl From<&CommandRejected> for KafkaError {
    fn from(rejected: &CommandRejected) -> KafkaError {
        use CommandRejected as R;
        let code = match rejected {
            R::TopicExists(_) => ErrorCode::TOPIC_ALREADY_EXISTS,
            R::NameCollision { .. } | R::InvalidTopicName(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
            R::UnknownTopic(_) => ErrorCode::UNKNOWN_TOPIC_ID,
            R::InvalidPartitionCount(_) | R::PartitionsNotIncreased { .. } => {
                ErrorCode::INVALID_PARTITIONS
            }
            R::InvalidPlacement(_) => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            R::InvalidConfig(_) => ErrorCode::INVALID_CONFIG,
            R::TooLarge { .. } => ErrorCode::POLICY_VIOLATION,
            R::InvalidFeatureLevel(_) => ErrorCode::FEATURE_UPDATE_FAILED,
            R::WrongTerm { .. } => ErrorCode::NOT_CONTROLLER,
            R::UnknownIncarnation(_) | R::NotActive(_) => ErrorCode::STALE_BROKER_EPOCH,
            // No client can cause these.
            R::InvalidTopicId(_)
            | R::AlreadySealed { .. }
            | R::SealedBelowCheckpoint { .. }
            | R::PgOwned { .. }
            | R::InvalidPg(_)
            | R::StaleCheckpoint { .. }
            | R::BadFloor(_)
            | R::OutputBelowFloor { .. }
            | R::ProducerIdsExhausted
            | R::Reserved => ErrorCode::UNKNOWN_SERVER_ERROR,
        };
        // Kafka's texts where clients show them.
        let message = match rejected {
            R::TopicExists(name) => format!("Topic '{name}' already exists."),
            R::NameCollision { name, existing } => {
                format!("Topic '{name}' collides with existing topic: {existing}")
            }
            R::UnknownTopic(_) => "This server does not host this topic ID.".to_owned(),
            other => other.to_string(),
        };
        KafkaError { code, message }
    }
}

impl From<&MetadataError> for KafkaError {
    fn from(error: &MetadataError) -> KafkaError {
        let code = match error.kind() {
            // Clients look for the controller and ask again. The change may have happened.
            MetadataErrorKind::NotController | MetadataErrorKind::Closed => {
                ErrorCode::NOT_CONTROLLER
            }
            MetadataErrorKind::TooLarge => ErrorCode::POLICY_VIOLATION,
            MetadataErrorKind::Store => ErrorCode::KAFKA_STORAGE_ERROR,
            MetadataErrorKind::Damage => ErrorCode::UNKNOWN_SERVER_ERROR,
        };
        KafkaError::new(code, error.to_string())
    }
}
