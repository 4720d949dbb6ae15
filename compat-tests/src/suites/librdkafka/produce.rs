//! Records of every kind come back as they were sent, at the offsets that were acknowledged.

use crate::{
    harness::{
        random::Random,
        suite::{Case, Context},
    },
    librdkafka::{
        Place, Record, RecordProducer, config, consume, create_topic, produce_ok, watermarks, with,
    },
};
use rdkafka::Offset;

pub const CASES: &[Case] = &[
    Case::new("codec_none", |c| codec(c, "none")),
    Case::new("codec_gzip", |c| codec(c, "gzip")),
    Case::new("codec_snappy", |c| codec(c, "snappy")),
    Case::new("codec_lz4", |c| codec(c, "lz4")),
    Case::new("codec_zstd", |c| codec(c, "zstd")),
    Case::new("headers_keep_order_repeats_and_nulls", headers),
    Case::new("null_and_empty_keys_and_values_differ", nulls),
    Case::new("values_of_a_million_bytes", large_values),
    Case::new(
        "values_of_three_million_bytes_in_a_topic_that_allows_them",
        larger_values,
    ),
    Case::new("idempotent_producer_on_many_partitions", idempotence),
    Case::new("acks_0_and_1", acks),
    Case::new("first_produce_creates_the_topic", auto_creation),
    Case::new("canary_a_changed_record_is_noticed", canary),
];

/// The records of partition 0 are exactly `sent`, at the offsets that were acknowledged.
fn check_round_trip(
    bootstrap: &str,
    topic: &str,
    sent: &[Record],
    places: &[Place],
) -> Result<(), String> {
    if !places.iter().map(|p| p.offset).eq(0..sent.len() as i64) {
        return Err(format!("acknowledged offsets are not dense: {places:?}"));
    }
    let got = consume(bootstrap, topic, 0, Offset::Beginning, sent.len());
    for (n, ((offset, got), sent)) in got.iter().zip(sent).enumerate() {
        let mut sent = sent.clone();
        sent.timestamp_ms = sent.timestamp_ms.or(got.timestamp_ms);
        if *offset != n as i64 || *got != sent {
            return Err(format!("record {n} came back changed, at offset {offset}"));
        }
    }
    Ok(())
}

fn round_trip(c: &Context, name: &str, settings: &[(&str, &str)], records: &[Record]) {
    let topic = c.name(name);
    create_topic(&c.bootstrap, &topic, 1, &[]);
    let client = with(config(&c.bootstrap), settings);
    let places = produce_ok(&client, &topic, Some(0), records);
    check_round_trip(&c.bootstrap, &topic, records, &places).expect("the same records");
}

/// Text that compresses, bytes that do not, some of them empty.
fn mixed_records(seed: u64, count: usize) -> Vec<Record> {
    let mut random = Random::new(seed);
    let record = |n: usize| {
        let len = random.below(3000) as usize;
        let value = match n % 3 {
            0 => random.bytes(len),
            1 => b"the same words again ".repeat(len / 20),
            _ => format!("{{\"id\":{n},\"ok\":true}}").into_bytes(),
        };
        let mut record = Record::keyed(format!("key {}", n % 7), value);
        record.timestamp_ms = Some(1_700_000_000_000 + n as i64);
        record
    };
    (0..count).map(record).collect()
}

fn codec(c: &Context, codec: &str) {
    let records = mixed_records(c.seed, 2000);
    let settings = [("compression.type", codec), ("linger.ms", "50")];
    round_trip(c, codec, &settings, &records);
}

fn headers(c: &Context) {
    let header = |k: &str, v: Option<&[u8]>| (k.to_owned(), v.map(<[u8]>::to_vec));
    let mut record = Record::value("v");
    record.headers = vec![
        header("trace", Some(b"abc")),
        header("trace", Some(b"second")),
        header("null", None),
        header("empty", Some(b"")),
        header("", Some(b"no name")),
        header("bytes \u{1f980}", Some(&[0, 255, 10])),
    ];
    let mut many = Record::value("many");
    many.headers = (0..500)
        .map(|n| header(&format!("h{n}"), Some(b"x")))
        .collect();
    round_trip(c, "headers", &[], &[record, Record::value("none"), many]);
}

