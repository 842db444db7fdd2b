//! What went wrong with a piece of SQL text: SQLSTATE, message, where (a byte offset) and how to mend it.
//! Never carries rows or data; errors of execution live with the engine's superset.

use std::fmt;

/// Result of reading or binding SQL.
pub type SqlResult<T> = Result<T, SqlError>;

/// SQLSTATE codes the front end itself raises.
pub mod sqlstate {
    /// The text is not SQL.
    pub const SYNTAX_ERROR: &str = "42601";
    /// SQL, but a part of it that is not built.
    pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
    /// Nested or chained deeper than the stack allows.
    pub const STATEMENT_TOO_COMPLEX: &str = "54001";
    /// A word that may not be a name here.
    pub const RESERVED_NAME: &str = "42939";
    /// A number out of the range of its place.
    pub const NUMERIC_OUT_OF_RANGE: &str = "22003";
}

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
    /// How to mend it, if we can tell.
    pub hint: Option<String>,
}

impl SqlError {
    /// An error without position or hint.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        SqlError {
            sqlstate,
            message: message.into(),
            position: None,
            hint: None,
        }
    }

    /// The same error at a byte offset.
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
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
