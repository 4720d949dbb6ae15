//! The schema files as values.
//!
//! Owns the text format of `protocol/schema/*.schema` (described in protocol/schema/README.md).
//! Does not own: what the facts mean in Rust (`rust_type`, `emit`).
//! Invariant: a line that is not understood is an error, so that a fact is never dropped silently.

use std::fmt;

/// Versions from `first` to `last`, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub first: i16,
    pub last: i16,
}

impl Versions {
    /// Parses `3+` (up to `highest`), `2` or `2-4`.
    fn parse(text: &str, highest: i16) -> Option<Versions> {
        if let Some(first) = text.strip_suffix('+') {
            let first = first.parse().ok()?;
            return Some(Versions {
                first,
                last: highest,
            });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(Versions {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        })
    }

    pub fn contains(&self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }

    pub fn iter(&self) -> impl Iterator<Item = i16> + use<> {
        self.first..=self.last
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Request,
    Response,
    Header,
    RecordKey,
    RecordValue,
    Data,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint16,
    Uint32,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
    Struct(String),
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub scalar: Scalar,
    pub array: bool,
    pub versions: Versions,
    /// The versions in which null is allowed.
    pub nullable: Option<Versions>,
    pub tag: Option<u32>,
    /// The length has its old fixed-size form in flexible versions too.
    pub never_compact: bool,
    /// As written after `=`; `None` is the plain default of the type.
    pub default: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Struct {
    pub name: String,
    pub versions: Versions,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub struct Message {
    pub kind: Kind,
    pub key: Option<i16>,
    pub versions: Versions,
    /// First flexible version, or none is.
    pub flexible_since: Option<i16>,
    /// The first is the message itself.
    pub structs: Vec<Struct>,
}

impl Message {
    pub fn name(&self) -> &str {
        &self.structs[0].name
    }

    pub fn is_flexible(&self, version: i16) -> bool {
        self.flexible_since.is_some_and(|since| version >= since)
    }

    pub fn find(&self, name: &str) -> &Struct {
        let found = self.structs.iter().find(|s| s.name == name);
        found.unwrap_or_else(|| panic!("{}: no struct {name}", self.name()))
    }
}

/// A line of a schema file that does not follow the format.
#[derive(Debug)]
pub struct SchemaError {
    line: usize,
    what: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for SchemaError {}

/// Parses a whole file.
pub fn parse(text: &str) -> Result<Vec<Message>, SchemaError> {
    let mut messages: Vec<Message> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        parse_line(line, &mut messages).ok_or_else(|| SchemaError {
            line: index + 1,
            what: format!("not understood: {line:?}"),
        })?;
    }
    Ok(messages)
}

fn parse_line(line: &str, messages: &mut Vec<Message>) -> Option<()> {
    if let Some(field) = line.strip_prefix("  ") {
        let message = messages.last_mut()?;
        let highest = message.versions.last;
        let owner = message.structs.last_mut()?;
        owner
            .fields
            .push(parse_field(field, owner.versions, highest)?);
        return Some(());
    }
    let words: Vec<&str> = line.split(' ').collect();
    if words[0] == "struct" {
        let message = messages.last_mut()?;
        let versions = match words.get(2) {
            Some(text) => Versions::parse(text, message.versions.last)?,
            None => message.versions,
        };
        message.structs.push(Struct {
            name: words.get(1)?.to_string(),
            versions,
            fields: Vec::new(),
        });
        return Some(());
    }
    messages.push(parse_message(&words)?);
    Some(())
}

fn parse_message(words: &[&str]) -> Option<Message> {
    let kind = match words[0] {
        "request" => Kind::Request,
        "response" => Kind::Response,
        "header" => Kind::Header,
        "key" => Kind::RecordKey,
        "value" => Kind::RecordValue,
        "data" => Kind::Data,
        _ => return None,
    };
    let after = |word: &str| {
        let at = words.iter().skip(2).position(|w| *w == word)?;
        words.get(at + 3).copied()
    };
    let versions = Versions::parse(after("versions")?, 0)?;
    let flexible_since = match after("flexible")? {
        "none" => None,
        range => Some(Versions::parse(range, versions.last)?.first),
    };
    Some(Message {
        kind,
        key: after("key").and_then(|key| key.parse().ok()),
        versions,
        flexible_since,
        structs: vec![Struct {
            name: words.get(1)?.to_string(),
            versions,
            fields: Vec::new(),
        }],
    })
}

fn parse_field(text: &str, owner: Versions, highest: i16) -> Option<Field> {
    let (text, default) = match text.split_once(" = ") {
        Some((text, default)) => (text, Some(default.to_string())),
        None => (text, None),
    };
    let mut words = text.split(' ').peekable();
    let name = words.next()?.to_string();
    let (type_name, nullable) = match words.next()?.split_once('?') {
        None => (text.split(' ').nth(1)?, None),
        Some((type_name, range)) => (type_name, Some(range)),
    };
    let mut versions = owner;
    if let Some(range) = words.next_if(|w| w.starts_with(|c: char| c.is_ascii_digit())) {
        versions = Versions::parse(range, highest)?;
    }
    let nullable = match nullable {
        None => None,
        Some("") => Some(versions),
        Some(range) => Some(Versions::parse(range, highest)?),
    };
    let (mut tag, mut never_compact) = (None, false);
    while let Some(word) = words.next() {
        match word {
            "tag" => tag = Some(words.next()?.parse().ok()?),
            "never-compact" => never_compact = true,
            _ => return None,
        }
    }
    let array = type_name.starts_with("[]");
    Some(Field {
        name,
        scalar: parse_scalar(type_name.trim_start_matches("[]"))?,
        array,
        versions,
        nullable,
        tag,
        never_compact,
        default,
    })
}

fn parse_scalar(name: &str) -> Option<Scalar> {
    Some(match name {
        "bool" => Scalar::Bool,
        "int8" => Scalar::Int8,
        "int16" => Scalar::Int16,
        "int32" => Scalar::Int32,
        "int64" => Scalar::Int64,
        "uint16" => Scalar::Uint16,
        "uint32" => Scalar::Uint32,
        "float64" => Scalar::Float64,
        "uuid" => Scalar::Uuid,
        "string" => Scalar::String,
        "bytes" => Scalar::Bytes,
        "records" => Scalar::Records,
        _ if name.starts_with(|c: char| c.is_ascii_uppercase()) => Scalar::Struct(name.to_string()),
        _ => return None,
    })
}
