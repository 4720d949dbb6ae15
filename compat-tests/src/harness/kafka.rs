//! Apache Kafka 4.3.1 as a process: one node, KRaft, as it ships (no fsync), initial rebalance delay
//! 0. The oracle of the client suites and the baseline of the benchmark.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::{maven::JavaSetup, ports::free_port, process::Process, time};

const FORMAT_LIMIT: Duration = Duration::from_secs(60);
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);

const PROPERTIES: &str = "server.properties";

/// The flags of Kafka's own start script.
const JVM_FLAGS: [&str; 5] = [
    "-Xms1g",
    "-Xmx1g",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
];

/// A running broker. Dropping it kills it.
#[derive(Debug)]
pub struct Kafka {
    pub process: Process,
    pub port: u16,
    /// When its process was started.
    pub started: Instant,
}

impl Kafka {
    /// Starts a broker on a fresh `dir` and waits until its port answers.
    pub fn start(java: &JavaSetup, dir: &Path) -> Result<Kafka, String> {
        Kafka::start_on(java, dir, free_port())
    }

    /// The same on a `dir` that may have been used before, with the same port.
    pub fn start_on(java: &JavaSetup, dir: &Path, port: u16) -> Result<Kafka, String> {
        Kafka::prepare(java, dir, port)?;
        let started = time::now();
        let mut process = Kafka::launch(java, dir)?;
        let up = time::poll_for(START_LIMIT, || {
            let answered = TcpStream::connect(("127.0.0.1", port)).is_ok();
            (answered || !process.is_running()).then_some(answered)
        });
        if up != Some(true) {
            return Err(process.failure(&format!("does not answer on port {port}")));
        }
        Ok(Kafka {
            process,
            port,
            started,
        })
    }

    /// Formats `dir`, unless it is.
    pub fn prepare(java: &JavaSetup, dir: &Path, port: u16) -> Result<(), String> {
        if dir.join("formatted").exists() {
            return Ok(());
        }
        let properties = dir.join(PROPERTIES);
        fs::write(&properties, server_properties(dir, port)).map_err(|e| e.to_string())?;
        format_storage(java, dir, &properties)?;
        fs::write(dir.join("formatted"), "").map_err(|e| e.to_string())
    }

    /// Starts a process on a prepared directory, without waiting for it.
    pub fn launch(java: &JavaSetup, dir: &Path) -> Result<Process, String> {
        let mut command = jvm(java, dir);
        command.arg("kafka.Kafka").arg(dir.join(PROPERTIES));
        Process::start("kafka", dir, command)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn stop(&mut self) -> Result<(), String> {
        self.process.terminate(STOP_LIMIT).map(|_| ())
    }
}

/// `java` with Kafka's flags and class path; the main class and its arguments follow.
fn jvm(java: &JavaSetup, dir: &Path) -> Command {
    let mut command = Command::new("java");
    command.current_dir(dir);
    command.args(JVM_FLAGS);
    command.arg("-cp").arg(java.class_path());
    command
}

fn format_storage(java: &JavaSetup, dir: &Path, properties: &Path) -> Result<(), String> {
    let mut command = jvm(java, dir);
    command.args(["kafka.tools.StorageTool", "format", "--standalone"]);
    // A fixed id: every broker of these tests has a directory of its own.
    command.args(["-t", "AAAAAAAAQACAAAAAAAAAAQ", "-c"]);
    command.arg(properties);
    let mut process = Process::start("kafka-format", dir, command)?;
    let status = process.wait(FORMAT_LIMIT)?;
    if status.success() {
        return Ok(());
    }
    Err(process.failure(&format!("ended with {status}")))
}

fn server_properties(dir: &Path, port: u16) -> String {
    let controller = free_port();
    let logs: PathBuf = dir.join("logs");
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
         log.dirs={logs}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n",
        logs = logs.display(),
    )
}
