//! `Session`: SQL text in, outcomes out, with what SQL keeps between statements: a transaction, savepoints, cursors.
//!
//! A statement outside a transaction is a transaction of its own and is run again by itself if another one was first.
//! A statement that fails leaves no trace; inside BEGIN it also makes the transaction unusable until ROLLBACK, as in
//! PostgreSQL, be it while it is started or while its rows are read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tailwater_proto::{Lsn, sqlstate};
use tailwater_views::CancelToken;

use crate::cursor::SqlCursor;
use crate::error::{Error, Result};
use crate::execute::{self, Ran, Surroundings, mode_of};
use crate::feed::Subscription;
use crate::handle::Handle;
use crate::params::{Parameters, Params};
use crate::prepared::Prepared;
use crate::rows::Rows;
use crate::sql::parser::{parse_one, parse_script};
use crate::sql::statement::{
    CursorSource, DeclareCursor, Fetch, Parsed, Statement, Tail, TransactionModes,
};
use crate::txn::{Mode, Savepoint, Transaction};

/// What one statement brought.
///
/// ```
/// use tailwater::{Database, Outcome};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// let mut session = db.session();
/// let mut shown = Vec::new();
/// let script = "CREATE TABLE t; INSERT INTO t VALUES {a: 1}, {a: 2}; SELECT * FROM t; TAIL t";
/// session.execute_each(script, (), |outcome| {
///     shown.push(match outcome {
///         Outcome::Done { tag, rows, .. } => format!("{tag} {rows}"),
///         Outcome::Rows(rows) => format!("{} rows", rows.collect_rows()?.len()),
///         Outcome::Feed(feed) => format!("follows {}", feed.object()),
///         _ => unreachable!(),
///     });
///     Ok(())
/// })?;
/// assert_eq!(shown, ["CREATE TABLE 0", "INSERT 2", "2 rows", "follows t"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Rows: a query, RETURNING, SHOW, EXPLAIN, FETCH.
    Rows(Rows),
    /// A count of rows under a command tag, such as `INSERT`.
    Done {
        /// The command, in capitals.
        tag: &'static str,
        /// Rows inserted, updated or deleted; 0 for commands that count none.
        rows: u64,
        /// The commit, if the statement was one.
        lsn: Option<Lsn>,
    },
    /// A feed that goes on until it is dropped: TAIL, SUBSCRIBE TO.
    Feed(Subscription),
}

/// One user of a database, from one thread at a time. Like a clone of [`Database`](crate::Database) it keeps the
/// database open.
///
/// ```
/// # fn main() -> tailwater::Result<()> {
/// let db = tailwater::Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
/// let mut session = db.session();
/// session.execute("BEGIN; INSERT INTO t VALUES (1); SAVEPOINT one; INSERT INTO t VALUES (2)", ())?;
/// session.execute("ROLLBACK TO one; COMMIT", ())?;
/// assert_eq!(db.query("SELECT id FROM t", ())?.rows_as::<i64>()?, [1]);
/// # Ok(())
/// # }
/// ```
pub struct Session {
    open: Option<Open>,
    cursors: BTreeMap<String, SqlCursor>,
    cancel: CancelToken,
    /// Last, so that the transaction ends before the database may close.
    handle: Arc<Handle>,
}

