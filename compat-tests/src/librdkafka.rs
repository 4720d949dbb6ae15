//! librdkafka for the suites: whole lists of records in and out, every result kept.
//!
//! Owns: configurations, delivery reports matched to their records, reading a partition to a count.
//! Does not own: what is right; the callers compare.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext},
};

use crate::harness::time::{Deadline, poll_for};

/// How long one client call may take before a case gives up.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A record as an application sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// In order; names may repeat.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// CreateTime; `None`: the client's clock.
    pub timestamp_ms: Option<i64>,
}

impl Record {
    pub fn value(value: impl Into<Vec<u8>>) -> Record {
        Record {
            value: Some(value.into()),
            ..Record::default()
        }
    }

    pub fn keyed(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Record {
        Record {
            key: Some(key.into()),
            ..Record::value(value)
        }
    }

    /// A received message, its timestamp included.
    pub fn of(message: &BorrowedMessage<'_>) -> Record {
        let headers = message.headers().into_iter().flat_map(|h| h.iter());
        Record {
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers
                .map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec)))
                .collect(),
            timestamp_ms: message.timestamp().to_millis(),
        }
    }
}

/// Where a record was stored, as its acknowledgement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

pub type Delivery = Result<Place, RDKafkaErrorCode>;

/// A quiet client of this broker.
pub fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.set("broker.address.family", "v4");
    config.set_log_level(RDKafkaLogLevel::Emerg);
    config
}

pub fn with(mut config: ClientConfig, settings: &[(&str, &str)]) -> ClientConfig {
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

/// Collects delivery reports under the number that each record was sent with.
#[derive(Default)]
pub struct Deliveries(Mutex<BTreeMap<usize, Delivery>>);

impl Deliveries {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Delivery>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<usize>) {
        let delivery = match result {
            Ok(message) => Ok(Place {
                partition: message.partition(),
                offset: message.offset(),
            }),
            Err((error, _)) => Err(code(error)),
        };
        self.lock().insert(*number, delivery);
    }
}

/// The code of any librdkafka error; `Unknown` for errors of the wrapper itself.
pub fn code(error: &KafkaError) -> RDKafkaErrorCode {
    let code = error.rdkafka_error_code();
    code.unwrap_or(RDKafkaErrorCode::Unknown)
}

/// A producer whose deliveries can be asked for.
pub struct RecordProducer {
    inner: BaseProducer<Deliveries>,
    sent: usize,
}

impl RecordProducer {
    pub fn new(config: &ClientConfig) -> RecordProducer {
        let inner = config.create_with_context(Deliveries::default());
        RecordProducer {
            inner: inner.expect("the configuration is valid"),
            sent: 0,
        }
    }

    pub fn inner(&self) -> &BaseProducer<Deliveries> {
        &self.inner
    }

    /// Hands the record over; waits while the client's queue is full. Returns its number.
    pub fn send(&mut self, topic: &str, partition: Option<i32>, record: &Record) -> usize {
        let number = self.sent;
        let mut next = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, Box::new(number));
        next.partition = partition;
        next.key = record.key.as_deref();
        next.payload = record.value.as_deref();
        next.timestamp = record.timestamp_ms;
        if !record.headers.is_empty() {
            next.headers = Some(native_headers(&record.headers));
        }
        let deadline = Deadline::after(LIMIT);
        loop {
            match self.inner.send(next) {
                Ok(()) => break,
                Err((error, back)) if code(&error) == RDKafkaErrorCode::QueueFull => {
                    assert!(!deadline.passed(), "the client's queue stays full");
                    next = back;
                    self.inner.poll(Duration::from_millis(10));
                }
                // Refused by the client itself, such as one that is larger than its own limit.
                Err((error, _)) => {
                    let deliveries = self.inner.context();
                    deliveries.lock().insert(number, Err(code(&error)));
                    break;
                }
            }
        }
        self.sent += 1;
        self.inner.poll(Duration::ZERO);
        number
    }

    /// Waits for the results of everything that was sent, in the order of sending.
    pub fn flush(&mut self) -> Vec<Delivery> {
        let end = Deadline::after(LIMIT);
        while self.inner.context().lock().len() < self.sent && !end.passed() {
            self.inner.poll(Duration::from_millis(20));
        }
        let known = std::mem::take(&mut *self.inner.context().lock());
        assert_eq!(known.len(), self.sent, "deliveries missing after {LIMIT:?}");
        self.sent = 0;
        known.into_values().collect()
    }

    /// How many results are known.
    pub fn answered(&self) -> usize {
        self.inner.poll(Duration::ZERO);
        self.inner.context().lock().len()
    }

    /// What is known so far, by number.
    pub fn known(&self) -> BTreeMap<usize, Delivery> {
        self.inner.poll(Duration::ZERO);
        self.inner.context().lock().clone()
    }
}

