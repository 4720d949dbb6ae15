//! Produce, all versions: what is stored, what is refused, and how.

use weir_protocol::{
    messages::{DeleteTopicsRequest, ProduceRequest, delete_topics_request::DeleteTopicState},
    records::{Codec, ControlType, TimestampType, control_batch, split_batches},
    types::{ProducerEpoch, ProducerId},
};

use crate::{
    broker::Broker,
    client::versions,
    data::{
        TIME_MS, Topic, append, batch, builder, fetched, fill, from_offset, pairs, produced, values,
    },
    topics::text,
};

#[test]
fn records_are_stored_at_the_offset_that_is_answered() {
    let mut broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    let mut expected = Vec::new();
    for (i, version) in versions::<ProduceRequest>().enumerate() {
        for (j, acks) in [-1, 1].into_iter().enumerate() {
            let offset = (i * 4 + j * 2) as i64;
            let (a, b) = (format!("a{offset}"), format!("b{offset}"));
            let answer = produced(
                &mut client,
                version,
                &topic.produce(acks, 0, batch(&[&a, &b])),
            );
            assert_eq!(
                (answer.error_code, answer.base_offset),
                (0, offset),
                "v{version}"
            );
            assert_eq!((answer.index, answer.log_append_time_ms), (0, -1));
            if version >= 5 {
                assert_eq!(answer.log_start_offset, 0);
            }
            if version >= 8 {
                assert!(answer.record_errors.is_empty());
                assert_eq!(text(&answer.error_message), None);
            }
            if version >= 10 {
                assert_eq!(answer.current_leader.leader_id, -1);
            }
            expected.extend([(offset, a), (offset + 1, b)]);
        }
    }
    let data = fetched(&mut client, 18, &topic, from_offset(0, 0));
    assert_eq!(values(&data), expected);
    broker.crash_and_restart();
    let data = fetched(&mut broker.client(), 18, &topic, from_offset(0, 0));
    assert_eq!(values(&data), expected, "after a crash");
}

#[test]
fn without_acks_nothing_is_answered_and_an_error_closes_the_connection() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    for (i, version) in versions::<ProduceRequest>().enumerate() {
        client.send(version, &topic.produce(0, 0, batch(&["x"])));
        // The next answer belongs to the next request: its correlation id is checked.
        let answer = produced(&mut client, version, &topic.produce(-1, 0, batch(&["y"])));
        assert_eq!(
            (answer.error_code, answer.base_offset),
            (0, i as i64 * 2 + 1)
        );
        let mut doomed = broker.client();
        doomed.send(version, &Topic::unknown().produce(0, 0, batch(&["x"])));
        doomed.expect_closed();
    }
}

#[test]
fn other_acks_are_refused() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    for version in versions::<ProduceRequest>() {
        for acks in [-2, 2, i16::MAX] {
            let answer = produced(&mut client, version, &topic.produce(acks, 0, batch(&["x"])));
            assert_eq!(
                (answer.error_code, answer.base_offset),
                (21, -1),
                "v{version}"
            );
        }
    }
    assert_eq!(
        append(&mut client, &topic, batch(&["x"])),
        0,
        "nothing was stored"
    );
}

#[test]
fn unknown_topics_and_partitions_have_the_code_of_the_way_they_are_named() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    for version in versions::<ProduceRequest>() {
        let unknown = Topic::unknown().produce(-1, 0, batch(&["x"]));
        let code = if version >= 13 { 100 } else { 3 };
        let answer = produced(&mut client, version, &unknown);
        assert_eq!(
            (answer.error_code, answer.base_offset),
            (code, -1),
            "v{version}"
        );
        // The topic is known; its partition is not, whatever the version.
        for partition in [2, -1, i32::MAX] {
            let answer = produced(
                &mut client,
                version,
                &topic.produce(-1, partition, batch(&["x"])),
            );
            assert_eq!(
                (answer.error_code, answer.index),
                (3, partition),
                "v{version}"
            );
        }
    }
}