fn nulls(c: &Context) {
    let parts = [None, Some(Vec::new()), Some(b"x".to_vec())];
    let mut records = Vec::new();
    for key in &parts {
        for value in &parts {
            records.push(Record {
                key: key.clone(),
                value: value.clone(),
                ..Record::default()
            });
        }
    }
    round_trip(c, "nulls", &[], &records);
}

fn large_values(c: &Context) {
    let mut random = Random::new(c.seed);
    let records: Vec<Record> = (0..20)
        .map(|_| Record::value(random.bytes(1_000_000)))
        .collect();
    let raised = [("message.max.bytes", "2000000")];
    round_trip(c, "large", &raised, &records);
}

fn larger_values(c: &Context) {
    let topic = c.name("larger");
    create_topic(&c.bootstrap, &topic, 1, &[("max.message.bytes", "4000000")]);
    let mut random = Random::new(c.seed);
    let records: Vec<Record> = (0..5)
        .map(|_| Record::value(random.bytes(3_000_000)))
        .collect();
    let client = with(config(&c.bootstrap), &[("message.max.bytes", "4000000")]);
    let places = produce_ok(&client, &topic, Some(0), &records);
    check_round_trip(&c.bootstrap, &topic, &records, &places).expect("the same records");
}

fn idempotence(c: &Context) {
    const PARTITIONS: i32 = 5;
    let topic = c.name("idempotent");
    create_topic(&c.bootstrap, &topic, PARTITIONS, &[]);
    let settings = [
        ("enable.idempotence", "true"),
        ("batch.num.messages", "7"),
        ("linger.ms", "1"),
    ];
    let mut producer = RecordProducer::new(&with(config(&c.bootstrap), &settings));
    let numbers = 0..2000;
    for n in numbers.clone() {
        let record = Record::value(n.to_string());
        producer.send(&topic, Some(n % PARTITIONS), &record);
    }
    let places = producer.flush();
    for (n, place) in numbers.zip(places) {
        let place = place.expect("stored");
        assert_eq!(place.partition, n % PARTITIONS);
        assert_eq!(place.offset, i64::from(n / PARTITIONS), "in order, once");
    }
    for partition in 0..PARTITIONS {
        assert_eq!(watermarks(&c.bootstrap, &topic, partition), (0, 400));
        let got = consume(&c.bootstrap, &topic, partition, Offset::Beginning, 400);
        for (offset, record) in got {
            let n = offset as i32 * PARTITIONS + partition;
            assert_eq!(record.value, Some(n.to_string().into_bytes()));
        }
    }
}

fn acks(c: &Context) {
    for acks in ["0", "1"] {
        let topic = c.name(&format!("acks{acks}"));
        create_topic(&c.bootstrap, &topic, 1, &[]);
        let records: Vec<Record> = (0..100).map(|n| Record::value(n.to_string())).collect();
        let client = with(config(&c.bootstrap), &[("acks", acks)]);
        produce_ok(&client, &topic, Some(0), &records);
        let got = consume(&c.bootstrap, &topic, 0, Offset::Beginning, 100);
        let values = got.into_iter().map(|(_, record)| record.value);
        assert!(values.eq(records.into_iter().map(|record| record.value)));
    }
}

fn auto_creation(c: &Context) {
    let topic = c.name("created-by-produce");
    let places = produce_ok(&config(&c.bootstrap), &topic, None, &[Record::value("1")]);
    assert_eq!(places[0].offset, 0);
    let got = consume(
        &c.bootstrap,
        &topic,
        places[0].partition,
        Offset::Beginning,
        1,
    );
    assert_eq!(got[0].1.value.as_deref(), Some(&b"1"[..]));
}

/// The comparison that the other cases rest on must be able to fail.
fn canary(c: &Context) {
    let topic = c.name("canary");
    create_topic(&c.bootstrap, &topic, 1, &[]);
    let records = mixed_records(c.seed, 20);
    let client = config(&c.bootstrap);
    let places = produce_ok(&client, &topic, Some(0), &records);
    let mut changed = records.clone();
    let value = changed[19].value.as_mut().expect("has a value");
    value.push(1);
    let check = |records: &[Record]| check_round_trip(&c.bootstrap, &topic, records, &places);
    assert_eq!(check(&records), Ok(()));
    assert!(check(&changed).is_err_and(|why| why.contains("record 19")));
}
