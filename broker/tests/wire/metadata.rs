//! Metadata, all versions.

use std::time::Duration;

use weir_protocol::{
    messages::{MetadataRequest, MetadataResponse, metadata_request::MetadataRequestTopic},
    str::Str,
    types::Uuid,
};

use crate::{
    broker::Broker,
    client::{Client, versions},
    topics::text,
};

/// Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs.
const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite.
const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic {
        name: Some(Str::from_str_copy(name)),
        ..Default::default()
    }
}

fn by_id(topic_id: Uuid) -> MetadataRequestTopic {
    MetadataRequestTopic {
        topic_id,
        name: None,
        ..Default::default()
    }
}

/// Asks without auto-creation, where the version can say so.
fn ask(
    client: &mut Client,
    version: i16,
    topics: Option<Vec<MetadataRequestTopic>>,
) -> MetadataResponse {
    let request = MetadataRequest {
        topics,
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    client.call(version, &request)
}

/// (name, code) of each topic.
fn codes(response: &MetadataResponse) -> Vec<(Option<&str>, i16)> {
    let topics = response.topics.iter();
    topics
        .map(|topic| (text(&topic.name), topic.error_code))
        .collect()
}

#[test]
fn brokers_cluster_and_partitions_are_described() {
    let broker = Broker::with(&["broker.rack=shelf"]);
    let mut client = broker.client();
    let id = client.create_topic("t", 2, &[]);
    for version in versions::<MetadataRequest>() {
        let response = ask(&mut client, version, Some(vec![named("t")]));
        let [node] = &response.brokers[..] else {
            panic!("one broker: {response:?}");
        };
        assert_eq!(
            format!("{}:{}", node.host, node.port),
            broker.address,
            "v{version}"
        );
        assert_eq!(node.node_id, 1);
        let [topic] = &response.topics[..] else {
            panic!("one topic: {response:?}");
        };
        assert_eq!((topic.error_code, text(&topic.name)), (0, Some("t")));
        for (index, partition) in topic.partitions.iter().enumerate() {
            assert_eq!(
                (partition.error_code, partition.partition_index),
                (0, index as i32)
            );
            assert_eq!(partition.leader_id, 1);
            assert_eq!(
                (&partition.replica_nodes, &partition.isr_nodes),
                (&vec![1], &vec![1])
            );
            assert!(partition.offline_replicas.is_empty());
            if version >= 7 {
                assert!(partition.leader_epoch >= 0, "v{version}");
            }
        }
        assert_eq!(topic.partitions.len(), 2);
        if version >= 1 {
            assert_eq!(
                (response.controller_id, text(&node.rack)),
                (1, Some("shelf"))
            );
            assert!(!topic.is_internal);
        }
        if version >= 2 {
            assert_eq!(text(&response.cluster_id).unwrap().len(), 22);
        }
        if version >= 10 {
            assert_eq!(topic.topic_id, id);
        }
        assert_eq!((response.throttle_time_ms, response.error_code), (0, 0));
    }
}

#[test]
fn null_means_all_and_empty_none_but_in_version_0_empty_means_all() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("b", 1, &[]);
    client.create_topic("a", 1, &[]);
    client.create_topic("__consumer_offsets", 1, &[]);
    let all = vec![
        (Some("__consumer_offsets"), 0),
        (Some("a"), 0),
        (Some("b"), 0),
    ];
    for version in versions::<MetadataRequest>() {
        let empty = ask(&mut client, version, Some(Vec::new()));
        if version == 0 {
            assert_eq!(codes(&empty), all);
            continue;
        }
        assert_eq!(codes(&empty), [], "v{version}");
        let null = ask(&mut client, version, None);
        assert_eq!(codes(&null), all, "v{version}");
        assert!(null.topics[0].is_internal);
    }
}

#[test]
fn unknown_and_illegal_names_have_their_codes() {
    let broker = Broker::with(&["auto.create.topics.enable=false"]);
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    for version in versions::<MetadataRequest>() {
        let topics = vec![named("missing"), named("a b"), named("t"), named("missing")];
        let response = ask(&mut client, version, Some(topics));
        let expected = [(Some("missing"), 3), (Some("a b"), 17), (Some("t"), 0)];
        assert_eq!(codes(&response), expected, "v{version}");
    }
}

