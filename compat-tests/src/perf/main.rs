//! The benchmark: Weir and Apache Kafka 4.3.1 on this machine, in one run, alternately.
//!
//! `cargo run --release -p weir-compat-tests --bin perf -- all` takes about half an hour and writes
//! docs/PERFORMANCE.md; `… -- --quick` looks in two minutes and writes nothing. It is a benchmark and
//! no test: the exit code does not depend on the figures.

mod group;
mod hot;
mod lab;
mod latency;
mod librdkafka;
mod objects;
mod payload;
mod raw;
mod report;
mod start;
mod stats;
mod wire;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use weir_compat_tests::harness::time;

use lab::{Lab, Plan};
use report::Report;

#[derive(Parser)]
struct Cli {
    /// What is measured.
    #[arg(value_enum, default_values_t = [Row::All])]
    rows: Vec<Row>,
    /// How often each of the two is measured.
    #[arg(long)]
    rounds: Option<usize>,
    /// Short rounds, few of them: figures that only show whether something is far off.
    #[arg(long)]
    quick: bool,
    /// The weir binary; default: `cargo build --release -p weir`.
    #[arg(long)]
    weir: Option<PathBuf>,
    /// Where the stores are made (about 15 GB); default: the system's temporary folder.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Where the page is written; default: docs/PERFORMANCE.md when all rows are measured at length.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    All,
    /// Producing to one partition through librdkafka.
    Produce,
    /// Producing prepared batches over a plain socket.
    ProduceRaw,
    /// Reading the newest 256 MiB through librdkafka.
    Consume,
    /// Reading the newest 256 MiB over a plain socket.
    ConsumeRaw,
    /// 50 records a second.
    Latency,
    /// Start of an empty broker, memory when idle.
    Start,
    /// Start after many small writes and kill -9.
    Objects,
    /// Consumer group, join to first record.
    Group,
}

fn main() {
    let cli = Cli::parse();
    let began = time::now();
    match run(&cli) {
        Ok(()) => println!("\ntook {:.0?}", began.elapsed()),
        Err(why) => {
            eprintln!("the benchmark failed: {why}");
            std::process::exit(1);
        }
    }
}

fn run(cli: &Cli) -> Result<(), String> {
    let mut plan = if cli.quick {
        Plan::quick()
    } else {
        Plan::full()
    };
    plan.rounds = cli.rounds.unwrap_or(plan.rounds);
    let mut lab = Lab::open(plan, cli.weir.as_deref(), cli.dir.as_deref())?;
    let mut report = Report::new(&lab);
    println!("{}", report.header());
    let wanted = |row: Row| cli.rows.contains(&Row::All) || cli.rows.contains(&row);
    for load in hot::LOADS {
        if wanted(load.row()) {
            report.add(hot::measure(&mut lab, load)?);
        }
    }
    type Measure = fn(&mut Lab) -> Result<report::Row, String>;
    let others: [(Row, Measure); 4] = [
        (Row::Latency, latency::measure),
        (Row::Group, group::measure),
        (Row::Start, start::measure),
        (Row::Objects, objects::measure),
    ];
    for (row, measure) in others {
        if matches!(row, Row::Start | Row::Objects) {
            // These have Kafkas of their own.
            lab.stop_kafka();
        }
        if wanted(row) {
            report.add(measure(&mut lab)?);
        }
    }
    let whole = cli.rows.contains(&Row::All) && !cli.quick;
    let default = whole.then(|| lab::repository().join("docs/PERFORMANCE.md"));
    if let Some(path) = cli.out.clone().or(default) {
        std::fs::write(&path, report.page()).map_err(|e| format!("{}: {e}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
