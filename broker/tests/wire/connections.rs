//! Connections that do harm: slow, silent, gone, greedy.

use std::time::Duration;

use weir_protocol::messages::{ApiVersionsRequest, FetchRequest};

use crate::{
    broker::Broker,
    client::Client,
    records::{batch, fetch, new_topic, offset_of},
};

fn still_serves(broker: &Broker) {
    let mut client = broker.client();
    assert_eq!(client.call(0, &ApiVersionsRequest::default()).error_code, 0);
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let broker = Broker::with(&["connections.max.idle.ms=500"]);
    let mut idle = broker.client();
    let mut busy = broker.client();
    let topic = new_topic(&mut busy, "t", 1);
    let poll = FetchRequest {
        max_wait_ms: 1500,
        ..fetch(&topic, &[(0, 0)])
    };
    assert_eq!(
        busy.call(12, &poll).error_code,
        0,
        "a request that waits is no idleness"
    );
    idle.expect_closed();
}

#[test]
fn a_frame_that_does_not_arrive_whole_is_given_up() {
    let broker = Broker::with(&["weir.connection.frame.timeout.ms=300"]);
    for bytes in [
        &[0u8][..],
        &[0, 0, 0, 50, 0, 3, 0],
        &[0, 0, 0, 50, 0, 3, 0, 1, 5],
    ] {
        let mut client = broker.client();
        client.send_bytes(bytes);
        client.expect_closed();
    }
    still_serves(&broker);
}

#[test]
fn connections_above_the_limits_are_closed_at_once_and_places_return() {
    let broker = Broker::with(&["max.connections.per.ip=2"]);
    let mut first = broker.client();
    let mut second = broker.client();
    for client in [&mut first, &mut second] {
        assert_eq!(client.call(0, &ApiVersionsRequest::default()).error_code, 0);
    }
    broker.client().expect_closed();
    drop(first);
    std::thread::sleep(Duration::from_millis(500));
    still_serves(&broker);
}

#[test]
fn a_client_that_leaves_during_a_long_poll_is_noticed() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    let poll = FetchRequest {
        max_wait_ms: 600_000,
        ..fetch(&topic, &[(0, 0)])
    };
    client.send(12, &poll);
    // A request that is not read yet must not hide it.
    client.send(12, &poll);
    client.end();
    client.expect_closed();
}

#[test]
fn who_only_closes_the_sending_side_still_gets_the_answers() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    let request = crate::records::produce(&topic, vec![(0, batch(10))]);
    let ids = [client.send(9, &request), client.send(9, &request)];
    client.end();
    for id in ids {
        let response = client.receive::<weir_protocol::messages::ProduceRequest>(9, id);
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
    client.expect_closed();
}

#[test]
fn a_reader_that_does_not_read_is_closed_and_holds_nobody_up() {
    let broker = Broker::with(&[
        "weir.connection.write.timeout.ms=1000",
        "weir.memory.bytes=67108864",
    ]);
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    for _ in 0..10 {
        offset_of(&mut client, &topic, 0, batch(900_000));
    }
    let wanted: Vec<_> = (0..10).map(|_| (0, 0)).collect();
    let mut slow: Vec<Client> = (0..20).map(|_| broker.client()).collect();
    for client in &mut slow {
        for _ in 0..20 {
            client.send(12, &fetch(&topic, &wanted));
        }
    }
    let id = client.send(12, &fetch(&topic, &[(0, 0)]));
    assert_eq!(client.receive::<FetchRequest>(12, id).error_code, 0);
    let resident = broker.resident_max_mib();
    assert!(resident < 200, "{resident} MiB");
}

/// A frame of `key` and `version` with `body` behind a header without client id.
fn raw(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = ((body.len() + 10) as i32).to_be_bytes().to_vec();
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0xff, 0xff]);
    frame.extend(body);
    frame
}

#[test]
fn large_frames_of_tiny_things_cost_no_memory() {
    let broker = Broker::with(&["weir.memory.bytes=67108864"]);
    let count = 7_000_000i32;
    // Metadata of topics without names: 2 bytes each.
    let mut metadata = count.to_be_bytes().to_vec();
    metadata.resize(4 + count as usize * 2, 0);
    // Produce of partitions with null records: 8 bytes each.
    let partitions = 1_900_000i32;
    let mut produce = vec![
        0xff, 0xff, 0xff, 0xff, 0, 0, 0x75, 0x30, 0, 0, 0, 1, 0, 1, b't',
    ];
    produce.extend(partitions.to_be_bytes());
    for _ in 0..partitions {
        produce.extend([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    }
    // Fetch v4 of partitions: 16 bytes each.
    let mut fetch = vec![
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0, 0, 0, 0,
    ];
    fetch.extend([0, 0, 0, 1, 0, 1, b't']);
    fetch.extend(900_000i32.to_be_bytes());
    fetch.resize(fetch.len() + 900_000 * 16, 0);
    for (what, frame) in [
        ("Metadata", raw(3, 1, &metadata)),
        ("Produce", raw(0, 3, &produce)),
    ] {
        let mut client = broker.client();
        client.send_bytes(&frame);
        eprintln!("{what}");
        client.expect_closed();
    }
    let mut client = broker.client();
    client.send_bytes(&raw(1, 4, &fetch));
    // Answered or closed, within its memory.
    client.end();
    client.expect_end();
    let resident = broker.resident_max_mib();
    assert!(resident < 200, "{resident} MiB");
    still_serves(&broker);
}

#[test]
fn a_frame_above_a_quarter_of_the_memory_is_refused_at_once() {
    let broker = Broker::with(&["weir.memory.bytes=67108864"]);
    let mut client = broker.client();
    let mut prefix = ((16 << 20) + 1i32).to_be_bytes().to_vec();
    prefix.extend([0, 0, 0, 9]);
    client.send_bytes(&prefix);
    client.expect_closed();
}