/// A transaction begun by BEGIN.
struct Open {
    txn: Transaction,
    savepoints: Vec<(String, Savepoint)>,
    /// A statement failed: everything but ROLLBACK is refused. Rows that are still being read share it.
    failed: Arc<AtomicBool>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("in_transaction", &self.open.is_some())
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        Self {
            open: None,
            cursors: BTreeMap::new(),
            cancel: CancelToken::default(),
            handle,
        }
    }

    /// Whether BEGIN has been run and not ended.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let mut session = db.session();
    /// session.execute("BEGIN", ())?;
    /// assert!(session.execute("SELECT nope", ()).is_err());
    /// assert!(session.in_transaction()); // failed, but not ended
    /// session.execute("ROLLBACK", ())?;
    /// assert!(!session.in_transaction());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// Stops, from another thread, the statement or script that is running in this session, and rows that are being
    /// read from it. If none is, nothing is stopped: what is executed later runs.
    ///
    /// ```
    /// use tailwater::{Database, Outcome, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// db.update(|tx| (1..=1000).try_for_each(|id| tx.exec("INSERT INTO t VALUES (?)", params![id]).map(drop)))?;
    /// let mut session = db.session();
    /// let token = session.cancel_token(); // for another thread, or a handler of Ctrl-C
    /// let Outcome::Rows(rows) = session.execute("SELECT id FROM t", ())? else { unreachable!() };
    /// token.cancel();
    /// assert_eq!(rows.collect_rows().unwrap_err().sqlstate(), "57014");
    /// assert!(session.execute("SELECT 1", ()).is_ok()); // only what was running is stopped
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// Runs one statement or a script, and returns what its last statement brought.
    ///
    /// # Errors
    /// The first statement that fails, with its position in the script; statements before it stay done.
    ///
    /// ```
    /// use tailwater::{Database, Outcome, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// let mut session = db.session();
    /// session.execute("CREATE TABLE t (id INT PRIMARY KEY); BEGIN", ())?;
    /// session.execute("INSERT INTO t VALUES (?), (?)", params![1, 2])?;
    /// session.execute("DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id DESC", ())?;
    /// let Outcome::Rows(rows) = session.execute("FETCH 1 FROM c", ())? else { unreachable!() };
    /// assert_eq!(rows.scalar::<i64>()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn execute(&mut self, sql: &str, params: impl Params) -> Result<Outcome> {
        let mut last = None;
        self.run_script(sql, params, |outcome, more_follow| match outcome {
            // Nobody sees these rows, but what they fail with ends the script before its next statement.
            Outcome::Rows(mut rows) if more_follow => {
                while rows.next_raw()?.is_some() {}
                Ok(())
            }
            outcome => {
                last = Some(outcome);
                Ok(())
            }
        })?;
        Ok(last.unwrap_or(done("")))
    }

    /// Runs a script and hands over what each statement brought, as it is done.
    ///
    /// # Errors
    /// The first statement that fails, with its position in the script, or what `take` returns.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let mut session = db.session();
    /// let mut done = 0;
    /// let script = "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)";
    /// let failed = session.execute_each(script, (), |_| {
    ///     done += 1;
    ///     Ok(())
    /// });
    /// assert_eq!(done, 2); // the third statement failed, the others stay done
    /// assert!(failed.unwrap_err().position() > script.find("(1);"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn execute_each(
        &mut self,
        sql: &str,
        params: impl Params,
        mut take: impl FnMut(Outcome) -> Result<()>,
    ) -> Result<()> {
        self.run_script(sql, params, |outcome, _| take(outcome))
    }

    /// Runs a script; `take` also learns whether another statement follows.
    fn run_script(
        &mut self,
        sql: &str,
        params: impl Params,
        mut take: impl FnMut(Outcome, bool) -> Result<()>,
    ) -> Result<()> {
        let mut parameters = params.into_parameters()?;
        // A cancel stops what is running, not what comes after it.
        self.cancel.reset();
        if let Some(prepared) = self.cached(sql) {
            let outcome = self.execute_prepared(sql, &prepared, &parameters);
            self.handle.desk().put_back(prepared);
            return take(outcome?, false);
        }
        let script = parse_script(sql).inspect_err(|_| self.fail())?;
        parameters.in_script |= script.len() > 1;
        let mut script = script.into_iter().peekable();
        while let Some(parsed) = script.next() {
            let text = sql.get(parsed.text_range.clone()).unwrap_or_default();
            let outcome = self
                .execute_parsed(text, &parsed, &parameters)
                .inspect_err(|_| match &parsed.statement {
                    // The transaction there is goes on.
                    Statement::Begin(_) => {}
                    _ => self.fail(),
                });
            // Without a place of its own the error is that of the whole statement.
            let outcome = outcome.map_err(|error| error.at(parsed.text_range.start))?;
            take(outcome, script.peek().is_some())?;
        }
        Ok(())
    }

    /// A statement failed: the transaction, if there is one, is of no more use.
    fn fail(&self) {
        if let Some(open) = &self.open {
            open.failed.store(true, Ordering::Relaxed);
        }
    }

    /// The statement as it was prepared before, if the schema has not changed since.
    fn cached(&self, sql: &str) -> Option<Arc<Prepared>> {
        let version = match &self.open {
            Some(open) => open.txn.plan_version(),
            None => Some(self.handle.engine.visible_catalog_version()),
        };
        self.handle.desk().take(sql, version)
    }

    /// Runs a prepared statement without parsing it, unless the schema changes just now.
    fn execute_prepared(
        &mut self,
        sql: &str,
        prepared: &Prepared,
        parameters: &Parameters,
    ) -> Result<Outcome> {
        let mode = if prepared.bound.is_read_only() {
            Mode::ReadOnly
        } else {
            Mode::ReadWrite
        };
        self.run(mode, parameters, |around, txn| {
            if txn.catalog.version() == prepared.catalog_version {
                execute::run_prepared(around, txn, prepared)
            } else {
                execute::run(around, txn, sql, &parse_one(sql)?)
            }
        })
    }

    fn execute_parsed(
        &mut self,
        sql: &str,
        parsed: &Parsed,
        parameters: &Parameters,
    ) -> Result<Outcome> {
        if takes_nothing(&parsed.statement) {
            parameters.refuse_more_than(0)?;
        }
        match &parsed.statement {
            Statement::Begin(modes) => self.begin(*modes),
            Statement::Commit { chain } => self.commit(*chain),
            Statement::Rollback { chain } => self.rollback(*chain),
            Statement::Savepoint(name) => self.savepoint(&name.value),
            Statement::ReleaseSavepoint(name) => self.release(&name.value),
            Statement::RollbackTo(name) => self.rollback_to(&name.value),
            Statement::Set(set) => {
                execute::setting::check(set)?;
                Ok(done("SET"))
            }
            Statement::SetTransaction(_) | Statement::Reset(_) => Ok(done("SET")),
            Statement::Tail(tail) => Ok(Outcome::Feed(self.tail(tail, parameters)?)),
            Statement::DeclareCursor(declare) => self.declare(sql, parsed, declare, parameters),
            Statement::Fetch(fetch) => self.fetch(fetch),
            Statement::CloseCursor(name) => self.close(name.as_ref().map(|name| &*name.value)),
            statement => self.run(mode_of(statement), parameters, |around, txn| {
                execute::run(around, txn, sql, parsed)
            }),
        }
    }

    /// Runs work in the open transaction, or in one of its own.
    fn run(
        &mut self,
        mode: Mode,
        parameters: &Parameters,
        work: impl FnMut(&Surroundings<'_>, &mut Transaction) -> Result<Ran>,
    ) -> Result<Outcome> {
        let around = Surroundings {
            engine: &self.handle.engine,
            cancel: &self.cancel,
            parameters,
        };
        match &mut self.open {
            Some(open) => open.run(&around, work),
            None => autocommit(&around, &self.handle.desk().principal, mode, work),
        }
    }

    fn begin(&mut self, modes: TransactionModes) -> Result<Outcome> {
        if self.open.is_some() {
            return Err(Error::statement(
                sqlstate::ACTIVE_SQL_TRANSACTION,
                "there is already a transaction in progress",
            )
            .with_hint("COMMIT or ROLLBACK it first; SAVEPOINT marks a place inside it"));
        }
        let engine = &self.handle.engine;
        let mode = if modes.read_only == Some(true) || engine.settings.read_only {
            Mode::ReadOnly
        } else {
            Mode::ReadWrite
        };
        let txn = engine.begin(mode, &self.handle.principal)?;
        self.open = Some(Open {
            txn,
            savepoints: Vec::new(),
            failed: Arc::default(),
        });
        Ok(done("BEGIN"))
    }

    fn commit(&mut self, chain: bool) -> Result<Outcome> {
        let open = self.take_open("COMMIT")?;
        self.cursors.clear();
        let outcome = if open.failed.load(Ordering::Relaxed) {
            done("ROLLBACK")
        } else {
            let engine = &self.handle.engine;
            let lsn = engine.sequence(open.txn)?;
            engine.wait(lsn)?;
            Outcome::Done {
                tag: "COMMIT",
                rows: 0,
                lsn: Some(lsn),
            }
        };
        if chain {
            self.begin(TransactionModes::default())?;
        }
        Ok(outcome)
    }

    fn rollback(&mut self, chain: bool) -> Result<Outcome> {
        self.take_open("ROLLBACK")?;
        self.cursors.clear();
        if chain {
            self.begin(TransactionModes::default())?;
        }
        Ok(done("ROLLBACK"))
    }

    fn take_open(&mut self, command: &str) -> Result<Open> {
        self.open.take().ok_or_else(|| {
            Error::statement(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                format!("{command}: there is no transaction in progress"),
            )
            .with_hint("start one with BEGIN")
        })
    }

    fn open_mut(&mut self, command: &str) -> Result<&mut Open> {
        self.open.as_mut().ok_or_else(|| {
            Error::statement(
                sqlstate::NO_ACTIVE_SQL_TRANSACTION,
                format!("{command} can only be used in transaction blocks"),
            )
            .with_hint("start one with BEGIN")
        })
    }

    fn savepoint(&mut self, name: &str) -> Result<Outcome> {
        let open = self.open_mut("SAVEPOINT")?;
        open.refuse_failed()?;
        open.savepoints
            .push((name.to_owned(), open.txn.savepoint()));
        Ok(done("SAVEPOINT"))
    }

    fn release(&mut self, name: &str) -> Result<Outcome> {
        let open = self.open_mut("RELEASE SAVEPOINT")?;
        open.refuse_failed()?;
        let place = open.find_savepoint(name)?;
        open.savepoints.truncate(place);
        Ok(done("RELEASE"))
    }

    fn rollback_to(&mut self, name: &str) -> Result<Outcome> {
        let open = self.open_mut("ROLLBACK TO SAVEPOINT")?;
        let place = open.find_savepoint(name)?;
        open.savepoints.truncate(place + 1);
        if let Some((_, savepoint)) = open.savepoints.last() {
            open.txn.rollback_to(savepoint);
        }
        // A new one: rows of statements taken back may still fail, which is their own affair now.
        open.failed = Arc::default();
        Ok(done("ROLLBACK"))
    }

    fn tail(&mut self, tail: &Tail, parameters: &Parameters) -> Result<Subscription> {
        if let Some(open) = &self.open {
            open.refuse_failed()?;
        }
        crate::feed::tail(
            &self.handle.engine,
            &self.handle.principal,
            tail,
            parameters,
        )
    }

    fn declare(
        &mut self,
        sql: &str,
        parsed: &Parsed,
        declare: &DeclareCursor,
        parameters: &Parameters,
    ) -> Result<Outcome> {
        let name = declare.name.value.clone();
        if self.cursors.contains_key(&name) {
            return Err(Error::statement(
                sqlstate::DUPLICATE_CURSOR,
                format!("cursor \"{name}\" already exists"),
            )
            .on(name)
            .with_hint("CLOSE it first, or take another name"));
        }
        self.open_mut("DECLARE CURSOR")?.refuse_failed()?;
        let cursor = match &declare.source {
            CursorSource::Tail(tail) => SqlCursor::tail(self.tail(tail, parameters)?),
            CursorSource::Query(query) => {
                let parsed = Parsed {
                    statement: Statement::Query(query.clone()),
                    text_range: parsed.text_range.clone(),
                    question_marks: parsed.question_marks.clone(),
                    source: Arc::clone(&parsed.source),
                };
                let outcome = self.run(Mode::ReadOnly, parameters, |around, txn| {
                    execute::run(around, txn, sql, &parsed)
                })?;
                match outcome {
                    Outcome::Rows(rows) => SqlCursor::query(rows),
                    other => {
                        return Err(Error::statement(
                            sqlstate::INVALID_CURSOR_NAME,
                            format!("a cursor needs rows, not {other:?}"),
                        ));
                    }
                }
            }
        };
        self.cursors.insert(name, cursor);
        Ok(done("DECLARE CURSOR"))
    }

    fn fetch(&mut self, fetch: &Fetch) -> Result<Outcome> {
        if let Some(open) = &self.open {
            open.refuse_failed()?;
        }
        let name = &fetch.cursor.value;
        let cursor = self.cursors.get_mut(name).ok_or_else(|| no_cursor(name))?;
        let rows = cursor.fetch(fetch)?;
        Ok(Outcome::Rows(rows))
    }

    fn close(&mut self, name: Option<&str>) -> Result<Outcome> {
        match name {
            None => self.cursors.clear(),
            Some(name) => {
                self.cursors.remove(name).ok_or_else(|| no_cursor(name))?;
            }
        }
        Ok(done("CLOSE CURSOR"))
    }
}

