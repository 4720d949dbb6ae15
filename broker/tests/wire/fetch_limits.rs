//! Fetch: limits (KIP-74), long polls, epochs, errors, what comes from the store.

use std::time::{Duration, Instant};

use weir_protocol::{
    messages::{DeleteTopicsRequest, FetchRequest, delete_topics_request::DeleteTopicState},
    str::Str,
};

use crate::{
    broker::Broker,
    client::versions,
    records::{Topic, batch, fetch, fetched, len, new_topic, offset_of, produce},
};

#[expect(
    clippy::disallowed_methods,
    reason = "how long the broker took is what is tested"
)]
fn now() -> Instant {
    Instant::now()
}

/// As `fetch`, and waits.
fn poll(topic: &Topic, partitions: &[(i32, i64)], wait_ms: i32, bytes_min: i32) -> FetchRequest {
    FetchRequest {
        max_wait_ms: wait_ms,
        min_bytes: bytes_min,
        ..fetch(topic, partitions)
    }
}

#[test]
fn every_version_returns_the_batches_that_were_produced() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    let mut stored = Vec::new();
    for offset in 0..3 {
        offset_of(&mut client, &topic, 0, batch(20));
        let mut bytes = batch(20);
        bytes[..8].copy_from_slice(&i64::to_be_bytes(offset));
        bytes[12..16].copy_from_slice(&[0; 4]);
        stored.extend(bytes);
    }
    for version in versions::<FetchRequest>() {
        for isolation_level in [0, 1] {
            let request = FetchRequest {
                isolation_level,
                ..fetch(&topic, &[(0, 0)])
            };
            let response = client.call(version, &request);
            let data = fetched(&response)[0];
            assert_eq!((response.error_code, data.error_code), (0, 0), "v{version}");
            let mut got = data.records.clone().unwrap().into_bytes().to_vec();
            // The epoch of the partition, whatever it is.
            for at in [12, batch(20).len() + 12, 2 * batch(20).len() + 12] {
                got[at..at + 4].fill(0);
            }
            assert_eq!(got, stored, "v{version}");
            assert_eq!((data.high_watermark, data.last_stable_offset), (3, 3));
            let aborted = data.aborted_transactions.as_deref();
            assert_eq!(
                aborted,
                (isolation_level == 1).then_some(&[][..]),
                "v{version}"
            );
        }
    }
}

#[test]
fn a_wrong_offset_or_partition_has_no_plausible_offset() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    offset_of(&mut client, &topic, 0, batch(1));
    let missing = Topic {
        name: Str::from("missing"),
        id: weir_protocol::types::Uuid([9; 16]),
    };
    for version in versions::<FetchRequest>() {
        let unknown = if version >= 13 { 100 } else { 3 };
        let cases = [
            (poll(&topic, &[(0, 2)], 60_000, 1), 1),
            (poll(&topic, &[(0, -1)], 60_000, 1), 1),
            (poll(&topic, &[(1, 0)], 60_000, 1), 3),
            (poll(&missing, &[(0, 0)], 60_000, 1), unknown),
        ];
        for (request, code) in cases {
            // Answered at once, though it may wait a minute.
            let response = client.call(version, &request);
            let data = fetched(&response)[0];
            assert_eq!(
                (response.error_code, data.error_code),
                (0, code),
                "v{version}"
            );
            let offsets = (data.high_watermark, data.last_stable_offset);
            assert_eq!((offsets, len(data)), ((-1, -1), 0), "v{version}");
        }
    }
}

#[test]
fn the_first_batch_may_exceed_every_limit_and_no_other() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 4);
    for partition in 1..4 {
        for _ in 0..2 {
            offset_of(&mut client, &topic, partition, batch(1000));
        }
    }
    let size = batch(1000).len();
    let lens = |client: &mut crate::client::Client, bytes_max, partition_bytes_max| {
        let mut request = FetchRequest {
            max_bytes: bytes_max,
            ..fetch(&topic, &[(0, 0), (1, 0), (2, 0), (3, 0)])
        };
        for partition in &mut request.topics[0].partitions {
            partition.partition_max_bytes = partition_bytes_max;
        }
        let response = client.call(12, &request);
        fetched(&response).into_iter().map(len).collect::<Vec<_>>()
    };
    let one = size as i32;
    let mut check = |total, each, expected: [usize; 4]| {
        let batches = lens(&mut client, total, each)
            .into_iter()
            .map(|len| len / size);
        assert_eq!(batches.collect::<Vec<_>>(), expected, "{total} {each}");
    };
    check(1 << 20, 1 << 20, [0, 2, 2, 2]);
    check(0, 0, [0, 1, 0, 0]);
    check(1, 1 << 20, [0, 1, 0, 0]);
    check(1 << 20, 1, [0, 1, 0, 0]);
    check(1 << 20, one, [0, 1, 1, 1]);
    check(3 * one, 1 << 20, [0, 2, 1, 0]);
    check(-1, -1, [0, 1, 0, 0]);
}

