//! Kafka's error codes.

mod table;

use std::fmt;
use table::TABLE;

/// The int16 of an `error_code` field. The constants are Kafka's names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

impl ErrorCode {
    fn row(self) -> Option<&'static (i16, &'static str, bool)> {
        let index = TABLE.binary_search_by_key(&self.0, |row| row.0).ok()?;
        Some(&TABLE[index])
    }

    /// Kafka's name; `UNKNOWN_SERVER_ERROR` for a number that it does not have, as its clients do.
    pub fn name(self) -> &'static str {
        self.row().map_or("UNKNOWN_SERVER_ERROR", |row| row.1)
    }

    /// Whether Kafka's Java client treats it as retriable.
    pub fn is_retriable(self) -> bool {
        self.row().is_some_and(|row| row.2)
    }

    pub fn is_none(self) -> bool {
        self == ErrorCode::NONE
    }

    /// All that Kafka 4.3.1 has, in the order of their numbers.
    pub fn all() -> impl ExactSizeIterator<Item = ErrorCode> {
        TABLE.iter().map(|row| ErrorCode(row.0))
    }
}

impl Default for ErrorCode {
    fn default() -> Self {
        ErrorCode::NONE
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> i16 {
        code.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_of_kafka() {
        assert_eq!(ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode(6));
        assert_eq!(ErrorCode(6).name(), "NOT_LEADER_OR_FOLLOWER");
        assert!(ErrorCode(6).is_retriable());
        assert!(!ErrorCode::INVALID_RECORD.is_retriable());
        assert_eq!(ErrorCode(12345).name(), "UNKNOWN_SERVER_ERROR");
        assert!(ErrorCode::all().is_sorted());
    }
}
