//! What can be wrong with a configuration, said so that the reader can mend it.

use std::{fmt, path::PathBuf};

use super::{environment::variable_of, layers::Source};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {}: {reason}", path.display())]
    UnreadableFile { path: PathBuf, reason: String },
    #[error("{}, line {line}: {reason}", path.display())]
    Malformed {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("--override takes KEY=VALUE, not '{text}'")]
    Override { text: String },
    #[error("unknown key '{key}' ({origin}){}", did_you_mean(nearest))]
    UnknownKey {
        key: String,
        origin: Source,
        nearest: Option<&'static str>,
    },
    #[error(
        "key '{key}' ({origin}) belongs to older Kafka releases and was removed in Kafka 4; remove it"
    )]
    RemovedKey { key: String, origin: Source },
    #[error(
        "unknown environment variable {variable} (it would set '{key}'){}",
        did_you_mean_variable(nearest)
    )]
    UnknownVariable {
        variable: String,
        key: String,
        nearest: Option<&'static str>,
    },
    #[error("environment variable {variable} is not valid UTF-8")]
    VariableNotText { variable: String },
    #[error("invalid value '{value}' for {key} ({origin}): {reason}")]
    BadValue {
        key: String,
        value: String,
        origin: Source,
        reason: String,
    },
    #[error(
        "'{key}' ({origin}) asks for security that this version does not implement, and ignoring it \
         would leave the broker open; remove it to run without"
    )]
    Unsafe { key: String, origin: Source },
    #[error("{0}")]
    Rule(String),
}

fn did_you_mean(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(name) => format!("; did you mean '{name}'?"),
        None => String::new(),
    }
}

fn did_you_mean_variable(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(name) => format!("; did you mean {} ('{name}')?", variable_of(name)),
        None => String::new(),
    }
}

/// Everything that is wrong with a configuration, in the order of the layers. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> ConfigErrors {
        ConfigErrors(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
