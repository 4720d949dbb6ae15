//! A consumer of a new group: from its creation to its first record.
//!
//! The topic has records, the brokers have served groups before, `group.initial.rebalance.delay.ms` is
//! 0 on both.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use weir_compat_tests::{
    harness::time::{self, Deadline},
    librdkafka::{config, with},
};

use super::{
    hot::Amount,
    lab::{Lab, Which},
    raw,
    report::{Metric, Row, Target},
    stats::Series,
};

const LIMIT: Duration = Duration::from_secs(30);

pub fn measure(lab: &mut Lab) -> Result<Row, String> {
    let title = "consumer group, join to first record, librdkafka (its defaults)";
    println!("\n{title}");
    let mut join = Metric::new("ms", Target::RatioAtMost(1.0));
    for round in 1..=lab.plan.rounds {
        for which in Which::BOTH {
            let joins = one_round(lab, which)?;
            let median = joins.median().expect("at least one join");
            println!(
                "  round {round} {which:?}: median of {} joins {median:.1} ms",
                joins.0.len()
            );
            join.series(which).push(median);
        }
    }
    Ok(Row {
        title: title.to_owned(),
        is_target: true,
        metrics: vec![join],
        notes: vec![format!(
            "Each round is the median of {} joins.",
            lab.plan.joins
        )],
    })
}

fn one_round(lab: &mut Lab, which: Which) -> Result<Series, String> {
    let (topic, payload, joins) = (lab.topic(), lab.payload.clone(), lab.plan.joins);
    let subject = lab.subject(which)?;
    let address = subject.address();
    raw::create_topic(&address, &topic)?;
    raw::produce(&address, &topic, &payload, Amount::bytes(1_000_000))?;
    // The first group of a broker creates __consumer_offsets.
    join(&address, &topic, &format!("{topic}-first"))?;
    let mut series = Series::default();
    for n in 0..joins {
        series.push(join(&address, &topic, &format!("{topic}-{n}"))?);
    }
    Ok(series)
}

/// Milliseconds.
fn join(address: &str, topic: &str, group: &str) -> Result<f64, String> {
    let settings = [("group.id", group), ("auto.offset.reset", "earliest")];
    let began = time::now();
    let consumer: BaseConsumer = with(config(address), &settings)
        .create()
        .map_err(|e| e.to_string())?;
    consumer.subscribe(&[topic]).map_err(|e| e.to_string())?;
    let deadline = Deadline::after(LIMIT);
    while !deadline.passed() {
        match consumer.poll(Duration::from_millis(10)) {
            None => {}
            Some(Ok(_)) => return Ok(began.elapsed().as_secs_f64() * 1e3),
            Some(Err(error)) => return Err(format!("group {group}: {error}")),
        }
    }
    Err(format!("group {group} got no record within {LIMIT:?}"))
}
