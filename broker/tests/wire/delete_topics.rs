//! DeleteTopics, all versions.

use weir_protocol::{
    messages::{
        DeleteTopicsRequest, DeleteTopicsResponse, delete_topics_request::DeleteTopicState,
    },
    str::Str,
    types::Uuid,
};

use crate::{
    broker::Broker,
    client::{Client, versions},
    topics::text,
};

fn by_name(name: &str) -> DeleteTopicState {
    DeleteTopicState {
        name: Some(Str::from_str_copy(name)),
        ..Default::default()
    }
}

fn by_id(topic_id: Uuid) -> DeleteTopicState {
    DeleteTopicState {
        name: None,
        topic_id,
        ..Default::default()
    }
}

/// Names in the form of the version.
fn named(version: i16, names: &[&str]) -> DeleteTopicsRequest {
    let mut request = DeleteTopicsRequest {
        timeout_ms: 30_000,
        ..Default::default()
    };
    if version >= 6 {
        request.topics = names.iter().map(|name| by_name(name)).collect();
    } else {
        request.topic_names = names.iter().map(|name| Str::from_str_copy(name)).collect();
    }
    request
}

fn delete(client: &mut Client, topics: Vec<DeleteTopicState>) -> DeleteTopicsResponse {
    let request = DeleteTopicsRequest {
        topics,
        timeout_ms: 30_000,
        ..Default::default()
    };
    client.call(6, &request)
}

/// (name, id, code, message), sorted by code and name.
fn results(response: &DeleteTopicsResponse) -> Vec<(Option<&str>, Uuid, i16, Option<&str>)> {
    let mut all: Vec<_> = response
        .responses
        .iter()
        .map(|r| {
            (
                text(&r.name),
                r.topic_id,
                r.error_code,
                text(&r.error_message),
            )
        })
        .collect();
    all.sort_by_key(|r| (r.2, r.0, r.1.0));
    all
}

#[test]
fn a_topic_is_gone_when_the_answer_is_there() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in versions::<DeleteTopicsRequest>() {
        let id = client.create_topic("t", 2, &[]);
        let response = client.call(version, &named(version, &["t", "missing"]));
        let unknown = "This server does not host this topic-partition.";
        let (id, message) = match version {
            6.. => (id, Some(unknown)),
            5 => (Uuid::ZERO, Some(unknown)),
            // The field does not exist.
            _ => (Uuid::ZERO, results(&response)[1].3),
        };
        let none = results(&response)[0].3;
        assert_eq!(none.unwrap_or_default(), "", "v{version}");
        let expected = [
            (Some("t"), id, 0, none),
            (Some("missing"), Uuid::ZERO, 3, message),
        ];
        assert_eq!(results(&response), expected, "v{version}");
        assert_eq!(client.topic("t").error_code, 3, "v{version}");
    }
}

#[test]
fn a_deleted_topic_stays_away_after_a_crash_and_its_name_is_free() {
    let mut broker = Broker::start();
    let mut client = broker.client();
    let first = client.create_topic("t.x", 1, &[]);
    delete(&mut client, vec![by_name("t.x")]);
    broker.crash_and_restart();
    let mut client = broker.client();
    assert_eq!(client.topic("t.x").error_code, 3);
    assert_ne!(client.create_topic("t_x", 1, &[]), first);
}

#[test]
fn version_6_deletes_by_id_and_refuses_nonsense() {
    let broker = Broker::start();
    let mut client = broker.client();
    let a = client.create_topic("a", 1, &[]);
    let b = client.create_topic("b", 1, &[]);
    let c = client.create_topic("c", 1, &[]);
    let unknown = Uuid([9; 16]);
    let both = DeleteTopicState {
        topic_id: b,
        ..by_name("b")
    };
    let topics = vec![
        by_id(a),
        by_id(unknown),
        by_id(Uuid::ZERO),
        both,
        by_name("c"),
        by_name("c"),
    ];
    let response = delete(&mut client, topics);
    assert_eq!(
        results(&response),
        [
            (Some("a"), a, 0, None),
            (
                None,
                Uuid::ZERO,
                42,
                Some("Neither topic name nor id were specified.")
            ),
            (
                Some("b"),
                b,
                42,
                Some("You may not specify both topic name and topic id.")
            ),
            (Some("c"), Uuid::ZERO, 42, Some("Duplicate topic name.")),
            (
                None,
                unknown,
                100,
                Some("This server does not host this topic ID.")
            ),
        ]
    );
    let response = delete(
        &mut client,
        vec![by_name("b"), by_id(b), by_id(c), by_id(c)],
    );
    assert_eq!(
        results(&response),
        [
            (None, c, 42, Some("Duplicate topic id.")),
            (
                Some("b"),
                b,
                42,
                Some("The provided topic name maps to an ID that was already supplied.")
            ),
        ]
    );
    for name in ["b", "c"] {
        assert_eq!(client.topic(name).error_code, 0, "{name} is still there");
    }
}

#[test]
fn deletion_can_be_disabled() {
    let broker = Broker::with(&["delete.topic.enable=false"]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    for version in versions::<DeleteTopicsRequest>() {
        let response = client.call(version, &named(version, &["t"]));
        let code = if version < 3 { 42 } else { 73 };
        let result = &response.responses[0];
        assert_eq!(
            (text(&result.name), result.error_code),
            (Some("t"), code),
            "v{version}"
        );
    }
    assert_eq!(client.topic("t").error_code, 0);
}

#[test]
fn internal_topics_are_refused() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("__consumer_offsets", 1, &[]);
    for version in versions::<DeleteTopicsRequest>() {
        let response = client.call(version, &named(version, &["__consumer_offsets"]));
        assert_eq!(response.responses[0].error_code, 17, "v{version}");
    }
    assert!(client.topic("__consumer_offsets").is_internal);
}
