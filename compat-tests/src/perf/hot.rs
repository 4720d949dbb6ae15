//! Throughput: MB/s and the broker's CPU seconds per GB.
//!
//! MB and GB are 10^6 and 10^9 bytes of record values. The time of a produce round ends with its last
//! acknowledgement.

use std::time::Duration;

use weir_compat_tests::harness::{process::Usage, time};

use super::{
    Row,
    lab::{Lab, Which, used},
    librdkafka,
    payload::{Payload, RECORD_BYTES},
    raw,
    report::{self, Metric, Target},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    Produce,
    ProduceRaw,
    Consume,
    ConsumeRaw,
}

pub const LOADS: [Load; 4] = [
    Load::Produce,
    Load::ProduceRaw,
    Load::Consume,
    Load::ConsumeRaw,
];

/// The consume rows read so many records again and again: 256 MiB.
pub const WINDOW_RECORDS: i64 = (256 << 20) / RECORD_BYTES as i64;

/// When a round ends: both must be reached.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    pub min: Duration,
    pub bytes: u64,
}

impl Amount {
    pub fn bytes(bytes: u64) -> Amount {
        Amount {
            min: Duration::ZERO,
            bytes,
        }
    }

    pub fn reached(&self, volume: &Volume) -> bool {
        volume.bytes >= self.bytes && volume.began.elapsed() >= self.min
    }
}

/// What a client moved.
#[derive(Clone, Copy, Debug)]
pub struct Volume {
    pub bytes: u64,
    pub began: std::time::Instant,
    pub took: Duration,
    /// Of this process; until `end`, what it had used at the beginning.
    pub client_cpu_seconds: f64,
}

impl Volume {
    pub fn begin() -> Volume {
        Volume {
            bytes: 0,
            began: time::now(),
            took: Duration::ZERO,
            client_cpu_seconds: Usage::of_this_process().cpu_seconds,
        }
    }

    pub fn end(mut self) -> Volume {
        self.took = self.began.elapsed();
        self.client_cpu_seconds = Usage::of_this_process().cpu_seconds - self.client_cpu_seconds;
        self
    }
}

impl Load {
    pub fn row(self) -> Row {
        match self {
            Load::Produce => Row::Produce,
            Load::ProduceRaw => Row::ProduceRaw,
            Load::Consume => Row::Consume,
            Load::ConsumeRaw => Row::ConsumeRaw,
        }
    }

    fn title(self) -> String {
        match self {
            Load::Produce => format!(
                "produce, 1 partition, uncompressed, librdkafka ({})",
                librdkafka::PRODUCER_SETTINGS_TEXT
            ),
            Load::ProduceRaw => {
                format!("produce, 1 partition, uncompressed, {}", raw::SETTINGS_TEXT)
            }
            Load::Consume => format!(
                "consume from memory, librdkafka ({})",
                librdkafka::CONSUMER_SETTINGS_TEXT
            ),
            Load::ConsumeRaw => {
                "consume from memory, plain socket, one fetch of up to 1 MiB at a time".to_owned()
            }
        }
    }

    fn is_target(self) -> bool {
        matches!(self, Load::Produce | Load::Consume)
    }

    fn targets(self) -> [Target; 2] {
        match self {
            Load::Produce => [Target::RatioAtLeast(1.5), Target::RatioAtMost(0.25)],
            Load::Consume => [Target::RatioAtLeast(1.0), Target::RatioAtMost(1.2)],
            Load::ProduceRaw | Load::ConsumeRaw => [Target::None, Target::None],
        }
    }

    /// What must be there before it runs.
    fn prepare(self, address: &str, topic: &str, payload: &Payload) -> Result<(), String> {
        raw::create_topic(address, topic)?;
        if matches!(self, Load::Consume | Load::ConsumeRaw) {
            let window = WINDOW_RECORDS as u64 * RECORD_BYTES as u64;
            raw::produce(address, topic, payload, Amount::bytes(window))?;
        }
        Ok(())
    }

    fn run(
        self,
        address: &str,
        topic: &str,
        payload: &Payload,
        amount: Amount,
    ) -> Result<Volume, String> {
        match self {
            Load::Produce => librdkafka::produce(address, topic, payload, amount),
            Load::ProduceRaw => raw::produce(address, topic, payload, amount),
            Load::Consume => librdkafka::consume(address, topic, amount),
            Load::ConsumeRaw => raw::consume(address, topic, amount),
        }
    }
}

