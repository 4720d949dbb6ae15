//! A broker process of its own for a test: a fresh directory, free ports, killed at the end.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use tempfile::TempDir;

use crate::client::Client;

/// From the start of the process to its ready line; generous, since many tests share a machine.
const START_MAX: Duration = Duration::from_secs(60);

pub struct Broker {
    child: Child,
    overrides: Vec<String>,
    /// `host:port` of the listener.
    pub address: String,
    directory: TempDir,
}

impl Broker {
    /// With the default configuration.
    pub fn start() -> Broker {
        Broker::with(&[])
    }

    /// With `KEY=VALUE` overrides.
    pub fn with(overrides: &[&str]) -> Broker {
        let directory = tempfile::tempdir().unwrap();
        let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
        let (child, address) = spawn(&directory, &overrides);
        Broker {
            child,
            overrides,
            address,
            directory,
        }
    }

    /// `kill -9`, then a new process on the same directory.
    pub fn crash_and_restart(&mut self) {
        self.kill();
        let (child, address) = spawn(&self.directory, &self.overrides);
        self.child = child;
        self.address = address;
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.address)
    }

    /// What the broker logged to stderr so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("stderr")).unwrap()
    }

    /// Most memory that the process ever held, in MiB.
    pub fn resident_max_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1024
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the broker's stderr:\n{}", self.log());
        }
    }
}

fn spawn(directory: &TempDir, overrides: &[String]) -> (Child, String) {
    let stderr = File::options()
        .create(true)
        .append(true)
        .open(directory.path().join("stderr"))
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["start", "--store"]);
    command.arg(directory.path().join("store"));
    command.args(["--listeners", "PLAINTEXT://127.0.0.1:0"]);
    command.args(["--admin", "127.0.0.1:0"]);
    for value in overrides {
        command.args(["--override", value]);
    }
    let mut child = command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap();
    match ready_line(&mut child) {
        Some(line) => {
            let (_, rest) = line.split_once(" ready at ").unwrap();
            let (address, _) = rest.split_once(" after ").unwrap();
            (child, address.to_owned())
        }
        None => {
            child.kill().unwrap();
            child.wait().unwrap();
            let log = std::fs::read_to_string(directory.path().join("stderr")).unwrap();
            panic!("the broker did not become ready:\n{log}");
        }
    }
}

/// `None`: the process ended or took too long.
#[expect(
    clippy::disallowed_methods,
    reason = "a pipe cannot be read with a time limit otherwise"
)]
fn ready_line(child: &mut Child) -> Option<String> {
    let stdout = child.stdout.take().unwrap();
    let (sender, line) = mpsc::channel();
    // Ends with the process: its end closes the pipe.
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    line.recv_timeout(START_MAX).ok()
}
