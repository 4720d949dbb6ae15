//! Runs a list of named cases against one broker, and says so in the words of cargo's own runner.
//!
//! Owns: the command line of a suite, one time limit per case, the closing line.
//! Suites are a program of their own (`compat`) and no tests of cargo's, because all cases share one
//! broker that must be stopped in the end, and because a case that hangs must fail instead of hanging
//! the run: the process then ends at once.

use std::{path::PathBuf, sync::mpsc, time::Duration};

use clap::Args;

use super::{
    broker::{Broker, Target},
    random::Random,
    time,
};

/// The command line of every suite.
#[derive(Clone, Debug, Args)]
pub struct SuiteArgs {
    /// Runs only cases whose name contains this.
    pub filter: Option<String>,
    /// `weir`, `kafka` (Apache Kafka 4.3.1) or HOST:PORT of a running broker.
    #[arg(long, default_value = "weir")]
    pub broker: Target,
    /// The weir binary; default: the one beside this program.
    #[arg(long)]
    pub weir: Option<PathBuf>,
    /// Seed of all random data; default: a fresh one, printed.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// What a case gets.
#[derive(Clone, Debug)]
pub struct Context {
    /// HOST:PORT of the broker.
    pub bootstrap: String,
    pub target: Target,
    /// Differs from case to case and from run to run: names of topics and groups end with it, so
    /// that a suite can run twice against the same broker.
    pub unique: String,
    pub seed: u64,
}

impl Context {
    pub fn name(&self, base: &str) -> String {
        format!("{base}-{}", self.unique)
    }
}

/// One case: it fails by panicking.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub limit: Duration,
    pub run: fn(&Context),
}

impl Case {
    /// With the usual limit.
    pub const fn new(name: &'static str, run: fn(&Context)) -> Case {
        Case {
            name,
            limit: Duration::from_secs(60),
            run,
        }
    }
}

/// Runs the suite and ends the process: 0 when every case passed.
pub fn main(suite: &str, args: &SuiteArgs, cases: &[Case]) -> ! {
    let filter = args.filter.as_deref().unwrap_or("");
    let wanted = cases.iter().filter(|case| case.name.contains(filter));
    let wanted: Vec<Case> = wanted.copied().collect();
    if wanted.is_empty() {
        let none = vec![(
            suite.to_owned(),
            format!("no case is named like {filter:?}"),
        )];
        finish(0, &none, Duration::ZERO);
    }
    let seed = args.seed.unwrap_or_else(Random::fresh_seed);
    println!("\nrunning {} tests ({suite}, --seed {seed})", wanted.len());
    let began = time::now();
    let (passed, failures) = match Broker::start(&args.broker, args.weir.clone()) {
        Ok(broker) => run_all(broker, seed, &wanted),
        Err(why) => (0, vec![("start of the broker".to_owned(), why)]),
    };
    finish(passed, &failures, began.elapsed());
}

/// Prints the failures and the closing line of cargo's runner, and ends the process.
pub fn finish(passed: usize, failures: &[(String, String)], took: Duration) -> ! {
    for (name, why) in failures.iter().filter(|(_, why)| !why.is_empty()) {
        println!("\n---- {name} ----\n{why}");
    }
    let failed = failures.len();
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; \
         0 filtered out; finished in {:.2}s\n",
        took.as_secs_f64()
    );
    std::process::exit(i32::from(failed > 0) * 101);
}

/// How many cases passed, and which failed, why.
fn run_all(broker: Broker, seed: u64, cases: &[Case]) -> (usize, Vec<(String, String)>) {
    let mut passed = 0;
    let mut failures = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let context = Context {
            bootstrap: broker.address(),
            target: broker.target().clone(),
            unique: format!("{index}-{:x}", seed & 0xff_ffff),
            seed: seed.wrapping_add(index as u64),
        };
        let begun = time::now();
        let result = run_case(*case, context);
        let seconds = begun.elapsed().as_secs_f64();
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        println!("test {} ... {word} ({seconds:.2} s)", case.name);
        match result {
            Ok(()) => passed += 1,
            Err(Failure { why, hangs }) => {
                failures.push((case.name.to_owned(), why));
                if hangs {
                    break;
                }
            }
        }
    }
    if let Err(why) = broker.stop() {
        failures.push(("stop of the broker".to_owned(), why));
    }
    (passed, failures)
}

struct Failure {
    why: String,
    /// Its thread still runs: nothing more can be run beside it.
    hangs: bool,
}

/// Runs the case in a thread of its own, so that it can panic, and be given up.
fn run_case(case: Case, context: Context) -> Result<(), Failure> {
    let (done, result) = mpsc::channel();
    let thread = time::spawn(case.name, move || {
        (case.run)(&context);
        // Nobody listens any more only when the limit has passed.
        let _ = done.send(());
    });
    match result.recv_timeout(case.limit) {
        Ok(()) => {
            let _ = thread.join();
            Ok(())
        }
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Failure {
            why: format!("still running after {:?}", case.limit),
            hangs: true,
        }),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Failure {
            why: panic_text(thread.join()),
            hangs: false,
        }),
    }
}

fn panic_text(joined: std::thread::Result<()>) -> String {
    let Err(payload) = joined else {
        return "ended without a result".to_owned();
    };
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()));
    text.unwrap_or_else(|| "panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(run: fn(&Context), limit: Duration) -> Result<(), Failure> {
        let case = Case {
            name: "case",
            limit,
            run,
        };
        let context = Context {
            bootstrap: String::new(),
            target: Target::Weir,
            unique: String::new(),
            seed: 0,
        };
        run_case(case, context)
    }

    #[test]
    fn canary_a_case_that_panics_or_hangs_fails() {
        assert!(run(|_| {}, Duration::from_secs(10)).is_ok());
        let panicked = run(|_| panic!("on purpose"), Duration::from_secs(10));
        let panicked = panicked.err().unwrap();
        assert!(panicked.why.contains("on purpose") && !panicked.hangs);
        let slow = |_: &Context| std::thread::sleep(Duration::from_secs(2));
        let hung = run(slow, Duration::from_millis(50)).err().unwrap();
        assert!(hung.hangs);
    }
}
