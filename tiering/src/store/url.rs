//! Names of stores: a path, `file:///path`, `memory:`. Bucket URLs come with "The bucket".

use std::{
    ffi::OsString,
    fmt,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    DynStore,
    local::{LocalStore, OpenError, OpenMode},
    memory::MemoryStore,
};
use crate::ids::ProcessId;

/// A parsed store URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// Gone when the process ends.
    Memory,
    /// Relative paths count from the working directory at the time of opening.
    Local(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("an empty store URL; give a directory, file:///path or memory:")]
    Empty,
    #[error(
        "{url}: {scheme} stores are not in this version; give a directory, file:///path or memory:"
    )]
    NotYet { url: String, scheme: String },
    #[error("{url}: unknown kind of store {scheme:?}; give a directory, file:///path or memory:")]
    UnknownScheme { url: String, scheme: String },
    #[error("{url}: {message}")]
    Invalid { url: String, message: &'static str },
}

const LATER: [&str; 11] = [
    "s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss", "oss", "hdfs", "webhdfs",
];

impl StoreUrl {
    pub fn parse(text: &str) -> Result<StoreUrl, UrlError> {
        let invalid = |message| UrlError::Invalid {
            url: text.to_owned(),
            message,
        };
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        if text.contains('\0') {
            return Err(invalid("a path cannot hold a zero byte"));
        }
        let Some((scheme, rest)) = split_scheme(text) else {
            return Ok(StoreUrl::Local(text.into()));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "memory" if matches!(rest, "" | "//") => Ok(StoreUrl::Memory),
            "memory" => Err(invalid("memory: takes no name")),
            "file" => {
                let path = rest.strip_prefix("//").map(|rest| {
                    rest.strip_prefix("localhost")
                        .filter(|r| r.starts_with('/'))
                        .unwrap_or(rest)
                });
                let path = path.filter(|path| path.starts_with('/'));
                let path = path.ok_or(invalid("a file URL is file:///absolute/path"))?;
                let path = percent_decode(path);
                path.map(StoreUrl::Local).ok_or(invalid("a wrong %-escape"))
            }
            known if LATER.contains(&known) => Err(UrlError::NotYet {
                url: text.to_owned(),
                scheme: known.to_owned(),
            }),
            other => Err(UrlError::UnknownScheme {
                url: text.to_owned(),
                scheme: other.to_owned(),
            }),
        }
    }
}

/// `scheme:rest` by RFC 3986. A path with a ':' in it is a path when a '/' comes first.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut bytes = scheme.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
    let others = bytes.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    (first && others).then_some((scheme, rest))
}

fn percent_decode(text: &str) -> Option<PathBuf> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (hex, tail) = rest.split_at_checked(2)?;
        let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        out.push(digit(hex[0])? << 4 | digit(hex[1])?);
        rest = tail;
    }
    (!out.contains(&0)).then(|| OsString::from_vec(out).into())
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUrl::Memory => f.write_str("memory:"),
            StoreUrl::Local(path) => path.display().fmt(f),
        }
    }
}

/// An open store.
#[derive(Clone)]
pub struct OpenStore {
    pub store: DynStore,
    /// For people: `memory:`, or the absolute path with symbolic links resolved.
    pub location: String,
    /// Everything is gone when the process ends.
    pub volatile: bool,
}

/// Opens a store, without decorators. Blocks for some milliseconds: for the start of a process.
pub fn open(url: &StoreUrl, mode: OpenMode, process: ProcessId) -> Result<OpenStore, OpenError> {
    match url {
        StoreUrl::Memory => Ok(OpenStore {
            store: Arc::new(MemoryStore::default()),
            location: url.to_string(),
            volatile: true,
        }),
        StoreUrl::Local(path) => {
            let root = absolute(path)?;
            let store = LocalStore::open_dir(&root, mode, process)?;
            let real = std::fs::canonicalize(&root).unwrap_or(root);
            Ok(OpenStore {
                store: Arc::new(store),
                location: real.display().to_string(),
                volatile: false,
            })
        }
    }
}

/// Fails only for a relative path in a working directory that is gone.
fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    std::path::absolute(path).map_err(|error| OpenError::Failed {
        path: path.to_owned(),
        step: "find the working directory",
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed() {
        let local = |path: &str| Ok(StoreUrl::Local(path.into()));
        let table = [
            ("./weir-data", local("./weir-data")),
            ("/a/b", local("/a/b")),
            ("/odd:name", local("/odd:name")),
            ("./s3:x", local("./s3:x")),
            ("file:///a/b%20c", local("/a/b c")),
            ("file://localhost/a", local("/a")),
            ("memory:", Ok(StoreUrl::Memory)),
            ("MEMORY://", Ok(StoreUrl::Memory)),
        ];
        for (text, expected) in table {
            assert_eq!(StoreUrl::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn other_urls_are_refused_with_what_is_possible() {
        for (text, part) in [
            ("", "empty"),
            ("s3://bucket/prefix", "s3 stores are not in this version"),
            ("gs://bucket", "not in this version"),
            ("ftp://host/x", "unknown kind"),
            ("file://host/x", "file:///absolute/path"),
            ("file:relative", "file:///absolute/path"),
            ("file:///a%2", "escape"),
            ("file:///a%00", "escape"),
            ("memory:x", "no name"),
            ("/a\0b", "zero byte"),
        ] {
            let error = StoreUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
