//! `Error`: the one error type of the embedded API: what went wrong, where, and how to mend it, with a SQLSTATE.

use std::fmt;

use tailwater_proto::sqlstate;

use crate::sql::SqlError;
use crate::storage::StorageError;

/// What an operation on a database failed with.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    sqlstate: &'static str,
    message: String,
    position: Option<usize>,
    object: Option<String>,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The families of errors a program tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The SQL text, a name or a type is wrong: the statement can never work as it stands.
    Statement,
    /// A value is wrong: a constraint, a conversion, an overflow.
    Data,
    /// Another transaction was first; running it again will do.
    Conflict,
    /// Stopped by a limit, a deadline or a cancel.
    Stopped,
    /// Not known whether the commit is durable: the log failed while it was written.
    CommitOutcomeUnknown,
    /// The database cannot be opened or does not accept work: locked, foreign, poisoned, closed.
    Unavailable,
    /// The operating system or the disk failed.
    Io,
    /// Stored bytes are damaged.
    Corrupted,
}

/// The result of an operation on a database.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind with its SQLSTATE and message.
    #[must_use]
    pub fn new(kind: ErrorKind, sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            sqlstate,
            message: message.into(),
            position: None,
            object: None,
            hint: None,
            source: None,
        }))
    }

    /// A statement that can never work.
    #[must_use]
    pub fn statement(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Statement, sqlstate, message)
    }

    /// A wrong value.
    #[must_use]
    pub fn data(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, sqlstate, message)
    }

    /// A transaction that another one overtook.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(
            ErrorKind::Conflict,
            sqlstate::SERIALIZATION_FAILURE,
            message,
        )
        .with_hint("run the transaction again, or use Database::update, which does so")
    }

    /// Damaged bytes.
    #[must_use]
    pub fn corrupted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupted, sqlstate::DATA_CORRUPTED, message)
    }

    /// Says how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Says where in the statement's text, as a byte offset.
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// Moves the position by the offset of the statement in its script.
    #[must_use]
    pub fn offset_by(mut self, offset: usize) -> Self {
        if let Some(position) = &mut self.0.position {
            *position += offset;
        }
        self
    }

    /// Says which object: a table, a view, a constraint, a file.
    #[must_use]
    pub fn on(mut self, object: impl Into<String>) -> Self {
        self.0.object.get_or_insert_with(|| object.into());
        self
    }

    /// Keeps the error beneath.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The family.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// PostgreSQL's five-letter code.
    #[must_use]
    pub fn sqlstate(&self) -> &'static str {
        self.0.sqlstate
    }

    /// What went wrong, without code, position and hint.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where in the SQL text, as a byte offset.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.0.position
    }

    /// Which object, if one is to blame: a relation, a constraint, a file; in a query also a column, function or type.
    /// Of a column of a known relation, that relation.
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        self.0.object.as_deref()
    }

    /// How to mend it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the same work, run again, may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind == ErrorKind::Conflict
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.0.message, self.0.sqlstate)?;
        if let Some(hint) = &self.0.hint {
            write!(f, "; hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Self {
        let mut own = Self::statement(error.sqlstate, error.message);
        own.0.position = error.position;
        own.0.object = error.object;
        own.0.hint = error.hint;
        own
    }
}

impl From<tailwater_views::Error> for Error {
    fn from(error: tailwater_views::Error) -> Self {
        use tailwater_views::Error as Views;
        match error {
            Views::Row {
                sqlstate,
                message,
                hint,
            } => {
                let own = Self::data(sqlstate, message);
                match hint {
                    Some(hint) => own.with_hint(hint),
                    None => own,
                }
            }
            Views::Stopped { sqlstate, message } => {
                Self::new(ErrorKind::Stopped, sqlstate, message)
            }
            Views::Storage { sqlstate, message } => Self::new(ErrorKind::Io, sqlstate, message),
            Views::Corrupted { message } => Self::corrupted(message),
            other => Self::new(ErrorKind::Statement, other.sqlstate(), other.to_string()),
        }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        let sqlstate = error.sqlstate();
        let kind = match sqlstate {
            sqlstate::DATA_CORRUPTED => ErrorKind::Corrupted,
            sqlstate::SERIALIZATION_FAILURE => ErrorKind::Conflict,
            sqlstate::OBJECT_IN_USE | sqlstate::LOCK_NOT_AVAILABLE => ErrorKind::Unavailable,
            _ => ErrorKind::Io,
        };
        Self::new(kind, sqlstate, error.to_string()).because(error)
    }
}
