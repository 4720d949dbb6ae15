//! Finding records: by offset, by time, at the end, behind the end.

use std::{collections::HashMap, time::Duration};

use crate::{
    harness::{
        suite::{Case, Context},
        time::{self, poll_for},
    },
    librdkafka::{
        LIMIT, Record, RecordProducer, code, config, consume, consumer_at, create_topic,
        produce_ok, take, watermarks, with,
    },
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode,
};

pub const CASES: &[Case] = &[
    Case::new("offsets_by_time", by_time),
    Case::new("seek_back_and_forth", seek),
    Case::new("start_in_the_middle_of_a_compressed_batch", middle_of_batch),
    Case::new("watermarks_follow", follow_watermarks),
    Case::new("waiting_consumer_gets_a_record_at_once", long_poll),
    Case::new("offset_out_of_range_is_reported_or_reset", out_of_range),
    Case::new("hundred_partitions_in_one_consumer", many_partitions),
    Case::new(
        "small_fetches_make_progress_over_large_records",
        small_fetches,
    ),
];

fn numbered(count: usize) -> Vec<Record> {
    (0..count).map(|n| Record::value(n.to_string())).collect()
}

fn number(record: &Record) -> usize {
    let value = record.value.as_deref().expect("a value");
    let text = std::str::from_utf8(value).expect("text");
    text.parse().expect("a number")
}

fn by_time(c: &Context) {
    let topic = c.name("times");
    create_topic(&c.bootstrap, &topic, 2, &[]);
    let base = 1_700_000_000_000;
    // Not in order within the log: a look-up finds the first record at or after a time.
    let times = [0, 1000, 1000, 5000, 3000, 9000];
    let mut producer = RecordProducer::new(&config(&c.bootstrap));
    for (n, time) in times.iter().enumerate() {
        let mut record = Record::value(n.to_string());
        record.timestamp_ms = Some(base + time);
        producer.send(&topic, Some(0), &record);
        // One batch each.
        producer.flush()[0].expect("stored");
    }
    let consumer = consumer_at(&config(&c.bootstrap), &topic, 0, Offset::Beginning);
    let find = |time: i64| {
        let mut question = TopicPartitionList::new();
        let added = question.add_partition_offset(&topic, 0, Offset::Offset(base + time));
        added.expect("a valid time");
        let answer = consumer.offsets_for_times(question, LIMIT);
        answer.expect("an answer").elements()[0].offset()
    };
    assert_eq!(find(-5), Offset::Offset(0));
    assert_eq!(find(0), Offset::Offset(0));
    assert_eq!(find(1), Offset::Offset(1));
    assert_eq!(find(1000), Offset::Offset(1));
    assert_eq!(find(1001), Offset::Offset(3));
    assert_eq!(find(5001), Offset::Offset(5));
    assert_eq!(find(9001), Offset::End);
    let mut empty = TopicPartitionList::new();
    let added = empty.add_partition_offset(&topic, 1, Offset::Offset(base));
    added.expect("a valid time");
    let answer = consumer.offsets_for_times(empty, LIMIT).expect("an answer");
    assert_eq!(
        answer.elements()[0].offset(),
        Offset::End,
        "empty partition"
    );
}

fn seek(c: &Context) {
    let topic = c.name("seek");
    create_topic(&c.bootstrap, &topic, 1, &[]);
    produce_ok(&config(&c.bootstrap), &topic, Some(0), &numbered(1000));
    let consumer = consumer_at(&config(&c.bootstrap), &topic, 0, Offset::Beginning);
    take(&consumer, 1, LIMIT);
    for target in [900, 3, 999, 0, 500] {
        let done = consumer.seek(&topic, 0, Offset::Offset(target), LIMIT);
        done.expect("a known offset");
        let (place, record) = take(&consumer, 1, LIMIT).remove(0);
        assert_eq!(place.offset, target);
        assert_eq!(number(&record), target as usize);
    }
}

fn middle_of_batch(c: &Context) {
    let topic = c.name("middle");
    create_topic(&c.bootstrap, &topic, 1, &[]);
    let settings = [("linger.ms", "500"), ("compression.type", "zstd")];
    let client = with(config(&c.bootstrap), &settings);
    produce_ok(&client, &topic, Some(0), &numbered(100));
    let got = consume(&c.bootstrap, &topic, 0, Offset::Offset(57), 43);
    assert_eq!(got[0].0, 57);
    assert_eq!(number(&got[0].1), 57);
    assert_eq!(got[42].0, 99);
}

