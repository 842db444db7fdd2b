//! `Error`: the one error type of the embedded API: what went wrong, where, and how to mend it, with a SQLSTATE.

use std::fmt;

use tailwater_proto::sqlstate;

use crate::sql::SqlError;
use crate::storage::StorageError;

/// What an operation on a database failed with.
///
/// ```
/// let db = tailwater::Database::memory().unwrap();
/// db.exec("CREATE TABLE a (id INT); CREATE TABLE b (id INT)", ()).unwrap();
/// let error = db.query("SELECT id FROM a JOIN b ON a.id = b.id", ()).unwrap_err();
/// assert_eq!(error.sqlstate(), "42702"); // what, in PostgreSQL's code
/// assert_eq!(error.position(), Some(7)); // where in the text
/// assert_eq!(error.hint(), Some("write the table before it: table.id")); // how to mend it
/// ```
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
///
/// ```
/// use tailwater::{Database, ErrorKind};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
/// let kind = |sql| db.exec(sql, ()).unwrap_err().kind();
/// assert_eq!(kind("SELEKT 1"), ErrorKind::Statement); // the programmer's: mend the text
/// assert_eq!(kind("INSERT INTO t VALUES (1)"), ErrorKind::Data); // the data's: tell the user
/// # Ok(())
/// # }
/// ```
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
///
/// ```
/// fn half(db: &tailwater::Database, n: i64) -> tailwater::Result<i64> {
///     db.query("SELECT ? / 2", tailwater::params![n])?.scalar()
/// }
///
/// assert_eq!(tailwater::Database::memory().and_then(|db| half(&db, 84)).unwrap(), 42);
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind with its SQLSTATE and message.
    ///
    /// ```
    /// use tailwater::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Unavailable, "57P03", "the shop is closed");
    /// assert_eq!(error.to_string(), "the shop is closed (SQLSTATE 57P03)");
    /// ```
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
    ///
    /// ```
    /// use tailwater::{Error, ErrorKind};
    ///
    /// assert_eq!(Error::statement("0A000", "no such report").kind(), ErrorKind::Statement);
    /// ```
    #[must_use]
    pub fn statement(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Statement, sqlstate, message)
    }

    /// A wrong value.
    ///
    /// ```
    /// use tailwater::{Database, Error};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let refused = db.update(|tx| -> tailwater::Result<()> {
    ///     tx.exec("INSERT INTO t VALUES (1)", ())?;
    ///     Err(Error::data("P0001", "not today")) // takes everything back
    /// });
    /// assert_eq!(refused.unwrap_err().message(), "not today");
    /// assert_eq!(db.query("SELECT count(*) FROM t", ())?.scalar::<i64>()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn data(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, sqlstate, message)
    }

    /// A transaction that another one overtook.
    #[must_use]
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(
            ErrorKind::Conflict,
            sqlstate::SERIALIZATION_FAILURE,
            message,
        )
        .with_hint("run the transaction again, or use Database::update, which does so")
    }

    /// Damaged bytes.
    #[must_use]
    pub(crate) fn corrupted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupted, sqlstate::DATA_CORRUPTED, message)
    }

    /// Says how to mend it.
    ///
    /// ```
    /// let error = tailwater::Error::data("22023", "no such size").with_hint("small or large");
    /// assert_eq!(error.to_string(), "no such size (SQLSTATE 22023); hint: small or large");
    /// ```
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Says where in the statement's text, as a byte offset.
    ///
    /// ```
    /// let error = tailwater::Error::statement("42601", "stray comma").at(12).at(99);
    /// assert_eq!(error.position(), Some(12)); // the first to know is the one who knows best
    /// ```
    #[must_use]
    pub fn at(mut self, position: usize) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// Says which object: a table, a view, a constraint, a file.
    ///
    /// ```
    /// let error = tailwater::Error::data("23514", "below zero").on("account").on("bank");
    /// assert_eq!(error.object(), Some("account"));
    /// ```
    #[must_use]
    pub fn on(mut self, object: impl Into<String>) -> Self {
        self.0.object.get_or_insert_with(|| object.into());
        self
    }

    /// Keeps the error beneath.
    ///
    /// ```
    /// use std::error::Error as _;
    ///
    /// let parse = "x".parse::<i32>().unwrap_err();
    /// let error = tailwater::Error::data("22P02", "no number").because(parse);
    /// assert_eq!(error.source().unwrap().to_string(), "invalid digit found in string");
    /// ```
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The family.
    ///
    /// ```
    /// use tailwater::{Database, ErrorKind};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let token = "bm90IGEgdG9rZW4";
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t", ())?;
    /// let error = db.subscribe(tailwater::FeedRequest::of("t").since(token)).unwrap_err();
    /// let answer = match error.kind() {
    ///     ErrorKind::Statement | ErrorKind::Data => 400,
    ///     ErrorKind::Conflict => 409,
    ///     _ => 500,
    /// };
    /// assert_eq!(answer, 400);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// PostgreSQL's five-letter code.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// assert_eq!(db.query("SELECT 1 / 0", ()).and_then(|rows| rows.scalar::<i64>()).unwrap_err().sqlstate(), "22012");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sqlstate(&self) -> &'static str {
        self.0.sqlstate
    }

    /// What went wrong, without code, position and hint.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// assert_eq!(db.exec("DROP TABLE nothing", ()).unwrap_err().message(), "table \"nothing\" does not exist");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where in the SQL text, as a byte offset.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let script = "CREATE TABLE t;\nINSERT INTO u VALUES {a: 1}";
    /// let at = db.exec(script, ()).unwrap_err().position().unwrap();
    /// assert_eq!(&script[at..at + 1], "u"); // counted from the script's beginning
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.0.position
    }

    /// Which object, if one is to blame: a relation, a constraint, a file; in a query also a column, function or type.
    /// Of a column of a known relation, that relation.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let error = db.subscribe(tailwater::FeedRequest::of("orders")).unwrap_err();
    /// assert_eq!(error.object(), Some("orders"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        self.0.object.as_deref()
    }

    /// How to mend it, where that is known.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let error = db.query("CREATE TABLE t", ()).unwrap_err();
    /// assert_eq!(error.hint(), Some("use exec for it, or add RETURNING"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the same work, run again, may succeed.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// db.exec("CREATE TABLE counter (n INT); INSERT INTO counter VALUES (0)", ())?;
    /// let (mut ada, mut bob) = (db.session(), db.session());
    /// for session in [&mut ada, &mut bob] {
    ///     session.execute("BEGIN; UPDATE counter SET n = n + 1", ())?; // from the same 0
    /// }
    /// ada.execute("COMMIT", ())?;
    /// assert!(bob.execute("COMMIT", ()).unwrap_err().is_retryable()); // `Database::update` does it by itself
    /// # Ok(())
    /// # }
    /// ```
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
        own.0.object = error.object.map(String::from);
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
            Views::Storage { sqlstate, message } => {
                let kind = match sqlstate {
                    sqlstate::SERIALIZATION_FAILURE => ErrorKind::Conflict,
                    sqlstate::SNAPSHOT_TOO_OLD => ErrorKind::Stopped,
                    _ => ErrorKind::Io,
                };
                Self::new(kind, sqlstate, message)
            }
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
            sqlstate::SNAPSHOT_TOO_OLD => ErrorKind::Stopped,
            sqlstate::OBJECT_IN_USE | sqlstate::LOCK_NOT_AVAILABLE => ErrorKind::Unavailable,
            _ => ErrorKind::Io,
        };
        Self::new(kind, sqlstate, error.to_string()).because(error)
    }
}

