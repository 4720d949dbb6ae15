//! CreateTopics, all versions.

use weir_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, create_topics_request::CreatableTopic,
    create_topics_response::CreatableTopicResult,
};

use crate::{
    broker::Broker,
    client::versions,
    topics::{assigned, create, outcome, text, topic, with_config},
};

fn request(topics: Vec<CreatableTopic>, validate_only: bool) -> CreateTopicsRequest {
    CreateTopicsRequest {
        topics,
        timeout_ms: 30_000,
        validate_only,
        ..Default::default()
    }
}

#[test]
fn a_topic_is_there_when_the_answer_is() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in versions::<CreateTopicsRequest>() {
        let name = format!("topic-{version}");
        let response = create(&mut client, version, vec![topic(&name, 3, 1)]);
        assert_eq!(outcome(&response), (0, None), "v{version}");
        let seen = client.topic(&name);
        assert_eq!(
            (seen.error_code, seen.partitions.len()),
            (0, 3),
            "v{version}"
        );
        let created = &response.topics[0];
        assert_eq!(created.topic_config_error_code, 0);
        if version >= 7 {
            assert_eq!(created.topic_id, seen.topic_id);
        }
        if version >= 5 {
            assert_eq!((created.num_partitions, created.replication_factor), (3, 1));
            assert_eq!(created.configs.as_ref().unwrap().len(), 33);
        }
        let again = create(&mut client, version, vec![topic(&name, 3, 1)]);
        let message = format!("Topic '{name}' already exists.");
        assert_eq!(outcome(&again), (36, Some(&*message)), "v{version}");
    }
}

#[test]
fn a_created_topic_survives_a_crash() {
    let mut broker = Broker::start();
    let id = broker
        .client()
        .create_topic("kept", 2, &[("retention.ms", "5")]);
    broker.crash_and_restart();
    let seen = broker.client().topic("kept");
    assert_eq!((seen.topic_id, seen.partitions.len()), (id, 2));
}

#[test]
fn one_bad_topic_does_not_spoil_the_others() {
    let broker = Broker::start();
    let mut client = broker.client();
    for version in versions::<CreateTopicsRequest>() {
        let (good, twice) = (format!("good-{version}"), format!("twice-{version}"));
        let topics = vec![
            topic(&twice, 1, 1),
            topic("bad name", 1, 1),
            topic(&good, 1, 1),
            topic(&twice, 2, 1),
        ];
        let response = create(&mut client, version, topics);
        let got: Vec<_> = response
            .topics
            .iter()
            .map(|t| (&*t.name, t.error_code))
            .collect();
        assert_eq!(
            got,
            [("bad name", 17), (&*good, 0), (&*twice, 42)],
            "v{version}"
        );
        assert_eq!(
            text(&response.topics[2].error_message),
            Some("Duplicate topic name.")
        );
        assert_eq!(client.topic(&good).error_code, 0);
        assert_eq!(client.topic(&twice).error_code, 3);
    }
}

#[test]
fn names_of_one_request_that_collide_are_not_both_created() {
    let broker = Broker::start();
    let mut client = broker.client();
    for validate_only in [true, false] {
        let both = vec![topic("x.y", 1, 1), topic("x_y", 1, 1)];
        let response = client.call(7, &request(both, validate_only));
        let codes: Vec<_> = response.topics.iter().map(|t| t.error_code).collect();
        assert_eq!(codes, [0, 17]);
    }
}

#[test]
fn validate_only_answers_and_creates_nothing() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("there", 1, &[]);
    for version in versions::<CreateTopicsRequest>() {
        let topics = vec![
            topic("new", 2, 1),
            topic("there", 1, 1),
            topic("new2", 0, 1),
        ];
        let response = client.call(version, &request(topics, true));
        let codes: Vec<_> = response.topics.iter().map(|t| t.error_code).collect();
        assert_eq!(codes, [0, 36, 37], "v{version}");
        if version >= 5 {
            assert_eq!(response.topics[0].num_partitions, 2);
        }
        assert_eq!(client.topic("new").error_code, 3, "v{version}");
    }
}