/// Whether it is the session's own business, without parameters.
fn takes_nothing(statement: &Statement) -> bool {
    statement.is_transaction_control()
        || matches!(
            statement,
            Statement::Set(_)
                | Statement::Reset(_)
                | Statement::Fetch(_)
                | Statement::CloseCursor(_)
        )
}

fn no_cursor(name: &str) -> Error {
    Error::statement(
        sqlstate::INVALID_CURSOR_NAME,
        format!("cursor \"{name}\" does not exist"),
    )
    .on(name)
    .with_hint("DECLARE it in this transaction first")
}

const fn done(tag: &'static str) -> Outcome {
    Outcome::Done {
        tag,
        rows: 0,
        lsn: None,
    }
}

impl Open {
    fn refuse_failed(&self) -> Result<()> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::statement(
                sqlstate::IN_FAILED_SQL_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            )
            .with_hint("ROLLBACK, or ROLLBACK TO SAVEPOINT"));
        }
        Ok(())
    }

    fn find_savepoint(&self, name: &str) -> Result<usize> {
        self.savepoints
            .iter()
            .rposition(|(other, _)| other == name)
            .ok_or_else(|| {
                Error::statement(
                    sqlstate::INVALID_SAVEPOINT,
                    format!("savepoint \"{name}\" does not exist"),
                )
                .on(name)
            })
    }

    fn run(
        &mut self,
        around: &Surroundings<'_>,
        mut work: impl FnMut(&Surroundings<'_>, &mut Transaction) -> Result<Ran>,
    ) -> Result<Outcome> {
        self.refuse_failed()?;
        let before = self.txn.savepoint();
        // What is read here must not be undone by a crash after it was shown.
        around.engine.wait(self.txn.lsn())?;
        let ran = work(around, &mut self.txn).and_then(|ran| match outcome(ran, None) {
            Outcome::Rows(rows) => Ok(Outcome::Rows(rows.started(&self.failed)?)),
            other => Ok(other),
        });
        if ran.is_err() {
            self.txn.rollback_to(&before);
            self.failed.store(true, Ordering::Relaxed);
        } else if self.savepoints.is_empty() {
            self.txn.release_savepoints();
        }
        ran
    }
}

/// Runs work as a transaction of its own; after conflicts again, at last holding the sequencer.
fn autocommit(
    around: &Surroundings<'_>,
    principal: &Arc<str>,
    mode: Mode,
    mut work: impl FnMut(&Surroundings<'_>, &mut Transaction) -> Result<Ran>,
) -> Result<Outcome> {
    let engine = around.engine;
    if mode == Mode::ReadOnly {
        let mut txn = engine.begin(mode, principal)?;
        return Ok(outcome(work(around, &mut txn)?, None));
    }
    let (ran, lsn) = engine.retry(principal, |txn| work(around, txn))?;
    engine.wait(lsn)?;
    Ok(outcome(ran, Some(lsn)))
}

fn outcome(ran: Ran, lsn: Option<Lsn>) -> Outcome {
    match ran {
        Ran::Rows(fields, source) => Outcome::Rows(Rows::streaming(fields, source)),
        Ran::Collected(fields, rows) => Outcome::Rows(Rows::collected(fields, rows, lsn)),
        Ran::Count(tag, rows) => Outcome::Done { tag, rows, lsn },
    }
}
