//! Valid bytes of any message in any version, written by interpreting the schema.
//!
//! A second encoder that shares nothing with the generated code but the schema files. What it
//! writes is canonical: a tagged field with its default is left out. The values come from a stream
//! of bytes, so that proptest shrinks them; an exhausted stream gives zeros, the smallest value.

use weir_protocol_codegen::schema::{Field, Message, Scalar, Struct};

pub struct Choices<'a>(pub &'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// The message as bytes.
pub fn encode(message: &Message, version: i16, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let encoder = Encoder { message, version };
    encoder.structure(&mut out, &message.structs[0], Some(choices));
    out
}

struct Encoder<'a> {
    message: &'a Message,
    version: i16,
}

/// `None` asks for the default.
type Source<'a, 'b> = Option<&'a mut Choices<'b>>;

impl Encoder<'_> {
    fn structure(&self, out: &mut Vec<u8>, of: &Struct, mut source: Source<'_, '_>) {
        let mut tags = Vec::new();
        for field in of
            .fields
            .iter()
            .filter(|f| f.versions.contains(self.version))
        {
            match field.tag {
                None => self.field(out, field, source.as_deref_mut()),
                Some(tag) => {
                    if let Some(value) = self.tagged(field, source.as_deref_mut()) {
                        tags.push((tag, value));
                    }
                }
            }
        }
        if !self.message.is_flexible(self.version) {
            return;
        }
        tags.sort();
        if let Some(choices) = source
            && choices.next() % 8 == 7
        {
            let count = choices.next() % 8;
            tags.push((1000, choices.bytes(usize::from(count))));
        }
        uvarint(out, tags.len());
        for (tag, value) in tags {
            uvarint(out, tag as usize);
            uvarint(out, value.len());
            out.extend(value);
        }
    }

    /// `None` when the value is the default.
    fn tagged(&self, field: &Field, source: Source<'_, '_>) -> Option<Vec<u8>> {
        let choices = source?;
        if choices.next() % 2 == 0 {
            return None;
        }
        let (mut value, mut default) = (Vec::new(), Vec::new());
        self.field(&mut value, field, Some(choices));
        self.field(&mut default, field, None);
        (value != default).then_some(value)
    }

    fn field(&self, out: &mut Vec<u8>, field: &Field, mut source: Source<'_, '_>) {
        let nullable = field.nullable.is_some_and(|n| n.contains(self.version));
        let null = match &mut source {
            Some(choices) => nullable && choices.next() % 4 == 1,
            None => nullable && field.default.as_deref() == Some("null"),
        };
        let compact = self.message.is_flexible(self.version) && !field.never_compact;
        if nullable && matches!(field.scalar, Scalar::Struct(_)) && !field.array {
            match (field.tag, null) {
                (Some(_), _) => uvarint(out, usize::from(!null)),
                (None, true) => out.push(0xff),
                (None, false) => out.push(1),
            }
        } else if null {
            length(out, compact, short(field), None);
            return;
        }
        if null {
            return;
        }
        if !field.array {
            return self.scalar(out, field, compact, source);
        }
        let count = source.as_mut().map_or(0, |choices| choices.next() % 4);
        length(out, compact, false, Some(usize::from(count)));
        for _ in 0..count {
            self.scalar(out, field, compact, source.as_deref_mut());
        }
    }

    fn scalar(&self, out: &mut Vec<u8>, field: &Field, compact: bool, mut source: Source<'_, '_>) {
        let mut fixed = |count: usize| match &mut source {
            Some(choices) => out.extend(choices.bytes(count)),
            None => {
                let default = field.default.as_deref().unwrap_or("0");
                let default: i64 = default.parse().unwrap();
                out.extend(&default.to_be_bytes()[8 - count..]);
            }
        };
        match &field.scalar {
            Scalar::Bool => out.push(source.map_or(0, |c| c.next() % 2)),
            Scalar::Int8 => fixed(1),
            Scalar::Int16 | Scalar::Uint16 => fixed(2),
            Scalar::Int32 | Scalar::Uint32 => fixed(4),
            Scalar::Int64 => fixed(8),
            // Not every pattern: a NaN is not equal to itself.
            Scalar::Float64 => out.extend([0x40, source.map_or(0, |c| c.next()), 0, 0, 0, 0, 0, 0]),
            Scalar::Uuid => match source {
                Some(choices) => out.extend(choices.bytes(16)),
                None => out.extend([0; 16]),
            },
            Scalar::String => {
                let count = source.as_mut().map_or(0, |choices| choices.next() % 20);
                length(out, compact, true, Some(usize::from(count)));
                out.extend((0..count).map(|_| b'a' + source.as_mut().map_or(0, |c| c.next() % 26)));
            }
            Scalar::Bytes | Scalar::Records => {
                let count = source.as_mut().map_or(0, |choices| choices.next() % 20);
                length(out, compact, false, Some(usize::from(count)));
                out.extend((0..count).map(|_| source.as_mut().map_or(0, |c| c.next())));
            }
            Scalar::Struct(name) => self.structure(out, self.message.find(name), source),
        }
    }
}

fn short(field: &Field) -> bool {
    field.scalar == Scalar::String && !field.array
}

fn length(out: &mut Vec<u8>, compact: bool, short: bool, length: Option<usize>) {
    let signed = length.map_or(-1, |n| i32::try_from(n).unwrap());
    match (compact, short) {
        (true, _) => uvarint(out, length.map_or(0, |n| n + 1)),
        (false, true) => out.extend((signed as i16).to_be_bytes()),
        (false, false) => out.extend(signed.to_be_bytes()),
    }
}

fn uvarint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
