//! The one file that turns facts of the domains into Kafka's error codes.

use weir_coordinator::GroupError;
use weir_protocol::{error_code::ErrorCode, records::BatchError};
use weir_tiering::{
    log::{AppendError, ReadError, SequenceError},
    metadata::CommandRejected,
};

use crate::fetch::SessionError;

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
