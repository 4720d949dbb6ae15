//! Tests with real clients: `compat librdkafka`, `compat java`, `compat crash`.

use clap::{Parser, Subcommand};
use weir_compat_tests::{
    harness::suite::SuiteArgs,
    suites::{
        crash::{self, CrashArgs},
        java, librdkafka,
    },
};

/// Tests of a broker with real clients. Each suite starts a fresh broker, and stops it.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Subcommand)]
enum Suite {
    /// What applications do with librdkafka.
    Librdkafka(SuiteArgs),
    /// Kafka's own Java client and command line tools.
    Java(SuiteArgs),
    /// kill -9 and restart under load: what was acknowledged stays.
    Crash(CrashArgs),
    /// A group member for the other suites, to be killed.
    #[command(hide = true)]
    Member {
        bootstrap: String,
        group: String,
        topic: String,
    },
}

fn main() {
    match Cli::parse().suite {
        Suite::Librdkafka(args) => librdkafka::main(&args),
        Suite::Java(args) => java::main(&args),
        Suite::Crash(args) => crash::main(&args),
        Suite::Member {
            bootstrap,
            group,
            topic,
        } => librdkafka::members::run_child(&bootstrap, &group, &topic),
    }
}
