//! Frames, headers and versions that are wrong: the connection closes without an answer, as in Kafka
//! (EdgeCaseRequestTest), and the broker goes on serving others.

use weir_protocol::{
    api_key::ApiKey,
    frame,
    message::Message,
    messages::{ApiVersionsRequest, MetadataRequest},
    str::Str,
};

use crate::{broker::Broker, client::Client};

/// A request frame from its parts; the body is not checked.
fn raw(key: i16, version: i16, client_id: Option<&[u8]>, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend(7i32.to_be_bytes());
    match client_id {
        None => bytes.extend((-1i16).to_be_bytes()),
        Some(id) => {
            bytes.extend((id.len() as i16).to_be_bytes());
            bytes.extend(id);
        }
    }
    bytes.extend(body);
    sized(&bytes)
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut frame = (bytes.len() as i32).to_be_bytes().to_vec();
    frame.extend(bytes);
    frame
}

fn expect_closed_after(broker: &Broker, bytes: &[u8], what: &str) {
    let mut client = broker.client();
    client.send_bytes(bytes);
    eprintln!("{what}");
    client.expect_closed();
    still_serves(broker);
}

fn still_serves(broker: &Broker) {
    assert_eq!(
        broker
            .client()
            .call(0, &ApiVersionsRequest::default())
            .error_code,
        0
    );
}

#[test]
fn a_size_that_is_no_frame_closes_the_connection() {
    let broker = Broker::with(&["socket.request.max.bytes=10000"]);
    for size in [i32::MIN, -1, 0, 7, 10_001, i32::MAX] {
        // A whole prefix, so that size, key and version can be judged.
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend([0, 3, 0, 1]);
        expect_closed_after(&broker, &bytes, &format!("size {size}"));
    }
    // Exactly the limit is served.
    let id = vec![b'x'; 10_000 - 14];
    let mut client = broker.client();
    client.send_bytes(&raw(3, 1, Some(&id), &[0, 0, 0, 0]));
    assert!(client.receive_frame().len() > 4);
}

#[test]
fn api_keys_that_do_not_exist_or_are_not_served_close_the_connection() {
    let broker = Broker::start();
    let removed = [4, 5, 6, 7];
    let controllers_only = [52, 53, 54, 56, 58, 59, 62, 63, 67];
    for key in [-1, 93, 94, 1000, i16::MAX]
        .into_iter()
        .chain(removed)
        .chain(controllers_only)
    {
        expect_closed_after(
            &broker,
            &raw(key, 0, Some(b"c"), &[]),
            &format!("key {key}"),
        );
    }
}

#[test]
fn versions_that_are_not_served_close_the_connection() {
    let broker = Broker::start();
    let served = broker
        .client()
        .call(0, &ApiVersionsRequest::default())
        .api_keys;
    for api in served {
        if api.api_key == ApiKey::ApiVersions as i16 {
            continue;
        }
        for version in [api.min_version - 1, api.max_version + 1] {
            let bytes = raw(api.api_key, version, Some(b"c"), &[0; 16]);
            expect_closed_after(&broker, &bytes, &format!("key {} v{version}", api.api_key));
        }
    }
    // Advertised, and refused all the same (KAFKA-18659).
    for version in 0..3 {
        let bytes = raw(0, version, Some(b"c"), &[0; 16]);
        expect_closed_after(&broker, &bytes, &format!("Produce v{version}"));
    }
}

#[test]
fn a_body_that_is_too_short_closes_the_connection_and_a_longer_one_is_served() {
    let broker = Broker::start();
    let request = |version| {
        let chunks = frame::request(version, 7, None, &MetadataRequest::default()).unwrap();
        chunks.concat()
    };
    for version in MetadataRequest::VERSIONS {
        let whole = request(version);
        let mut client = broker.client();
        client.send_bytes(&whole);
        assert!(client.receive_frame().len() > 4, "v{version}");
        // As in Kafka: librdkafka sends such requests.
        client.send_bytes(&sized(&[&whole[4..], &[0]].concat()));
        assert!(client.receive_frame().len() > 4, "v{version}, a byte more");
        let shorter = sized(&whole[4..whole.len() - 1]);
        expect_closed_after(&broker, &shorter, &format!("v{version}, a byte less"));
    }
}

#[test]
fn a_client_id_may_be_null_empty_or_long_but_must_be_text() {
    let broker = Broker::start();
    let long = "i".repeat(i16::MAX as usize);
    for client_id in [None, Some(""), Some("ü"), Some(&*long)] {
        for version in [1, 9] {
            let mut client = broker.client();
            client.client_id = client_id.map(Str::from_str_copy);
            let response = client.call(version, &MetadataRequest::default());
            assert_eq!(response.controller_id, 1);
        }
    }
    let not_text = raw(3, 1, Some(&[0xff, 0xfe]), &[0, 0, 0, 0]);
    expect_closed_after(&broker, &not_text, "client id is no UTF-8");
    let beyond = sized(&[0, 3, 0, 1, 0, 0, 0, 7, 0x7f, 0xff, b'x']);
    expect_closed_after(&broker, &beyond, "client id longer than the frame");
}

#[test]
fn a_declared_length_without_bytes_costs_nothing() {
    let broker = Broker::start();
    // An array of two thousand million topics in 4 bytes.
    let lie = raw(3, 1, None, &[0x7f, 0xff, 0xff, 0xff]);
    expect_closed_after(&broker, &lie, "array length");
    // A whole frame is announced; half of it comes and the client goes.
    let mut client = broker.client();
    client.send_bytes(&100_000_000i32.to_be_bytes());
    client.send_bytes(&[0, 3, 0, 1, 0, 0]);
    client.end();
    client.expect_closed();
    still_serves(&broker);
}

#[test]
fn requests_behind_each_other_are_answered_in_order() {
    let broker = Broker::start();
    let mut client = broker.client();
    let first = client.send(12, &MetadataRequest::default());
    let second = client.send(3, &api_versions());
    let third = client.send(1, &MetadataRequest::default());
    client.receive::<MetadataRequest>(12, first);
    client.receive::<ApiVersionsRequest>(3, second);
    client.receive::<MetadataRequest>(1, third);
    client.end();
    client.expect_closed();
}

fn api_versions() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: Str::from("wire"),
        client_software_version: Str::from("1"),
        ..Default::default()
    }
}

#[test]
fn unknown_tagged_fields_are_skipped() {
    let broker = Broker::start();
    let mut client: Client = broker.client();
    // Header v2: a tag in the header and one behind the body.
    let mut body = vec![1, 5, 2, b'h', b'i'];
    body.extend([5, b'w', b'i', b'r', b'e', 2, b'1', 1, 9, 1, 0]);
    client.send_bytes(&raw(18, 3, Some(b"c"), &body));
    let frame = client.receive_frame();
    assert_eq!(frame[..6], [0, 0, 0, 7, 0, 0], "correlation id, no error");
}
