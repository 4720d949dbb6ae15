//! Fetch, all versions, without sessions.

use std::time::Duration;

use weir_protocol::messages::{
    DeleteTopicsRequest, FetchRequest, delete_topics_request::DeleteTopicState,
    fetch_request::FetchPartition,
};

use crate::{
    broker::Broker,
    client::versions,
    data::{
        Topic, append, batch, fetch_request, fetched, from_offset, only_partition, pairs, values,
    },
};

#[test]
fn records_come_from_the_batch_that_holds_the_offset() {
    let mut broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    append(&mut client, &topic, batch(&["a", "b", "c"]));
    append(&mut client, &topic, batch(&["d"]));
    for round in ["from memory", "from the store"] {
        for version in versions::<FetchRequest>() {
            let all = [(0, "a"), (1, "b"), (2, "c"), (3, "d")];
            for (offset, first) in [(0, 0), (1, 0), (2, 0), (3, 3), (4, 4)] {
                let data = fetched(&mut client, version, &topic, from_offset(0, offset));
                assert_eq!(
                    values(&data),
                    pairs(&all[first..]),
                    "v{version} {round} {offset}"
                );
                assert_eq!((data.error_code, data.high_watermark), (0, 4));
                assert_eq!(data.last_stable_offset, 4);
                if version >= 5 {
                    assert_eq!(data.log_start_offset, 0);
                }
                if version >= 11 {
                    assert_eq!(data.preferred_read_replica, -1);
                }
                if version >= 12 {
                    assert_eq!(data.diverging_epoch.end_offset, -1);
                }
            }
        }
        if round == "from memory" {
            broker.crash_and_restart();
            client = broker.client();
        }
    }
}

#[test]
fn isolation_decides_whether_there_is_a_list_of_aborted_transactions() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    append(&mut client, &topic, batch(&["a"]));
    for version in versions::<FetchRequest>() {
        for (isolation_level, aborted) in [(0, None), (1, Some(Vec::new()))] {
            let request = FetchRequest {
                isolation_level,
                ..fetch_request(vec![topic.fetch(&[from_offset(0, 0)])])
            };
            let data = only_partition(client.call(version, &request));
            assert_eq!(data.aborted_transactions, aborted, "v{version}");
            assert_eq!(values(&data), pairs(&[(0, "a")]));
        }
    }
}

#[test]
fn an_offset_out_of_range_has_no_plausible_answer() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    append(&mut client, &topic, batch(&["a"]));
    for version in versions::<FetchRequest>() {
        for offset in [-1, 2, i64::MAX] {
            let data = fetched(&mut client, version, &topic, from_offset(0, offset));
            assert_eq!(
                (data.error_code, data.high_watermark),
                (1, -1),
                "v{version} {offset}"
            );
            assert_eq!(data.last_stable_offset, -1);
            assert!(values(&data).is_empty());
        }
    }
}

#[test]
fn unknown_topics_and_partitions_have_the_code_of_the_way_they_are_named() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    for version in versions::<FetchRequest>() {
        let code = if version >= 13 { 100 } else { 3 };
        let data = fetched(&mut client, version, &Topic::unknown(), from_offset(0, 0));
        assert_eq!(
            (data.error_code, data.high_watermark),
            (code, -1),
            "v{version}"
        );
        for partition in [2, -1, i32::MAX] {
            let data = fetched(&mut client, version, &topic, from_offset(partition, 0));
            assert_eq!(
                (data.error_code, data.partition_index),
                (3, partition),
                "v{version}"
            );
        }
    }
}

#[test]
fn leader_epochs_of_other_times_are_told_apart() {
    let mut broker = Broker::start();
    Topic::create(&mut broker.client(), "first", &[]);
    // A takeover: the epoch is above 0 now.
    broker.crash_and_restart();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    append(&mut client, &topic, batch(&["a"]));
    let epoch = client.topic("t").partitions[0].leader_epoch;
    assert!(epoch > 0);
    for version in versions::<FetchRequest>().filter(|version| *version >= 9) {
        for (claimed, code) in [(-1, 0), (epoch, 0), (epoch - 1, 74), (epoch + 1, 75)] {
            let partition = FetchPartition {
                current_leader_epoch: claimed,
                ..from_offset(0, 0)
            };
            let data = fetched(&mut client, version, &topic, partition);
            assert_eq!(data.error_code, code, "v{version} {claimed}");
            if code == 74 && version >= 12 {
                let leader = &data.current_leader;
                assert_eq!((leader.leader_id, leader.leader_epoch), (1, epoch));
            }
        }
    }
}