#[test]
fn minus_one_means_the_brokers_defaults() {
    let broker = Broker::with(&["num.partitions=4"]);
    let mut client = broker.client();
    for version in versions::<CreateTopicsRequest>() {
        let name = format!("default-{version}");
        let response = create(&mut client, version, vec![topic(&name, -1, -1)]);
        assert_eq!(outcome(&response), (0, None), "v{version}");
        assert_eq!(client.topic(&name).partitions.len(), 4);
    }
    let response = create(
        &mut client,
        7,
        vec![assigned("by-hand", &[(1, &[1]), (0, &[1])])],
    );
    assert_eq!(outcome(&response), (0, None));
    assert_eq!(client.topic("by-hand").partitions.len(), 2);
}

#[test]
fn any_replication_factor_is_accepted_unless_strict() {
    let broker = Broker::start();
    let mut client = broker.client();
    let response = create(&mut client, 7, vec![topic("three", 1, 3)]);
    assert_eq!(outcome(&response), (0, None));
    assert_eq!(client.topic("three").partitions[0].replica_nodes, [1]);

    let strict = Broker::with(&["weir.replication.factor.strict=true"]);
    let mut client = strict.client();
    for version in versions::<CreateTopicsRequest>() {
        let response = create(&mut client, version, vec![topic("three", 1, 3)]);
        let message = "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 1 broker(s) are registered.";
        assert_eq!(outcome(&response), (38, Some(message)), "v{version}");
    }
    client.create_topic("one", 1, &[]);
}

#[test]
fn version_5_tells_the_configs_with_their_sources() {
    let broker = Broker::with(&["log.retention.hours=1"]);
    let mut client = broker.client();
    let configured = with_config(topic("t", 1, 1), "max.message.bytes", Some(" 77 "));
    let response = create(&mut client, 5, vec![configured]);
    let configs = response.topics[0].configs.as_ref().unwrap();
    let of = |name: &str| {
        let config = configs
            .iter()
            .find(|config| config.name.as_str() == name)
            .unwrap();
        (
            text(&config.value),
            config.config_source,
            config.read_only,
            config.is_sensitive,
        )
    };
    // 1 topic, 4 the broker's file, 5 default.
    assert_eq!(of("max.message.bytes"), (Some("77"), 1, false, false));
    assert_eq!(of("retention.ms"), (Some("3600000"), 4, false, false));
    assert_eq!(of("cleanup.policy"), (Some("delete"), 5, false, false));
    assert!(configs.is_sorted_by_key(|config| config.name.to_string()));
}

#[test]
fn without_time_the_answer_is_a_timeout_and_the_topic_may_come() {
    let broker = Broker::start();
    let mut client = broker.client();
    let late = CreateTopicsRequest {
        timeout_ms: 0,
        ..request(vec![topic("late", 1, 1)], false)
    };
    let response: CreateTopicsResponse = client.call(7, &late);
    let code = outcome(&response).0;
    // A store may be faster than no time at all.
    assert!(matches!(code, 0 | 7), "{code}");
    // The next change stands behind it in the metadata log.
    client.create_topic("next", 1, &[]);
    assert_eq!(client.topic("late").error_code, 0);
}

#[test]
fn no_topics_is_no_error() {
    let broker = Broker::start();
    for version in versions::<CreateTopicsRequest>() {
        let response = create(&mut broker.client(), version, Vec::new());
        assert_eq!(response.topics, Vec::<CreatableTopicResult>::new());
    }
}

#[test]
fn settings_that_free_no_space_yet_are_warned_of_once_at_start() {
    let mut broker = Broker::start();
    let warned = |broker: &Broker| broker.log().matches("free no space yet").count();
    broker
        .client()
        .create_topic("short", 1, &[("retention.ms", "1000")]);
    assert_eq!(warned(&broker), 0, "it is not about creating");
    broker.crash_and_restart();
    broker.client().topic("short");
    assert_eq!(warned(&broker), 1);
    assert!(
        broker.log().contains("ask for it: short"),
        "{}",
        broker.log()
    );
}
