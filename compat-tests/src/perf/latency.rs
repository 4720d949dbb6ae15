//! 50 records a second, each on its own: how long until it is acknowledged, until it is consumed, and
//! how long this machine takes for one fsync'd put.
//!
//! The put is what a store on a local directory cannot do without: write a file, fsync it, link it to
//! its name, fsync the folder. It is probed in the same round, at the same pace, on the same file
//! system.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message, Offset,
    config::FromClientConfigAndContext,
    producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
};
use weir_compat_tests::{
    harness::time::{self, Deadline},
    librdkafka::{config, consumer_at, with},
};

use super::{
    lab::{Lab, Which},
    payload::Payload,
    raw,
    report::{Metric, Row, Target},
    stats::{Series, percentile},
};

const PACE: Duration = Duration::from_millis(20);
const SETTINGS: [(&str, &str); 2] = [("acks", "all"), ("linger.ms", "0")];
const LIMIT: Duration = Duration::from_secs(30);
/// The first seconds pay for connections and metadata; they are not counted.
const WARM_RECORDS: usize = 100;

/// Milliseconds, one per record.
#[derive(Default)]
struct Samples(Mutex<Vec<f64>>);

impl Samples {
    fn note(&self, since: Instant) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push(since.elapsed().as_secs_f64() * 1e3);
    }

    fn take(&self) -> Vec<f64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Default)]
struct Acks(Samples);

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Instant>) {
        if result.is_ok() {
            self.0.note(*sent);
        }
    }
}

pub fn measure(lab: &mut Lab) -> Result<Row, String> {
    let title = "50 records/s, librdkafka (acks=all, linger.ms=0)";
    println!("\n{title}");
    let mut ack50 = Metric::new("ack p50, ms", Target::Allowed(Series::default()));
    let mut ack99 = Metric::new("ack p99, ms", Target::Allowed(Series::default()));
    let mut end99 = Metric::new("end to end p99, ms", Target::Allowed(Series::default()));
    let mut put50 = Series::default();
    let mut put99 = Series::default();
    // The JVM's first records are slow.
    one_round(lab, Which::Kafka)?;
    for round in 1..=lab.plan.rounds {
        for which in Which::BOTH {
            let (acks, ends) = one_round(lab, which)?;
            let figures = [
                (&mut ack50, percentile(&acks, 50.0)),
                (&mut ack99, percentile(&acks, 99.0)),
                (&mut end99, percentile(&ends, 99.0)),
            ];
            let mut line = format!("  round {round} {which:?}:");
            for (metric, value) in figures {
                line += &format!(" {} {value:.2};", metric.unit);
                metric.series(which).push(value);
            }
            println!("{line}");
        }
        let puts = probe(lab)?;
        put50.push(percentile(&puts, 50.0));
        put99.push(percentile(&puts, 99.0));
        println!(
            "  round {round} fsync'd put: p50 {:.2} ms, p99 {:.2} ms",
            percentile(&puts, 50.0),
            percentile(&puts, 99.0)
        );
        ack50.allow(percentile(&puts, 50.0));
        ack99.allow(percentile(&puts, 99.0));
        end99.allow(percentile(&puts, 99.0));
    }
    let puts = format!(
        "This machine's own fsync'd put of 1 KiB, at the same pace: p50 {}, p99 {} ms.",
        put50.text(),
        put99.text()
    );
    Ok(Row {
        title: title.to_owned(),
        is_target: true,
        metrics: vec![ack50, ack99, end99],
        notes: vec![puts],
    })
}

/// Milliseconds to the acknowledgement and to the consumer, of every record.
fn one_round(lab: &mut Lab, which: Which) -> Result<(Vec<f64>, Vec<f64>), String> {
    let (topic, payload, records) = (lab.topic(), lab.payload.clone(), lab.plan.latency_records);
    let records = records + WARM_RECORDS;
    rustix::fs::sync();
    let subject = lab.subject(which)?;
    let address = subject.address();
    raw::create_topic(&address, &topic)?;
    let origin = time::now();
    let ends = Arc::new(Samples::default());
    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (address, topic) = (address.clone(), topic.clone());
        let (ends, stop) = (ends.clone(), stop.clone());
        time::spawn("reader", move || {
            read(&address, &topic, origin, &ends, &stop)
        })
    };
    let acks = send(&address, &topic, &payload, records, origin);
    let deadline = Deadline::after(LIMIT);
    let seen = || ends.0.lock().unwrap_or_else(PoisonError::into_inner).len();
    while acks.is_ok() && seen() < records && !deadline.passed() {
        std::thread::sleep(PACE);
    }
    stop.store(true, Ordering::Relaxed);
    reader.join().map_err(|_| "the reader panicked")?;
    let (acks, ends) = (acks?, ends.take());
    if acks.len() != records || ends.len() != records {
        return Err(format!(
            "{} of {records} records acknowledged, {} consumed",
            acks.len(),
            ends.len()
        ));
    }
    Ok((acks[WARM_RECORDS..].to_vec(), ends[WARM_RECORDS..].to_vec()))
}

fn send(
    address: &str,
    topic: &str,
    payload: &Payload,
    records: usize,
    origin: Instant,
) -> Result<Vec<f64>, String> {
    let settings = with(config(address), &SETTINGS);
    let producer = ThreadedProducer::from_config_and_context(&settings, Acks::default());
    let producer: ThreadedProducer<Acks> = producer.map_err(|e| e.to_string())?;
    let begin = time::now();
    for n in 0..records {
        let due = begin + PACE * n as u32;
        std::thread::sleep(due.saturating_duration_since(time::now()));
        let mut value = payload.record(n).to_vec();
        let sent = time::now();
        let nanos = sent.duration_since(origin).as_nanos() as u64;
        value[..8].copy_from_slice(&nanos.to_le_bytes());
        let record = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, Box::new(sent))
            .partition(0)
            .payload(&value);
        producer.send(record).map_err(|(e, _)| e.to_string())?;
    }
    producer.flush(LIMIT).map_err(|e| e.to_string())?;
    Ok(producer.context().0.take())
}

fn read(address: &str, topic: &str, origin: Instant, ends: &Samples, stop: &AtomicBool) {
    let consumer = consumer_at(&config(address), topic, 0, Offset::Beginning);
    while !stop.load(Ordering::Relaxed) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        let stamp = message.payload().and_then(|p| p.first_chunk::<8>());
        if let Some(stamp) = stamp {
            ends.note(origin + Duration::from_nanos(u64::from_le_bytes(*stamp)));
        }
    }
}

/// Milliseconds of every put.
fn probe(lab: &Lab) -> Result<Vec<f64>, String> {
    let dir = lab.folder()?;
    rustix::fs::sync();
    let begin = time::now();
    let mut puts = Vec::new();
    for n in 0..lab.plan.latency_records {
        let due = begin + PACE * n as u32;
        std::thread::sleep(due.saturating_duration_since(time::now()));
        let began = time::now();
        put(dir.path(), n, lab.payload.record(n)).map_err(|e| format!("a put: {e}"))?;
        puts.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(puts)
}

fn put(dir: &Path, number: usize, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = dir.join("temporary");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::hard_link(&temporary, dir.join(number.to_string()))?;
    File::open(dir)?.sync_all()?;
    fs::remove_file(&temporary)
}
