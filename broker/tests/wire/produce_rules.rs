//! Produce: offsets, errors, order, acks.

use weir_protocol::{
    messages::{MetadataRequest, ProduceRequest, ProduceResponse},
    records::{BatchBuilder, Codec, ControlType, control_batch},
    str::Str,
    types::{ProducerEpoch, ProducerId},
};

use crate::{
    broker::Broker,
    client::versions,
    records::{
        Topic, batch, configured_topic, fetch, fetched, len, new_topic, offset_of, produce,
        produce_one, sequenced,
    },
};

/// Transactional batch of one record.
fn transactional() -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None)
        .producer(ProducerId(7), ProducerEpoch(0), 0)
        .transactional();
    builder.append(1000, None, Some(b"value"));
    builder.build().unwrap()
}

fn compressed(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    builder.append(1000, Some(b"k"), Some(&[b'v'; 1000]));
    builder.build().unwrap()
}

#[test]
fn every_version_gets_offsets_in_order() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 2);
    for (expected, version) in versions::<ProduceRequest>().enumerate() {
        let answer = produce_one(&mut client, version, &topic, 1, batch(10));
        assert_eq!(answer.error_code, 0, "v{version}");
        assert_eq!(answer.base_offset, expected as i64, "v{version}");
        assert_eq!(answer.log_append_time_ms, -1);
        assert_eq!(answer.error_message, None);
        if version >= 5 {
            assert_eq!(answer.log_start_offset, 0);
        }
    }
}

#[test]
fn each_refusal_has_kafkas_code_and_no_plausible_offset() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = configured_topic(&mut client, "t", 1, &[("max.message.bytes", "5000")]);
    let mut broken = batch(10);
    *broken.last_mut().unwrap() ^= 1;
    let control = control_batch(
        ProducerId(1),
        ProducerEpoch(0),
        ControlType::Commit,
        0,
        1000,
    );
    let cases: [(&str, i16, Vec<u8>, i16); 8] = [
        ("no batch", 13, Vec::new(), 87),
        ("two batches", 13, [batch(1), batch(1)].concat(), 87),
        ("wrong checksum", 13, broken, 2),
        ("half a batch", 13, batch(100)[..80].to_vec(), 87),
        ("too large", 13, batch(5000), 10),
        ("zstd before v7", 6, compressed(Codec::Zstd), 76),
        ("transactional", 13, transactional(), 53),
        ("control", 13, control, 87),
    ];
    for (what, version, bytes, code) in cases {
        let answer = produce_one(&mut client, version, &topic, 0, bytes);
        assert_eq!(
            answer.error_code, code,
            "{what}: {:?}",
            answer.error_message
        );
        let offsets = (
            answer.base_offset,
            answer.log_append_time_ms,
            answer.log_start_offset,
        );
        assert_eq!(offsets, (-1, -1, -1), "{what}");
        assert_eq!(answer.error_message.is_some(), version >= 8, "{what}");
    }
    assert_eq!(
        offset_of(&mut client, &topic, 0, batch(1)),
        0,
        "nothing was stored"
    );
}

#[test]
fn what_is_wrong_with_the_request_is_told_for_each_partition() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    let missing = Topic {
        name: Str::from("missing"),
        id: weir_protocol::types::Uuid([9; 16]),
    };
    let codes = |response: ProduceResponse| -> Vec<i16> {
        let topics = response.responses.into_iter();
        let partitions = topics.flat_map(|topic| topic.partition_responses);
        partitions.map(|partition| partition.error_code).collect()
    };
    for version in versions::<ProduceRequest>() {
        let unknown = if version >= 13 { 100 } else { 3 };
        let request = produce(&missing, vec![(0, batch(1))]);
        assert_eq!(
            codes(client.call(version, &request)),
            [unknown],
            "v{version}"
        );
        let request = produce(&topic, vec![(1, batch(1)), (-1, batch(1))]);
        assert_eq!(
            codes(client.call(version, &request)),
            [3, 3],
            "v{version}: the topic is known, its partitions are not"
        );
        let acks = ProduceRequest {
            acks: 2,
            ..produce(&topic, vec![(0, batch(1))])
        };
        assert_eq!(codes(client.call(version, &acks)), [21], "v{version}");
        let transactional = ProduceRequest {
            transactional_id: Some(Str::from("tx")),
            ..produce(&topic, vec![(0, batch(1))])
        };
        assert_eq!(
            codes(client.call(version, &transactional)),
            [53],
            "v{version}"
        );
    }
    assert_eq!(
        offset_of(&mut client, &topic, 0, batch(1)),
        0,
        "nothing was stored"
    );
}

#[test]
fn bad_records_are_named_one_by_one() {
    let broker = Broker::start();
    let mut client = broker.client();
    let compacted = configured_topic(&mut client, "c", 1, &[("cleanup.policy", "compact")]);
    let mut builder = BatchBuilder::new(Codec::None);
    builder.append(1000, Some(b"k"), Some(b"v"));
    builder.append(1000, None, Some(b"v"));
    builder.append(1000, None, None);
    let answer = produce_one(&mut client, 9, &compacted, 0, builder.build().unwrap());
    assert_eq!(answer.error_code, 87);
    let bad: Vec<i32> = answer.record_errors.iter().map(|e| e.batch_index).collect();
    assert_eq!(bad, [1, 2]);

    let strict = [("message.timestamp.before.max.ms", "1000")];
    let timed = configured_topic(&mut client, "s", 1, &strict);
    let answer = produce_one(&mut client, 9, &timed, 0, batch(1));
    assert_eq!((answer.error_code, answer.record_errors.len()), (32, 1));
}

