//! What goes wrong goes wrong at once, with the code that Kafka gives.

use std::time::Duration;

use crate::{
    harness::{
        broker::Target,
        suite::{Case, Context},
        time::{self, poll_for},
    },
    librdkafka::{
        LIMIT, Record, RecordProducer, code, config, consume, consumer_at, create_topic,
        create_topic_result, produce, produce_ok, watermarks, with,
    },
};
use rdkafka::{
    Offset,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::RDKafkaErrorCode,
    producer::Producer,
};

pub const CASES: &[Case] = &[
    Case::new(
        "too_large_a_record_is_refused_and_nothing_of_it_stored",
        too_large,
    ),
    Case::new("wrong_topic_names", wrong_names),
    Case::new("unknown_topic_and_partition", unknown),
    Case::new("wrong_topic_settings", wrong_settings),
    Case::new("wrong_group_names", wrong_groups),
    Case::new("transactional_producer_is_told_at_once", transactional),
];

fn too_large(c: &Context) {
    let topic = c.name("too-large");
    create_topic(&c.bootstrap, &topic, 1, &[]);
    let settings = [
        ("message.max.bytes", "5000000"),
        ("batch.num.messages", "1"),
    ];
    let client = with(config(&c.bootstrap), &settings);
    let sent = time::now();
    let result = produce(
        &client,
        &topic,
        Some(0),
        &[Record::value(vec![7; 2_000_000])],
    );
    assert_eq!(result, [Err(RDKafkaErrorCode::MessageSizeTooLarge)]);
    assert!(sent.elapsed() < Duration::from_secs(10), "without retries");
    assert_eq!(watermarks(&c.bootstrap, &topic, 0), (0, 0));
    let small = Record::value("small");
    assert_eq!(produce_ok(&client, &topic, Some(0), &[small])[0].offset, 0);
    // The same with idempotence: the sequence goes on behind the refused record.
    let idempotent = with(client, &[("enable.idempotence", "true")]);
    let mut producer = RecordProducer::new(&idempotent);
    producer.send(&topic, Some(0), &Record::value("before"));
    assert_eq!(producer.flush()[0].map(|p| p.offset), Ok(1));
    producer.send(&topic, Some(0), &Record::value(vec![7; 2_000_000]));
    assert_eq!(
        producer.flush(),
        [Err(RDKafkaErrorCode::MessageSizeTooLarge)]
    );
    producer.send(&topic, Some(0), &Record::value("after"));
    assert_eq!(producer.flush()[0].map(|p| p.offset), Ok(2));
    assert_eq!(
        consume(&c.bootstrap, &topic, 0, Offset::Beginning, 3).len(),
        3
    );
}

fn wrong_names(c: &Context) {
    let long = "x".repeat(250);
    for name in ["with space", "sl/ash", "umläut", ".", "..", long.as_str()] {
        let result = create_topic_result(&c.bootstrap, name, 1, &[]);
        assert_eq!(
            result,
            Err(RDKafkaErrorCode::InvalidTopic),
            "creating {name:?}"
        );
        let client = with(config(&c.bootstrap), &[("message.timeout.ms", "20000")]);
        let sent = time::now();
        let result = produce(&client, name, Some(0), &[Record::value("v")]);
        assert!(result[0].is_err(), "producing to {name:?}: {result:?}");
        assert!(sent.elapsed() < Duration::from_secs(10), "told at once");
    }
    // 249 characters are the longest; '.' and '_' collide in metric names, so Kafka refuses the second.
    let longest = format!("{}{}", "y".repeat(249 - c.unique.len()), c.unique);
    assert_eq!(create_topic_result(&c.bootstrap, &longest, 1, &[]), Ok(()));
    assert_eq!(
        create_topic_result(&c.bootstrap, &c.name("a.b"), 1, &[]),
        Ok(())
    );
    let collides = create_topic_result(&c.bootstrap, &c.name("a_b"), 1, &[]);
    assert_eq!(collides, Err(RDKafkaErrorCode::InvalidTopic));
}

