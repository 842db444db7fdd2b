//! `Tx`: a transaction that a closure works in, and what such work returns. It neither begins nor commits:
//! `Database::update` and `Database::view` do. Next door: `session`, whose transactions are begun by SQL.

use std::sync::Arc;

use tailwater_proto::{Lsn, sqlstate};
use tailwater_views::CancelToken;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::execute::{self, Ran, Surroundings};
use crate::params::{Parameters, Params};
use crate::prepared::Prepared;
use crate::rows::Rows;
use crate::sql::parser::parse_one;
use crate::sql::statement::Statement;
use crate::txn::Transaction;

/// What a committed transaction returned.
///
/// ```
/// use tailwater::Database;
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
/// let committed = db.update(|tx| Ok(tx.exec("INSERT INTO t VALUES (1), (2)", ())?.rows))?;
/// assert_eq!(committed.value, 2);
/// assert_eq!(committed.lsn, db.visible_lsn());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the closure returned.
    pub value: T,
    /// The number of the commit; if nothing was written, of the last commit that was read.
    pub lsn: Lsn,
}

/// What a statement without rows did.
///
/// ```
/// use tailwater::Database;
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
/// let inserted = db.exec("INSERT INTO t VALUES (1), (2), (3)", ())?;
/// assert_eq!(inserted.rows, 3);
/// assert!(inserted.lsn.is_some());
/// assert_eq!(db.exec("SELECT 1", ())?.lsn, None); // nothing was written
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Rows inserted, updated or deleted.
    pub rows: u64,
    /// The number of the commit, if there was one.
    pub lsn: Option<Lsn>,
}

/// A transaction inside `Database::update` or `Database::view`.
///
/// ```
/// use tailwater::{Database, Tx, params};
///
/// # fn main() -> tailwater::Result<()> {
/// fn rename(tx: &mut Tx<'_>, id: i64, name: &str) -> tailwater::Result<bool> {
///     Ok(tx.exec("UPDATE person SET name = ? WHERE id = ?", params![name, id])?.rows == 1)
/// }
///
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE person (id INT PRIMARY KEY, name TEXT); INSERT INTO person VALUES (1, 'Ada')", ())?;
/// let both = db.update(|tx| Ok((rename(tx, 1, "Ada L.")?, rename(tx, 2, "Grace")?)))?;
/// assert_eq!(both.value, (true, false));
/// # Ok(())
/// # }
/// ```
pub struct Tx<'t> {
    engine: &'t Arc<Engine>,
    txn: &'t mut Transaction,
    cancel: CancelToken,
    /// The statement that ran last: many transactions run one again and again.
    last: Option<Arc<Prepared>>,
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx")
            .field("lsn", &self.lsn())
            .finish_non_exhaustive()
    }
}

impl<'t> Tx<'t> {
    pub(crate) fn new(engine: &'t Arc<Engine>, txn: &'t mut Transaction) -> Self {
        Self {
            engine,
            txn,
            cancel: CancelToken::default(),
            last: None,
        }
    }

