//! The published .proto files and the prost structs say the same: read both as text and compare every
//! message, field name, type, label and number.

use std::collections::BTreeMap;

/// Message → fields in order of their text: (name, number, label, type).
type Messages = BTreeMap<String, Vec<(String, u32, &'static str, String)>>;

fn without_comments(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
}

/// Understands one statement per line: `message X {`, `[label] type name = number;`, `}`.
fn parse_proto(text: &str) -> Messages {
    let mut messages = Messages::new();
    let mut message = None;
    for line in without_comments(text) {
        if let Some(rest) = line.strip_prefix("message ") {
            message = Some(rest.trim_end_matches('{').trim().to_string());
            let opened = messages.insert(message.clone().unwrap(), vec![]);
            assert!(opened.is_none(), "{line}: twice");
        } else if line == "}" {
            message = None;
        } else if let Some(message) = &message {
            if line.starts_with("reserved ") {
                continue;
            }
            let words: Vec<&str> = line.trim_end_matches(';').split_whitespace().collect();
            let (label, rest) = match words[0] {
                "repeated" => ("repeated", &words[1..]),
                "optional" => ("optional", &words[1..]),
                _ => ("", &words[..]),
            };
            let &[kind, name, "=", number] = rest else {
                panic!("not understood: {line}");
            };
            // A message field has presence with or without the label.
            let label = if label.is_empty() && kind.starts_with(char::is_uppercase) {
                "optional"
            } else {
                label
            };
            let field = (name.into(), number.parse().unwrap(), label, kind.into());
            messages.get_mut(message).unwrap().push(field);
        }
    }
    messages
}

/// Understands `pub struct X {` with `#[prost(type[, label], tag = "n")]` and `pub name: Type,` lines.
fn parse_rust(text: &str) -> Messages {
    let mut messages = Messages::new();
    let mut message = String::new();
    let mut attribute = "";
    for line in without_comments(text) {
        if let Some(rest) = line.strip_prefix("pub struct ") {
            message = rest.trim_end_matches('{').trim().to_string();
            messages.insert(message.clone(), vec![]);
        } else if let Some(rest) = line.strip_prefix("#[prost(") {
            attribute = rest.trim_end_matches(")]");
        } else if let Some(rest) = line.strip_prefix("pub ").filter(|_| !attribute.is_empty()) {
            let (name, rust_type) = rest.trim_end_matches(',').split_once(": ").unwrap();
            let words: Vec<&str> = attribute.split(", ").collect();
            let inner = rust_type
                .trim_start_matches("Vec<")
                .trim_start_matches("Option<")
                .trim_end_matches('>');
            let kind = match words[0].split(" = ").next().unwrap() {
                "message" => inner,
                scalar => scalar,
            };
            let label = ["repeated", "optional"]
                .into_iter()
                .find(|label| words.contains(label))
                .unwrap_or_default();
            let tag = words.last().unwrap().strip_prefix("tag = \"").unwrap();
            let number = tag.trim_end_matches('"').parse().unwrap();
            let field = (name.into(), number, label, kind.into());
            messages.get_mut(&message).unwrap().push(field);
            attribute = "";
        }
    }
    messages
}

macro_rules! pair {
    ($proto:literal, $rust:literal) => {
        (
            $proto,
            include_str!(concat!("../../proto/", $proto)),
            include_str!(concat!("../../src/", $rust)),
        )
    };
}

#[test]
fn the_published_proto_files_describe_the_structs() {
    for (name, proto, rust) in [
        pair!("object.proto", "format/proto/object.rs"),
        pair!("checkpoint.proto", "format/proto/checkpoint.rs"),
    ] {
        let (proto, rust) = (parse_proto(proto), parse_rust(rust));
        assert!(!proto.is_empty());
        assert_eq!(proto, rust, "{name}");
        for (message, fields) in &proto {
            assert!(!fields.is_empty(), "{name} {message}");
            let mut numbers: Vec<u32> = fields.iter().map(|field| field.1).collect();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), fields.len(), "{name} {message}");
        }
    }
}

#[test]
fn another_number_type_or_label_is_noticed() {
    let rust = "pub struct A {\n #[prost(uint32, repeated, tag = \"1\")]\n pub b: Vec<u32>,\n}";
    let same = "message A {\n repeated uint32 b = 1;\n}";
    assert_eq!(parse_proto(same), parse_rust(rust));
    for other in [
        "message A {\n repeated uint32 b = 2;\n}",
        "message A {\n repeated uint64 b = 1;\n}",
        "message A {\n uint32 b = 1;\n}",
        "message A {\n repeated uint32 c = 1;\n}",
        "message A {\n repeated uint32 b = 1;\n uint32 c = 2;\n}",
    ] {
        assert_ne!(parse_proto(other), parse_rust(rust), "{other}");
    }
}
