//! An empty broker: from the start of its process to its first Metadata answer, and its memory when
//! nobody uses it.

use std::time::{Duration, Instant};

use weir_compat_tests::harness::{
    kafka::Kafka, ports::free_port, process::Process, time, weir::Weir,
};

use super::{
    lab::{Lab, Which},
    report::{Metric, Row, Target},
    wire::RawClient,
};

const LIMIT: Duration = Duration::from_secs(60);

pub fn measure(lab: &mut Lab) -> Result<Row, String> {
    let title = "start to first Metadata answer, empty; memory when idle";
    println!("\n{title}");
    let mut start = Metric::new("s to the first answer", Target::AtMost(0.1));
    let mut memory = Metric::new("RSS idle, MiB", Target::AtMost(40.0));
    for round in 1..=lab.plan.rounds {
        for which in Which::BOTH {
            let (took, rss) = one_round(lab, which)?;
            println!("  round {round} {which:?}: {took:.3} s, {rss:.1} MiB");
            start.series(which).push(took);
            memory.series(which).push(rss);
        }
    }
    Ok(Row {
        title: title.to_owned(),
        is_target: true,
        metrics: vec![start, memory],
        notes: vec![
            "Kafka's storage was formatted before. The heap of Kafka is 1 GiB; Weir's memory budget too."
                .to_owned(),
        ],
    })
}

fn one_round(lab: &Lab, which: Which) -> Result<(f64, f64), String> {
    let dir = lab.folder()?;
    let (process, address, started) = match which {
        Which::Kafka => {
            let port = free_port();
            Kafka::prepare(&lab.java, dir.path(), port)?;
            rustix::fs::sync();
            let started = time::now();
            let process = Kafka::launch(&lab.java, dir.path())?;
            (process, format!("127.0.0.1:{port}"), started)
        }
        Which::Weir => {
            let options = lab.weir_options(&dir.path().join("store"));
            rustix::fs::sync();
            let started = time::now();
            let process = Weir::launch(&options, dir.path())?;
            (process, options.address(), started)
        }
    };
    let mut process = process;
    let took = first_answer(&mut process, &address, started, |client| {
        client.brokers().is_ok_and(|count| count > 0)
    })?;
    std::thread::sleep(lab.plan.idle);
    let rss = process.usage().rss_bytes as f64 / 1_048_576.0;
    Ok((took, rss))
}

/// Seconds from `started` until `answers` holds on a fresh connection.
pub fn first_answer(
    process: &mut Process,
    address: &str,
    started: Instant,
    mut answers: impl FnMut(&mut RawClient) -> bool,
) -> Result<f64, String> {
    while started.elapsed() < LIMIT {
        let client = RawClient::connect(address);
        if client.is_ok_and(|mut client| answers(&mut client)) {
            return Ok(started.elapsed().as_secs_f64());
        }
        if !process.is_running() {
            return Err(process.failure("ended"));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Err(process.failure(&format!("did not answer within {LIMIT:?}")))
}
