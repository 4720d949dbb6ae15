//! The command line: `weir start`, `weir object`, `weir log`, `weir version`.
//!
//! Owns: commands, flags, help, exit codes.
//! Does not own: keys and their values (`config`), what a command does (`node`, `weir_tiering`).
//! Invariant: commands and flags are an interface for scripts; they are added, never changed.

mod check;
mod exit;
mod log;
mod object;
mod start;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use weir_tiering::store::url::StoreUrl;

pub use exit::Exit;

const EXAMPLES: &str = "\
Examples:
  weir start                                      a broker for this machine, data in ./weir-data
  weir start --store /var/lib/weir --check        show the configuration and where it comes from
  weir start --config server.properties --override num.partitions=6
  weir start --listeners PLAINTEXT://0.0.0.0:9092 --advertised-listeners PLAINTEXT://db1:9092";

const START_HELP: &str = "\
A value is taken from the first of these that has it: flag, --override, environment, file, default.
In the environment a key is written WEIR_ + the key in capitals, with '.' as '_', '_' as '__' and
'-' as '___': num.partitions is WEIR_NUM_PARTITIONS, weir.store.url is WEIR_WEIR_STORE_URL.
docs/generated/configs.md lists all keys.

Exit codes: 0 clean stop, 1 failed while running, 2 configuration or usage,
            3 node id in use or store of another node.

Examples:
  weir start
  weir start --store file:///var/lib/weir --node-id 7 --admin 127.0.0.1:9700
  weir start --config server.properties --override num.partitions=6 --check
  weir start --store memory: --override auto.create.topics.enable=false";

const DUMP_HELP: &str = "\
Exit codes: 0 sound, 1 damaged (what can be read is printed), 2 cannot be read.

Examples:
  weir object dump weir-data/cluster
  weir object dump --store /var/lib/weir meta/log/00000000000000000000";

const VERIFY_HELP: &str = "\
It reads every object and compares what they say: checksums, the index of each object with its records,
the slots of each log, the offsets of each partition, what the pages and the metadata refer to.
It writes nothing and may run beside a broker. Slots above the end of a log are void, not damaged:
they were never acknowledged. Each line of damage names an object and says what to do.

Exit codes: 0 clean, 1 damage, 2 not everything could be checked.

Example:
  weir log verify --store /var/lib/weir";

/// A Kafka-compatible broker whose only durable thing is object storage.
#[derive(Debug, Parser)]
#[command(name = "weir", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a broker until SIGTERM or SIGINT
    #[command(after_help = START_HELP)]
    Start(StartArgs),
    /// Look at stored objects
    #[command(subcommand)]
    Object(ObjectCommand),
    /// Look at the logs of a store
    #[command(subcommand)]
    Log(LogCommand),
    /// Print the version
    Version,
    /// Write docs/generated again
    #[command(hide = true)]
    Docs {
        /// The folder docs/generated
        directory: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum ObjectCommand {
    /// Print what one object says
    #[command(after_help = DUMP_HELP)]
    Dump {
        /// File that holds the object; with --store, its name in the store
        path: PathBuf,
        /// Read from this store: a path or file:///path
        #[arg(long, value_name = "URL")]
        store: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Read every object of a store and say what is damaged
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// The store: a path or file:///path [default: ./weir-data]
        #[arg(long, value_name = "URL")]
        store: Option<String>,
    },
}

/// Flags of `weir start`.
#[derive(Debug, Default, Args)]
pub struct StartArgs {
    /// Configuration file in the format of Kafka's server.properties
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where all data is: a path, file:///path or memory: [default: ./weir-data]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Id of this broker, unique in its cluster [default: 1]
    #[arg(long, value_name = "N")]
    node_id: Option<String>,
    /// Addresses to listen on, separated by commas [default: PLAINTEXT://127.0.0.1:9092]
    #[arg(long, value_name = "NAME://HOST:PORT")]
    listeners: Option<String>,
    /// Addresses that clients are told, when they differ from --listeners
    #[arg(long, value_name = "NAME://HOST:PORT")]
    advertised_listeners: Option<String>,
    /// Address of the admin HTTP server [default: 127.0.0.1:9644]
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<String>,
    /// Create an empty store with this id, or refuse a store of another cluster
    #[arg(long, value_name = "ID")]
    cluster_id: Option<String>,
    /// Set one key; may be given many times, the last one counts
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Take this node id over from an earlier run without asking whether it still lives
    #[arg(long)]
    take_over: bool,
    /// Print the effective configuration with the source of each value, and exit
    #[arg(long)]
    check: bool,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let exit = match Cli::parse().command {
        Command::Start(args) => start::run(args),
        Command::Object(ObjectCommand::Dump { path, store: None }) => object::dump(&path, None),
        Command::Object(ObjectCommand::Dump { path, store }) => {
            with_store(store, |url| object::dump(&path, Some(url)))
        }
        Command::Log(LogCommand::Verify { store }) => with_store(store, log::verify),
        Command::Version => {
            say(&format!("weir {}", env!("CARGO_PKG_VERSION")));
            Exit::Clean
        }
        Command::Docs { directory } => match crate::docs::write(&directory) {
            Ok(()) => Exit::Clean,
            Err(error) => fail(Exit::Failed, &error),
        },
    };
    exit.into()
}

/// Runs `command` on the store that flag, environment or default name.
fn with_store(store: Option<String>, command: impl FnOnce(&StoreUrl) -> Exit) -> Exit {
    let args = StartArgs {
        store,
        ..StartArgs::default()
    };
    match start::read_config(&args) {
        Ok(config) => command(&config.store_url),
        Err(errors) => fail(Exit::Usage, &errors),
    }
}

/// Prints a line to stdout. A reader that went away (`weir … | head`) is no error.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints why a command failed, each line with the name of the program.
fn fail(exit: Exit, reason: &dyn std::fmt::Display) -> Exit {
    use std::io::Write;
    for line in reason.to_string().lines() {
        let _ = writeln!(std::io::stderr(), "weir: {line}");
    }
    exit
}

#[cfg(test)]
mod cli_tests;
