//! ApiVersions, DescribeCluster and InitProducerId, all versions.

use std::collections::BTreeSet;

use weir_protocol::{
    api_key::ApiKey,
    header::RequestHeader,
    message::Message,
    messages::{
        ApiVersionsRequest, ApiVersionsResponse, DescribeClusterRequest, InitProducerIdRequest,
    },
    str::Str,
    wire::{Reader, Writer},
};

use crate::{broker::Broker, client::versions, topics::text};

fn api_versions(name: &str, version: &str) -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: Str::from_str_copy(name),
        client_software_version: Str::from_str_copy(version),
        ..Default::default()
    }
}

#[test]
fn every_version_tells_the_same_apis() {
    let broker = Broker::start();
    let mut client = broker.client();
    let served: Vec<(i16, i16, i16)> = {
        let mut all: Vec<_> = weir::api::all()
            .into_iter()
            .map(|entry| entry.api)
            .collect();
        all.sort_by_key(|api| api.key as i16);
        all.iter()
            .map(|api| (api.key as i16, api.advertised_min, *api.versions.end()))
            .collect()
    };
    for version in versions::<ApiVersionsRequest>() {
        let response = client.call(version, &api_versions("wire-test", "1.0"));
        assert_eq!(response.error_code, 0);
        let told: Vec<_> = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, api.min_version, api.max_version))
            .collect();
        assert_eq!(told, served, "v{version}");
        if version >= 3 {
            let supported: Vec<_> = response
                .supported_features
                .iter()
                .map(|f| (&*f.name, f.min_version, f.max_version))
                .collect();
            assert_eq!(supported, [("metadata.version", 7, 30)]);
            let finalized: Vec<_> = response
                .finalized_features
                .iter()
                .map(|f| (&*f.name, f.min_version_level, f.max_version_level))
                .collect();
            assert_eq!(finalized, [("metadata.version", 30, 30)]);
            assert!(response.finalized_features_epoch >= 0);
            assert!(!response.zk_migration_ready);
        }
    }
}

#[test]
fn nothing_is_advertised_that_kafka_does_not_have() {
    let broker = Broker::start();
    let response = broker.client().call(0, &ApiVersionsRequest::default());
    for api in response.api_keys {
        let key = ApiKey::from_i16(api.api_key).unwrap();
        let served = key.stable_versions();
        // Produce tells 0 though 0 to 2 are gone (KAFKA-18659).
        let min = if key == ApiKey::Produce {
            0
        } else {
            *served.start()
        };
        assert_eq!(api.min_version, min, "{}", key.name());
        assert!(api.max_version <= *served.end(), "{}", key.name());
    }
}

#[test]
fn bad_software_names_are_invalid_from_version_3_on() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in versions::<ApiVersionsRequest>() {
        for (name, number) in [("", "1"), ("a b", "1"), ("-a", "1"), ("a", ""), ("a", "1-")] {
            let response = client.call(version, &api_versions(name, number));
            let expected = if version >= 3 { 42 } else { 0 };
            assert_eq!(
                response.error_code, expected,
                "v{version} '{name}' '{number}'"
            );
            assert_eq!(response.api_keys.is_empty(), version >= 3);
        }
    }
}

#[test]
fn a_version_that_is_too_high_is_answered_in_version_0() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in [5, 99, i16::MAX, -1] {
        let mut writer = Writer::new();
        let header = RequestHeader {
            api_key: ApiKey::ApiVersions as i16,
            api_version: version,
            correlation_id: 77,
            client_id: Some(Str::from("c")),
        };
        header.encode(&mut writer);
        let mut request = writer.finish_contiguous().unwrap().to_vec();
        // A body that nobody can read yet.
        request.extend([1, 2, 3]);
        client.send_bytes(&(request.len() as i32).to_be_bytes());
        client.send_bytes(&request);
        let mut reader = Reader::new(client.receive_frame());
        // Header v0: a client that does not know the broker must be able to read it.
        assert_eq!(reader.i32("correlation id").unwrap(), 77);
        let response = ApiVersionsResponse::decode(&mut reader, 0).unwrap();
        reader.finish().unwrap();
        assert_eq!(response.error_code, 35, "v{version}");
        let told: Vec<_> = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, api.min_version, api.max_version))
            .collect();
        assert_eq!(told, [(18, 0, 4)]);
    }
    // The connection goes on.
    assert_eq!(client.call(4, &api_versions("a", "1")).error_code, 0);
}

