//! kill -9 at random moments, restart, again and again: what was acknowledged stays.
//!
//! A broker on a directory; a producer with idempotence, one without, and a group that reads what both
//! write and commits; a killer. In the end the log is read back and compared with every answer that
//! the clients ever got (`check`).
//! The canary: the same on a store in memory must lose records, and must be caught.

mod check;
#[cfg(test)]
mod check_tests;
mod group;
mod run;
mod victim;
mod workload;

use std::path::PathBuf;

use clap::Args;

use crate::harness::{
    broker::Target,
    maven::JavaSetup,
    random::Random,
    suite,
    time::{self},
    weir,
};
use run::{CrashRun, run};
use victim::Place;

#[derive(Clone, Debug, Args)]
pub struct CrashArgs {
    /// How often the broker is killed.
    #[arg(long, default_value_t = 10)]
    pub kills: usize,
    /// `weir`, or `kafka` (which survives kill -9, though not power loss).
    #[arg(long, default_value = "weir")]
    pub broker: Target,
    /// The weir binary; default: the one beside this program.
    #[arg(long)]
    pub weir: Option<PathBuf>,
    /// Seed of all data and of the moments of the kills; default: a fresh one, printed.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Runs the test and its canary, and ends the process.
pub fn main(args: &CrashArgs) -> ! {
    let seed = args.seed.unwrap_or_else(Random::fresh_seed);
    println!(
        "\nrunning crash tests (--kills {} --seed {seed})",
        args.kills
    );
    let began = time::now();
    let mut passed = 0;
    let mut failures = Vec::new();
    let mut note = |name: &str, result: Result<(), String>| {
        println!(
            "test {name} ... {}",
            if result.is_ok() { "ok" } else { "FAILED" }
        );
        match result {
            Ok(()) => passed += 1,
            Err(why) => failures.push((name.to_owned(), why)),
        }
    };
    note(
        "crash::acknowledged_records_survive_kills",
        caught(args, seed, survive),
    );
    if args.broker == Target::Weir {
        note(
            "crash::canary_a_store_in_memory_is_caught",
            caught(args, seed, canary),
        );
    }
    suite::finish(passed, &failures, began.elapsed());
}

/// A panic within is a failure like any other.
fn caught(
    args: &CrashArgs,
    seed: u64,
    test: fn(&CrashArgs, u64) -> Result<(), String>,
) -> Result<(), String> {
    let args = args.clone();
    let thread = time::spawn("crash", move || test(&args, seed));
    let result = thread.join();
    result.unwrap_or_else(|_| Err("panicked, see above".to_owned()))
}

fn survive(args: &CrashArgs, seed: u64) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let place = match &args.broker {
        Target::Weir => {
            let binary = weir::binary(args.weir.as_deref())?;
            Place::weir(
                &binary,
                dir.path(),
                &dir.path().join("store").display().to_string(),
            )
        }
        Target::Kafka => Place::kafka(JavaSetup::ensure()?, dir.path()),
        Target::External(_) => return Err("a broker that we did not start is not killed".into()),
    };
    let report = run(&CrashRun::new(place, seed, args.kills))?;
    println!("    {}", report.summary);
    if report.findings.is_empty() {
        return Ok(());
    }
    Err(format!("--seed {seed}: {}", report.findings.join("\n")))
}

fn canary(args: &CrashArgs, seed: u64) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let binary = weir::binary(args.weir.as_deref())?;
    let place = Place::weir(&binary, dir.path(), "memory:");
    let report = run(&CrashRun::new(place, seed, 1).patience_short())?;
    let is_loss = |finding: &String| finding.contains("was acknowledged at");
    if report.findings.iter().any(is_loss) {
        return Ok(());
    }
    Err(format!(
        "records in memory survived kill -9? The check found only {:?}",
        report.findings
    ))
}
