//! The environment as a layer of the configuration: `WEIR_` + the key in capitals, `.` → `_`,
//! `_` → `__`, `-` → `___`.
//!
//! The only place of the workspace that reads the process environment.

use super::{error::ConfigError, keys, nearest::nearest_key};

const PREFIX: &str = "WEIR_";

/// One variable of the environment that sets a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    pub value: String,
}

/// The `WEIR_…` variables of this process, by name.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn read() -> Result<Vec<Variable>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let Some(value) = value.to_str() else {
            return Err(ConfigError::VariableNotText {
                variable: name.to_owned(),
            });
        };
        variables.push(Variable {
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }
    variables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(variables)
}

/// The key that a variable sets. Keys of ours begin with `weir.` and still take the prefix:
/// `weir.store.url` is `WEIR_WEIR_STORE_URL`.
pub fn key_of(variable: &str) -> Result<String, ConfigError> {
    let key = decode(variable.strip_prefix(PREFIX).unwrap_or(variable));
    if keys::find(&key).is_some() || keys::is_security_name(&key) || keys::removed_in_kafka_4(&key)
    {
        return Ok(key);
    }
    Err(ConfigError::UnknownVariable {
        variable: variable.to_owned(),
        nearest: nearest_key(&key),
        key,
    })
}

/// Runs of underscores are read from the left, the longest first.
fn decode(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let (skip, decoded) = if rest.starts_with("___") {
            (3, '-')
        } else if rest.starts_with("__") {
            (2, '_')
        } else if c == '_' {
            (1, '.')
        } else {
            (c.len_utf8(), c.to_ascii_lowercase())
        };
        key.push(decoded);
        rest = &rest[skip..];
    }
    key
}

/// The variable that sets `key`.
pub fn variable_of(key: &str) -> String {
    let mut variable = String::from(PREFIX);
    for c in key.chars() {
        match c {
            '.' => variable.push('_'),
            '_' => variable.push_str("__"),
            '-' => variable.push_str("___"),
            other => variable.push(other.to_ascii_uppercase()),
        }
    }
    variable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_its_variable_are_each_others_inverse() {
        for key in keys::all() {
            assert_eq!(key_of(&variable_of(key.name)).as_deref(), Ok(key.name));
        }
        assert_eq!(variable_of("a.b_c-d"), "WEIR_A_B__C___D");
        assert_eq!(decode("A_B__C___D"), "a.b_c-d");
    }

    #[test]
    fn an_unknown_variable_is_refused_with_the_nearest_key() {
        let error = key_of("WEIR_NUM_PARTITION").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown environment variable WEIR_NUM_PARTITION (it would set 'num.partition'); \
             did you mean WEIR_NUM_PARTITIONS ('num.partitions')?"
        );
    }
}