#[test]
fn a_long_poll_ends_with_enough_bytes_or_in_time() {
    let broker = Broker::start();
    let (mut client, mut producer) = (broker.client(), broker.client());
    let topic = new_topic(&mut client, "t", 2);
    let size = batch(100).len() as i32;

    let began = now();
    let response = client.call(12, &poll(&topic, &[(0, 0), (1, 0)], 300, 1));
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert!(fetched(&response).iter().all(|data| len(data) == 0));

    let id = client.send(12, &poll(&topic, &[(0, 0), (1, 0)], 60_000, 2 * size));
    offset_of(&mut producer, &topic, 1, batch(100));
    offset_of(&mut producer, &topic, 0, batch(100));
    let response = client.receive::<FetchRequest>(12, id);
    assert!(
        fetched(&response)
            .iter()
            .all(|data| len(data) == size as usize)
    );

    // What a limit cuts short does not grow by waiting.
    let mut cut = poll(&topic, &[(0, 0)], 60_000, 1 << 20);
    offset_of(&mut producer, &topic, 0, batch(100));
    cut.max_bytes = size + size / 2;
    let response = client.call(12, &cut);
    assert_eq!(len(fetched(&response)[0]), size as usize);
}

#[test]
fn a_deleted_topic_ends_a_long_poll() {
    let broker = Broker::start();
    for (version, code) in [(12, 3), (13, 100)] {
        let mut client = broker.client();
        let topic = new_topic(&mut client, "t", 1);
        let id = client.send(version, &poll(&topic, &[(0, 0)], 60_000, 1));
        std::thread::sleep(Duration::from_millis(100));
        let delete = DeleteTopicsRequest {
            topics: vec![DeleteTopicState {
                name: Some(topic.name.clone()),
                ..Default::default()
            }],
            timeout_ms: 30_000,
            ..Default::default()
        };
        assert_eq!(broker.client().call(6, &delete).responses[0].error_code, 0);
        let response = client.receive::<FetchRequest>(version, id);
        assert_eq!(fetched(&response)[0].error_code, code, "v{version}");
    }
}

#[test]
fn a_client_with_another_epoch_is_told_and_learns_who_leads() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    offset_of(&mut client, &topic, 0, batch(1));
    let epoch = client.topic("t").partitions[0].leader_epoch;
    let with_epochs = |current, last| {
        let mut request = fetch(&topic, &[(0, 0)]);
        let partition = &mut request.topics[0].partitions[0];
        partition.current_leader_epoch = current;
        partition.last_fetched_epoch = last;
        request
    };
    for version in 9..=18 {
        let newer = client.call(version, &with_epochs(epoch + 1, -1));
        assert_eq!(fetched(&newer)[0].error_code, 75, "v{version}");
        assert_eq!(newer.node_endpoints.len(), 0);
        let older = client.call(version, &with_epochs(epoch - 1, -1));
        let fenced = epoch > 0;
        assert_eq!(
            fetched(&older)[0].error_code,
            if fenced { 74 } else { 0 },
            "v{version}"
        );
        if fenced && version >= 12 {
            assert_eq!(fetched(&older)[0].current_leader.leader_epoch, epoch);
        }
        if fenced && version >= 16 {
            assert_eq!(older.node_endpoints[0].node_id, 1);
        }
        let same = client.call(version, &with_epochs(epoch, epoch));
        assert_eq!(fetched(&same)[0].error_code, 0, "v{version}");
        assert!(len(fetched(&same)[0]) > 0, "v{version}");
    }
    let beyond = client.call(12, &with_epochs(-1, epoch + 1));
    assert_eq!(fetched(&beyond)[0].error_code, 1);
}

#[test]
fn what_is_no_longer_in_memory_comes_from_the_store() {
    let mut broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 40);
    for round in 0..3 {
        let batches = (0..40).map(|p| (p, batch(100 + round))).collect();
        let response = client.call(9, &produce(&topic, batches));
        let answers = &response.responses[0].partition_responses;
        assert!(answers.iter().all(|p| p.error_code == 0));
    }
    broker.crash_and_restart();
    let mut client = broker.client();
    let wanted: Vec<_> = (0..40).map(|p| (p, 0)).collect();
    let all: usize = (0..3).map(|round| batch(100 + round).len()).sum();
    let response = client.call(12, &fetch(&topic, &wanted));
    assert!(fetched(&response).iter().all(|data| len(data) == all));
    let mut limited = fetch(&topic, &wanted);
    limited.max_bytes = 5000;
    let response = client.call(12, &limited);
    let sum: usize = fetched(&response).into_iter().map(len).sum();
    assert!((1..=5000).contains(&sum), "{sum}");
    // Offsets in the middle of what was written come with the batch that holds them.
    let response = client.call(12, &fetch(&topic, &[(7, 2)]));
    assert_eq!(len(fetched(&response)[0]), batch(102).len());
}
