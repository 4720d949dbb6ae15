//! What every message can do.

use crate::api_key::ApiKey;
use crate::wire::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, Reader, Writer};
use bytes::Bytes;
use std::fmt::Debug;
use std::ops::RangeInclusive;

/// A struct on the wire. Generated; callers use `Message`, which checks the version.
pub trait Wire: Sized {
    /// Bytes of its smallest value in any version.
    const MIN_SIZE: usize;

    fn read(r: &mut Reader, version: i16) -> Result<Self, DecodeError>;

    fn write(&self, w: &mut Writer, version: i16);

    /// Whether a response carries an error code other than 0, at any depth. Always false for what
    /// has no error codes.
    fn has_error(&self) -> bool {
        false
    }
}

/// A message of the protocol, in all its versions.
///
/// A field that a version does not have is left out when that version is encoded, whatever its
/// value, and has Kafka's default when it is decoded. (Kafka's own classes refuse to encode some
/// such values. Here the handlers know the version of their answer.)
pub trait Message: Wire + Default + Clone + Debug + PartialEq {
    /// Kafka's name of the message, such as `FetchRequest`.
    const NAME: &'static str;
    /// The versions of Kafka 4.3.1.
    const VERSIONS: RangeInclusive<i16>;
    /// From this version on: compact lengths and tagged fields (KIP-482).
    const FLEXIBLE_SINCE: Option<i16>;

    /// Reads the message at the reader's position. Bytes may follow it; see `Reader::finish`.
    fn decode(r: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        r.begin(Self::NAME, version);
        if !Self::VERSIONS.contains(&version) {
            let (first, last) = (*Self::VERSIONS.start(), *Self::VERSIONS.end());
            return Err(r.error(
                "version",
                DecodeErrorKind::UnsupportedVersion { first, last },
            ));
        }
        Self::read(r, version)
    }

    /// Appends the message. What cannot be expressed in this version is an error of the writer's
    /// `finish`.
    fn encode(&self, w: &mut Writer, version: i16) {
        w.begin(Self::NAME, version);
        if Self::VERSIONS.contains(&version) {
            self.write(w, version);
        } else {
            let (first, last) = (*Self::VERSIONS.start(), *Self::VERSIONS.end());
            w.fail(
                "version",
                EncodeErrorKind::UnsupportedVersion { first, last },
            );
        }
    }

    /// Reads a message that is all of `bytes`.
    fn from_bytes(bytes: Bytes, version: i16) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let message = Self::decode(&mut reader, version)?;
        reader.finish()?;
        Ok(message)
    }

    /// The message alone, in one piece.
    fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut writer = Writer::new();
        self.encode(&mut writer, version);
        writer.finish_contiguous()
    }

    /// The message behind an int16, as keys (record type) and values (version) of coordinator
    /// records and the consumer protocol (version) are stored.
    fn to_prefixed_bytes(&self, prefix: i16, version: i16) -> Result<Bytes, EncodeError> {
        let mut writer = Writer::new();
        writer.i16(prefix);
        self.encode(&mut writer, version);
        writer.finish_contiguous()
    }
}

/// A request, with its API and its answer.
pub trait Request: Message {
    const KEY: ApiKey;
    type Response: Message;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{
        FetchResponse, HeartbeatResponse, LeaveGroupResponse, MetadataRequest, ShareFetchResponse,
        fetch_response::{FetchableTopicResponse, PartitionData},
        leave_group_response::MemberResponse,
        share_fetch_response::{PartitionData as SharePartition, ShareFetchableTopicResponse},
    };

    fn fetched(codes: [i16; 2]) -> FetchResponse {
        let topic = |error_code| FetchableTopicResponse {
            partitions: vec![
                PartitionData::default(),
                PartitionData {
                    error_code,
                    ..Default::default()
                },
            ],
            ..Default::default()
        };
        FetchResponse {
            responses: codes.map(topic).into(),
            ..Default::default()
        }
    }

    #[test]
    fn error_codes_are_found_at_any_depth_and_under_other_names() {
        assert!(!HeartbeatResponse::default().has_error());
        let heartbeat = HeartbeatResponse {
            error_code: 25,
            ..Default::default()
        };
        assert!(heartbeat.has_error());
        assert!(!fetched([0, 0]).has_error());
        assert!(fetched([0, 1]).has_error());
        assert!(fetched([-1, 0]).has_error());
        let left = LeaveGroupResponse {
            members: vec![MemberResponse {
                error_code: 25,
                ..Default::default()
            }],
            ..Default::default()
        };
        assert!(left.has_error());
        let acknowledged = ShareFetchResponse {
            responses: vec![ShareFetchableTopicResponse {
                partitions: vec![SharePartition {
                    acknowledge_error_code: 121,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        assert!(acknowledged.has_error());
        assert!(!MetadataRequest::default().has_error());
    }
}
