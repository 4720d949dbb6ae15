//! ApiVersions (key 18), v0–v4.
//!
//! Differs from Kafka: of the features only metadata.version is finalized; transaction, group, share
//! and streams.version follow with what they stand for. A version that is not served answers error 35
//! in version 0 (KIP-511).
//! v3 flexible, client software name · v4 supported features with minimum 0

use std::sync::LazyLock;

use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        ApiVersionsRequest, ApiVersionsResponse,
        api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey},
    },
    str::Str,
};

use super::{Api, RequestContext, list};

pub const API: Api =
    Api::new(ApiKey::ApiVersions, 0..=4).differs("only the feature metadata.version is finalized");

/// 4.3-IV0, the level of Kafka 4.3; clients and tools want the feature to be present.
const METADATA_VERSION: i16 = 30;
const METADATA_VERSION_MIN: i16 = 7;

static SERVED: LazyLock<Vec<ApiVersion>> = LazyLock::new(|| {
    let mut apis: Vec<Api> = list::all().into_iter().map(|entry| entry.api).collect();
    apis.sort_by_key(|api| api.key as i16);
    apis.iter().map(advertise).collect()
});

pub async fn handle(ctx: &RequestContext, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let named = |text: &Str| is_software_name(text);
    if ctx.version >= 3
        && !(named(&request.client_software_name) && named(&request.client_software_version))
    {
        return ApiVersionsResponse {
            error_code: ErrorCode::INVALID_REQUEST.0,
            ..Default::default()
        };
    }
    ApiVersionsResponse {
        api_keys: SERVED.clone(),
        supported_features: vec![SupportedFeatureKey {
            name: Str::from("metadata.version"),
            min_version: METADATA_VERSION_MIN,
            max_version: METADATA_VERSION,
            ..Default::default()
        }],
        finalized_features_epoch: ctx.finalized_features_epoch(),
        finalized_features: vec![FinalizedFeatureKey {
            name: Str::from("metadata.version"),
            max_version_level: METADATA_VERSION,
            min_version_level: METADATA_VERSION,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The answer to a version that is not served; encoded as version 0.
pub fn unsupported_version() -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION.0,
        api_keys: vec![advertise(&API)],
        ..Default::default()
    }
}

fn advertise(api: &Api) -> ApiVersion {
    ApiVersion {
        api_key: api.key as i16,
        min_version: api.advertised_min,
        max_version: *api.versions.end(),
        ..Default::default()
    }
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?` (KIP-511).
fn is_software_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'.';
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() && bytes.iter().all(inner)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_follow_the_kip() {
        for good in ["a", "apache-kafka-java", "4.3.1", "librdkafka"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", ".x", "ü"] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }
}
