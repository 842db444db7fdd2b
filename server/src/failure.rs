//! `Failure`: why the command did not do what it was asked: the database said no, the system did, or the user was
//! not understood.

use std::fmt;
use std::io;

/// What the command fails with.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The database refused something.
    Database(Box<tailwater::Error>),
    /// The system refused something.
    Io {
        /// What was being done, naming the file.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// A command was not understood.
    Usage {
        /// What is wrong.
        message: String,
        /// How to mend it.
        hint: String,
    },
    /// A server refused something, or is not there any more.
    Remote {
        /// PostgreSQL's code.
        sqlstate: String,
        /// What went wrong.
        message: String,
        /// How to mend it.
        hint: Option<String>,
        /// Where in the statement, as a byte offset.
        position: Option<usize>,
    },
    /// Ctrl-C.
    Interrupted,
    /// Statements failed and were reported as they did.
    Reported {
        /// What the command ends with.
        exit_code: u8,
    },
}

impl Failure {
    /// A failure of the system while `what` was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// A command that was not understood.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// Whether nobody reads what is printed any more: no reason to complain.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Reported { exit_code } => *exit_code,
            Self::Database(_) | Self::Io { .. } | Self::Usage { .. } | Self::Remote { .. } => 1,
        }
    }
}

impl From<tailwater::Error> for Failure {
    fn from(error: tailwater::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// Printing failed.
impl From<io::Error> for Failure {
    fn from(source: io::Error) -> Self {
        Self::Io {
            what: "writing the output".to_owned(),
            source,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => error.fmt(f),
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::Usage { message, hint } => write!(f, "{message}; hint: {hint}"),
            Self::Remote {
                sqlstate, message, ..
            } => write!(f, "{message} (SQLSTATE {sqlstate})"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Reported { .. } => f.write_str("statements failed"),
        }
    }
}

impl std::error::Error for Failure {}
