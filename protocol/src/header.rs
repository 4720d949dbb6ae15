//! Request and response headers.
//!
//! Which header version a message has follows from whether it is flexible; the extraction of the
//! schemas checks that rule for every API and version. The one exception: the answer to ApiVersions
//! always has header v0, because the client cannot know yet what the broker speaks (KIP-511).

use crate::api_key::ApiKey;
use crate::message::Message;
use crate::messages;
use crate::str::Str;
use crate::wire::{DecodeError, Reader, Writer};
use thiserror::Error;

/// What precedes the body of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHeader {
    pub api_key: i16,
    pub api_version: i16,
    /// Echoed in the response.
    pub correlation_id: i32,
    pub client_id: Option<Str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// The rest of the header cannot be read, because its version is not known.
    #[error("api key {api_key} is not known")]
    UnknownApiKey { api_key: i16 },
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl RequestHeader {
    /// Reads the header at the start of a frame (after its size); the body follows. The version of
    /// the request may be one that has no schema: the caller decides, and answers an ApiVersions
    /// request all the same (error 35 in a v0 body).
    pub fn decode(r: &mut Reader) -> Result<RequestHeader, HeaderError> {
        let (api_key, api_version) = r.peek_api()?;
        let key = ApiKey::from_i16(api_key).ok_or(HeaderError::UnknownApiKey { api_key })?;
        let version = request_header_version(key, api_version);
        let header = messages::RequestHeader::decode(r, version)?;
        Ok(RequestHeader {
            api_key,
            api_version,
            correlation_id: header.correlation_id,
            client_id: header.client_id,
        })
    }

    /// Writes the header in the version that the request has.
    pub fn encode(&self, w: &mut Writer) {
        let key = ApiKey::from_i16(self.api_key);
        let version = key.map_or(1, |key| request_header_version(key, self.api_version));
        let header = messages::RequestHeader {
            request_api_key: self.api_key,
            request_api_version: self.api_version,
            correlation_id: self.correlation_id,
            client_id: self.client_id.clone(),
            ..Default::default()
        };
        header.encode(w, version);
    }
}

/// 1, or 2 for flexible versions.
pub fn request_header_version(key: ApiKey, version: i16) -> i16 {
    if key.is_flexible(version) { 2 } else { 1 }
}

/// 0, or 1 for flexible versions of all APIs but ApiVersions.
pub fn response_header_version(key: ApiKey, version: i16) -> i16 {
    i16::from(key.is_flexible(version) && key != ApiKey::ApiVersions)
}

/// Writes the header of the response to a request of this API and version.
pub fn encode_response_header(w: &mut Writer, key: ApiKey, version: i16, correlation_id: i32) {
    let header = messages::ResponseHeader {
        correlation_id,
        ..Default::default()
    };
    header.encode(w, response_header_version(key, version));
}

/// Reads the correlation id; the body of the response follows.
pub fn decode_response_header(
    r: &mut Reader,
    key: ApiKey,
    version: i16,
) -> Result<i32, DecodeError> {
    let header = messages::ResponseHeader::decode(r, response_header_version(key, version))?;
    Ok(header.correlation_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn frame(header: &RequestHeader) -> Bytes {
        let mut w = Writer::new();
        header.encode(&mut w);
        w.finish_contiguous().unwrap()
    }

    #[test]
    fn client_id_stays_in_its_old_form_in_the_flexible_header() {
        let header = RequestHeader {
            api_key: ApiKey::Fetch.as_i16(),
            api_version: 12,
            correlation_id: 7,
            client_id: Some("me".into()),
        };
        let bytes = frame(&header);
        assert_eq!(
            bytes[..],
            [0, 1, 0, 12, 0, 0, 0, 7, 0, 2, b'm', b'e', 0][..]
        );
        let mut r = Reader::new(bytes);
        assert_eq!(RequestHeader::decode(&mut r).unwrap(), header);
        r.finish().unwrap();
        let old = frame(&RequestHeader {
            api_version: 11,
            ..header
        });
        assert_eq!(old.len(), 12);
    }

    #[test]
    fn answer_to_api_versions_never_has_a_flexible_header() {
        for version in 0..=4 {
            assert_eq!(response_header_version(ApiKey::ApiVersions, version), 0);
        }
        assert_eq!(response_header_version(ApiKey::Metadata, 8), 0);
        assert_eq!(response_header_version(ApiKey::Metadata, 9), 1);
    }

    #[test]
    fn header_of_an_unknown_version_can_be_read_and_of_an_unknown_api_cannot() {
        let mut header = RequestHeader {
            api_key: ApiKey::ApiVersions.as_i16(),
            api_version: 99,
            correlation_id: 1,
            client_id: None,
        };
        let decoded = RequestHeader::decode(&mut Reader::new(frame(&header)));
        assert_eq!(decoded.unwrap().api_version, 99);
        header.api_key = 4;
        assert_eq!(
            RequestHeader::decode(&mut Reader::new(frame(&header))),
            Err(HeaderError::UnknownApiKey { api_key: 4 })
        );
    }
}