#[test]
fn log_append_time_is_told_and_stored() {
    let broker = Broker::start();
    let mut client = broker.client();
    let config = [("message.timestamp.type", "LogAppendTime")];
    let topic = configured_topic(&mut client, "t", 1, &config);
    let answer = produce_one(&mut client, 9, &topic, 0, batch(1));
    assert!(answer.log_append_time_ms > 1_600_000_000_000);
    let response = client.call(9, &fetch(&topic, &[(0, 0)]));
    let records = fetched(&response)[0].records.clone().unwrap().into_bytes();
    assert_eq!(
        records[35..43],
        answer.log_append_time_ms.to_be_bytes(),
        "max timestamp"
    );
}

#[test]
fn only_kafkas_admin_client_writes_to_internal_topics() {
    let broker = Broker::start();
    let mut client = broker.client();
    let offsets = new_topic(&mut client, "__consumer_offsets", 1);
    assert_eq!(
        produce_one(&mut client, 9, &offsets, 0, batch(1)).error_code,
        17
    );
    let mut admin = broker.client();
    admin.client_id = Some(Str::from("__admin_client"));
    assert_eq!(
        produce_one(&mut admin, 9, &offsets, 0, batch(1)).error_code,
        0
    );
}

#[test]
fn requests_are_appended_and_answered_in_order_without_waiting_for_each_other() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    let mut sent = Vec::new();
    for i in 0..50 {
        sent.push(client.send(9, &produce(&topic, vec![(0, batch(i))])));
    }
    let metadata = client.send(12, &MetadataRequest::default());
    let last = client.send(9, &produce(&topic, vec![(0, batch(1))]));
    for (offset, id) in sent.into_iter().enumerate() {
        let response = client.receive::<ProduceRequest>(9, id);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(
            (partition.error_code, partition.base_offset),
            (0, offset as i64)
        );
    }
    client.receive::<MetadataRequest>(12, metadata);
    let response = client.receive::<ProduceRequest>(9, last);
    assert_eq!(response.responses[0].partition_responses[0].base_offset, 50);
}

#[test]
fn one_request_may_name_a_partition_twice() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 2);
    let request = produce(&topic, vec![(0, batch(1)), (1, batch(1)), (0, batch(2))]);
    let response = client.call(9, &request);
    let answers = response.responses[0].partition_responses.iter();
    let answers: Vec<_> = answers
        .map(|p| (p.index, p.error_code, p.base_offset))
        .collect();
    assert_eq!(answers, [(0, 0, 0), (1, 0, 0), (0, 0, 1)]);
}

#[test]
fn acks_0_gets_no_answer_and_an_error_closes_the_connection() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    let silent = |partition| ProduceRequest {
        acks: 0,
        ..produce(&topic, vec![(partition, batch(1))])
    };
    client.send(9, &silent(0));
    assert_eq!(offset_of(&mut client, &topic, 0, batch(1)), 1);
    client.send(9, &silent(7));
    client.expect_closed();
}

#[test]
fn sequences_are_judged_as_kafka_does_also_after_a_crash() {
    let mut broker = Broker::start();
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    let outcome = |client: &mut _, epoch, sequence| {
        let answer = produce_one(client, 9, &topic, 0, sequenced(5, epoch, sequence));
        (answer.error_code, answer.base_offset)
    };
    for sequence in 0..6 {
        assert_eq!(outcome(&mut client, 1, sequence), (0, i64::from(sequence)));
    }
    for _ in 0..2 {
        assert_eq!(outcome(&mut client, 1, 3), (0, 3), "a retry");
        assert_eq!(outcome(&mut client, 1, 7), (45, -1), "a gap");
        assert_eq!(
            outcome(&mut client, 1, 0),
            (45, -1),
            "older than five batches"
        );
        assert_eq!(outcome(&mut client, 0, 6), (47, -1), "an older epoch");
        assert_eq!(
            outcome(&mut client, 2, 6),
            (45, -1),
            "a new epoch begins at 0"
        );
        broker.crash_and_restart();
        client = broker.client();
    }
    assert_eq!(outcome(&mut client, 1, 6), (0, 6));
    assert_eq!(outcome(&mut client, 2, 0), (0, 7));
}

#[test]
fn without_time_the_answer_is_a_timeout_and_the_batch_may_be_there() {
    let broker = Broker::with(&["weir.flush.interval.ms=1000"]);
    let mut client = broker.client();
    let topic = new_topic(&mut client, "t", 1);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let request = ProduceRequest {
            timeout_ms: 0,
            ..produce(&topic, vec![(0, batch(1))])
        };
        ids.push(client.send(9, &request));
    }
    for id in ids {
        let response = client.receive::<ProduceRequest>(9, id);
        let answer = &response.responses[0].partition_responses[0];
        assert!(
            matches!((answer.error_code, answer.base_offset), (7, -1) | (0, 0..)),
            "{answer:?}"
        );
    }
    assert_eq!(offset_of(&mut client, &topic, 0, batch(1)), 3);
    let response = client.call(9, &fetch(&topic, &[(0, 0)]));
    assert_eq!(len(fetched(&response)[0]), 4 * batch(1).len());
}