#[test]
fn a_topic_that_was_created_anew_is_another_one() {
    let broker = Broker::start();
    let mut client = broker.client();
    let old = Topic::create(&mut client, "t", &[]);
    append(&mut client, &old, batch(&["old"]));
    let delete = DeleteTopicsRequest {
        topics: vec![DeleteTopicState {
            name: Some(old.name.clone()),
            ..Default::default()
        }],
        timeout_ms: 30_000,
        ..Default::default()
    };
    assert_eq!(client.call(6, &delete).responses[0].error_code, 0);
    let new = Topic::create(&mut client, "t", &[]);
    assert_eq!(
        produced(&mut client, 13, &old.produce(-1, 0, batch(&["x"]))).error_code,
        100
    );
    assert_eq!(append(&mut client, &new, batch(&["new"])), 0);
    let data = fetched(&mut client, 18, &new, from_offset(0, 0));
    assert_eq!(values(&data), pairs(&[(0, "new")]));
}

/// The batch with one byte changed, and its CRC not.
fn damaged(mut batch: Vec<u8>, position: usize) -> Vec<u8> {
    batch[position] ^= 0x40;
    batch
}

#[test]
fn batches_that_must_not_be_stored_are_refused() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[("max.message.bytes", "1000")]);
    let producer = (ProducerId(7), ProducerEpoch(0));
    let good = batch(&["x"]);
    let large = "x".repeat(1000);
    let mut old = good.clone();
    old[16] = 1;
    let mut offset = good.clone();
    offset[7] = 1;
    let cases = [
        ("no records", Vec::new(), 87),
        ("two batches", [good.clone(), good.clone()].concat(), 87),
        ("magic 1", old, 87),
        ("base offset 1", offset, 87),
        ("a wrong CRC", damaged(good.clone(), good.len() - 1), 2),
        ("half a batch", good[..good.len() - 5].to_vec(), 87),
        ("too large", batch(&[&large]), 10),
        (
            "a control batch",
            control_batch(producer.0, producer.1, ControlType::Commit, 0, TIME_MS),
            87,
        ),
        (
            "a transactional batch",
            fill(
                builder()
                    .producer(producer.0, producer.1, 0)
                    .transactional(),
                &["x"],
            ),
            53,
        ),
        (
            "LogAppendTime from a client",
            fill(builder().log_append_time(TIME_MS), &["x"]),
            32,
        ),
        (
            "a time in the far future",
            {
                let mut b = builder();
                b.append(i64::MAX / 2, None, Some(b"x"));
                b.build().unwrap()
            },
            32,
        ),
    ];
    for version in versions::<ProduceRequest>() {
        for (what, records, code) in &cases {
            let answer = produced(&mut client, version, &topic.produce(-1, 0, records.clone()));
            assert_eq!(
                (answer.error_code, answer.base_offset),
                (*code, -1),
                "v{version} {what}"
            );
            assert_eq!(answer.log_append_time_ms, -1);
            if version >= 8 {
                assert!(answer.error_message.is_some(), "v{version} {what}");
            }
        }
    }
    assert_eq!(append(&mut client, &topic, good), 0, "nothing was stored");
}

#[test]
fn zstd_needs_version_7() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    let codecs = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];
    for version in versions::<ProduceRequest>() {
        for codec in codecs {
            let records = fill(weir_protocol::records::BatchBuilder::new(codec), &["x"]);
            let answer = produced(&mut client, version, &topic.produce(-1, 0, records));
            let refused = codec == Codec::Zstd && version < 7;
            assert_eq!(
                answer.error_code,
                if refused { 76 } else { 0 },
                "v{version} {codec:?}"
            );
        }
    }
}

