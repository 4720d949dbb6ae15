//! The body of `Wire::write`.

use super::{Flexible, condition, error_name, flexible_part, presence, tagged, uses_version};
use crate::rust_type::{differs_from_default, fixed, ident};
use crate::schema::{Field, Message, Scalar, Struct};
use std::fmt::Write;

pub(super) fn write(out: &mut String, message: &Message, of: &Struct) {
    let flexible = Flexible::of(message, of);
    let version = if uses_version(message, of) {
        "version"
    } else {
        "_version"
    };
    let writer = if of.fields.is_empty() && matches!(flexible, Flexible::Never) {
        "_w"
    } else {
        "w"
    };
    line!(
        out,
        "    fn write(&self, {writer}: &mut Writer, {version}: i16) {{"
    );
    flexible.declare(out);
    for field in of.fields.iter().filter(|f| f.tag.is_none()) {
        let value = write_present(message, of, field, &flexible);
        match condition(field.versions, of.versions) {
            None => line!(out, "{value}"),
            Some(condition) => line!(out, "if {condition} {{ {value} }}"),
        }
    }
    match flexible {
        Flexible::Never => {}
        Flexible::Always => write_tags(out, message, of, &flexible),
        Flexible::Since(_) => {
            line!(out, "        if flexible {{");
            write_tags(out, message, of, &flexible);
            line!(out, "        }}");
        }
    }
    line!(out, "    }}");
}

fn write_present(message: &Message, of: &Struct, field: &Field, flexible: &Flexible) -> String {
    let place = format!("self.{}", ident(field));
    let name = error_name(message, of, field);
    let compact = flexible.for_field(field);
    let Some(nullable) = field.nullable else {
        return write_plain(field, &place, &name, compact);
    };
    let null = write_nullable(field, &place, &name, compact);
    match condition(nullable, field.versions) {
        None => null,
        Some(condition) => {
            let plain = write_plain(field, "value", &name, compact);
            format!(
                "if {condition} {{ {null} }} else if let Some(value) = w.not_null({name}, &{place}) {{ {plain} }}"
            )
        }
    }
}

fn write_plain(field: &Field, place: &str, name: &str, compact: &str) -> String {
    let reference = if place == "value" {
        place.to_string()
    } else {
        format!("&{place}")
    };
    if field.array {
        let element = write_element(field, name, compact);
        return format!("w.array({compact}, {name}, {reference}, |w, e| {element});");
    }
    if let Some(method) = fixed(&field.scalar) {
        return format!("w.{method}({place});");
    }
    match &field.scalar {
        Scalar::String => format!("w.string({compact}, {name}, {reference});"),
        Scalar::Bytes => format!("w.bytes({compact}, {name}, {reference});"),
        Scalar::Records => format!("w.records({compact}, {name}, {reference});"),
        Scalar::Struct(_) => format!("{place}.write(w, version);"),
        _ => unreachable!("the fixed ones are above"),
    }
}

fn write_nullable(field: &Field, place: &str, name: &str, compact: &str) -> String {
    if field.array {
        let element = write_element(field, name, compact);
        return format!(
            "w.nullable_array({compact}, {name}, {place}.as_deref(), |w, e| {element});"
        );
    }
    match &field.scalar {
        Scalar::String => format!("w.nullable_string({compact}, {name}, {place}.as_ref());"),
        Scalar::Bytes => format!("w.nullable_bytes({compact}, {name}, {place}.as_ref());"),
        Scalar::Records => format!("w.nullable_records({compact}, {name}, {place}.as_ref());"),
        Scalar::Struct(_) => {
            let present = presence(field);
            format!("w.nullable_{present}({place}.as_ref(), version);")
        }
        _ => panic!("a nullable {:?}", field.scalar),
    }
}

fn write_element(field: &Field, name: &str, compact: &str) -> String {
    if let Some(method) = fixed(&field.scalar) {
        return format!("w.{method}(*e)");
    }
    match &field.scalar {
        Scalar::String => format!("w.string({compact}, {name}, e)"),
        Scalar::Bytes => format!("w.bytes({compact}, {name}, e)"),
        Scalar::Records => format!("w.records({compact}, {name}, e)"),
        Scalar::Struct(_) => "e.write(w, version)".to_string(),
        _ => unreachable!("the fixed ones are above"),
    }
}

fn write_tags(out: &mut String, message: &Message, of: &Struct, flexible: &Flexible) {
    let fields = tagged(of);
    if fields.is_empty() {
        line!(out, "w.unknown_tagged_fields(&self.unknown_tagged_fields);");
        return;
    }
    let mut sum = Vec::new();
    for field in &fields {
        let differs = differs_from_default(field, &format!("self.{}", ident(field)));
        let present = match condition(field.versions, flexible_part(message, of)) {
            None => differs,
            Some(condition) => format!("{condition} && {differs}"),
        };
        let tag = field.tag.expect("filtered");
        line!(out, "let has_{tag} = {present};");
        sum.push(format!("usize::from(has_{tag})"));
    }
    line!(out, "let known = {};", sum.join(" + "));
    // Nearly always there is nothing to write.
    line!(
        out,
        "if known == 0 {{ w.unknown_tagged_fields(&self.unknown_tagged_fields); }} else {{"
    );
    line!(
        out,
        "let mut tags = w.tags(&self.unknown_tagged_fields, known);"
    );
    for field in &fields {
        let tag = field.tag.expect("filtered");
        let value = write_present(message, of, field, flexible);
        line!(
            out,
            "if has_{tag} {{ tags.field(w, {tag}, |w| {{ {value} }}); }}"
        );
    }
    line!(out, "tags.finish(w); }}");
}
