//! Parsing of values by Kafka's rules, and the text form that Kafka shows.
//!
//! Owns: the rules of `ConfigDef.parseType`, `Validator.ensureValid` and `ConfigDef.convertToString`.
//! Does not own: where a value comes from (`layers`), rules that involve two keys (`broker`, `topic`).
//! Invariant: the text of a parsed value parses to the same value.

use super::key::{Key, Kind, Valid};

/// A parsed value. Text is trimmed, as Kafka does.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Kafka's null: unset.
    Null,
    Boolean(bool),
    /// SHORT, INT and LONG, each within the range of its type.
    Number(i64),
    Real(f64),
    Text(String),
    List(Vec<String>),
}

impl Value {
    /// The text form that DescribeConfigs shows; `None` for null.
    pub fn text(&self) -> Option<String> {
        match self {
            Value::Null => None,
            Value::Boolean(value) => Some(value.to_string()),
            Value::Number(value) => Some(value.to_string()),
            Value::Real(value) => Some(java_double(*value)),
            Value::Text(value) => Some(value.clone()),
            Value::List(values) => Some(values.join(",")),
        }
    }
}

/// Parses and checks the text of a value of `key`. The error says what is wrong, in Kafka's words.
pub fn parse(key: &Key, text: &str) -> Result<Value, String> {
    let value = parse_kind(key.kind, text)?;
    check(key, &value)?;
    Ok(value)
}

/// The parsed default of `key`.
pub fn default_of(key: &Key) -> Value {
    match key.default {
        None => Value::Null,
        Some(text) => parse_kind(key.kind, text).expect("a test parses every default"),
    }
}

fn parse_kind(kind: Kind, text: &str) -> Result<Value, String> {
    let trimmed = java_trim(text);
    match kind {
        Kind::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
        Kind::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
        Kind::Boolean => Err("Expected value to be either true or false".to_owned()),
        Kind::Short => parse_number(kind, trimmed, i64::from(i16::MIN), i64::from(i16::MAX)),
        Kind::Int => parse_number(kind, trimmed, i64::from(i32::MIN), i64::from(i32::MAX)),
        Kind::Long => parse_number(kind, trimmed, i64::MIN, i64::MAX),
        Kind::Double => match trimmed.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Value::Real(value)),
            _ => Err(not_a_number(kind)),
        },
        Kind::String | Kind::Class => Ok(Value::Text(trimmed.to_owned())),
        // Kafka does not trim passwords.
        Kind::Password => Ok(Value::Text(text.to_owned())),
        Kind::List if trimmed.is_empty() => Ok(Value::List(Vec::new())),
        Kind::List => Ok(Value::List(
            trimmed
                .split(',')
                .map(|element| java_trim(element).to_owned())
                .collect(),
        )),
    }
}

/// Java's `String.trim`: everything up to and including the space, at both ends.
fn java_trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

fn parse_number(kind: Kind, text: &str, min: i64, max: i64) -> Result<Value, String> {
    match text.parse::<i64>() {
        Ok(value) if (min..=max).contains(&value) => Ok(Value::Number(value)),
        _ => Err(not_a_number(kind)),
    }
}

fn not_a_number(kind: Kind) -> String {
    format!("Not a number of type {}", kind.name())
}

fn check(key: &Key, value: &Value) -> Result<(), String> {
    match (key.valid, value) {
        (Valid::AtLeast(min), Value::Number(n)) if *n < min => Err(below(min)),
        (Valid::Between(min, _), Value::Number(n)) if *n < min => Err(below(min)),
        (Valid::Between(_, max), Value::Number(n)) if *n > max => Err(above(max)),
        (Valid::BetweenOr(min, max, other), Value::Number(n))
            if *n != other && !(min..=max).contains(n) =>
        {
            Err(format!(
                "Value must be between {min} and {max} or equal to {other}"
            ))
        }
        (Valid::BetweenReal(min, max), Value::Real(x)) if !(min..=max).contains(x) => Err(format!(
            "Value must be between {} and {}",
            java_double(min),
            java_double(max)
        )),
        (Valid::OneOf(allowed), Value::Text(text)) => one_of(allowed, text),
        (Valid::OneOf(allowed), Value::List(elements)) => {
            check_list(key.name, elements)?;
            elements
                .iter()
                .try_for_each(|element| one_of(allowed, element))
        }
        (Valid::NonEmpty, Value::Text(text)) if text.is_empty() => {
            Err("String must be non-empty".to_owned())
        }
        (Valid::NonEmpty, Value::List(elements)) if elements.is_empty() => {
            Err(format!("Configuration '{}' must not be empty.", key.name))
        }
        (Valid::NonEmpty, Value::List(elements)) => check_list(key.name, elements),
        (Valid::ThrottledReplicas, Value::List(elements)) => throttled_replicas(key.name, elements),
        _ => Ok(()),
    }
}