#[test]
fn a_log_that_diverged_is_told_where() {
    let mut broker = Broker::start();
    let topic = Topic::create(&mut broker.client(), "t", &[]);
    append(&mut broker.client(), &topic, batch(&["a", "b"]));
    let old = broker.client().topic("t").partitions[0].leader_epoch;
    broker.crash_and_restart();
    let mut client = broker.client();
    append(&mut client, &topic, batch(&["c"]));
    let new = client.topic("t").partitions[0].leader_epoch;
    assert!(new > old);
    for version in versions::<FetchRequest>().filter(|version| *version >= 12) {
        let at = |offset, last_fetched_epoch| FetchPartition {
            last_fetched_epoch,
            ..from_offset(0, offset)
        };
        let agrees = fetched(&mut client, version, &topic, at(2, old));
        assert_eq!(values(&agrees), pairs(&[(2, "c")]), "v{version}");
        // The client has a third record of the old epoch, which ended at 2.
        let diverges = fetched(&mut client, version, &topic, at(3, old));
        let end = &diverges.diverging_epoch;
        assert_eq!(
            (diverges.error_code, end.epoch, end.end_offset),
            (0, old, 2),
            "v{version}"
        );
        assert!(values(&diverges).is_empty());
    }
}

#[test]
fn sizes_limit_what_comes_but_for_the_first_batch() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    let value = "x".repeat(1000);
    for _ in 0..3 {
        append(&mut client, &topic, batch(&[&value]));
    }
    let one = batch(&[&value]).len() as i32;
    for version in versions::<FetchRequest>() {
        // (max_bytes, partition_max_bytes, records)
        for (all, partition, count) in [
            (1 << 20, 1, 1),
            (1, 1 << 20, 1),
            (0, 0, 1),
            (1 << 20, 2 * one, 2),
            (2 * one, 1 << 20, 2),
            (1 << 20, 1 << 20, 3),
        ] {
            let partition = FetchPartition {
                partition_max_bytes: partition,
                ..from_offset(0, 0)
            };
            let request = FetchRequest {
                max_bytes: all,
                ..fetch_request(vec![topic.fetch(&[partition])])
            };
            let data = only_partition(client.call(version, &request));
            assert_eq!(values(&data).len(), count, "v{version} {all}");
        }
    }
}

#[test]
fn the_first_batch_counts_once_per_request() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    append(&mut client, &topic, batch(&["a"]));
    client.call(13, &topic.produce(-1, 1, batch(&["b"])));
    for version in versions::<FetchRequest>() {
        let request = FetchRequest {
            max_bytes: 1,
            ..fetch_request(vec![topic.fetch(&[from_offset(1, 0), from_offset(0, 0)])])
        };
        let response = client.call(version, &request);
        let counts: Vec<_> = response.responses[0]
            .partitions
            .iter()
            .map(|data| (data.partition_index, values(data).len()))
            .collect();
        assert_eq!(
            counts,
            [(1, 1), (0, 0)],
            "v{version}: in the order of the request"
        );
    }
}

#[test]
fn a_fetch_at_the_end_waits_for_records() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    let mut offset = 0;
    for version in versions::<FetchRequest>() {
        let request = FetchRequest {
            min_bytes: 1,
            max_wait_ms: 20_000,
            ..fetch_request(vec![topic.fetch(&[from_offset(0, offset)])])
        };
        let mut waiting = broker.client();
        let id = waiting.send(version, &request);
        std::thread::sleep(Duration::from_millis(20));
        append(&mut client, &topic, batch(&["x"]));
        let data = only_partition(waiting.receive::<FetchRequest>(version, id));
        assert_eq!(values(&data), pairs(&[(offset, "x")]), "v{version}");
        offset += 1;
    }
    // The time is over: an answer without records.
    let request = FetchRequest {
        min_bytes: 1,
        max_wait_ms: 50,
        ..fetch_request(vec![topic.fetch(&[from_offset(0, offset)])])
    };
    let data = only_partition(client.call(18, &request));
    assert_eq!((data.error_code, values(&data).len()), (0, 0));
}

#[test]
fn a_waiting_fetch_ends_with_its_topic_and_at_once_with_an_error() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in versions::<FetchRequest>() {
        let topic = Topic::create(&mut client, "t", &[]);
        let patient = |topics| FetchRequest {
            min_bytes: 1,
            max_wait_ms: 25_000,
            ..fetch_request(topics)
        };
        let mut waiting = broker.client();
        let id = waiting.send(version, &patient(vec![topic.fetch(&[from_offset(0, 0)])]));
        std::thread::sleep(Duration::from_millis(20));
        let delete = DeleteTopicsRequest {
            topics: vec![DeleteTopicState {
                name: Some(topic.name.clone()),
                ..Default::default()
            }],
            timeout_ms: 30_000,
            ..Default::default()
        };
        assert_eq!(client.call(6, &delete).responses[0].error_code, 0);
        let code = if version >= 13 { 100 } else { 3 };
        let data = only_partition(waiting.receive::<FetchRequest>(version, id));
        assert_eq!(data.error_code, code, "v{version}");
        let again = patient(vec![topic.fetch(&[from_offset(0, 0)])]);
        assert_eq!(
            only_partition(client.call(version, &again)).error_code,
            code
        );
    }
}
