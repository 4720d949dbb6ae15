//! The real binary: exit codes, and what goes to stdout and stderr.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::process::{Command, Output};

/// Runs `weir` with nothing but these variables in its environment.
fn weir(args: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(args)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn usage_and_configuration_errors_exit_with_2_and_say_why() {
    type Case = (
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let cases: [Case; 6] = [
        (&[], &[], "Usage: weir <COMMAND>"),
        (&["stop"], &[], "unrecognized subcommand 'stop'"),
        (&["start", "--node"], &[], "--node"),
        (
            &["start", "--check", "--node-id", "x"],
            &[],
            "invalid value 'x' for node.id (--node-id)",
        ),
        (
            &["start", "--check", "--config", "/does/not/exist"],
            &[],
            "cannot read the configuration file",
        ),
        (
            &["start", "--check"],
            &[("WEIR_NODEID", "1")],
            "did you mean WEIR_NODE_ID",
        ),
    ];
    for (args, environment, part) in cases {
        let output = weir(args, environment);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).contains(part),
            "{args:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}

#[test]
fn check_prints_the_configuration_of_file_environment_and_flags_and_exits_with_0() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("server.properties");
    std::fs::write(&file, "num.partitions=3\nbroker.rack=a\nnum.io.threads=8\n").unwrap();
    let file = file.to_str().unwrap();
    let output = weir(
        &[
            "start",
            "--config",
            file,
            "--override",
            "broker.rack=b",
            "--check",
        ],
        &[
            ("WEIR_NODE_ID", "5"),
            ("PATH", "/bin"),
            ("WEIRD", "no variable of ours"),
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for (key, value, source) in [
        ("num.partitions", "3", format!("{file}, line 1")),
        ("broker.rack", "b", "--override".to_owned()),
        ("node.id", "5", "environment WEIR_NODE_ID".to_owned()),
        ("weir.shutdown.timeout.ms", "8000", "default".to_owned()),
    ] {
        let start = format!("{key} = {value} ");
        let line = text
            .lines()
            .find(|line| line.starts_with(&start))
            .expect(key);
        assert!(line.ends_with(&format!("# {source}")), "{line}");
    }
    assert_eq!(
        stderr(&output),
        "weir: WARN set but without an effect here: num.io.threads\n"
    );
}

#[test]
fn version_and_help_exit_with_0() {
    assert_eq!(
        stdout(&weir(&["version"], &[])),
        format!("weir {}\n", env!("CARGO_PKG_VERSION"))
    );
    for args in [&["--help"][..], &["start", "--help"]] {
        let output = weir(args, &[]);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("Examples:"));
    }
}

/// A store that a broker created and closed cleanly, in `directory`.
fn closed_store(directory: &std::path::Path) -> String {
    use std::io::{BufRead, BufReader};
    let store = directory.join("store").to_str().unwrap().to_owned();
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["start", "--store", &store, "--admin", "127.0.0.1:0"])
        .args(["--listeners", "PLAINTEXT://127.0.0.1:0"])
        .env_clear()
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.starts_with("created NEW cluster in "), "{line}");
    let stopped = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    store
}

/// Files below `directory`.
fn files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    found
}

#[test]
fn log_verify_tells_sound_damaged_and_absent_stores_apart_and_object_dump_reads_each_object() {
    let directory = tempfile::tempdir().unwrap();
    let store = closed_store(directory.path());
    let verify = |store: &str| weir(&["log", "verify", "--store", store], &[]);
    let output = verify(&store);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    assert!(
        stdout(&output).ends_with("0 damaged, 0 not checked, 0 void\n"),
        "{}",
        stdout(&output)
    );

    let objects: Vec<_> = files(store.as_ref())
        .into_iter()
        .filter(|path| !path.starts_with(format!("{store}/tmp")))
        .collect();
    assert!(objects.len() >= 3, "{objects:?}");
    for object in &objects {
        let output = weir(&["object", "dump", object.to_str().unwrap()], &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(
            stdout(&output).contains(" object, format 1."),
            "{}",
            stdout(&output)
        );

        let sound = std::fs::read(object).unwrap();
        let mut damaged = sound.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        std::fs::write(object, damaged).unwrap();
        let output = verify(&store);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{object:?}: {}",
            stdout(&output)
        );
        assert!(
            stdout(&output).starts_with("damage: "),
            "{}",
            stdout(&output)
        );
        let output = weir(&["object", "dump", object.to_str().unwrap()], &[]);
        assert_eq!(output.status.code(), Some(1), "{object:?}");
        std::fs::write(object, sound).unwrap();
    }
    assert_eq!(verify(&store).status.code(), Some(0));

    let nowhere = directory.path().join("nowhere");
    for (store, part) in [
        (nowhere.to_str().unwrap(), "could not check"),
        ("memory:", "name a directory"),
    ] {
        let output = verify(store);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
    assert!(!nowhere.exists());
    assert_eq!(
        weir(&["object", "dump", "nowhere"], &[]).status.code(),
        Some(2)
    );
}
