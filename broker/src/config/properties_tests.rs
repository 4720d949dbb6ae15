//! The properties reader against rules of `java.util.Properties` and against another implementation.

use proptest::prelude::*;

use super::properties::{Malformed, parse};

fn pairs(text: &str) -> Vec<(usize, String, String)> {
    let properties = parse(text).unwrap();
    properties
        .into_iter()
        .map(|p| (p.line, p.key, p.value))
        .collect()
}

#[test]
fn separators_comments_escapes_and_continuations_are_read_as_java_reads_them() {
    let cases = [
        ("a=b", (1, "a", "b")),
        ("a:b", (1, "a", "b")),
        ("a b", (1, "a", "b")),
        ("  a  =  b  ", (1, "a", "b  ")),
        ("a", (1, "a", "")),
        ("a==b", (1, "a", "=b")),
        ("a\\ b=c", (1, "a b", "c")),
        ("a\\=b=c", (1, "a=b", "c")),
        ("=b", (1, "", "b")),
        ("# no\n! no\r\n\r\n\ta=b", (4, "a", "b")),
        ("a=b\\\n   c\\\r\n d\n", (1, "a", "bcd")),
        ("a=b\\\n#c", (1, "a", "b#c")),
        ("a=b\\\\", (1, "a", "b\\")),
        ("a=\\t\\u0041\\ud83d\\ude00\\q", (1, "a", "\tA😀q")),
        ("a=ä", (1, "a", "ä")),
        ("a=b\\", (1, "a", "b")),
    ];
    for (text, (line, key, value)) in cases {
        assert_eq!(
            pairs(text),
            [(line, key.to_owned(), value.to_owned())],
            "{text:?}"
        );
    }
    assert_eq!(pairs("# \\u is nothing in a comment\n\n \t\n"), []);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    for text in [
        "a=\\u12",
        "a=\\uzzzz",
        "a=\\ud800",
        "a=\\ud800\\u0041",
        "a=\\udc00",
    ] {
        let malformed = parse(&format!("x=1\n{text}")).unwrap_err();
        assert!(
            matches!(malformed, Malformed { line: 2, .. }),
            "{text}: {malformed:?}"
        );
    }
}

proptest! {
    #[test]
    fn another_implementation_reads_the_same(text in "([a-c=: \t\\\\\r\n#!]|\\\\u00[0-6][0-9]){0,40}") {
        let oracle: Result<Vec<(String, String)>, _> = {
            let mut found = Vec::new();
            java_properties::PropertiesIter::new(text.as_bytes())
                .read_into(|key, value| found.push((key, value)))
                .map(|()| found)
        };
        // Plain ASCII, as it reads Latin-1. It fails on escapes in comments, which mean nothing there, and keeps a dangling backslash.
        let dangling = text.trim_end_matches(['\r', '\n']).ends_with('\\');
        // And it looks for a comment again after a line that holds nothing but a backslash.
        let bare = text.split(['\r', '\n']).any(|line| line.trim() == "\\");
        if let (Ok(oracle), false) = (oracle, dangling || bare) {
            let ours: Vec<(String, String)> = parse(&text).unwrap().into_iter().map(|p| (p.key, p.value)).collect();
            prop_assert_eq!(ours, oracle);
        }
    }
}
