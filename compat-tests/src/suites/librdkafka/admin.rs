//! Topics and what there is to know about a cluster, through librdkafka's admin client.

use crate::{
    harness::{
        suite::{Case, Context},
        time::poll_for,
    },
    librdkafka::{
        LIMIT, Record, admin, admin_options, config, create_topic, produce_ok, wait, watermarks,
    },
};
use rdkafka::{
    admin::{NewPartitions, ResourceSpecifier},
    error::RDKafkaErrorCode,
    producer::{BaseProducer, Producer},
};

pub const CASES: &[Case] = &[
    Case::new("metadata_names_cluster_brokers_and_leaders", metadata),
    Case::new("topic_settings_are_kept_and_described", describe_configs),
    Case::new("partitions_are_added", add_partitions),
    Case::new("deleted_topic_is_gone_and_its_name_free", delete),
];

fn client(c: &Context) -> BaseProducer {
    config(&c.bootstrap).create().expect("a client")
}

fn metadata(c: &Context) {
    let topic = c.name("metadata");
    create_topic(&c.bootstrap, &topic, 3, &[]);
    let client = client(c);
    let cluster_id = client.client().fetch_cluster_id(LIMIT).expect("an id");
    assert_eq!(cluster_id.len(), 22, "a Kafka UUID: {cluster_id}");
    let metadata = client.client().fetch_metadata(Some(&topic), LIMIT);
    let metadata = metadata.expect("metadata");
    let [broker] = metadata.brokers() else {
        panic!("one broker");
    };
    assert_eq!(format!("{}:{}", broker.host(), broker.port()), c.bootstrap);
    let [found] = metadata.topics() else {
        panic!("one topic");
    };
    let partitions: Vec<(i32, i32)> = found
        .partitions()
        .iter()
        .map(|p| (p.id(), p.leader()))
        .collect();
    let mut sorted = partitions.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [(0, broker.id()), (1, broker.id()), (2, broker.id())]
    );
    assert!(
        found
            .partitions()
            .iter()
            .all(|p| p.replicas() == [broker.id()])
    );
}

fn describe_configs(c: &Context) {
    let topic = c.name("configs");
    let settings = [("retention.ms", "123456"), ("max.message.bytes", "2000000")];
    create_topic(&c.bootstrap, &topic, 1, &settings);
    let wanted = ResourceSpecifier::Topic(&topic);
    let answer = wait(admin(&c.bootstrap).describe_configs([&wanted], &admin_options()));
    let found = answer.expect("an answer").remove(0).expect("the topic");
    for (name, value) in settings {
        let entry = found.get(name).expect("described");
        assert_eq!(entry.value.as_deref(), Some(value), "{name}");
        assert!(!entry.is_default, "{name}");
    }
    let entry = found.get("cleanup.policy").expect("described");
    assert_eq!(entry.value.as_deref(), Some("delete"));
    assert!(entry.is_default);
}

fn add_partitions(c: &Context) {
    let topic = c.name("grow");
    create_topic(&c.bootstrap, &topic, 1, &[]);
    let grow = |count: usize| {
        let wanted = NewPartitions::new(&topic, count);
        let result = wait(admin(&c.bootstrap).create_partitions([&wanted], &admin_options()));
        let result = result.expect("an answer").remove(0);
        result.map(|_| ()).map_err(|(_, code)| code)
    };
    assert_eq!(grow(3), Ok(()));
    assert_eq!(
        grow(2),
        Err(RDKafkaErrorCode::InvalidPartitions),
        "never fewer"
    );
    let stored = poll_for(LIMIT, || {
        let metadata = client(c)
            .client()
            .fetch_metadata(Some(&topic), LIMIT)
            .ok()?;
        (metadata.topics()[0].partitions().len() == 3).then_some(())
    });
    assert!(stored.is_some(), "metadata shows the new partitions");
    let places = produce_ok(
        &config(&c.bootstrap),
        &topic,
        Some(2),
        &[Record::value("v")],
    );
    assert_eq!(places[0].partition, 2);
}

fn delete(c: &Context) {
    let topic = c.name("delete");
    let delete = || {
        let result = wait(admin(&c.bootstrap).delete_topics(&[&topic], &admin_options()));
        let result = result.expect("an answer").remove(0);
        result.map(|_| ()).map_err(|(_, code)| code)
    };
    assert_eq!(delete(), Err(RDKafkaErrorCode::UnknownTopicOrPartition));
    for _ in 0..2 {
        create_topic(&c.bootstrap, &topic, 1, &[]);
        produce_ok(
            &config(&c.bootstrap),
            &topic,
            Some(0),
            &[Record::value("v")],
        );
        assert_eq!(watermarks(&c.bootstrap, &topic, 0), (0, 1), "a fresh log");
        assert_eq!(delete(), Ok(()));
        let gone = poll_for(LIMIT, || {
            let metadata = client(c).client().fetch_metadata(None, LIMIT);
            let metadata = metadata.expect("metadata of all topics");
            let left = metadata.topics().iter().any(|t| t.name() == topic);
            (!left).then_some(())
        });
        assert!(gone.is_some(), "metadata forgets the topic");
    }
}
