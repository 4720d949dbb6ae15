//! A Weir broker as a process.
//!
//! Owns: the command line, the ready line, the paths of the binary. The store's directory belongs to
//! the caller where it must outlive the process (crash tests), else to the [`Weir`].

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use super::{ports::free_port, process::Process, time};

/// A start must be through by then, on a busy machine too.
pub const START_LIMIT: Duration = Duration::from_secs(30);
/// `weir.shutdown.timeout.ms` is 8 s; the rest is the machine's.
pub const STOP_LIMIT: Duration = Duration::from_secs(15);

/// How a broker is started.
#[derive(Clone, Debug)]
pub struct WeirOptions {
    pub binary: PathBuf,
    /// A directory or a store URL.
    pub store: String,
    pub port: u16,
    pub admin_port: u16,
    /// `KEY=VALUE` each.
    pub overrides: Vec<String>,
}

impl WeirOptions {
    /// Free ports, no overrides.
    pub fn new(binary: &Path, store: &str) -> WeirOptions {
        WeirOptions {
            binary: binary.to_owned(),
            store: store.to_owned(),
            port: free_port(),
            admin_port: free_port(),
            overrides: Vec::new(),
        }
    }

    pub fn with(mut self, key: &str, value: impl std::fmt::Display) -> WeirOptions {
        self.overrides.push(format!("{key}={value}"));
        self
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("start").args(["--store", &self.store]);
        command.args(["--listeners", &format!("PLAINTEXT://{}", self.address())]);
        command.args(["--admin", &format!("127.0.0.1:{}", self.admin_port)]);
        for entry in &self.overrides {
            command.args(["--override", entry]);
        }
        // A developer's own WEIR_ variables are no part of a test.
        for name in weir_variables() {
            command.env_remove(name);
        }
        command
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "only to keep the caller's environment away from the broker under test"
)]
fn weir_variables() -> Vec<std::ffi::OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names
        .filter(|name| name.to_string_lossy().starts_with("WEIR_"))
        .collect()
}

/// A running broker. Dropping it kills it.
#[derive(Debug)]
pub struct Weir {
    pub options: WeirOptions,
    pub process: Process,
    /// What it printed when it was ready.
    pub ready_line: String,
    /// When its process was started.
    pub started: Instant,
}

impl Weir {
    /// Starts a broker and waits until it says that it is ready. `log_dir` takes its output.
    pub fn start(options: WeirOptions, log_dir: &Path) -> Result<Weir, String> {
        let started = time::now();
        let mut process = Weir::launch(&options, log_dir)?;
        let ready_line = process.wait_for_line(START_LIMIT, |line| {
            line.contains("created NEW cluster") || line.contains("opened cluster")
        })?;
        Ok(Weir {
            options,
            process,
            ready_line,
            started,
        })
    }

    /// Starts a process without waiting for it.
    pub fn launch(options: &WeirOptions, log_dir: &Path) -> Result<Process, String> {
        Process::start("weir", log_dir, options.command())
    }

    pub fn address(&self) -> String {
        self.options.address()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGTERM; its exit code must be 0.
    pub fn stop(&mut self) -> Result<(), String> {
        let status: ExitStatus = self.process.terminate(STOP_LIMIT)?;
        if status.success() {
            return Ok(());
        }
        Err(self.process.failure(&format!("ended with {status}")))
    }
}

/// The broker's binary: `given`, or the one that the same cargo profile built beside this program.
pub fn binary(given: Option<&Path>) -> Result<PathBuf, String> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => built_beside_us()?,
    };
    if path.is_file() {
        return Ok(path);
    }
    Err(format!(
        "{} is missing: run `cargo build -p weir` with the same --profile first, or give --weir PATH",
        path.display()
    ))
}

/// target/PROFILE/weir, from target/PROFILE/deps/suite-HASH or target/PROFILE/perf.
fn built_beside_us() -> Result<PathBuf, String> {
    let me = std::env::current_exe().map_err(|e| format!("where am I? {e}"))?;
    let dir = me.parent().unwrap_or(Path::new("/"));
    let profile_dir = match dir.file_name() {
        Some(name) if name == "deps" => dir.parent().unwrap_or(dir),
        _ => dir,
    };
    Ok(profile_dir.join("weir"))
}
