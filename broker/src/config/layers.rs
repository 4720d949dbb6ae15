//! Layers of the configuration and which of them wins: flag, `--override`, environment, file,
//! default.
//!
//! Owns: collecting raw values with their origin, unknown and removed names, the value of each key.
//! Does not own: what values mean together (`broker`), classes of keys (`classify`).
//! Invariant: each effective value has exactly one source, and a value that is not valid for its
//! key never gets in.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use super::{
    environment::{self, Variable},
    error::{ConfigError, ConfigErrors},
    key::Key,
    keys,
    nearest::nearest_key,
    properties,
    value::{self, Value},
};

/// Larger files are not configuration.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where a value comes from; later ones are overruled by earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Flag(&'static str),
    Override,
    Environment { variable: String },
    File { path: PathBuf, line: usize },
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(flag) => f.write_str(flag),
            Source::Override => f.write_str("--override"),
            Source::Environment { variable } => write!(f, "environment {variable}"),
            Source::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Source::Default => f.write_str("default"),
        }
    }
}

/// The text of a configuration file.
#[derive(Clone, Debug)]
pub struct File {
    pub path: PathBuf,
    pub text: String,
}

impl File {
    /// Reads a file of at most [`FILE_BYTES_MAX`].
    pub fn read(path: &Path) -> Result<File, ConfigError> {
        use std::io::Read;
        let unreadable = |reason: String| ConfigError::UnreadableFile {
            path: path.to_owned(),
            reason,
        };
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(|error| unreadable(error.to_string()))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(unreadable(format!(
                "it is longer than {FILE_BYTES_MAX} bytes"
            )));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            unreadable(format!(
                "it is not valid UTF-8 at byte {}",
                error.utf8_error().valid_up_to()
            ))
        })?;
        Ok(File {
            path: path.to_owned(),
            text,
        })
    }
}

/// Everything a configuration is made of, before it is understood.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// (flag, key, value) for each flag that was given.
    pub flags: Vec<(&'static str, &'static str, String)>,
    /// `KEY=VALUE` in the order given; the last of one key wins.
    pub overrides: Vec<String>,
    pub environment: Vec<Variable>,
    pub file: Option<File>,
}

/// A value that was set, with its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    pub value: Value,
    pub source: Source,
}

/// The value of every key: what was set, else the default.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    set: BTreeMap<&'static str, Setting>,
    /// Remarks for the log: a key that stands twice in the file.
    pub remarks: Vec<String>,
}

impl Settings {
    /// What was set for `name` in any layer.
    pub fn explicit(&self, name: &str) -> Option<&Setting> {
        self.set.get(name)
    }

    /// All keys that were set, by name.
    pub fn all_explicit(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        self.set.iter().map(|(name, setting)| (*name, setting))
    }

    /// The effective value of a declared key and its source.
    pub fn effective(&self, key: &Key) -> Setting {
        match self.set.get(key.name) {
            Some(setting) => setting.clone(),
            None => Setting {
                value: value::default_of(key),
                source: Source::Default,
            },
        }
    }

    /// The effective value of the key `name`, which must be declared.
    pub fn value(&self, name: &str) -> Value {
        self.effective(keys::find(name).expect("the caller names a declared key"))
            .value
    }
}

struct Collector {
    settings: Settings,
    security: Vec<ConfigError>,
    errors: Vec<ConfigError>,
}

/// Understands the layers; all errors at once.
pub fn collect(layers: &Layers) -> Result<Settings, ConfigErrors> {
    let mut collector = Collector {
        settings: Settings::default(),
        security: Vec::new(),
        errors: Vec::new(),
    };
    collector.file(layers.file.as_ref());
    for variable in &layers.environment {
        match environment::key_of(&variable.name) {
            Err(error) => collector.errors.push(error),
            Ok(key) => {
                let source = Source::Environment {
                    variable: variable.name.clone(),
                };
                collector.set(&key, &variable.value, source);
            }
        }
    }
    for text in &layers.overrides {
        match text.split_once('=') {
            Some((key, value)) => collector.set(key.trim(), value, Source::Override),
            None => collector
                .errors
                .push(ConfigError::Override { text: text.clone() }),
        }
    }
    for (flag, key, value) in &layers.flags {
        collector.set(key, value, Source::Flag(flag));
    }
    collector.errors.append(&mut collector.security);
    if collector.errors.is_empty() {
        Ok(collector.settings)
    } else {
        Err(ConfigErrors(collector.errors))
    }
}

impl Collector {
    fn file(&mut self, file: Option<&File>) {
        let Some(file) = file else { return };
        let properties = match properties::parse(&file.text) {
            Ok(properties) => properties,
            Err(malformed) => {
                return self.errors.push(ConfigError::Malformed {
                    path: file.path.clone(),
                    line: malformed.line,
                    reason: malformed.reason,
                });
            }
        };
        let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
        for property in &properties {
            // As in java.util.Properties the last one wins; Kafka says nothing, we do.
            if let Some(line) = lines.insert(&property.key, property.line) {
                self.settings.remarks.push(format!(
                    "{}: '{}' stands on line {line} and again on line {}; the last one counts",
                    file.path.display(),
                    property.key,
                    property.line
                ));
            }
            let source = Source::File {
                path: file.path.clone(),
                line: property.line,
            };
            self.set(&property.key, &property.value, source);
        }
    }

    fn set(&mut self, name: &str, text: &str, source: Source) {
        let Some(key) = keys::find(name) else {
            return self.unknown(name, source);
        };
        if key.class == super::key::Class::Unsafe {
            return self.unknown(name, source);
        }
        match value::parse(key, text) {
            Ok(value) => {
                self.settings
                    .set
                    .insert(key.name, Setting { value, source });
            }
            Err(reason) => self.errors.push(ConfigError::BadValue {
                key: name.to_owned(),
                value: shown(key, text),
                origin: source,
                reason,
            }),
        }
    }

    fn unknown(&mut self, name: &str, origin: Source) {
        let key = name.to_owned();
        if keys::is_security_name(name) || keys::find(name).is_some() {
            self.security.push(ConfigError::Unsafe { key, origin });
        } else if keys::removed_in_kafka_4(name) {
            self.errors.push(ConfigError::RemovedKey { key, origin });
        } else {
            let nearest = nearest_key(name);
            self.errors.push(ConfigError::UnknownKey {
                key,
                origin,
                nearest,
            });
        }
    }
}

/// Secrets do not get into messages; long values are cut.
fn shown(key: &Key, text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 100;
    if key.is_sensitive() {
        return "(hidden)".to_owned();
    }
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