fn below(min: i64) -> String {
    format!("Value must be at least {min}")
}

fn above(max: i64) -> String {
    format!("Value must be no more than {max}")
}

fn one_of(allowed: &[&str], text: &str) -> Result<(), String> {
    if allowed.contains(&text) {
        Ok(())
    } else {
        Err(format!("String must be one of: {}", allowed.join(", ")))
    }
}

fn check_list(name: &str, elements: &[String]) -> Result<(), String> {
    for (i, element) in elements.iter().enumerate() {
        if element.is_empty() {
            return Err(format!("Configuration '{name}' values must not be empty."));
        }
        if elements[..i].contains(element) {
            return Err(format!(
                "Configuration '{name}' values must not be duplicated."
            ));
        }
    }
    Ok(())
}

fn throttled_replicas(name: &str, elements: &[String]) -> Result<(), String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_pair = |text: &String| {
        text.split_once(':')
            .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
    };
    let is_all = matches!(elements, [all] if all == "*");
    if is_all || elements.iter().all(is_pair) {
        return Ok(());
    }
    Err(format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    ))
}

/// The text of Java's `Double.toString`: `0.5`, `1.0`, `1.7976931348623157E308`.
fn java_double(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::{boolean, double, int, list, string};
    use super::*;

    #[test]
    fn values_are_trimmed_and_parsed_as_kafka_does() {
        assert_eq!(parse(&int("n", "0"), " +12\t"), Ok(Value::Number(12)));
        assert_eq!(
            parse(&boolean("b", "true"), " FALSE "),
            Ok(Value::Boolean(false))
        );
        assert_eq!(
            parse(&list("l", ""), " a , b,c "),
            Ok(Value::List(vec!["a".into(), "b".into(), "c".into()]))
        );
        assert_eq!(parse(&list("l", ""), "  "), Ok(Value::List(vec![])));
        assert_eq!(parse(&double("d", "0.5"), "1"), Ok(Value::Real(1.0)));
    }

    #[test]
    fn bad_values_are_refused_in_kafkas_words() {
        let cases: [(Key, &str, &str); 9] = [
            (int("n", "0"), "12x", "Not a number of type INT"),
            (int("n", "0"), "2147483648", "Not a number of type INT"),
            (int("n", "0"), "1 000", "Not a number of type INT"),
            (int("n", "9").at_least(5), "4", "Value must be at least 5"),
            (
                int("n", "9").between(5, 9),
                "10",
                "Value must be no more than 9",
            ),
            (
                boolean("b", "true"),
                "yes",
                "Expected value to be either true or false",
            ),
            (
                string("s", "a").one_of(&["a", "b"]),
                "A",
                "String must be one of: a, b",
            ),
            (
                list("l", "a").one_of(&["a", "b"]),
                "a,a",
                "Configuration 'l' values must not be duplicated.",
            ),
            (double("d", "0.5"), "NaN", "Not a number of type DOUBLE"),
        ];
        for (key, text, message) in cases {
            assert_eq!(parse(&key, text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn reals_are_written_as_java_writes_them() {
        for (value, text) in [
            (0.5, "0.5"),
            (1.0, "1.0"),
            (0.0, "0.0"),
            (f64::MAX, "1.7976931348623157E308"),
            (1e7, "1.0E7"),
            (0.0001, "1.0E-4"),
        ] {
            assert_eq!(java_double(value), text);
        }
    }
}