#[test]
fn the_cluster_is_described() {
    let broker = Broker::with(&["broker.rack=shelf"]);
    let mut client = broker.client();
    for version in versions::<DescribeClusterRequest>() {
        for wanted in [true, false] {
            let request = DescribeClusterRequest {
                include_cluster_authorized_operations: wanted,
                include_fenced_brokers: true,
                ..Default::default()
            };
            let response = client.call(version, &request);
            assert_eq!(
                (response.error_code, response.controller_id),
                (0, 1),
                "v{version}"
            );
            assert_eq!(
                (text(&response.error_message), response.endpoint_type),
                (None, 1)
            );
            assert_eq!(response.cluster_id.len(), 22);
            let [node] = &response.brokers[..] else {
                panic!("one broker: {response:?}");
            };
            assert_eq!(format!("{}:{}", node.host, node.port), broker.address);
            assert_eq!(
                (node.broker_id, text(&node.rack), node.is_fenced),
                (1, Some("shelf"), false)
            );
            let operations = if wanted { 0b1_1111_1010_0000 } else { i32::MIN };
            assert_eq!(response.cluster_authorized_operations, operations);
        }
    }
}

#[test]
fn there_are_no_controller_endpoints() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in 1..=2 {
        for (endpoint_type, code, message) in [
            (
                2,
                114,
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
            ),
            (0, 115, "Unsupported endpoint type 0"),
            (9, 115, "Unsupported endpoint type 9"),
        ] {
            let request = DescribeClusterRequest {
                endpoint_type,
                ..Default::default()
            };
            let response = client.call(version, &request);
            let got = (response.error_code, text(&response.error_message));
            assert_eq!(got, (code, Some(message)), "v{version}");
            assert!(response.brokers.is_empty());
        }
    }
}

#[test]
fn producer_ids_are_never_given_twice_even_after_a_crash() {
    let mut broker = Broker::start();
    let mut seen = BTreeSet::new();
    let idempotent = InitProducerIdRequest {
        transactional_id: None,
        ..Default::default()
    };
    for _ in 0..3 {
        let mut client = broker.client();
        for version in versions::<InitProducerIdRequest>().filter(|version| *version <= 5) {
            for _ in 0..10 {
                let response = client.call(version, &idempotent);
                assert_eq!(
                    (response.error_code, response.producer_epoch),
                    (0, 0),
                    "v{version}"
                );
                assert!(response.producer_id >= 0);
                assert!(
                    seen.insert(response.producer_id),
                    "v{version}: given before"
                );
            }
        }
        broker.crash_and_restart();
    }
}

#[test]
fn producer_ids_that_need_transactions_are_refused() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in versions::<InitProducerIdRequest>().filter(|version| *version <= 5) {
        let with_id = |id: Option<&'static str>| InitProducerIdRequest {
            transactional_id: id.map(Str::from),
            ..Default::default()
        };
        for (request, code) in [(with_id(Some("t")), 53), (with_id(Some("")), 42)] {
            let response = client.call(version, &request);
            let got = (
                response.error_code,
                response.producer_id,
                response.producer_epoch,
            );
            assert_eq!(got, (code, -1, -1), "v{version}");
        }
        if version < 3 {
            continue;
        }
        for (id, epoch, code) in [(7, -1, 42), (-1, 7, 42), (7, 7, 0)] {
            let request = InitProducerIdRequest {
                producer_id: id,
                producer_epoch: epoch,
                ..with_id(None)
            };
            assert_eq!(
                client.call(version, &request).error_code,
                code,
                "v{version}"
            );
        }
    }
}
