//! docs/ARCHITECTURE.md: every place that it names exists, and every folder of code is on its map.

use std::collections::BTreeSet;

use crate::{expect_none, root, rust_files};

const PAGE: &str = "docs/ARCHITECTURE.md";
const ROOTS: [&str; 6] = [
    "protocol/",
    "tiering/",
    "broker/",
    "compat-tests/",
    "docs/",
    "docker/",
];

/// Paths between back ticks, from the root. Names with capitals stand for something.
fn named_paths(page: &str) -> BTreeSet<&str> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted
        .filter(|name| ROOTS.iter().any(|root| name.starts_with(root)))
        .filter(|name| !name.contains(char::is_whitespace) && !name.contains("NAME"))
        .collect()
}

/// Folders of these files that the page does not name.
fn folders_off_the_map(page: &str, files: &[String]) -> Vec<String> {
    let folders: BTreeSet<&str> = files
        .iter()
        .filter(|path| path.contains("/src/"))
        .filter_map(|path| path.rsplit_once('/'))
        .map(|(folder, _)| folder)
        .filter(|folder| !folder.ends_with("/src"))
        .collect();
    let is_named = |folder: &&str| {
        let mut places = page.match_indices(folder);
        places.any(|(at, _)| !page[at + folder.len()..].starts_with('/'))
    };
    let missing = folders.into_iter().filter(|folder| !is_named(folder));
    missing
        .map(|folder| format!("{folder}: not on the map of {PAGE}"))
        .collect()
}

#[test]
fn the_map_is_complete_and_names_only_what_exists() {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let gone = named_paths(&page)
        .into_iter()
        .filter(|path| !root().join(path).exists());
    let mut findings: Vec<String> = gone
        .map(|path| format!("{PAGE} names {path}, which does not exist"))
        .collect();
    let files: Vec<String> = rust_files().into_iter().map(|file| file.path).collect();
    findings.extend(folders_off_the_map(&page, &files));
    expect_none("the map is out of date", &findings);
}

#[test]
fn a_folder_that_is_not_named_is_noticed() {
    let page =
        "tiering/src/log/cold.rs and `tiering/src/wal`, `docs/x.md`, `broker/src/api/NAME.rs`";
    let files = ["tiering/src/wal/a.rs", "tiering/src/log/b.rs"].map(str::to_owned);
    assert_eq!(folders_off_the_map(page, &files).len(), 1);
    assert_eq!(
        named_paths(page),
        BTreeSet::from(["tiering/src/wal", "docs/x.md"])
    );
}
