//! A broker process on a store of its own.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ChildStderr, Command, Stdio},
};

use tempfile::TempDir;

use crate::client::Client;

/// A running broker; killed when dropped.
pub struct Broker {
    process: Child,
    /// Kept open, so that the broker can always log.
    stderr: Option<ChildStderr>,
    pub address: SocketAddr,
}

/// A directory for a store; removed when dropped.
pub struct Store(TempDir);

impl Store {
    pub fn new() -> Store {
        Store(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store")
    }

    /// Starts a broker on this store and waits for its ready line. `settings`: `KEY=VALUE`.
    pub fn start(&self, settings: &[&str]) -> Broker {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.arg("start").arg("--store").arg(self.path());
        command.args(["--listeners", "PLAINTEXT://127.0.0.1:0"]);
        command.args(["--admin", "127.0.0.1:0"]);
        for setting in settings {
            command.args(["--override", setting]);
        }
        let command = command.env_clear().stdin(Stdio::null());
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let mut stderr = process.stderr.take();
        let Some(address) = address(&line) else {
            let mut said = String::new();
            let _ = process.kill();
            let _ = stderr.take().unwrap().read_to_string(&mut said);
            panic!("no ready line, but: {line:?}; stderr: {said}");
        };
        Broker {
            process,
            stderr,
            address,
        }
    }
}

/// "… ready at 127.0.0.1:4711 after 12 ms".
fn address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(" ready at ")?;
    rest.split([',', ' ']).next()?.parse().ok()
}

impl Broker {
    /// A new connection.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Kills the process as `kill -9` does and waits for its end.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks the process to stop, as `kill` does.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for the end; its exit code and what it said on stderr.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let stderr = self.stderr.take().unwrap();
        BufReader::new(stderr).read_to_string(&mut said).unwrap();
        (self.process.wait().unwrap().code(), said)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
