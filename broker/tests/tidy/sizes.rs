//! Files of at most 500 lines, functions of at most 70, headers on files over 100.

use std::collections::BTreeMap;

use crate::{SourceFile, expect_none, rust_files, rust_source};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const LINES_WITHOUT_HEADER_MAX: usize = 100;

/// What is over its limit: `path` or `path::function`, and its lines.
fn over_limit(files: &[SourceFile]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for file in files {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            found.insert(file.path.clone(), lines);
        }
        for function in rust_source::functions(&file.text) {
            if function.lines > FUNCTION_LINES_MAX {
                found.insert(format!("{}::{}", file.path, function.name), function.lines);
            }
        }
    }
    found
}

fn exceptions(text: &str) -> BTreeMap<String, usize> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (lines, what) = line.split_once(' ').expect("LINES PATH[::FUNCTION]");
            (what.to_owned(), lines.parse().expect("LINES is a number"))
        })
        .collect()
}

fn findings(found: &BTreeMap<String, usize>, allowed: &BTreeMap<String, usize>) -> Vec<String> {
    let mut findings = Vec::new();
    for (what, lines) in found {
        match allowed.get(what) {
            None => findings.push(format!(
                "too long, split it (or say why it cannot be): {lines} {what}"
            )),
            Some(allowed) if lines > allowed => {
                findings.push(format!("grew from {allowed}: {lines} {what}"));
            }
            Some(allowed) if lines < allowed => {
                findings.push(format!(
                    "shrank from {allowed}, write it down: {lines} {what}"
                ));
            }
            Some(_) => {}
        }
    }
    let gone = allowed.keys().filter(|what| !found.contains_key(*what));
    findings.extend(gone.map(|what| format!("no exception any more, remove it: {what}")));
    findings
}

#[test]
fn long_files_and_functions_are_listed_and_only_shrink() {
    let found = over_limit(&rust_files());
    let allowed = exceptions(include_str!("exceptions.txt"));
    let mut findings = findings(&found, &allowed);
    if !findings.is_empty() {
        findings.push("the list is now:".to_owned());
        findings.extend(found.iter().map(|(what, lines)| format!("{lines} {what}")));
    }
    expect_none("broker/tests/tidy/exceptions.txt", &findings);
}

#[test]
fn long_files_begin_with_a_header() {
    let without: Vec<String> = rust_files()
        .into_iter()
        .filter(|file| file.text.lines().count() > LINES_WITHOUT_HEADER_MAX)
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| file.path)
        .collect();
    let lines = include_str!("without_header.txt").lines();
    let listed: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
    let new = without
        .iter()
        .filter(|path| !listed.contains(&path.as_str()));
    let mut findings: Vec<String> = new
        .map(|path| format!("needs a '//!' header: {path}"))
        .collect();
    let done = listed
        .iter()
        .filter(|path| !without.iter().any(|p| p == *path));
    findings.extend(done.map(|path| format!("has its header now, remove it: {path}")));
    expect_none("broker/tests/tidy/without_header.txt", &findings);
}

#[test]
fn each_way_to_break_the_ratchet_is_noticed() {
    let body = "let x = 1;\n".repeat(FUNCTION_LINES_MAX);
    let file = SourceFile {
        path: "a.rs".to_owned(),
        text: format!("fn long() {{\n{body}}}\n"),
    };
    let found = over_limit(&[file]);
    assert_eq!(found, exceptions("# reason\n72 a.rs::long\n"));
    for (list, part) in [
        ("", "too long"),
        ("71 a.rs::long", "grew from 71"),
        ("73 a.rs::long", "shrank from 73"),
        ("72 a.rs::long\n501 b.rs", "remove it: b.rs"),
    ] {
        let findings = findings(&found, &exceptions(list));
        assert!(
            findings.len() == 1 && findings[0].contains(part),
            "{findings:?}"
        );
    }
}