pub fn measure(lab: &mut Lab, load: Load) -> Result<report::Row, String> {
    let [speed_target, cpu_target] = load.targets();
    let mut speed = Metric::new("MB/s", speed_target);
    let mut cpu = Metric::new("broker CPU s per GB", cpu_target);
    let mut memory = Metric::new("broker RSS, MiB", Target::None);
    let mut client = Metric::new("client CPU s per GB", Target::None);
    println!("\n{}", load.title());
    let cold = warm_kafka(lab, load)?;
    let amount = Amount {
        min: lab.plan.round_min,
        bytes: lab.plan.round_bytes_min,
    };
    for round in 1..=lab.plan.rounds {
        for which in Which::BOTH {
            let (volume, usage) = one_round(lab, load, which, amount)?;
            let gb = volume.bytes as f64 / 1e9;
            let figures = [
                (
                    &mut speed,
                    volume.bytes as f64 / 1e6 / volume.took.as_secs_f64(),
                ),
                (&mut cpu, usage.cpu_seconds / gb),
                (&mut memory, usage.rss_bytes as f64 / 1_048_576.0),
                (&mut client, volume.client_cpu_seconds / gb),
            ];
            let mut line = format!("  round {round} {which:?}:");
            for (metric, value) in figures {
                line += &format!(" {value:.3} {};", metric.unit);
                metric.series(which).push(value);
            }
            println!("{line} {:.2} GB in {:.1} s", gb, volume.took.as_secs_f64());
        }
    }
    Ok(report::Row {
        title: load.title(),
        is_target: load.is_target(),
        metrics: vec![speed, cpu, memory, client],
        notes: vec![cold],
    })
}

/// One measured round on a topic of its own.
fn one_round(
    lab: &mut Lab,
    load: Load,
    which: Which,
    amount: Amount,
) -> Result<(Volume, Usage), String> {
    let (topic, payload, plan) = (lab.topic(), lab.payload.clone(), lab.plan);
    let subject = lab.subject(which)?;
    let address = subject.address();
    load.prepare(&address, &topic, &payload)?;
    if which == Which::Weir {
        // Kafka is hot since long; this process is fresh.
        load.run(
            &address,
            &topic,
            &payload,
            Amount::bytes(plan.weir_warm_bytes),
        )?;
    }
    let run = || load.run(&address, &topic, &payload, amount);
    let result = used(subject.process(), run)?;
    delete_topic(&address, which, &topic);
    Ok(result)
}

/// Kafka keeps its directory for the whole benchmark: without this it would fill the disk.
fn delete_topic(address: &str, which: Which, topic: &str) {
    if which == Which::Kafka {
        let admin = weir_compat_tests::librdkafka::admin(address);
        let options = weir_compat_tests::librdkafka::admin_options();
        // A topic that stays only takes space.
        let _ = weir_compat_tests::librdkafka::wait(admin.delete_topics(&[topic], &options));
    }
}

/// Runs the load on Kafka until it is hot; says what the first third was like.
fn warm_kafka(lab: &mut Lab, load: Load) -> Result<String, String> {
    let (topic, payload) = (lab.topic(), lab.payload.clone());
    let third = Amount::bytes(lab.plan.kafka_warm_bytes / 3);
    let subject = lab.subject(Which::Kafka)?;
    let address = subject.address();
    load.prepare(&address, &topic, &payload)?;
    let mut cold = None;
    for _ in 0..3 {
        let run = || load.run(&address, &topic, &payload, third);
        let figures = used(subject.process(), run)?;
        cold.get_or_insert(figures);
    }
    delete_topic(&address, Which::Kafka, &topic);
    let (volume, usage) = cold.expect("three runs");
    let gb = volume.bytes as f64 / 1e9;
    let cold = format!(
        "Kafka cold (the first {gb:.1} GB of this load): {:.0} MB/s, {:.2} CPU s per GB.",
        volume.bytes as f64 / 1e6 / volume.took.as_secs_f64(),
        usage.cpu_seconds / gb,
    );
    println!("  {cold}");
    Ok(cold)
}
