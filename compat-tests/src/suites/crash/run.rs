//! One run: workload, kills, and the comparison in the end.
//!
//! Order: start, create topics, start clients, kill and restart, stop the producers, wait for their
//! answers, let the group read to the end, read the log back, compare.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rdkafka::{Offset, error::RDKafkaErrorCode};

use super::{
    check::check_partition,
    group::{Goal, Key, Seen, SharedGoal, read_until},
    victim::Place,
    workload::{Mode, PARTITIONS, Sent, number, produce_until},
};
use crate::{
    harness::{
        process::Process,
        random::Random,
        time::{self, Deadline, spawn},
    },
    librdkafka::{code, config, consumer_at, create_topic, take, try_watermarks},
};

pub struct CrashRun {
    place: Place,
    seed: u64,
    kills: usize,
    /// For the answers that are still missing in the end.
    patience: Duration,
}

pub struct Report {
    pub summary: String,
    /// Empty: all is well.
    pub findings: Vec<String>,
}

impl CrashRun {
    pub fn new(place: Place, seed: u64, kills: usize) -> CrashRun {
        CrashRun {
            place,
            seed,
            kills,
            patience: Duration::from_secs(60),
        }
    }

    /// For a run that is expected to fail.
    pub fn patience_short(mut self) -> CrashRun {
        self.patience = Duration::from_secs(5);
        self
    }
}

