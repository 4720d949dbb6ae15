//! Just enough of Rust's syntax to find functions: what is code, where bodies begin and end.

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// From the line of `fn` to the line of the closing brace, both included.
    pub lines: usize,
}

/// `source` with every comment, string and character literal blanked, so that what is left is code.
/// Lines keep their numbers.
pub fn code_of(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let end = end_of_non_code(&chars, i);
        if end == i {
            code.push(chars[i]);
            i += 1;
        } else {
            code.extend(
                chars[i..end]
                    .iter()
                    .map(|&c| if c == '\n' { '\n' } else { ' ' }),
            );
            i = end;
        }
    }
    code
}

/// The end of the comment or literal that begins at `i`; `i` itself if none does.
fn end_of_non_code(chars: &[char], i: usize) -> usize {
    let at = |k: usize| chars.get(i + k).copied().unwrap_or('\0');
    match (at(0), at(1)) {
        ('/', '/') => find(chars, i, |c| c == '\n'),
        ('/', '*') => end_of_block_comment(chars, i),
        ('"', _) => end_of_quoted(chars, i, '"'),
        ('\'', '\\') => end_of_quoted(chars, i, '\''),
        ('\'', _) if at(2) == '\'' => i + 3,
        ('r', '"' | '#') if !is_word_before(chars, i) => end_of_raw_string(chars, i),
        ('b', 'r') if !is_word_before(chars, i) && matches!(at(2), '"' | '#') => {
            end_of_raw_string(chars, i + 1)
        }
        _ => i,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_word_before(chars: &[char], i: usize) -> bool {
    i > 0 && is_word(chars[i - 1]) && chars[i - 1] != 'b'
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    chars[from..]
        .iter()
        .position(|&c| wanted(c))
        .map_or(chars.len(), |offset| from + offset)
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut i = start;
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn end_of_quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut i = start + 1;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            c if c == quote => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// `start` is at the `r`. A raw identifier (`r#type`) is no string.
fn end_of_raw_string(chars: &[char], start: usize) -> usize {
    let quote = find(chars, start + 1, |c| c != '#');
    let hashes = quote - start - 1;
    if chars.get(quote) != Some(&'"') {
        return start;
    }
    let mut i = quote + 1;
    while i < chars.len() {
        let closes = chars[i] == '"'
            && chars[i + 1..]
                .iter()
                .take(hashes)
                .filter(|&&c| c == '#')
                .count()
                == hashes;
        if closes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    chars.len()
}

/// All functions with a body in `source`, nested ones too.
pub fn functions(source: &str) -> Vec<Function> {
    let chars: Vec<char> = code_of(source).chars().collect();
    let mut found = Vec::new();
    let mut line = 1;
    for i in 0..chars.len() {
        if chars[i] == '\n' {
            line += 1;
        }
        let is_fn = chars[i..].starts_with(&['f', 'n', ' ']) && (i == 0 || !is_word(chars[i - 1]));
        if !is_fn {
            continue;
        }
        let name: String = chars[i + 3..].iter().take_while(|&&c| is_word(c)).collect();
        if let (false, Some(newlines)) = (name.is_empty(), newlines_to_end_of_body(&chars[i..])) {
            found.push(Function {
                name,
                lines: newlines + 1,
            });
        }
    }
    debug_assert!(line > 0);
    found
}

/// `None` for a function without a body.
fn newlines_to_end_of_body(code: &[char]) -> Option<usize> {
    let (mut newlines, mut round, mut curly) = (0, 0, 0);
    for &c in code {
        match c {
            '\n' => newlines += 1,
            '(' | '[' => round += 1,
            ')' | ']' => round -= 1,
            ';' if curly == 0 && round == 0 => return None,
            '{' => curly += 1,
            '}' => {
                curly -= 1;
                if curly == 0 {
                    return Some(newlines);
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn functions_are_found_and_measured_whatever_stands_in_their_text() {
    let source = r####"
        /* fn not() { /* nested */ } */
        fn one() { let _ = "}\" {"; let _ = '{'; let _ = '\''; } // }
        trait T { fn without(&self, x: [u8; 3]); }
        fn <'a> () {}
        pub(crate) fn two<'a>(x: &'a str) -> &'a str {
            let r#type = r#"} "fn three() {" }"#;
            fn inner() {
            }
            x
        }
    "####;
    let found: Vec<(String, usize)> = functions(source)
        .into_iter()
        .map(|f| (f.name, f.lines))
        .collect();
    let expected = [("one", 1), ("two", 6), ("inner", 2)];
    assert_eq!(
        found,
        expected.map(|(name, lines)| (name.to_owned(), lines))
    );
}
