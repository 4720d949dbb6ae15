//! ListOffsets, all versions.

use weir_protocol::messages::{
    ListOffsetsRequest,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    list_offsets_response::ListOffsetsPartitionResponse,
};

use crate::{
    broker::Broker,
    client::{Client, versions},
    data::{TIME_MS, Topic, append, batch, builder},
};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

fn at(partition: i32, timestamp: i64) -> ListOffsetsPartition {
    ListOffsetsPartition {
        partition_index: partition,
        timestamp,
        ..Default::default()
    }
}

fn list(
    client: &mut Client,
    version: i16,
    topic: &Topic,
    partitions: Vec<ListOffsetsPartition>,
) -> Vec<ListOffsetsPartitionResponse> {
    let request = ListOffsetsRequest {
        topics: vec![ListOffsetsTopic {
            name: topic.name.clone(),
            partitions,
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut response = client.call(version, &request);
    response.topics.remove(0).partitions
}

/// (code, offset, timestamp)
fn found(client: &mut Client, version: i16, topic: &Topic, timestamp: i64) -> (i16, i64, i64) {
    let answers = list(client, version, topic, vec![at(0, timestamp)]);
    let [answer] = &answers[..] else {
        panic!("one partition: {answers:?}");
    };
    if version >= 4 && answer.offset >= 0 {
        assert!(answer.leader_epoch >= 0, "v{version}");
    }
    (answer.error_code, answer.offset, answer.timestamp)
}

/// Offsets 0, 1, 2 at 0, 10, 5 ms after TIME_MS in one batch, 3 at 20 in the next.
fn topic_with_times(client: &mut Client) -> Topic {
    let topic = Topic::create(client, "t", &[]);
    let mut first = builder();
    for delta in [0, 10, 5] {
        first.append(TIME_MS + delta, None, Some(b"x"));
    }
    append(client, &topic, first.build().unwrap());
    let mut second = builder();
    second.append(TIME_MS + 20, None, Some(b"x"));
    append(client, &topic, second.build().unwrap());
    topic
}

#[test]
fn special_timestamps_mean_what_their_version_knows() {
    let mut broker = Broker::start();
    let mut client = broker.client();
    let topic = topic_with_times(&mut client);
    for round in ["from memory", "from the store"] {
        for version in versions::<ListOffsetsRequest>() {
            let unsupported = (35, -1, -1);
            let since = |first: i16, answer| {
                if version >= first {
                    answer
                } else {
                    unsupported
                }
            };
            for (timestamp, expected) in [
                (LATEST, (0, 4, -1)),
                (EARLIEST, (0, 0, -1)),
                (MAX_TIMESTAMP, since(7, (0, 3, TIME_MS + 20))),
                (EARLIEST_LOCAL, since(8, (0, 0, -1))),
                (LATEST_TIERED, since(9, (0, -1, -1))),
                (EARLIEST_PENDING_UPLOAD, since(11, (0, -1, -1))),
                (-7, unsupported),
                (i64::MIN, unsupported),
            ] {
                let got = found(&mut client, version, &topic, timestamp);
                assert_eq!(got, expected, "v{version} {timestamp} {round}");
            }
        }
        if round == "from memory" {
            broker.crash_and_restart();
            client = broker.client();
        }
    }
}

#[test]
fn a_time_finds_the_first_record_at_or_after_it() {
    let mut broker = Broker::start();
    let mut client = broker.client();
    let topic = topic_with_times(&mut client);
    for round in ["from memory", "from the store"] {
        for version in versions::<ListOffsetsRequest>() {
            for (timestamp, offset, of) in [
                (0, 0, 0),
                (TIME_MS, 0, 0),
                (TIME_MS + 1, 1, 10),
                (TIME_MS + 6, 1, 10),
                (TIME_MS + 10, 1, 10),
                (TIME_MS + 11, 3, 20),
                (TIME_MS + 20, 3, 20),
            ] {
                let got = found(&mut client, version, &topic, timestamp);
                assert_eq!(
                    got,
                    (0, offset, TIME_MS + of),
                    "v{version} {timestamp} {round}"
                );
            }
            let late = found(&mut client, version, &topic, TIME_MS + 21);
            assert_eq!(late, (0, -1, -1), "v{version}: nothing so late");
        }
        if round == "from memory" {
            broker.crash_and_restart();
            client = broker.client();
        }
    }
}

#[test]
fn an_empty_partition_has_a_beginning_and_an_end_and_no_records() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    for version in versions::<ListOffsetsRequest>() {
        for (timestamp, expected) in [
            (LATEST, (0, 0, -1)),
            (EARLIEST, (0, 0, -1)),
            (5, (0, -1, -1)),
        ] {
            assert_eq!(
                found(&mut client, version, &topic, timestamp),
                expected,
                "v{version}"
            );
        }
        if version >= 7 {
            assert_eq!(
                found(&mut client, version, &topic, MAX_TIMESTAMP),
                (0, -1, -1)
            );
        }
    }
}

#[test]
fn unknown_and_repeated_partitions_have_their_codes() {
    let broker = Broker::start();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    append(&mut client, &topic, batch(&["a"]));
    for version in versions::<ListOffsetsRequest>() {
        let codes = |answers: Vec<ListOffsetsPartitionResponse>| {
            let code =
                |a: ListOffsetsPartitionResponse| (a.partition_index, a.error_code, a.offset);
            answers.into_iter().map(code).collect::<Vec<_>>()
        };
        let unknown = list(&mut client, version, &Topic::unknown(), vec![at(0, LATEST)]);
        assert_eq!(codes(unknown), [(0, 3, -1)], "v{version}");
        let partitions = vec![at(0, LATEST), at(2, LATEST), at(1, LATEST), at(1, EARLIEST)];
        let got = codes(list(&mut client, version, &topic, partitions));
        assert_eq!(
            got,
            [(0, 0, 1), (2, 3, -1), (1, 42, -1), (1, 42, -1)],
            "v{version}"
        );
    }
}

#[test]
fn leader_epochs_of_other_times_are_told_apart() {
    let mut broker = Broker::start();
    Topic::create(&mut broker.client(), "first", &[]);
    broker.crash_and_restart();
    let mut client = broker.client();
    let topic = Topic::create(&mut client, "t", &[]);
    let epoch = client.topic("t").partitions[0].leader_epoch;
    assert!(epoch > 0);
    for version in versions::<ListOffsetsRequest>().filter(|version| *version >= 4) {
        for (claimed, code) in [(-1, 0), (epoch, 0), (epoch - 1, 74), (epoch + 1, 75)] {
            let partition = ListOffsetsPartition {
                current_leader_epoch: claimed,
                ..at(0, LATEST)
            };
            let answer = list(&mut client, version, &topic, vec![partition]).remove(0);
            assert_eq!(answer.error_code, code, "v{version} {claimed}");
        }
    }
}
