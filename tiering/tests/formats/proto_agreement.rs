//! The published .proto files and the prost structs say the same: read both as text and compare every
//! message, field name, type, label and number.

use std::collections::BTreeMap;

/// Name, number, label, type.
type Field = (String, u32, &'static str, String);
/// Message → fields in order of their text.
type Messages = BTreeMap<String, Vec<Field>>;

fn without_comments(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
}

/// Understands one statement per line: `message X {`, `oneof x {`, `[label] type name = number;`, `}`.
/// The fields of a oneof count as fields of its message with the label "oneof".
fn parse_proto(text: &str) -> Messages {
    let mut messages = Messages::new();
    let mut message = None;
    let mut in_oneof = false;
    for line in without_comments(text) {
        if line.starts_with("oneof ") {
            in_oneof = true;
        } else if line == "}" && in_oneof {
            in_oneof = false;
        } else if let Some(rest) = line.strip_prefix("message ") {
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
            // The package is that of the file that is imported.
            let kind = kind.rsplit('.').next().unwrap();
            // A message field has presence with or without the label.
            let label = if in_oneof {
                "oneof"
            } else if label.is_empty() && kind.starts_with(char::is_uppercase) {
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

/// Understands, behind a derive of Message or Oneof, `pub struct X {` with `#[prost(type[, label], tag = "n")]` and `pub name: Type,` lines,
/// and `pub enum X {` with `Variant(Type),` lines, which become the fields of a oneof.
fn parse_rust(text: &str) -> Messages {
    let mut messages = Messages::new();
    let mut oneofs: BTreeMap<String, String> = BTreeMap::new();
    let mut message = String::new();
    let mut attribute = String::new();
    let mut derived = false;
    for line in without_comments(&one_line_attributes(text)) {
        derived |=
            line.starts_with("#[derive(") && (line.contains("Message") || line.contains("Oneof"));
        let line = line.trim_start_matches("pub ");
        let opened = line
            .strip_prefix("struct ")
            .or_else(|| line.strip_prefix("enum "));
        if let Some(rest) = opened.filter(|_| std::mem::take(&mut derived)) {
            message = rest.trim_end_matches('{').trim().to_string();
            messages.insert(message.clone(), vec![]);
        } else if let Some(rest) = line.strip_prefix("#[prost(") {
            attribute = rest.trim_end_matches(")]").to_string();
        } else if !attribute.is_empty() {
            let attribute = std::mem::take(&mut attribute);
            if let Some(rest) = attribute.strip_prefix("oneof = \"") {
                oneofs.insert(rest.split('"').next().unwrap().into(), message.clone());
                continue;
            }
            let field = rust_field(&attribute, line);
            messages.get_mut(&message).unwrap().push(field);
        }
    }
    for (oneof, message) in oneofs {
        let fields = messages.remove(&oneof).unwrap();
        messages.get_mut(&message).unwrap().extend(fields);
    }
    messages
}

/// Long attributes stand on several lines.
fn one_line_attributes(text: &str) -> String {
    let mut out = String::new();
    let mut open = false;
    for line in text.lines() {
        let line = line.trim();
        open |= line.starts_with("#[prost(");
        open &= !line.ends_with(")]");
        out.push_str(line);
        out.push(if open { ' ' } else { '\n' });
    }
    out.replace("#[prost( ", "#[prost(").replace(" )]", ")]")
}

fn rust_field(attribute: &str, line: &str) -> Field {
    let (name, rust_type, oneof) = match line.trim_end_matches(',').split_once(": ") {
        Some((name, rust_type)) => (name.to_string(), rust_type, false),
        None => {
            let (variant, rust_type) = line.trim_end_matches("),").split_once('(').unwrap();
            (snake_case(variant), rust_type, true)
        }
    };
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
        .unwrap_or(if oneof { "oneof" } else { "" });
    let tag = words.last().unwrap().strip_prefix("tag = \"").unwrap();
    let number = tag.trim_end_matches('"').parse().unwrap();
    (name, number, label, kind.into())
}

fn snake_case(variant: &str) -> String {
    let mut out = String::new();
    for c in variant.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

macro_rules! pair {
    ($proto:literal, $($rust:literal),+) => {
        (
            $proto,
            include_str!(concat!("../../proto/", $proto)),
            concat!($(include_str!(concat!("../../src/", $rust))),+),
        )
    };
}

#[test]
fn the_published_proto_files_describe_the_structs() {
    for (name, proto, rust) in [
        pair!("object.proto", "format/proto/object.rs"),
        pair!("checkpoint.proto", "format/proto/checkpoint.rs"),
        pair!("cluster.proto", "cluster.rs"),
        pair!(
            "metadata.proto",
            "metadata/proto/mod.rs",
            "metadata/proto/entry.rs",
            "metadata/proto/incarnations.rs",
            "metadata/proto/ownership.rs",
            "metadata/proto/snapshot.rs",
            "metadata/proto/topics.rs"
        ),
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
fn oneofs_are_compared_too() {
    let rust = "#[derive(Message)]\npub struct A {\n #[prost(\n oneof = \"Kind\",\n tags = \"2, 3\"\n )]\n \
                pub kind: Option<Kind>,\n}\n#[derive(prost::Oneof)]\npub enum Kind {\n #[prost(message, tag = \"2\")]\n \
                BigOne(B),\n #[prost(bytes = \"vec\", tag = \"3\")]\n Raw(Vec<u8>),\n}";
    let same = "message A {\n oneof kind {\n x.v1.B big_one = 2;\n bytes raw = 3;\n }\n}";
    assert_eq!(parse_proto(same), parse_rust(rust));
    assert_ne!(parse_proto(&same.replace('3', "4")), parse_rust(rust));
}

#[test]
fn another_number_type_or_label_is_noticed() {
    let rust = "#[derive(Message)]\npub struct A {\n #[prost(uint32, repeated, tag = \"1\")]\n pub b: Vec<u32>,\n}";
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