/// `Err` when the broker does not come up or the run cannot be finished.
pub fn run(run: &CrashRun) -> Result<Report, String> {
    let mut broker = run.place.start()?;
    let bootstrap = run.place.address();
    for mode in Mode::ALL {
        create_topic(&bootstrap, mode.topic(), PARTITIONS, &[]);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (seed, patience) = (run.seed, run.patience);
    let producers = Mode::ALL.map(|mode| {
        let (bootstrap, stop) = (bootstrap.clone(), stop.clone());
        let produce = move || produce_until(&bootstrap, mode, seed, &stop, patience);
        (mode, spawn("producer", produce))
    });
    let goal = SharedGoal::default();
    let (address, shared) = (bootstrap.clone(), goal.clone());
    let reader = spawn("group", move || read_until(&address, seed, &shared));

    let killed = kill_and_restart(run, &mut broker);
    stop.store(true, Ordering::Relaxed);
    let sent = producers.map(|(mode, thread)| (mode, thread.join()));
    let known = goal.set(Goal {
        ends: if killed.is_ok() {
            ends(&bootstrap)?
        } else {
            HashMap::new()
        },
        deadline: Deadline::after(run.patience),
    });
    known.expect("set once");
    let seen = reader.join().map_err(|_| "the group's reader panicked")?;
    let early_kills = killed?;

    let mut findings = seen.findings.clone();
    let mut records = 0;
    for (mode, sent) in sent {
        let sent = sent.map_err(|_| format!("the producer {mode:?} panicked"))?;
        records += sent.total;
        findings.extend(compare(run, &bootstrap, mode, &sent, &seen)?);
    }
    broker.terminate(Duration::from_secs(30))?;
    Ok(Report {
        summary: format!(
            "{} kills ({early_kills} of them before the broker was ready), {records} records, {} members, {} files",
            run.kills,
            seen.members,
            run.place.stored_files().unwrap_or(0)
        ),
        findings,
    })
}

fn ends(bootstrap: &str) -> Result<HashMap<Key, i64>, String> {
    let topics = Mode::ALL.map(Mode::topic);
    let keys = topics
        .iter()
        .flat_map(|t| (0..PARTITIONS).map(|p| ((*t).to_owned(), p)));
    keys.map(|key| Ok((key.clone(), end(bootstrap, &key)?)))
        .collect()
}

/// The end of a partition that begins at 0. One that is gone has lost everything: its end is 0.
fn end(bootstrap: &str, (topic, partition): &Key) -> Result<i64, String> {
    use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
    match try_watermarks(bootstrap, topic, *partition) {
        Ok((0, end)) => Ok(end),
        Ok((begin, _)) => Err(format!("{topic}-{partition} begins at {begin}")),
        Err(error) => match code(&error) {
            UnknownPartition | UnknownTopic | UnknownTopicOrPartition => Ok(0),
            _ => Err(format!("{topic}-{partition}: {error}")),
        },
    }
}

/// Returns how many of the kills hit a broker that was still starting.
fn kill_and_restart(run: &CrashRun, broker: &mut Process) -> Result<usize, String> {
    let mut random = Random::new(run.seed);
    let mut early_kills = 0;
    for kill in 0..run.kills {
        std::thread::sleep(Duration::from_millis(50 + random.below(1300)));
        if let Some(status) = broker.status() {
            return Err(broker.failure(&format!("ended by itself with {status}")));
        }
        broker.kill();
        let early = random.below(4) == 0 && kill + 1 < run.kills;
        if early && let Some(starting) = run.place.launch() {
            let mut starting = starting?;
            std::thread::sleep(Duration::from_millis(random.below(120)));
            starting.kill();
            early_kills += 1;
        }
        let restarted = time::now();
        *broker = run.place.start()?;
        println!(
            "    kill {:3}: back after {:.0?}",
            kill + 1,
            restarted.elapsed()
        );
    }
    Ok(early_kills)
}

fn compare(
    run: &CrashRun,
    bootstrap: &str,
    mode: Mode,
    sent: &Sent,
    seen: &Seen,
) -> Result<Vec<String>, String> {
    let mut findings = Vec::new();
    for partition in 0..PARTITIONS {
        let key = (mode.topic().to_owned(), partition);
        let log = read_log(bootstrap, run.seed, &key)?;
        let of_partition = sent.of_partition(partition);
        // Every kill can lose one answer; one that hits a starting broker none.
        let wrong = check_partition(mode, &of_partition, &log, run.kills);
        findings.extend(
            wrong
                .into_iter()
                .map(|w| format!("{}-{partition}: {w}", key.0)),
        );
        findings.extend(compare_seen(&key, &log, &seen.records));
    }
    Ok(findings)
}

/// The group saw every record of the log at its place, and nothing else.
fn compare_seen(
    key: &Key,
    log: &[Option<usize>],
    seen: &HashMap<Key, std::collections::BTreeMap<i64, Option<usize>>>,
) -> Option<String> {
    let empty = Default::default();
    let seen = seen.get(key).unwrap_or(&empty);
    let end = log.len() as i64;
    let mut stored = (0..).zip(log.iter().copied());
    let differs = stored.find(|(offset, record)| seen.get(offset) != Some(record));
    if let Some((offset, record)) = differs {
        let found = seen.get(&offset);
        return Some(format!(
            "{}-{}: offset {offset} holds {record:?}, the group saw {found:?} there",
            key.0, key.1
        ));
    }
    let behind = seen.keys().next_back().filter(|last| **last >= end);
    behind.map(|last| {
        format!(
            "{}-{}: the group saw offset {last} behind the end",
            key.0, key.1
        )
    })
}

/// The numbers of a partition's records; offsets are dense from 0.
fn read_log(bootstrap: &str, seed: u64, key: &Key) -> Result<Vec<Option<usize>>, String> {
    let (topic, partition) = key;
    let end = end(bootstrap, key)?;
    let count = usize::try_from(end).map_err(|_| format!("{topic}-{partition} ends at {end}"))?;
    let consumer = consumer_at(&config(bootstrap), topic, *partition, Offset::Beginning);
    let records = take(&consumer, count, Duration::from_secs(60));
    for (expected, (place, _)) in (0..).zip(&records) {
        if place.offset != expected {
            return Err(format!(
                "{topic}-{partition}: offset {} instead of {expected}",
                place.offset
            ));
        }
    }
    let values = records.into_iter().map(|(_, record)| record.value);
    Ok(values
        .map(|value| number(seed, value.as_deref().unwrap_or_default()))
        .collect())
}