#[test]
fn asking_creates_a_topic_where_client_and_broker_allow_it() {
    let broker = Broker::with(&["num.partitions=3"]);
    let mut client = broker.client();
    for version in versions::<MetadataRequest>() {
        let name = format!("auto-{version}");
        let topics = Some(vec![named(&name)]);
        if version >= 4 {
            let quiet = ask(&mut client, version, topics.clone());
            assert_eq!(codes(&quiet), [(Some(&*name), 3)], "v{version}");
        }
        let request = MetadataRequest {
            topics,
            ..Default::default()
        };
        let first = client.call(version, &request);
        assert_eq!(
            codes(&first),
            [(Some(&*name), 3)],
            "v{version}: the client asks again"
        );
        let created = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            client.topic(&name).error_code == 0
        });
        assert!(created, "v{version}");
        assert_eq!(client.topic(&name).partitions.len(), 3);
    }
    let all = ask(&mut client, 12, None);
    assert_eq!(
        all.topics.len(),
        versions::<MetadataRequest>().count(),
        "none by accident"
    );
}

#[test]
fn what_must_not_be_created_by_asking_is_not() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("a.b", 1, &[]);
    let names = [
        "a_b",
        "__transaction_state",
        "__share_group_state",
        "__cluster_metadata",
    ];
    let request = MetadataRequest {
        topics: Some(names.map(named).to_vec()),
        ..Default::default()
    };
    for version in versions::<MetadataRequest>() {
        let got: Vec<_> = client
            .call(version, &request)
            .topics
            .iter()
            .map(|topic| topic.error_code)
            .collect();
        assert_eq!(got, [17, 3, 3, 3], "v{version}");
    }
    // What was begun is done before this.
    client.create_topic("last", 1, &[]);
    assert_eq!(ask(&mut client, 12, None).topics.len(), 2);
}

#[test]
fn topics_can_be_asked_for_by_id_from_version_12_on() {
    let broker = Broker::start();
    let mut client = broker.client();
    let id = client.create_topic("t", 1, &[]);
    client.create_topic("u", 1, &[]);
    let unknown = Uuid([9; 16]);
    for version in 12..=13 {
        let topics = vec![by_id(unknown), by_id(id), named("u"), by_id(id)];
        let response = ask(&mut client, version, Some(topics));
        // An id in the request makes its names void, as in Kafka.
        assert_eq!(
            codes(&response),
            [(None, 100), (Some("t"), 0)],
            "v{version}"
        );
        assert_eq!(response.topics[0].topic_id, unknown);
        let response = ask(&mut client, version, Some(vec![by_id(Uuid::ZERO)]));
        assert_eq!(response.topics[0].error_code, 42);
    }
    for version in 10..=11 {
        let with_id = MetadataRequestTopic {
            topic_id: id,
            ..named("t")
        };
        let response = ask(&mut client, version, Some(vec![with_id, named("u")]));
        assert_eq!(
            codes(&response),
            [(Some("t"), 42), (Some("u"), 42)],
            "v{version}"
        );
        assert!(response.brokers.is_empty());
        let response = ask(&mut client, version, Some(vec![by_id(Uuid::ZERO)]));
        assert_eq!(
            codes(&response),
            [(Some(""), 42)],
            "v{version}: a null name"
        );
    }
}

#[test]
fn operations_are_told_only_when_asked_for() {
    let broker = Broker::start();
    let mut client = broker.client();
    client.create_topic("t", 1, &[]);
    for version in 8..=13 {
        for wanted in [true, false] {
            let request = MetadataRequest {
                topics: Some(vec![named("t"), named("missing")]),
                allow_auto_topic_creation: false,
                include_topic_authorized_operations: wanted,
                include_cluster_authorized_operations: wanted,
                ..Default::default()
            };
            let response = client.call(version, &request);
            let topic = if wanted { TOPIC_OPERATIONS } else { i32::MIN };
            let got: Vec<_> = response
                .topics
                .iter()
                .map(|t| t.topic_authorized_operations)
                .collect();
            assert_eq!(got, [topic, topic], "v{version}");
            if version <= 10 {
                let cluster = if wanted { CLUSTER_OPERATIONS } else { i32::MIN };
                assert_eq!(
                    response.cluster_authorized_operations, cluster,
                    "v{version}"
                );
            }
        }
    }
}
