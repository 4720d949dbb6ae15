//! The command line as data: which flag sets which key, what `--check` prints.

use clap::{CommandFactory, Parser};

use super::{Cli, Command, check, start};
use crate::config::{BrokerConfig, Machine, Variable};

fn configure(args: &[&str], environment: Vec<Variable>) -> BrokerConfig {
    let machine = Machine {
        host_name: "box".to_owned(),
        memory_bytes: Some(2 << 30),
    };
    let words = ["weir", "start"].into_iter().chain(args.iter().copied());
    match Cli::try_parse_from(words).unwrap().command {
        Command::Start(args) => start::configure(&args, environment, &machine).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_sets_its_key() {
    let config = configure(
        &[
            "--store",
            "/data/w",
            "--node-id",
            "7",
            "--listeners",
            "PLAINTEXT://0.0.0.0:9192",
            "--advertised-listeners",
            "PLAINTEXT://h:1",
            "--admin",
            "127.0.0.1:0",
            "--cluster-id",
            "MkU3OEVBNTcwNTJENDM2Qg",
            "--override",
            "num.partitions=3",
            "--take-over",
        ],
        Vec::new(),
    );
    assert_eq!(config.store_url.to_string(), "/data/w");
    assert_eq!(config.node_id.0, 7);
    assert_eq!(config.listeners.bind[0].bind.port, 9192);
    assert_eq!(config.listeners.bind[0].advertised.to_string(), "h:1");
    assert_eq!(config.admin.port, 0);
    assert_eq!(
        config.cluster_id.unwrap().to_string(),
        "MkU3OEVBNTcwNTJENDM2Qg"
    );
    assert_eq!(config.topic_creation.partitions_default, 3);
    assert!(config.take_over);
}

#[test]
fn check_shows_values_as_chosen_with_their_sources() {
    let variable = Variable {
        name: "WEIR_NUM_PARTITIONS".to_owned(),
        value: "4".to_owned(),
    };
    let config = configure(
        &["--store", "/data/w", "--override", "num.io.threads=5"],
        vec![variable],
    );
    let text = check::render(&config);
    let line = |key: &str| {
        let start = format!("{key} = ");
        let line = text
            .lines()
            .find(|line| line.starts_with(&start))
            .expect("the key is shown");
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("weir.store.url"), "weir.store.url = /data/w # --store");
    assert_eq!(
        line("weir.memory.bytes"),
        "weir.memory.bytes = 536870912 # default"
    );
    assert_eq!(
        line("num.partitions"),
        "num.partitions = 4 # environment WEIR_NUM_PARTITIONS"
    );
    assert_eq!(
        line("advertised.listeners"),
        "advertised.listeners = PLAINTEXT://127.0.0.1:9092 # default"
    );
    assert_eq!(
        line("num.io.threads"),
        "num.io.threads = 5 # --override; no effect: work is shared by one pool with a thread per core."
    );
    assert!(!text.contains("num.network.threads"));
}