    /// The commit this transaction reads at.
    ///
    /// ```
    /// use tailwater::Database;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t", ())?;
    /// let (inside, meanwhile) = db.view(|snap| {
    ///     let meanwhile = db.exec("INSERT INTO t VALUES {a: 1}", ())?.lsn; // by someone else
    ///     assert_eq!(snap.query("SELECT count(*) FROM t", ())?.scalar::<i64>()?, 0);
    ///     Ok((snap.lsn(), meanwhile))
    /// })?;
    /// assert_eq!(meanwhile, Some(inside.next()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.txn.lsn()
    }

    /// Runs one statement. If it fails it leaves no trace, and the transaction can go on.
    ///
    /// # Errors
    /// Whatever is wrong with the statement; `25006` for a write inside `Database::view`.
    ///
    /// ```
    /// use tailwater::Database;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
    /// let rows = db.update(|tx| {
    ///     let twice = tx.exec("INSERT INTO t VALUES (2), (1)", ()).unwrap_err();
    ///     assert_eq!(twice.sqlstate(), "23505"); // neither row is in; the transaction goes on
    ///     Ok(tx.exec("INSERT INTO t VALUES (2), (3)", ())?.rows)
    /// })?;
    /// assert_eq!(rows.value, 2);
    /// let refused = db.view(|snap| snap.exec("DELETE FROM t", ())).unwrap_err();
    /// assert_eq!(refused.sqlstate(), "25006");
    /// # Ok(())
    /// # }
    /// ```
    pub fn exec(&mut self, sql: &str, params: impl Params) -> Result<Done> {
        match self.run(sql, &params.into_parameters()?)? {
            Ran::Count(_, rows) => Ok(Done { rows, lsn: None }),
            Ran::Collected(_, rows) => Ok(Done {
                rows: rows.len() as u64,
                lsn: None,
            }),
            Ran::Rows(_, source) => Ok(Done {
                rows: source.collect()?.len() as u64,
                lsn: None,
            }),
        }
    }

    /// Runs a query and returns its rows.
    ///
    /// # Errors
    /// Whatever is wrong with the query; `0A000` if it returns no rows.
    ///
    /// ```
    /// use tailwater::Database;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let seen = db.update(|tx| {
    ///     tx.exec("INSERT INTO t VALUES (7)", ())?;
    ///     tx.query("SELECT id FROM t", ())?.rows_as::<i64>() // its own row, before anyone else sees it
    /// })?;
    /// assert_eq!(seen.value, [7]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn query(&mut self, sql: &str, params: impl Params) -> Result<Rows> {
        match self.run(sql, &params.into_parameters()?)? {
            Ran::Rows(fields, source) => Ok(Rows::streaming(fields, source)),
            Ran::Collected(fields, rows) => Ok(Rows::collected(fields, rows, None)),
            Ran::Count(tag, _) => Err(no_rows(tag)),
        }
    }

    fn run(&mut self, sql: &str, parameters: &Parameters) -> Result<Ran> {
        let around = Surroundings {
            engine: self.engine,
            cancel: &self.cancel,
            parameters,
        };
        let before = self.txn.savepoint();
        let plan_version = self.txn.plan_version();
        let last = self.last.take();
        let prepared = last
            .filter(|last| last.is_of(sql, plan_version))
            .or_else(|| self.engine.statements.get_for(sql, plan_version));
        let ran = match prepared {
            Some(prepared) => {
                let ran = execute::run_prepared(&around, self.txn, &prepared);
                self.last = Some(prepared);
                ran
            }
            None => {
                let parsed = parse_one(sql)?;
                if needs_session(&parsed.statement) {
                    return Err(Error::statement(
                        sqlstate::ACTIVE_SQL_TRANSACTION,
                        "transaction control is not allowed inside update and view",
                    )
                    .with_hint(
                        "return Ok to commit and Err to roll back; a Session has BEGIN and COMMIT",
                    ));
                }
                execute::run(&around, self.txn, sql, &parsed)
            }
        };
        match ran {
            Ok(_) => self.txn.release_savepoints(),
            Err(_) => self.txn.rollback_to(&before),
        }
        ran
    }
}

/// Whether it belongs to a session, which has transactions and cursors of its own.
fn needs_session(statement: &Statement) -> bool {
    statement.is_transaction_control()
        || matches!(
            statement,
            Statement::Tail(_)
                | Statement::DeclareCursor(_)
                | Statement::Fetch(_)
                | Statement::CloseCursor(_)
        )
}

/// What a statement without rows is answered with where rows are asked for.
pub(crate) fn no_rows(tag: &str) -> Error {
    Error::statement(
        sqlstate::FEATURE_NOT_SUPPORTED,
        format!("{tag} returns no rows"),
    )
    .with_hint("use exec for it, or add RETURNING")
}