fn unknown(c: &Context) {
    let topic = c.name("unknown");
    let client = with(
        config(&c.bootstrap),
        &[("topic.metadata.propagation.max.ms", "300")],
    );
    let consumer = consumer_at(&client, &topic, 0, Offset::Beginning);
    let error = poll_for(LIMIT, || match consumer.poll(Duration::from_millis(50)) {
        Some(Err(error)) => Some(code(&error)),
        _ => None,
    });
    assert_eq!(error, Some(RDKafkaErrorCode::UnknownTopicOrPartition));
    create_topic(&c.bootstrap, &topic, 2, &[]);
    let settings = [("message.timeout.ms", "5000")];
    let client = with(config(&c.bootstrap), &settings);
    let result = produce(&client, &topic, Some(2), &[Record::value("v")]);
    assert_eq!(result, [Err(RDKafkaErrorCode::UnknownPartition)]);
    assert_eq!(
        create_topic_result(&c.bootstrap, &topic, 2, &[]),
        Err(RDKafkaErrorCode::TopicAlreadyExists)
    );
}

fn wrong_settings(c: &Context) {
    let create = |partitions: i32, configs: &[(&str, &str)]| {
        create_topic_result(&c.bootstrap, &c.name("wrong"), partitions, configs)
    };
    assert_eq!(create(0, &[]), Err(RDKafkaErrorCode::InvalidPartitions));
    let bad = Err(RDKafkaErrorCode::InvalidConfig);
    assert_eq!(create(1, &[("no.such.setting", "1")]), bad);
    assert_eq!(create(1, &[("retention.ms", "soon")]), bad);
    assert_eq!(create(1, &[("cleanup.policy", "burn")]), bad);
    assert_eq!(create(1, &[("max.message.bytes", "-7")]), bad);
    assert_eq!(create(1, &[("retention.ms", "1000")]), Ok(()));
}

fn wrong_groups(c: &Context) {
    // An empty group id never leaves librdkafka; a session below the broker's minimum does.
    let topic = c.name("groups");
    create_topic(&c.bootstrap, &topic, 1, &[]);
    let settings = [
        ("group.id", &*c.name("short-session")),
        ("session.timeout.ms", "1000"),
        ("heartbeat.interval.ms", "300"),
    ];
    let consumer: BaseConsumer = with(config(&c.bootstrap), &settings)
        .create()
        .expect("a consumer");
    consumer.subscribe(&[&topic]).expect("subscribed");
    let error = poll_for(LIMIT, || match consumer.poll(Duration::from_millis(50)) {
        Some(Err(error)) => Some(code(&error)),
        _ => None,
    });
    assert_eq!(error, Some(RDKafkaErrorCode::InvalidSessionTimeout));
    // Committing as a member that the group does not have.
    let settings = [
        ("group.id", &*c.name("nobody")),
        ("enable.auto.commit", "false"),
    ];
    let consumer: BaseConsumer = with(config(&c.bootstrap), &settings)
        .create()
        .expect("a consumer");
    let nothing = consumer.commit_consumer_state(CommitMode::Sync);
    assert_eq!(
        nothing.map_err(|e| code(&e)),
        Err(RDKafkaErrorCode::NoOffset)
    );
}

/// Weir has no transactions yet and says so at once, with an error that is final
/// (TRANSACTIONAL_ID_AUTHORIZATION_FAILED); Kafka's coordinator answers, and the transaction commits.
fn transactional(c: &Context) {
    let topic = c.name("transactional");
    create_topic(&c.bootstrap, &topic, 1, &[]);
    let settings = [("transactional.id", &*c.name("tx")), ("acks", "all")];
    let mut producer = RecordProducer::new(&with(config(&c.bootstrap), &settings));
    let asked = time::now();
    let answer = producer.inner().init_transactions(LIMIT);
    if c.target != Target::Weir {
        answer.expect("a coordinator");
        producer.inner().begin_transaction().expect("begun");
        producer.send(&topic, Some(0), &Record::value("v"));
        producer.flush()[0].expect("stored");
        let done = producer.inner().commit_transaction(LIMIT);
        done.expect("committed");
        return;
    }
    let error = answer.expect_err("there are no transactions");
    println!("    librdkafka prints: {error}");
    assert_eq!(
        code(&error),
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed,
        "{error}"
    );
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(5), "told only after {took:?}");
    assert_eq!(
        watermarks(&c.bootstrap, &topic, 0),
        (0, 0),
        "nothing is stored"
    );
}