fn follow_watermarks(c: &Context) {
    let topic = c.name("watermarks");
    create_topic(&c.bootstrap, &topic, 1, &[]);
    assert_eq!(watermarks(&c.bootstrap, &topic, 0), (0, 0));
    for round in 1..=3 {
        produce_ok(&config(&c.bootstrap), &topic, Some(0), &numbered(10));
        assert_eq!(watermarks(&c.bootstrap, &topic, 0), (0, round * 10));
    }
}

fn long_poll(c: &Context) {
    let topic = c.name("long-poll");
    create_topic(&c.bootstrap, &topic, 1, &[]);
    let patient = with(config(&c.bootstrap), &[("fetch.wait.max.ms", "10000")]);
    let consumer = consumer_at(&patient, &topic, 0, Offset::Beginning);
    let mut producer = RecordProducer::new(&config(&c.bootstrap));
    // The first record also waits for connections and metadata; the later ones measure the wake-up.
    for n in 0..5 {
        let parked = consumer.poll(Duration::from_millis(if n == 0 { 1500 } else { 300 }));
        assert!(parked.is_none(), "nothing was sent yet");
        let sent = time::now();
        producer.send(&topic, Some(0), &Record::value(n.to_string()));
        producer.flush()[0].expect("stored");
        take(&consumer, 1, LIMIT);
        let took = sent.elapsed();
        assert!(
            took < Duration::from_secs(3),
            "a parked fetch woke after {took:?}"
        );
    }
}

fn out_of_range(c: &Context) {
    let topic = c.name("range");
    create_topic(&c.bootstrap, &topic, 1, &[]);
    produce_ok(&config(&c.bootstrap), &topic, Some(0), &numbered(10));
    let client = with(config(&c.bootstrap), &[("auto.offset.reset", "error")]);
    let consumer = consumer_at(&client, &topic, 0, Offset::Offset(5000));
    let error = poll_for(LIMIT, || match consumer.poll(Duration::from_millis(50)) {
        Some(Err(error)) => Some(code(&error)),
        Some(Ok(message)) => panic!("a record at offset {}", rdkafka::Message::offset(&message)),
        None => None,
    });
    // librdkafka's own code for "no reset policy"; its text names the broker's answer.
    assert_eq!(error, Some(RDKafkaErrorCode::AutoOffsetReset));
    let client = with(config(&c.bootstrap), &[("auto.offset.reset", "earliest")]);
    let consumer = consumer_at(&client, &topic, 0, Offset::Offset(5000));
    assert_eq!(take(&consumer, 1, LIMIT)[0].0.offset, 0);
}

fn many_partitions(c: &Context) {
    const PARTITIONS: i32 = 100;
    let topic = c.name("hundred");
    create_topic(&c.bootstrap, &topic, PARTITIONS, &[]);
    let mut producer = RecordProducer::new(&config(&c.bootstrap));
    for n in 0..PARTITIONS * 20 {
        producer.send(&topic, Some(n % PARTITIONS), &Record::value(n.to_string()));
    }
    producer
        .flush()
        .into_iter()
        .for_each(|d| _ = d.expect("stored"));
    let mut config = config(&c.bootstrap);
    config.set("group.id", "unused");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_range(&topic, 0, PARTITIONS - 1);
    assignment.set_all_offsets(Offset::Beginning).expect("set");
    consumer.assign(&assignment).expect("assigned");
    let mut next: HashMap<i32, i64> = HashMap::new();
    for (place, record) in take(&consumer, PARTITIONS as usize * 20, LIMIT) {
        let expected = next.entry(place.partition).or_default();
        assert_eq!(place.offset, *expected, "in order within the partition");
        *expected += 1;
        let n = place.offset as i32 * PARTITIONS + place.partition;
        assert_eq!(number(&record), n as usize);
    }
}

fn small_fetches(c: &Context) {
    let topic = c.name("small-fetches");
    create_topic(&c.bootstrap, &topic, 1, &[]);
    let records: Vec<Record> = (0..20).map(|n| Record::value(vec![n; 200_000])).collect();
    produce_ok(&config(&c.bootstrap), &topic, Some(0), &records);
    let settings = [
        ("fetch.message.max.bytes", "1000"),
        ("fetch.max.bytes", "1000"),
        ("message.max.bytes", "1000"),
    ];
    let client = with(config(&c.bootstrap), &settings);
    let consumer = consumer_at(&client, &topic, 0, Offset::Beginning);
    for (n, (_, record)) in take(&consumer, 20, LIMIT).into_iter().enumerate() {
        assert_eq!(record.value, Some(vec![n as u8; 200_000]));
    }
}
