//! What is wrong with bytes that could not be read, or a value that could not be written.

use std::fmt;
use thiserror::Error;

/// The bytes are not a message of this version. Names the message, the version, the field, the
/// position in the frame where the field begins, and what is wrong.
#[derive(Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct DecodeError(Box<Detail>);

/// Boxed, because the `Result` of every primitive carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    message: &'static str,
    version: i16,
    field: &'static str,
    position: usize,
    kind: DecodeErrorKind,
}

impl DecodeError {
    #[cold]
    pub(crate) fn new(
        message: &'static str,
        version: i16,
        field: &'static str,
        position: usize,
        kind: DecodeErrorKind,
    ) -> DecodeError {
        DecodeError(Box::new(Detail {
            message,
            version,
            field,
            position,
            kind,
        }))
    }

    pub fn kind(&self) -> &DecodeErrorKind {
        &self.0.kind
    }

    /// Name of the message, such as `FetchRequest`.
    pub fn message(&self) -> &'static str {
        self.0.message
    }

    pub fn version(&self) -> i16 {
        self.0.version
    }

    /// Name of the field, with its struct where that is not the message itself.
    pub fn field(&self) -> &'static str {
        self.0.field
    }

    /// Where the field begins, in bytes from the start of what the reader was given.
    pub fn position(&self) -> usize {
        self.0.position
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, version, field) = (self.message, self.version, self.field);
        write!(
            f,
            "{message} v{version}, field {field} at byte {}: {}",
            self.position, self.kind
        )
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeErrorKind {
    #[error("needs {needed} bytes, {remaining} are left")]
    Truncated { needed: usize, remaining: usize },
    #[error("the length {length} is negative")]
    NegativeLength { length: i64 },
    #[error("the length {length} is beyond the {remaining} bytes that are left")]
    LengthBeyondFrame { length: usize, remaining: usize },
    #[error("{length} bytes are longer than a string may be")]
    StringTooLong { length: usize },
    #[error(
        "{count} elements of at least {element_bytes_min} bytes are beyond the {remaining} bytes that are left"
    )]
    CountBeyondFrame {
        count: usize,
        element_bytes_min: usize,
        remaining: usize,
    },
    #[error("{count} elements take {needed} bytes of memory, {left} are allowed")]
    MemoryLimit {
        count: usize,
        needed: usize,
        left: usize,
    },
    #[error("null is not allowed here")]
    UnexpectedNull,
    #[error("not UTF-8 after {valid} bytes")]
    InvalidUtf8 { valid: usize },
    #[error("the variable-length number has more than 32 bits")]
    VarintTooLong,
    #[error("tagged field {tag} declares {declared} bytes and has {read}")]
    TaggedFieldSize {
        tag: u32,
        declared: usize,
        read: usize,
    },
    #[error("{count} bytes follow the end of the message")]
    TrailingBytes { count: usize },
    #[error("only versions {first} to {last} are known")]
    UnsupportedVersion { first: i16, last: i16 },
}

/// The value cannot be expressed in this version.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} v{version}, field {field}: {kind}")]
pub struct EncodeError {
    pub message: &'static str,
    pub version: i16,
    pub field: &'static str,
    pub kind: EncodeErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeErrorKind {
    #[error("the length {length} is over the limit of {limit}")]
    TooLong { length: usize, limit: usize },
    #[error("null is not allowed in this version")]
    UnexpectedNull,
    #[error("only versions {first} to {last} are known")]
    UnsupportedVersion { first: i16, last: i16 },
}
