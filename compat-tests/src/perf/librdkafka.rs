//! Throughput through librdkafka, as an application uses it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rdkafka::consumer::Consumer;
use rdkafka::{
    ClientContext, Message, Offset,
    error::RDKafkaErrorCode,
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext},
};
use weir_compat_tests::{
    harness::time::Deadline,
    librdkafka::{code, config, consumer_at, watermarks, with},
};

use super::{
    hot::{Amount, Volume, WINDOW_RECORDS},
    payload::{Payload, RECORD_BYTES},
};

/// Everything else is librdkafka's default.
const PRODUCER_SETTINGS: [(&str, &str); 4] = [
    ("acks", "all"),
    ("linger.ms", "5"),
    ("compression.type", "none"),
    ("queue.buffering.max.messages", "200000"),
];
pub const PRODUCER_SETTINGS_TEXT: &str =
    "acks=all, linger.ms=5, queue.buffering.max.messages=200000";
pub const CONSUMER_SETTINGS_TEXT: &str = "its defaults";

/// Nothing may take longer to be acknowledged.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Default)]
struct Counts {
    stored: AtomicU64,
    failed: AtomicU64,
}

impl ClientContext for Counts {}

impl ProducerContext for Counts {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let count = if result.is_ok() {
            &self.stored
        } else {
            &self.failed
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

pub fn produce(
    address: &str,
    topic: &str,
    payload: &Payload,
    amount: Amount,
) -> Result<Volume, String> {
    let settings = with(config(address), &PRODUCER_SETTINGS);
    let producer: BaseProducer<Counts> = settings
        .create_with_context(Counts::default())
        .map_err(|e| e.to_string())?;
    let mut volume = Volume::begin();
    let mut sent = 0;
    while !amount.reached(&volume) {
        let record = BaseRecord::<[u8], [u8], ()>::to(topic)
            .partition(0)
            .payload(payload.record(sent));
        match producer.send(record) {
            Ok(()) => {
                sent += 1;
                volume.bytes += RECORD_BYTES as u64;
                if sent % 256 == 0 {
                    producer.poll(Duration::ZERO);
                }
            }
            Err((error, _)) if code(&error) == RDKafkaErrorCode::QueueFull => {
                producer.poll(Duration::from_millis(1));
            }
            Err((error, _)) => return Err(format!("librdkafka refuses a record: {error}")),
        }
    }
    producer.flush(LIMIT).map_err(|e| e.to_string())?;
    let counts = producer.context();
    let stored = counts.stored.load(Ordering::Relaxed);
    if stored != sent as u64 {
        let failed = counts.failed.load(Ordering::Relaxed);
        return Err(format!(
            "{stored} of {sent} records were stored, {failed} failed"
        ));
    }
    Ok(volume.end())
}

/// Reads the newest records again and again.
pub fn consume(address: &str, topic: &str, amount: Amount) -> Result<Volume, String> {
    let (_, end) = watermarks(address, topic, 0);
    let start = Offset::Offset(end - WINDOW_RECORDS);
    let consumer = consumer_at(&config(address), topic, 0, start);
    let mut volume = Volume::begin();
    let mut deadline = Deadline::after(LIMIT);
    while !amount.reached(&volume) {
        match consumer.poll(Duration::from_millis(100)) {
            None if deadline.passed() => return Err(format!("no record for {LIMIT:?}")),
            None => {}
            Some(Err(error)) => return Err(format!("consuming failed: {error}")),
            Some(Ok(message)) => {
                volume.bytes += message.payload_len() as u64;
                if message.offset() + 1 == end {
                    let done = consumer.seek(topic, 0, start, LIMIT);
                    done.map_err(|e| format!("seek: {e}"))?;
                    deadline = Deadline::after(LIMIT);
                }
            }
        }
    }
    Ok(volume.end())
}
