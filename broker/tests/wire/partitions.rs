//! CreatePartitions, all versions.

use weir_protocol::{
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse,
        create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic},
    },
    str::Str,
};

use crate::{
    broker::Broker,
    client::{Client, versions},
    topics::text,
};

fn grow(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic {
        name: Str::from_str_copy(name),
        count,
        assignments: None,
        ..Default::default()
    }
}

fn placed(name: &str, count: i32, assignments: &[&[i32]]) -> CreatePartitionsTopic {
    let assignment = |brokers: &&[i32]| CreatePartitionsAssignment {
        broker_ids: brokers.to_vec(),
        ..Default::default()
    };
    CreatePartitionsTopic {
        assignments: Some(assignments.iter().map(assignment).collect()),
        ..grow(name, count)
    }
}

fn call(
    client: &mut Client,
    version: i16,
    topics: Vec<CreatePartitionsTopic>,
    validate_only: bool,
) -> CreatePartitionsResponse {
    let request = CreatePartitionsRequest {
        topics,
        timeout_ms: 30_000,
        validate_only,
        ..Default::default()
    };
    client.call(version, &request)
}

fn partitions(client: &mut Client, name: &str) -> usize {
    client.topic(name).partitions.len()
}

#[test]
fn partitions_are_there_when_the_answer_is_and_after_a_crash() {
    let mut broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    let mut count = 1;
    for version in versions::<CreatePartitionsRequest>() {
        let response = call(&mut client, version, vec![grow("t", count + 9)], true);
        assert_eq!(response.results[0].error_code, 0, "v{version}");
        assert_eq!(
            partitions(&mut client, "t"),
            count as usize,
            "only validated"
        );
        count += 1;
        let topics = vec![placed("t", count, &[&[1]])];
        let response = call(&mut client, version, topics, false);
        let result = &response.results[0];
        assert_eq!(
            (result.error_code, text(&result.error_message)),
            (0, None),
            "v{version}"
        );
        assert_eq!(partitions(&mut client, "t"), count as usize, "v{version}");
    }
    broker.crash_and_restart();
    assert_eq!(partitions(&mut broker.client(), "t"), count as usize);
}

#[test]
fn each_mistake_has_kafkas_code_and_words() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("t", 3, &[]);
    client.create_topic("__consumer_offsets", 1, &[]);
    let cases = [
        (
            grow("missing", 5),
            3,
            "This server does not host this topic-partition.",
        ),
        (grow("t", 3), 37, "Topic already has 3 partition(s)."),
        (
            grow("t", 2),
            37,
            "The topic t currently has 3 partition(s); 2 would not be an increase.",
        ),
        (
            grow("t", -1),
            37,
            "The topic t currently has 3 partition(s); -1 would not be an increase.",
        ),
        (
            grow("t", 10_004),
            44,
            "Unable to perform excessively large batch operation.",
        ),
        (
            placed("t", 5, &[&[1]]),
            39,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            placed("t", 4, &[&[7]]),
            39,
            "The manual partition assignment includes broker 7, but no such broker is registered.",
        ),
        (
            placed("t", 4, &[&[]]),
            39,
            "The manual partition assignment includes an empty replica list.",
        ),
        (
            placed("t", 4, &[&[1, 1]]),
            39,
            "The manual partition assignment includes the broker 1 more than once.",
        ),
        (
            grow("__consumer_offsets", 9),
            17,
            "The topic __consumer_offsets is internal; its partitions cannot change.",
        ),
    ];
    for version in versions::<CreatePartitionsRequest>() {
        for (wrong, code, message) in &cases {
            let response = call(&mut client, version, vec![wrong.clone()], false);
            let result = &response.results[0];
            let got = (result.error_code, text(&result.error_message));
            assert_eq!(got, (*code, Some(*message)), "v{version}");
        }
    }
    assert_eq!(partitions(&mut client, "t"), 3);
    assert_eq!(partitions(&mut client, "__consumer_offsets"), 1);
}

#[test]
fn a_name_that_stands_twice_is_refused_and_the_others_go_on() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("a", 1, &[]);
    client.create_topic("b", 1, &[]);
    let topics = vec![grow("a", 2), grow("b", 2), grow("a", 3)];
    let response = call(&mut client, 3, topics, false);
    let got: Vec<_> = response
        .results
        .iter()
        .map(|r| (&*r.name, r.error_code, text(&r.error_message)))
        .collect();
    assert_eq!(
        got,
        [("a", 42, Some("Duplicate topic name.")), ("b", 0, None)]
    );
    assert_eq!(
        (partitions(&mut client, "a"), partitions(&mut client, "b")),
        (1, 2)
    );
}