#[test]
fn the_faulty_records_of_a_batch_are_named_from_version_8_on() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[("cleanup.policy", "compact")]);
    let mut mixed = builder();
    mixed.append(TIME_MS, Some(b"key"), Some(b"0"));
    mixed.append(TIME_MS, None, Some(b"1"));
    mixed.append(TIME_MS, None, Some(b"2"));
    let mixed = mixed.build().unwrap();
    for version in versions::<ProduceRequest>() {
        let answer = produced(&mut client, version, &topic.produce(-1, 0, mixed.clone()));
        assert_eq!(answer.error_code, 87, "v{version}");
        if version >= 8 {
            let indexes: Vec<_> = answer.record_errors.iter().map(|e| e.batch_index).collect();
            assert_eq!(indexes, [1, 2], "v{version}");
            assert!(answer.record_errors[0].batch_index_error_message.is_some());
        }
    }
    assert_eq!(
        append(&mut client, &topic, batch(&["x"])),
        0,
        "the whole batch was refused"
    );
}

#[test]
fn log_append_time_is_the_brokers_and_is_answered() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(
        &mut client,
        "t",
        &[("message.timestamp.type", "LogAppendTime")],
    );
    let mut before = TIME_MS;
    for version in versions::<ProduceRequest>() {
        let answer = produced(
            &mut client,
            version,
            &topic.produce(-1, 0, batch(&["x", "y"])),
        );
        assert_eq!(answer.error_code, 0, "v{version}");
        assert!(answer.log_append_time_ms >= before, "v{version}");
        before = answer.log_append_time_ms;
        let data = fetched(&mut client, 18, &topic, from_offset(0, answer.base_offset));
        let bytes = data.records.unwrap().into_bytes();
        let stored = split_batches(&bytes).next().unwrap().unwrap();
        assert!(stored.crc_is_valid());
        assert_eq!(
            stored.header().attributes.timestamp_type(),
            TimestampType::LogAppendTime
        );
        assert_eq!(stored.header().max_timestamp, answer.log_append_time_ms);
    }
}

#[test]
fn internal_topics_belong_to_the_broker() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "__consumer_offsets", &[]);
    for version in versions::<ProduceRequest>() {
        let answer = produced(&mut client, version, &topic.produce(-1, 0, batch(&["x"])));
        assert_eq!(answer.error_code, 17, "v{version}");
    }
    // `__` alone makes nothing internal.
    let other = Topic::create(&mut client, "__mine", &[]);
    assert_eq!(append(&mut client, &other, batch(&["x"])), 0);
}

#[test]
fn several_topics_and_partitions_are_answered_each() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    for (i, version) in versions::<ProduceRequest>().enumerate() {
        let mut request = topic.produce(-1, 1, batch(&["x"]));
        let zero = topic
            .produce(-1, 0, batch(&["x", "y"]))
            .topic_data
            .remove(0);
        request.topic_data[0]
            .partition_data
            .extend(zero.partition_data);
        request
            .topic_data
            .extend(Topic::unknown().produce(-1, 0, batch(&["x"])).topic_data);
        let response = client.call(version, &request);
        let of = |topic: usize| {
            let partitions = response.responses[topic].partition_responses.iter();
            partitions
                .map(|p| (p.index, p.error_code, p.base_offset))
                .collect::<Vec<_>>()
        };
        let i = i as i64;
        assert_eq!(of(0), [(1, 0, i), (0, 0, 2 * i)], "v{version}");
        let code = if version >= 13 { 100 } else { 3 };
        assert_eq!(of(1), [(0, code, -1)], "v{version}");
        let empty = ProduceRequest {
            topic_data: Vec::new(),
            ..request
        };
        assert_eq!(client.call(version, &empty).responses.len(), 0);
    }
}

#[test]
fn pipelined_batches_keep_their_order() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    let ids: Vec<_> = (0..50)
        .map(|i| client.send(13, &topic.produce(-1, 0, batch(&[&i.to_string()]))))
        .collect();
    for (i, id) in ids.into_iter().enumerate() {
        let response = client.receive::<ProduceRequest>(13, id);
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!((answer.error_code, answer.base_offset), (0, i as i64));
    }
    let data = fetched(&mut client, 18, &topic, from_offset(0, 0));
    let expected: Vec<_> = (0..50).map(|i| (i, i.to_string())).collect();
    assert_eq!(values(&data), expected);
}
