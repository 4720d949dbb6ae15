//! Reader of Java's `.properties` format, which Kafka's `server.properties` is in.
//!
//! Owns: logical lines, comments, separators, escapes, as `java.util.Properties.load` defines them.
//! Differs from it: the file is UTF-8 (Java's Latin-1 would garble paths; plain ASCII and `\uXXXX`
//! read the same), and what Java silently mends (a dangling backslash, half a surrogate pair) is an
//! error with its line.
//! The crate java-properties is the oracle in tests but does not stand here: it fails on comments
//! with `\u`, and brings a regex engine into the start of the broker.

/// One `key=value`, with the 1-based line on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    pub line: usize,
    pub key: String,
    pub value: String,
}

/// What is wrong with a file, and on which line (from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    pub line: usize,
    pub reason: String,
}

const WHITE: [char; 3] = [' ', '\t', '\x0c'];

/// All properties of `text` in their order. A key may occur several times.
pub fn parse(text: &str) -> Result<Vec<Property>, Malformed> {
    let mut properties = Vec::new();
    let mut lines = natural_lines(text);
    while let Some((number, first)) = lines.next() {
        let first = first.trim_start_matches(WHITE);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while ends_with_continuation(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start_matches(WHITE)),
                None => break,
            }
        }
        let property = split(&logical, number).map_err(|reason| Malformed {
            line: number,
            reason,
        })?;
        properties.push(property);
    }
    Ok(properties)
}

/// Lines with their numbers from 1; a line ends with LF, CR or CRLF.
fn natural_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(text);
    let mut number = 0;
    std::iter::from_fn(move || {
        let current = rest?;
        number += 1;
        match current.find(['\n', '\r']) {
            None => {
                rest = None;
                Some((number, current))
            }
            Some(end) => {
                let skip = if current[end..].starts_with("\r\n") {
                    2
                } else {
                    1
                };
                rest = Some(&current[end + skip..]);
                Some((number, &current[..end]))
            }
        }
    })
}

/// An odd number of backslashes at the end.
fn ends_with_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 1
}

fn split(logical: &str, line: usize) -> Result<Property, String> {
    let key_end = end_of_key(logical);
    let after = logical[key_end..].trim_start_matches(WHITE);
    let value = match after.strip_prefix(['=', ':']) {
        Some(value) => value.trim_start_matches(WHITE),
        None => after,
    };
    Ok(Property {
        line,
        key: unescape(&logical[..key_end])?,
        value: unescape(value)?,
    })
}

/// The first separator or white space that no backslash precedes.
fn end_of_key(logical: &str) -> usize {
    let mut escaped = false;
    for (i, c) in logical.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == '=' || c == ':' || WHITE.contains(&c) {
            return i;
        }
    }
    logical.len()
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\x0c'),
            Some('u') => out.push(unescape_unicode(&mut chars)?),
            Some(other) => out.push(other),
            None => return Err("a backslash at the end of the file".to_owned()),
        }
    }
    Ok(out)
}

fn unescape_unicode(chars: &mut std::str::Chars<'_>) -> Result<char, String> {
    let unit = hex4(chars)?;
    let code = if (0xd800..0xdc00).contains(&unit) {
        let follows = chars.next() == Some('\\') && chars.next() == Some('u');
        let low = if follows { hex4(chars)? } else { 0 };
        if !(0xdc00..0xe000).contains(&low) {
            return Err("half a surrogate pair in \\uXXXX".to_owned());
        }
        0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
    } else {
        unit
    };
    char::from_u32(code).ok_or_else(|| "half a surrogate pair in \\uXXXX".to_owned())
}

fn hex4(chars: &mut std::str::Chars<'_>) -> Result<u32, String> {
    let mut value = 0;
    for _ in 0..4 {
        let digit = chars.next().and_then(|c| c.to_digit(16));
        value = value * 16 + digit.ok_or("\\u needs four hexadecimal digits")?;
    }
    Ok(value)
}
