//! What the workspace depends on: floors of the crates, licences.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

use crate::{expect_none, root};

/// `cargo metadata` of the workspace for Linux.
static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            &platform,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
});

fn array<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Names of packages by id.
fn names(metadata: &Value) -> BTreeMap<&str, &str> {
    let packages = array(metadata, "packages").iter();
    packages
        .map(|package| (text(package, "id"), text(package, "name")))
        .collect()
}

/// Everything that `package` is built from, without what only its tests and build scripts need.
fn closure(metadata: &Value, package: &str) -> BTreeSet<String> {
    let names = names(metadata);
    let normal: BTreeMap<&str, Vec<&str>> = array(&metadata["resolve"], "nodes")
        .iter()
        .map(|node| {
            let needed = array(node, "deps").iter().filter(|dependency| {
                array(dependency, "dep_kinds")
                    .iter()
                    .any(|kind| kind["kind"].is_null())
            });
            (
                text(node, "id"),
                needed.map(|dependency| text(dependency, "pkg")).collect(),
            )
        })
        .collect();
    let start = names
        .iter()
        .find(|(_, name)| **name == package)
        .expect("a package of ours")
        .0;
    let (mut pending, mut seen) = (vec![*start], BTreeSet::new());
    while let Some(id) = pending.pop() {
        if seen.insert(id) {
            pending.extend(&normal[id]);
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

fn violations(metadata: &Value, package: &str, forbidden: &[&str]) -> Vec<String> {
    let closure = closure(metadata, package);
    let found = forbidden.iter().filter(|name| closure.contains(**name));
    found
        .map(|name| format!("{package} must not depend on {name}"))
        .collect()
}

#[test]
fn dependency_floors_hold() {
    let protocol = [
        "tokio",
        "object_store",
        "axum",
        "weir-tiering",
        "weir-coordinator",
        "weir",
    ];
    let coordinator = ["tokio", "object_store", "axum", "weir-tiering", "weir"];
    let tiering = ["axum", "clap", "weir-coordinator", "weir"];
    let mut findings = violations(&METADATA, "weir-protocol", &protocol);
    findings.extend(violations(&METADATA, "weir-coordinator", &coordinator));
    findings.extend(violations(&METADATA, "weir-tiering", &tiering));
    expect_none("dependency floors", &findings);
    assert_eq!(
        violations(&METADATA, "weir", &["tokio"]).len(),
        1,
        "the canary"
    );
}

/// A licence that is not here needs a human who reads it.
const LICENCES: [&str; 7] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Whether an SPDX expression can be met with [`LICENCES`]. `AND` binds stronger than `OR`; an
/// exception (`WITH`) only adds permissions; '/' is the old way to write `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    alternatives(&mut rest) && rest.is_empty()
}

fn alternatives(words: &mut &[&str]) -> bool {
    let mut met = all_of(words);
    while let [first, rest @ ..] = *words
        && *first == "OR"
    {
        *words = rest;
        met |= all_of(words);
    }
    met
}

fn all_of(words: &mut &[&str]) -> bool {
    let mut met = term(words);
    while let [first, rest @ ..] = *words
        && *first == "AND"
    {
        *words = rest;
        met &= term(words);
    }
    met
}

fn term(words: &mut &[&str]) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let met = alternatives(words);
            *words = words.strip_prefix(&[")"]).unwrap_or(&["unbalanced"]);
            met
        }
        [licence, "WITH", _, rest @ ..] | [licence, rest @ ..] => {
            *words = rest;
            LICENCES.contains(licence)
        }
        [] => false,
    }
}

#[test]
fn every_dependency_has_a_licence_of_the_list() {
    let packages = array(&METADATA, "packages").iter();
    let findings: Vec<String> = packages
        .filter(|package| !is_allowed(text(package, "license")))
        .map(|package| format!("{}: '{}'", text(package, "name"), text(package, "license")))
        .collect();
    expect_none("licences outside the list", &findings);
}

#[test]
fn licence_expressions_are_understood() {
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("MIT/Apache-2.0", true),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
        ("MIT OR (", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression), expected, "{expression}");
    }
}
