//! What went wrong with a piece of SQL text: SQLSTATE, message, where (a byte offset) and how to mend it.
//! Never carries rows or data; errors of execution live with the engine's superset.

use std::fmt;

use sqlparser::tokenizer::Location;

use super::lexer::byte_offset;

/// Result of reading or binding SQL.
pub type SqlResult<T> = Result<T, SqlError>;

/// The codes.
pub use tailwater_proto::sqlstate;

/// An error in SQL text: what, where, how to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlError {
    /// Five characters, PostgreSQL's meaning.
    pub sqlstate: &'static str,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// Where: a byte offset in the script handed in (its length when the end came too early).
    pub position: Option<usize>,
    /// What is to blame, by name: a relation, a column, a function, a type.
    pub object: Option<Box<str>>,
    /// How to mend it, if we can tell.
    pub hint: Option<String>,
    /// Line and column, while the script they belong to is not at hand.
    pub(crate) location: Option<Location>,
}

impl SqlError {
    /// An error without position or hint.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        SqlError {
            sqlstate,
            message: message.into(),
            position: None,
            object: None,
            hint: None,
            location: None,
        }
    }

    /// The same error at a byte offset.
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    /// The same error in its script, which turns line and column into a byte offset.
    #[must_use]
    pub fn located(mut self, source: &str) -> Self {
        if let (None, Some(location)) = (self.position, self.location.take()) {
            self.position = Some(byte_offset(source, location));
        }
        self
    }

    /// The same error of an object.
    #[must_use]
    pub fn on(mut self, object: impl fmt::Display) -> Self {
        self.object = Some(object.to_string().into());
        self
    }

    /// The same error with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.sqlstate)?;
        if let Some(position) = self.position {
            write!(f, " at byte {position}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}