fn native_headers(headers: &[(String, Option<Vec<u8>>)]) -> OwnedHeaders {
    let mut native = OwnedHeaders::new();
    for (key, value) in headers {
        native = native.insert(Header {
            key,
            value: value.as_ref(),
        });
    }
    native
}

/// Sends all records to one partition and waits for every result.
pub fn produce(
    config: &ClientConfig,
    topic: &str,
    partition: Option<i32>,
    records: &[Record],
) -> Vec<Delivery> {
    let mut producer = RecordProducer::new(config);
    for record in records {
        producer.send(topic, partition, record);
    }
    producer.flush()
}

/// As [`produce`], when each must be stored; returns where.
pub fn produce_ok(
    config: &ClientConfig,
    topic: &str,
    partition: Option<i32>,
    records: &[Record],
) -> Vec<Place> {
    let deliveries = produce(config, topic, partition, records).into_iter();
    deliveries.map(|d| d.expect("stored")).collect()
}

/// Reads `count` records of a partition from `from` on, without a group. Panics after [`LIMIT`].
pub fn consume(
    bootstrap: &str,
    topic: &str,
    partition: i32,
    from: Offset,
    count: usize,
) -> Vec<(i64, Record)> {
    let consumer = consumer_at(&config(bootstrap), topic, partition, from);
    take(&consumer, count, LIMIT)
        .into_iter()
        .map(|(place, record)| (place.offset, record))
        .collect()
}

/// A consumer without a group, assigned to one partition.
pub fn consumer_at(
    config: &ClientConfig,
    topic: &str,
    partition: i32,
    from: Offset,
) -> BaseConsumer {
    let mut config = config.clone();
    // librdkafka wants the name of a group even if none is joined.
    config.set("group.id", "unused");
    config.set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().expect("the configuration is valid");
    let mut assignment = TopicPartitionList::new();
    let added = assignment.add_partition_offset(topic, partition, from);
    added.expect("a valid offset");
    consumer.assign(&assignment).expect("assigned");
    consumer
}

/// The next `count` records. Panics when they have not come within `limit`, and on any error.
pub fn take(consumer: &BaseConsumer, count: usize, limit: Duration) -> Vec<(Place, Record)> {
    let mut records = Vec::new();
    let deadline = Deadline::after(limit);
    while records.len() < count {
        assert!(
            !deadline.passed(),
            "{} of {count} records within {limit:?}",
            records.len()
        );
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => records.push((place(&message), Record::of(&message))),
            Some(Err(error)) => panic!("consuming failed: {error}"),
        }
    }
    records
}

pub fn place(message: &BorrowedMessage<'_>) -> Place {
    Place {
        partition: message.partition(),
        offset: message.offset(),
    }
}

pub fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    config(bootstrap).create().expect("an admin client")
}

/// Runs one of the admin client's futures to its end.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().expect("a runtime");
    runtime.block_on(future)
}

pub fn admin_options() -> AdminOptions {
    let limit = Some(LIMIT);
    AdminOptions::new()
        .request_timeout(limit)
        .operation_timeout(limit)
}

/// Creates a topic and waits until all its leaders serve it.
pub fn create_topic(bootstrap: &str, topic: &str, partitions: i32, configs: &[(&str, &str)]) {
    create_topic_result(bootstrap, topic, partitions, configs).expect("the topic is created");
    wait_for_topic(bootstrap, topic, partitions);
}

pub fn create_topic_result(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Result<(), RDKafkaErrorCode> {
    let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for (key, value) in configs {
        new = new.set(key, value);
    }
    let results = wait(admin(bootstrap).create_topics([&new], &admin_options()));
    let results = results.map_err(|error| code(&error))?;
    let first = results.into_iter().next().expect("one result per topic");
    first.map(|_| ()).map_err(|(_, code)| code)
}

/// Until every leader answers: Kafka's controller says "created" before they do.
fn wait_for_topic(bootstrap: &str, topic: &str, partitions: i32) {
    let client: BaseProducer = config(bootstrap).create().expect("a client");
    for partition in 0..partitions {
        let serves = poll_for(LIMIT, || {
            let found = client.client().fetch_watermarks(topic, partition, LIMIT);
            found.ok()
        });
        serves.expect("the partition has a leader");
    }
}

/// Earliest and next offset of a partition.
pub fn watermarks(bootstrap: &str, topic: &str, partition: i32) -> (i64, i64) {
    try_watermarks(bootstrap, topic, partition).expect("watermarks")
}

pub fn try_watermarks(bootstrap: &str, topic: &str, partition: i32) -> KafkaResult<(i64, i64)> {
    let client: BaseProducer = config(bootstrap).create()?;
    client.client().fetch_watermarks(topic, partition, LIMIT)
}
