//! A reader that shares no code with ours reads the same (tests/python/read_wal.py).

use std::{fmt::Write, process::Command};

use weir_tiering::format::wal::decode_wal;

use crate::{
    golden::path_of,
    wal::{bytes_of, wide_wal},
};

fn read_with_python(object: &std::path::Path) -> (i32, String, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/read_wal.py");
    let output = Command::new("python3").arg(script).arg(object).output();
    let output = output.expect("python3 is installed (the tests need it)");
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn expected() -> String {
    let mut text =
        String::from("slot 3 of broker 7 epoch 42 lane 0, committed below 2, 6 control records\n");
    let topic = |byte: u8| format!("{byte:02x}").repeat(16);
    let mut run = |topic_byte, line: &str, records: &[(i64, Option<&str>, Option<&str>)]| {
        writeln!(text, "run {}{line}", topic(topic_byte)).unwrap();
        for (offset, key, value) in records {
            let show = |field: &Option<&str>| match field {
                None => "-".to_string(),
                Some(field) => field.bytes().map(|byte| format!("{byte:02x}")).collect(),
            };
            writeln!(
                text,
                "  record {offset} key {} value {}",
                show(key),
                show(value)
            )
            .unwrap();
        }
    };
    run(
        1,
        "-0 offsets 10..=13 records 4 max timestamp 1700000000013 leader epoch 1 flags 0",
        &[
            (10, Some("k"), Some("alpha")),
            (11, Some("k"), Some("beta")),
            (12, Some("k"), Some("gamma")),
            (13, Some("k"), Some("delta")),
        ],
    );
    run(
        2,
        "-0 offsets 7..=7 records 1 max timestamp 1700000000007 leader epoch 4 flags 0",
        &[(7, Some("k"), Some("x"))],
    );
    run(
        0,
        "-5 offsets 0..=1 records 2 max timestamp 1700000000001 leader epoch 0 flags 1",
        &[(0, None, Some("offset")), (1, Some("group"), None)],
    );
    text
}

#[test]
fn python_reads_rows_and_records_of_the_golden_wal_object() {
    let (code, stdout, stderr) = read_with_python(&path_of("v1/wal"));
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (0, expected().as_str(), "")
    );
}

#[test]
fn python_names_what_it_cannot_read() {
    let (code, stdout, _) = read_with_python(&path_of("v1/wal-compressed"));
    assert!(
        code == 3 && stdout.contains("zstd is needed"),
        "{code} {stdout}"
    );
    let (code, _, stderr) = read_with_python(&path_of("v1/seal"));
    assert!(
        code == 1 && stderr.contains("not a WAL object"),
        "{code} {stderr}"
    );
}

#[test]
fn python_notices_damage() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(path_of("v1/wal")).unwrap();
    for at in [0, 50, 100, 95, bytes.len() - 40, bytes.len() - 20] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let path = folder.path().join("object");
        std::fs::write(&path, flipped).unwrap();
        let (code, _, stderr) = read_with_python(&path);
        assert!(code == 1 && stderr.contains("bad"), "{at}: {code} {stderr}");
    }
}

/// Forty rows stay below the limit for compression: simple readers can do without zstd.
#[test]
fn python_reads_an_object_of_forty_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object");
    let bytes = bytes_of(&wide_wal(40).object);
    std::fs::write(&path, &bytes).unwrap();
    let (code, stdout, stderr) = read_with_python(&path);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let rows = decode_wal(&bytes).unwrap().footer.rows;
    assert_eq!(stdout.matches("\nrun ").count(), rows.len());
    assert_eq!(stdout.matches("value 77696465").count(), rows.len());
}
