//! A key that claims to be honoured must be read, a metric that is shown must be counted: every typed
//! value of the configuration and every handle is used somewhere outside of its module. Those that
//! are not stand in a list that only shrinks.

use std::collections::BTreeSet;

use crate::{SourceFile, rust_files, rust_source::code_of};

/// Public fields of the structs in these files are the typed values.
const DECLARING: [&str; 4] = [
    "broker/src/config/broker.rs",
    "broker/src/config/listeners.rs",
    "broker/src/config/topic.rs",
    "broker/src/telemetry/metrics.rs",
];

fn fields(code: &str) -> BTreeSet<String> {
    let lines = code.lines().map(str::trim);
    lines
        .filter_map(|line| line.strip_prefix("pub "))
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn reads(code: &str, field: &str) -> bool {
    let access = format!(".{field}");
    code.match_indices(&access).any(|(at, _)| {
        let after = code[at + access.len()..].chars().next();
        !after.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '(')
    })
}

fn unread(files: &[SourceFile]) -> BTreeSet<String> {
    let declaring = files
        .iter()
        .filter(|file| DECLARING.contains(&file.path.as_str()));
    let declared = declaring.flat_map(|file| fields(&code_of(&file.text)));
    let users: Vec<String> = files
        .iter()
        .filter(|file| file.path.starts_with("broker/src/"))
        .filter(|file| !file.path.starts_with("broker/src/config/"))
        .filter(|file| !file.path.starts_with("broker/src/telemetry/"))
        .filter(|file| !file.path.ends_with("_tests.rs"))
        .map(|file| code_of(&file.text))
        .collect();
    declared
        .filter(|field| !users.iter().any(|code| reads(code, field)))
        .collect()
}

#[test]
fn every_value_that_is_honoured_is_read_somewhere() {
    let listed: BTreeSet<String> = include_str!("unread_values.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let unread = unread(&rust_files());
    let new: Vec<&String> = unread.difference(&listed).collect();
    let done: Vec<&String> = listed.difference(&unread).collect();
    assert!(
        new.is_empty() && done.is_empty(),
        "broker/tests/tidy/unread_values.txt: nobody reads {new:?} (then its key has no effect: say \
         so in its declaration, or use it); these are read now, remove them: {done:?}; the list is:\n{}",
        unread
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn a_value_that_nobody_reads_is_noticed() {
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let files = [
        file(
            DECLARING[0],
            "pub struct C {\n    pub used: u8,\n    pub idle: u8,\n}\n",
        ),
        file(
            "broker/src/net/mod.rs",
            "fn f(c: &C) -> u8 { c.used } // c.idle\nfn g() { c.idle() }",
        ),
    ];
    assert_eq!(unread(&files), BTreeSet::from(["idle".to_owned()]));
}
