//! The producers: numbered records to several partitions, every answer kept.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rdkafka::ClientConfig;

use crate::{
    harness::{random::Random, time::Deadline},
    librdkafka::{Delivery, Record, RecordProducer, config, with},
};

pub const PARTITIONS: i32 = 4;

/// How a producer works, and what may therefore be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each record once, in order.
    Idempotent,
    /// One request at a time, so in order; a record twice only where the first answer was lost.
    Plain,
}

impl Mode {
    pub const ALL: [Mode; 2] = [Mode::Idempotent, Mode::Plain];

    pub fn topic(self) -> &'static str {
        match self {
            Mode::Idempotent => "crash-idempotent",
            Mode::Plain => "crash-plain",
        }
    }

    fn config(self, bootstrap: &str) -> ClientConfig {
        let base = with(
            config(bootstrap),
            &[
                ("acks", "all"),
                ("message.timeout.ms", "600000"),
                ("queue.buffering.max.messages", "2000"),
                ("reconnect.backoff.ms", "20"),
                ("reconnect.backoff.max.ms", "200"),
                ("retry.backoff.ms", "20"),
                ("retries", "1000000"),
                ("linger.ms", "2"),
                ("batch.num.messages", "20"),
                // A broker that comes back knows its topics: "unknown" must not end a record.
                ("topic.metadata.propagation.max.ms", "600000"),
            ],
        );
        match self {
            Mode::Idempotent => with(base, &[("enable.idempotence", "true")]),
            Mode::Plain => with(
                base,
                &[
                    ("enable.idempotence", "false"),
                    ("max.in.flight.requests.per.connection", "1"),
                ],
            ),
        }
    }
}

/// Record `number` goes to partition `number % PARTITIONS`; its value says its number and has a body
/// that follows from seed and number.
pub fn value(seed: u64, number: usize) -> Vec<u8> {
    let mut random = Random::new(seed ^ (number as u64).wrapping_mul(0x1_0001));
    let len = random.below(900) as usize;
    let mut value = format!("{number}:").into_bytes();
    value.extend(random.bytes(len));
    value
}

/// The number of a record that is as it was sent.
pub fn number(seed: u64, bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|b| *b == b':')?;
    let number = std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()?;
    (value(seed, number) == bytes).then_some(number)
}

/// What a producer sent and heard.
#[derive(Debug, Default)]
pub struct Sent {
    pub total: usize,
    /// By number; without an entry the answer has not come.
    pub answers: BTreeMap<usize, Delivery>,
}

impl Sent {
    /// The records of a partition in order of sending, each with its acknowledged offset.
    pub fn of_partition(&self, partition: i32) -> Vec<(usize, Option<i64>)> {
        let first = usize::try_from(partition).expect("not negative");
        let numbers = (first..self.total).step_by(PARTITIONS as usize);
        numbers
            .map(|n| {
                let answer = self.answers.get(&n);
                (n, answer.and_then(|a| a.ok()).map(|place| place.offset))
            })
            .collect()
    }
}

/// Sends until `stop`, then waits up to `patience` for the remaining answers.
pub fn produce_until(
    bootstrap: &str,
    mode: Mode,
    seed: u64,
    stop: &Arc<AtomicBool>,
    patience: Duration,
) -> Sent {
    let mut producer = RecordProducer::new(&mode.config(bootstrap));
    let mut total = 0;
    while !stop.load(Ordering::Relaxed) {
        if total - producer.answered() >= 1500 {
            // The broker is away: more would only fill the client's queue.
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        let partition = total as i32 % PARTITIONS;
        let record = Record::value(value(seed, total));
        producer.send(mode.topic(), Some(partition), &record);
        total += 1;
        if total % 16 == 0 {
            std::thread::sleep(Duration::from_millis(4));
        }
    }
    let deadline = Deadline::after(patience);
    while producer.answered() < total && !deadline.passed() {
        std::thread::sleep(Duration::from_millis(20));
    }
    Sent {
        total,
        answers: producer.known(),
    }
}