impl Error {
    /// What the system said about a file.
    pub(crate) fn io(path: &std::path::Path, error: std::io::Error) -> Self {
        let (sqlstate, hint) = match error.kind() {
            std::io::ErrorKind::PermissionDenied => (
                sqlstate::INSUFFICIENT_PRIVILEGE,
                "the process needs to read and write the folder",
            ),
            std::io::ErrorKind::StorageFull => {
                (sqlstate::DISK_FULL, "free some space and try again")
            }
            std::io::ErrorKind::NotFound => (sqlstate::UNDEFINED_FILE, "check the path"),
            _ => (sqlstate::IO_ERROR, "look at the system's log"),
        };
        Error::new(
            ErrorKind::Io,
            sqlstate,
            format!("{}: {error}", path.display()),
        )
        .on(path.display().to_string())
        .with_hint(hint)
        .because(error)
    }

    /// An error of the log while nothing is being committed.
    pub(crate) fn of_log(error: tailwater_wal::Error) -> Self {
        use tailwater_wal::Error as Wal;
        let message = error.to_string();
        let own = match &error {
            Wal::Damaged { file, .. } => Error::corrupted(message).on(file.display().to_string()),
            Wal::Lost { .. } | Wal::Gap { .. } => Error::corrupted(message)
                .with_hint("log files are missing: put them back, or restore a backup"),
            Wal::Foreign { file } => {
                Error::new(ErrorKind::Unavailable, sqlstate::WRONG_OBJECT_TYPE, message)
                    .on(file.display().to_string())
            }
            Wal::Unsupported { file, .. } => Error::new(
                ErrorKind::Unavailable,
                sqlstate::FEATURE_NOT_SUPPORTED,
                message,
            )
            .on(file.display().to_string())
            .with_hint("open it with the version of Tailwater that wrote it"),
            Wal::DamagedSlots { file } => Error::corrupted(message).on(file.display().to_string()),
            Wal::Replay { .. } => Error::corrupted(message),
            Wal::Io(failure) => Self::io(
                &failure.path,
                std::io::Error::new(failure.source.kind(), message),
            ),
            _ => Error::new(ErrorKind::Io, sqlstate::IO_ERROR, message),
        };
        own.because(error)
    }
}
