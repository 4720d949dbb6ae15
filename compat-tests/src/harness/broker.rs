//! The broker that a suite runs against: Weir, Apache Kafka, or one that somebody else started.

use std::{path::PathBuf, str::FromStr};

use tempfile::TempDir;

use super::{
    kafka::Kafka,
    maven::JavaSetup,
    weir::{self, Weir, WeirOptions},
};

/// Which broker is wanted: `weir`, `kafka`, or `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Weir,
    Kafka,
    External(String),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        match text {
            "weir" => Ok(Target::Weir),
            "kafka" => Ok(Target::Kafka),
            other if other.contains(':') => Ok(Target::External(other.to_owned())),
            other => Err(format!("{other:?} is none of weir, kafka, HOST:PORT")),
        }
    }
}

/// A broker on a directory of its own, which goes with it.
#[derive(Debug)]
pub struct Broker {
    kind: Kind,
    target: Target,
    // Behind `kind`: the process ends before its directory goes.
    _dir: TempDir,
}

#[derive(Debug)]
enum Kind {
    Weir(Weir),
    Kafka(Kafka),
    External(String),
}

impl Broker {
    /// A fresh broker, with the settings that the client suites need: no initial rebalance delay.
    pub fn start(target: &Target, weir_binary: Option<PathBuf>) -> Result<Broker, String> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let kind = match target {
            Target::Weir => {
                let binary = weir::binary(weir_binary.as_deref())?;
                let store = dir.path().join("store").display().to_string();
                let options =
                    WeirOptions::new(&binary, &store).with("group.initial.rebalance.delay.ms", 0);
                Kind::Weir(Weir::start(options, dir.path())?)
            }
            Target::Kafka => Kind::Kafka(Kafka::start(&JavaSetup::ensure()?, dir.path())?),
            Target::External(address) => Kind::External(address.clone()),
        };
        Ok(Broker {
            kind,
            target: target.clone(),
            _dir: dir,
        })
    }

    pub fn address(&self) -> String {
        match &self.kind {
            Kind::Weir(weir) => weir.address(),
            Kind::Kafka(kafka) => kafka.address(),
            Kind::External(address) => address.clone(),
        }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Orderly stop. A Weir that does not exit with 0 is an error, and so is one that logged an
    /// ERROR: no client may be able to cause one.
    pub fn stop(self) -> Result<(), String> {
        match self.kind {
            Kind::Weir(mut weir) => {
                weir.stop()?;
                let log = weir.process.stderr_text();
                match log.lines().find(|line| is_error(line)) {
                    None => Ok(()),
                    Some(line) => Err(format!("the broker logged an error: {line}")),
                }
            }
            Kind::Kafka(mut kafka) => kafka.stop(),
            Kind::External(_) => Ok(()),
        }
    }
}

fn is_error(line: &str) -> bool {
    line.contains(" ERROR ") || line.contains("\"ERROR\"") || line.contains("panicked at")
}
