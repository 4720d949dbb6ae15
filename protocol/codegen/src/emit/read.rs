//! The body of `Wire::read`.

use super::{Flexible, condition, error_name, flexible_part, presence, tagged, uses_version};
use crate::rust_type::{default, element_min_size, fixed, ident};
use crate::schema::{Field, Message, Scalar, Struct};
use std::fmt::Write;

pub(super) fn read(out: &mut String, message: &Message, of: &Struct) {
    let flexible = Flexible::of(message, of);
    let version = if uses_version(message, of) {
        "version"
    } else {
        "_version"
    };
    let reader = if of.fields.is_empty() && matches!(flexible, Flexible::Never) {
        "_r"
    } else {
        "r"
    };
    line!(
        out,
        "    fn read({reader}: &mut Reader, {version}: i16) -> Result<Self, DecodeError> {{"
    );
    flexible.declare(out);
    let has_tags = !matches!(flexible, Flexible::Never);
    if has_tags {
        line!(out, "        let mut value = Self {{");
    } else {
        line!(out, "        Ok(Self {{");
    }
    for field in &of.fields {
        let value = if field.tag.is_some() {
            default(field)
        } else {
            read_field(message, of, field, &flexible)
        };
        line!(out, "{}: {value},", ident(field));
    }
    if message.flexible_since.is_some() {
        line!(out, "unknown_tagged_fields: Vec::new(),");
    }
    if has_tags {
        line!(out, "        }};");
        read_tags(out, message, of, &flexible);
        line!(out, "        Ok(value)\n    }}\n");
    } else {
        line!(out, "        }})\n    }}\n");
    }
}

fn read_field(message: &Message, of: &Struct, field: &Field, flexible: &Flexible) -> String {
    let value = read_present(message, of, field, flexible);
    match condition(field.versions, of.versions) {
        None => value,
        Some(condition) => format!("if {condition} {{ {value} }} else {{ {} }}", default(field)),
    }
}

fn read_present(message: &Message, of: &Struct, field: &Field, flexible: &Flexible) -> String {
    let plain = read_value(message, of, field, flexible, false);
    let Some(nullable) = field.nullable else {
        return plain;
    };
    let null = read_value(message, of, field, flexible, true);
    match condition(nullable, field.versions) {
        None => null,
        Some(condition) => format!("if {condition} {{ {null} }} else {{ Some({plain}) }}"),
    }
}

fn read_value(
    message: &Message,
    of: &Struct,
    field: &Field,
    flexible: &Flexible,
    nullable: bool,
) -> String {
    let name = error_name(message, of, field);
    let compact = flexible.for_field(field);
    let prefix = if nullable { "nullable_" } else { "" };
    if field.array {
        let element = read_element(field, &name, compact);
        let min = element_min_size(field);
        return format!("r.{prefix}array({compact}, {name}, {min}, |r| {element})?");
    }
    if let Some(method) = fixed(&field.scalar) {
        return format!("r.{method}({name})?");
    }
    match &field.scalar {
        Scalar::String => format!("r.{prefix}string({compact}, {name})?"),
        Scalar::Bytes => format!("r.{prefix}bytes({compact}, {name})?"),
        Scalar::Records => format!("r.{prefix}records({compact}, {name})?"),
        Scalar::Struct(inner) if nullable => {
            let present = presence(field);
            format!(
                "if r.{present}_present({name})? {{ Some({inner}::read(r, version)?) }} else {{ None }}"
            )
        }
        Scalar::Struct(inner) => format!("{inner}::read(r, version)?"),
        _ => unreachable!("the fixed ones are above"),
    }
}

fn read_element(field: &Field, name: &str, compact: &str) -> String {
    if let Some(method) = fixed(&field.scalar) {
        return format!("r.{method}({name})");
    }
    match &field.scalar {
        Scalar::String => format!("r.string({compact}, {name})"),
        Scalar::Bytes => format!("r.bytes({compact}, {name})"),
        Scalar::Records => format!("r.records({compact}, {name})"),
        Scalar::Struct(inner) => format!("{inner}::read(r, version)"),
        _ => unreachable!("the fixed ones are above"),
    }
}

fn read_tags(out: &mut String, message: &Message, of: &Struct, flexible: &Flexible) {
    let fields = tagged(of);
    if matches!(flexible, Flexible::Since(_)) {
        line!(out, "        if flexible {{");
    }
    if fields.is_empty() {
        line!(
            out,
            "            value.unknown_tagged_fields = r.unknown_tagged_fields()?;"
        );
    } else {
        line!(
            out,
            "            r.tagged_fields(&mut value.unknown_tagged_fields, |r, tag| {{"
        );
        line!(out, "                match tag {{");
        for field in fields {
            let tag = field.tag.expect("filtered");
            let guard = match condition(field.versions, flexible_part(message, of)) {
                None => String::new(),
                Some(condition) => format!(" if {condition}"),
            };
            let value = read_present(message, of, field, flexible);
            line!(
                out,
                "                    {tag}{guard} => value.{} = {value},",
                ident(field)
            );
        }
        line!(out, "                    _ => return Ok(false),");
        line!(
            out,
            "                }}\n                Ok(true)\n            }})?;"
        );
    }
    if matches!(flexible, Flexible::Since(_)) {
        line!(out, "        }}");
    }
}
