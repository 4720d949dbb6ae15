//! Kafka's Java client and command line tools 4.3.1 (clients/java) against one fresh broker.
//!
//! All cases run in one JVM, because starting one takes longer than most of them.

use std::{path::Path, process::Command, time::Duration};

use crate::harness::{
    broker::{Broker, Target},
    maven::JavaSetup,
    process::Process,
    suite::{self, SuiteArgs},
    time::{self, Deadline},
};

/// The JVM is killed then.
const LIMIT: Duration = Duration::from_secs(420);

/// Runs the suite and ends the process.
pub fn main(args: &SuiteArgs) -> ! {
    println!("\nrunning Java suites");
    let began = time::now();
    let (passed, failures) = match run(args) {
        Ok(counted) => counted,
        Err(why) => (0, vec![("java".to_owned(), why)]),
    };
    suite::finish(passed, &failures, began.elapsed());
}

/// How many cases passed, and which did not (their causes are printed by the program itself).
fn run(args: &SuiteArgs) -> Result<(usize, Vec<(String, String)>), String> {
    let java = JavaSetup::ensure()?;
    let broker = Broker::start(&args.broker, args.weir.clone())?;
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let logging = crate_dir.join("clients/java/log4j2.properties");
    let mut command = Command::new("java");
    command.arg("-Xmx512m");
    command.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
    command.arg("-cp").arg(java.class_path());
    let kind = match args.broker {
        Target::Weir => "weir",
        Target::Kafka | Target::External(_) => "kafka",
    };
    command.args(["Suite", &broker.address(), kind]);
    command.args(&args.filter);
    let mut process = Process::start("java-suite", dir.path(), command)?;
    let output = follow(&mut process);
    let status = process.wait(Duration::from_secs(5))?;
    let mut failures = Vec::new();
    let mut passed = 0;
    for line in output
        .lines()
        .filter(|line| line.starts_with("test java::"))
    {
        if line.contains(" ... ok ") {
            passed += 1;
        } else {
            failures.push((line.to_owned(), String::new()));
        }
    }
    if passed == 0 && failures.is_empty() || !status.success() && failures.is_empty() {
        return Err(process.failure(&format!("ended with {status} after {passed} cases")));
    }
    if let Err(why) = broker.stop() {
        failures.push(("stop of the broker".to_owned(), why));
    }
    Ok((passed, failures))
}

/// Prints what the program prints, as it comes, until it ends or [`LIMIT`] passes.
fn follow(process: &mut Process) -> String {
    let deadline = Deadline::after(LIMIT);
    let mut printed = 0;
    loop {
        let running = process.is_running() && !deadline.passed();
        let text = process.stdout_text();
        let fresh = text.get(printed..).unwrap_or_default();
        print!("{fresh}");
        printed += fresh.len();
        if !running {
            return text;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
