//! Things that only certain places may do (the contract's dependency floors, as far as crates cannot
//! enforce them).

use crate::{SourceFile, expect_none, rust_files, rust_source::code_of};

struct Rule {
    /// Looked for in code, without comments and strings.
    code: &'static str,
    /// Beginnings of the paths that may contain it.
    allowed: &'static [&'static str],
    why: &'static str,
}

const RULES: [Rule; 4] = [
    Rule {
        code: "delete_many(",
        allowed: &[
            "tiering/src/store/",
            "tiering/src/gc/",
            "tiering/src/probe/",
        ],
        why: "only the collector, the probe and the local store's clean-up delete",
    },
    Rule {
        code: "put_if_absent",
        allowed: &[
            "tiering/src/store/",
            "tiering/src/fenced_log/",
            "tiering/src/probe/",
            "tiering/src/cluster.rs",
            // Its names are unique by construction; the loop only recognises its own success.
            "tiering/src/page/checkpoint.rs",
        ],
        why: "only the fenced log, `cluster` and the probe write conditionally",
    },
    Rule {
        code: "std::env::var",
        allowed: &["broker/src/config/environment.rs"],
        why: "the environment is read once",
    },
    Rule {
        code: "ErrorCode::",
        // partition/produce.rs and fetch/pass.rs are the second halves of the Produce and Fetch handlers.
        allowed: &[
            "protocol/",
            "broker/src/error_code.rs",
            "broker/src/api/",
            "broker/src/partition/produce.rs",
            "broker/src/fetch/pass.rs",
        ],
        why: "only the error-code file and the handlers know Kafka's error codes",
    },
];

/// Names of objects, as string literals, outside of the one place that builds them.
fn object_names(file: &SourceFile) -> Option<String> {
    let prefixes = ["meta/log/", "meta/snap/", "wal/", "data/"].map(|name| format!("\"{name}"));
    let found = prefixes
        .iter()
        .find(|prefix| file.text.contains(prefix.as_str()))?;
    let allowed = file.path == "tiering/src/keys.rs" || !file.path.starts_with("tiering/src/");
    (!allowed).then(|| format!("{}: {found}: only `keys` names objects", file.path))
}

fn is_test(path: &str) -> bool {
    let marks = [
        "_tests.rs",
        "/tests/",
        "/examples/",
        "/benches/",
        "testing",
        "test_support",
        "store/contract.rs",
    ];
    marks.iter().any(|mark| path.contains(mark)) || path.starts_with("compat-tests/")
}

fn violations(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !is_test(&file.path)) {
        let code = code_of(&file.text);
        for rule in &RULES {
            let allowed = rule
                .allowed
                .iter()
                .any(|prefix| file.path.starts_with(prefix));
            if !allowed && code.contains(rule.code) {
                found.push(format!("{}: {}: {}", file.path, rule.code, rule.why));
            }
        }
        found.extend(object_names(file));
    }
    found
}

#[test]
fn only_their_places_delete_write_conditionally_name_objects_and_know_error_codes() {
    expect_none("things in the wrong place", &violations(&rust_files()));
}

#[test]
fn each_thing_in_a_wrong_place_is_noticed() {
    let text =
        "fn f() { store.delete_many(&k); put_if_absent(); std::env::var(\"X\"); ErrorCode::NONE; }";
    let file = SourceFile {
        path: "tiering/src/log/x.rs".to_owned(),
        text: format!("{text}\n// put_if_absent in a comment\nconst N: &str = \"wal/x\";"),
    };
    assert_eq!(violations(&[file]).len(), RULES.len() + 1);
}
