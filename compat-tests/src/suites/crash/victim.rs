//! The broker that is killed: always on the same directory and the same port.

use std::path::{Path, PathBuf};

use crate::harness::{
    files,
    kafka::Kafka,
    maven::JavaSetup,
    ports::free_port,
    process::Process,
    weir::{Weir, WeirOptions},
};

/// Where it lives.
#[derive(Clone, Debug)]
pub enum Place {
    Weir {
        options: Box<WeirOptions>,
        log_dir: PathBuf,
    },
    Kafka {
        java: JavaSetup,
        dir: PathBuf,
        port: u16,
    },
}

impl Place {
    pub fn weir(binary: &Path, log_dir: &Path, store: &str) -> Place {
        let options = WeirOptions::new(binary, store).with("group.initial.rebalance.delay.ms", 0);
        Place::Weir {
            options: Box::new(options),
            log_dir: log_dir.to_owned(),
        }
    }

    pub fn kafka(java: JavaSetup, dir: &Path) -> Place {
        Place::Kafka {
            java,
            dir: dir.to_owned(),
            port: free_port(),
        }
    }

    pub fn address(&self) -> String {
        match self {
            Place::Weir { options, .. } => options.address(),
            Place::Kafka { port, .. } => format!("127.0.0.1:{port}"),
        }
    }

    /// Files in its store, `None` where that says nothing.
    pub fn stored_files(&self) -> Option<usize> {
        let Place::Weir { options, .. } = self else {
            return None;
        };
        files::count(Path::new(&options.store)).ok()
    }

    /// Starts it and waits until it is ready.
    pub fn start(&self) -> Result<Process, String> {
        match self {
            Place::Weir { options, log_dir } => {
                Weir::start((**options).clone(), log_dir).map(|weir| weir.process)
            }
            Place::Kafka { java, dir, port } => {
                Kafka::start_on(java, dir, *port).map(|kafka| kafka.process)
            }
        }
    }

    /// Starts it without waiting, to be killed on its way. `None` where that is not supported.
    pub fn launch(&self) -> Option<Result<Process, String>> {
        match self {
            Place::Weir { options, log_dir } => Some(Weir::launch(options, log_dir)),
            Place::Kafka { .. } => None,
        }
    }
}
