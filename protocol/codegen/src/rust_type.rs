//! What a field of a schema is in Rust: its name, type, default and smallest size on the wire.

use crate::schema::{Field, Message, Scalar, Struct};

/// The field's identifier; `type` and `match` become raw identifiers.
pub fn ident(field: &Field) -> String {
    match field.name.as_str() {
        "type" | "match" => format!("r#{}", field.name),
        name => name.to_string(),
    }
}

/// The name of the primitive reader and writer method, where the scalar has one that needs no
/// length.
pub fn fixed(scalar: &Scalar) -> Option<&'static str> {
    Some(match scalar {
        Scalar::Bool => "bool",
        Scalar::Int8 => "i8",
        Scalar::Int16 => "i16",
        Scalar::Int32 => "i32",
        Scalar::Int64 => "i64",
        Scalar::Uint16 => "u16",
        Scalar::Uint32 => "u32",
        Scalar::Float64 => "f64",
        Scalar::Uuid => "uuid",
        _ => return None,
    })
}

fn scalar_type(scalar: &Scalar) -> &str {
    match scalar {
        Scalar::Uuid => "Uuid",
        Scalar::String => "Str",
        Scalar::Bytes => "Bytes",
        Scalar::Records => "Records",
        Scalar::Struct(name) => name,
        other => fixed(other).expect("all others have a fixed size"),
    }
}

/// The whole type, with `Vec` and `Option`.
pub fn rust_type(field: &Field) -> String {
    let mut name = scalar_type(&field.scalar).to_string();
    if field.array {
        name = format!("Vec<{name}>");
    }
    if field.nullable.is_some() {
        name = format!("Option<{name}>");
    }
    name
}

/// The default as an expression.
pub fn default(field: &Field) -> String {
    let plain = match field.default.as_deref() {
        // Kafka's records are null until set, also where null cannot be sent.
        Some("null") if field.nullable.is_none() => plain_default(field),
        Some("null") => return "None".to_string(),
        Some(text) if text.starts_with('"') => format!("Str::from_static({text})"),
        Some("2147483647") => "i32::MAX".to_string(),
        Some("-2147483648") => "i32::MIN".to_string(),
        Some("9223372036854775807") => "i64::MAX".to_string(),
        Some(text) => text.to_string(),
        None => plain_default(field),
    };
    if field.nullable.is_some() {
        format!("Some({plain})")
    } else {
        plain
    }
}

fn plain_default(field: &Field) -> String {
    if field.array {
        return "Vec::new()".to_string();
    }
    match &field.scalar {
        Scalar::Bool => "false".to_string(),
        Scalar::Float64 => "0.0".to_string(),
        Scalar::Uuid => "Uuid::ZERO".to_string(),
        Scalar::String => "Str::new()".to_string(),
        Scalar::Bytes => "Bytes::new()".to_string(),
        Scalar::Records => "Records::new()".to_string(),
        Scalar::Struct(name) => format!("{name}::default()"),
        _ => "0".to_string(),
    }
}

/// True when `#[derive(Default)]` gives Kafka's default for this field.
pub fn default_is_derived(field: &Field) -> bool {
    let plain = matches!(field.default.as_deref(), None | Some("0"));
    let null = field.default.as_deref() == Some("null");
    if field.nullable.is_some() {
        null
    } else {
        plain || null
    }
}

/// An expression over `value` (an expression for the field's place): differs from the default?
pub fn differs_from_default(field: &Field, value: &str) -> String {
    let default = default(field);
    match default.as_str() {
        "None" => format!("{value}.is_some()"),
        "Vec::new()" | "Str::new()" | "Bytes::new()" => format!("!{value}.is_empty()"),
        "Some(Vec::new())" => format!("{value}.as_ref().is_none_or(|v| !v.is_empty())"),
        "false" => value.to_string(),
        "Uuid::ZERO" => format!("!{value}.is_zero()"),
        _ => format!("{value} != {default}"),
    }
}

/// Bytes that the smallest value of the struct takes, over all versions in which it exists.
pub fn min_size(message: &Message, of: &Struct) -> usize {
    let sizes = of.versions.iter().map(|v| min_size_at(message, of, v));
    let min = sizes.min().expect("a struct has a version");
    let is_element = message.structs.iter().any(|s| {
        let holds = |f: &Field| f.array && f.scalar == Scalar::Struct(of.name.clone());
        s.fields.iter().any(holds)
    });
    assert!(
        min > 0 || !is_element,
        "{}: elements of no bytes: a count could not be bounded",
        of.name
    );
    min
}

fn min_size_at(message: &Message, of: &Struct, version: i16) -> usize {
    let flexible = message.is_flexible(version);
    let present = of
        .fields
        .iter()
        .filter(|f| f.tag.is_none() && f.versions.contains(version));
    let fields: usize = present
        .map(|f| min_field_size(message, f, version, flexible))
        .sum();
    fields + usize::from(flexible)
}

fn min_field_size(message: &Message, field: &Field, version: i16, flexible: bool) -> usize {
    let compact = flexible && !field.never_compact;
    if field.array {
        return if compact { 1 } else { 4 };
    }
    match &field.scalar {
        Scalar::Bool | Scalar::Int8 => 1,
        Scalar::Int16 | Scalar::Uint16 => 2,
        Scalar::Int32 | Scalar::Uint32 => 4,
        Scalar::Int64 | Scalar::Float64 => 8,
        Scalar::Uuid => 16,
        Scalar::String => {
            if compact {
                1
            } else {
                2
            }
        }
        Scalar::Bytes | Scalar::Records => {
            if compact {
                1
            } else {
                4
            }
        }
        Scalar::Struct(_) if field.nullable.is_some() => 1,
        Scalar::Struct(name) => min_size_at(message, message.find(name), version),
    }
}

/// Smallest size of one element of an array field, as an expression.
pub fn element_min_size(field: &Field) -> String {
    match &field.scalar {
        Scalar::Bool | Scalar::Int8 => "1".to_string(),
        Scalar::Int16 | Scalar::Uint16 => "2".to_string(),
        Scalar::Int32 | Scalar::Uint32 => "4".to_string(),
        Scalar::Int64 | Scalar::Float64 => "8".to_string(),
        Scalar::Uuid => "16".to_string(),
        // The compact form; the old one is larger, and a bound may be low.
        Scalar::String | Scalar::Bytes | Scalar::Records => "1".to_string(),
        Scalar::Struct(name) => format!("{name}::MIN_SIZE"),
    }
}
