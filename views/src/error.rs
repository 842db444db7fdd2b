//! `Error`: what can go wrong while an expression or an operator runs. Parsing and binding errors are the engine's.

use std::fmt;

use tailwater_proto::sqlstate;

/// An error met while evaluating or stepping.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An expression failed on its input: a division by zero, a malformed number. In a view this is data.
    Row {
        /// PostgreSQL's code.
        sqlstate: &'static str,
        /// What failed, on which value.
        message: String,
        /// How to mend it, where that is known.
        hint: Option<&'static str>,
    },
    /// The statement was stopped: cancelled, past its deadline, or over a limit.
    Stopped {
        /// PostgreSQL's code.
        sqlstate: &'static str,
        /// Which limit, with its value.
        message: String,
    },
    /// The storage beneath failed.
    Storage {
        /// PostgreSQL's code.
        sqlstate: &'static str,
        /// What the storage said.
        message: String,
    },
    /// Stored bytes do not decode.
    Corrupted {
        /// Which storage, key and field.
        message: String,
    },
}

impl Error {
    /// A failed expression.
    #[must_use]
    pub fn row(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self::Row {
            sqlstate,
            message: message.into(),
            hint: None,
        }
    }

    /// PostgreSQL's five-letter code.
    #[must_use]
    pub const fn sqlstate(&self) -> &'static str {
        match self {
            Self::Row { sqlstate, .. }
            | Self::Stopped { sqlstate, .. }
            | Self::Storage { sqlstate, .. } => sqlstate,
            Self::Corrupted { .. } => sqlstate::DATA_CORRUPTED,
        }
    }

    /// What went wrong, without code and hint.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Row { message, .. }
            | Self::Stopped { message, .. }
            | Self::Storage { message, .. }
            | Self::Corrupted { message } => message,
        }
    }

    /// Whether the input row is to blame, so that a view keeps the error as data instead of failing.
    #[must_use]
    pub const fn is_row_error(&self) -> bool {
        matches!(self, Self::Row { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}

/// The result of evaluating or stepping.
pub type Result<T, E = Error> = std::result::Result<T, E>;
