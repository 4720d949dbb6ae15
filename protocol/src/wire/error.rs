//! What is wrong with bytes that could not be read, or a value that could not be written.

use thiserror::Error;

/// The bytes are not a message of this version. Names the message, the version, the field, the
/// position in the frame where the field begins, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} v{version}, field {field} at byte {position}: {kind}")]
pub struct DecodeError {
    /// Boxed, because a `Result` of every primitive carries the error.
    kind: Box<DecodeErrorKind>,
    message: &'static str,
    version: i16,
    field: &'static str,
    position: usize,
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
        DecodeError {
            kind: Box::new(kind),
            message,
            version,
            field,
            position,
        }
    }

    pub fn kind(&self) -> &DecodeErrorKind {
        &self.kind
    }

    /// Name of the message, such as `FetchRequest`.
    pub fn message(&self) -> &'static str {
        self.message
    }

    pub fn version(&self) -> i16 {
        self.version
    }

    /// Name of the field, with its struct where that is not the message itself.
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Where the field begins, in bytes from the start of what the reader was given.
    pub fn position(&self) -> usize {
        self.position
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
