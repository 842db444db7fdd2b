//! `Database`: one handle on one open database, shared freely between threads.

use std::path::Path;
use std::sync::Arc;

use tailwater_proto::Lsn;

use crate::builder::Builder;
use crate::desk::Desk;
use crate::engine::Engine;
use crate::error::Result;
use crate::feed::{FeedRequest, Subscription};
use crate::handle::Handle;
use crate::params::Params;
use crate::recovery::RecoveryReport;
use crate::rows::Rows;
use crate::session::{Outcome, Session};
use crate::storage::ScrubReport;
use crate::ticket::Ticket;
use crate::tx::{Committed, Done, Tx, no_rows};
use crate::txn::{Mode, Transaction};

/// An open database. Clones are handles on the same one; the last to go closes it.
///
/// ```
/// use tailwater::{Database, params};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?; // or Database::open("app.db")
/// db.exec("CREATE TABLE orders (id INT PRIMARY KEY, cust TEXT, total INT)", ())?;
/// db.exec(
///     "CREATE MATERIALIZED VIEW by_cust AS
///      SELECT cust, count(*) AS n, sum(total) AS s FROM orders GROUP BY cust",
///     (),
/// )?;
/// db.exec("INSERT INTO orders VALUES (?, ?, ?)", params![1, "ada", 30])?;
/// db.exec("INSERT INTO orders VALUES (?, ?, ?)", params![2, "ada", 12])?;
/// let total: i64 = db.query("SELECT s FROM by_cust WHERE cust = ?", params!["ada"])?.scalar()?;
/// assert_eq!(total, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Database {
    handle: Arc<Handle>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Database {
    pub(crate) fn from_engine(engine: Arc<Engine>) -> Self {
        Self {
            handle: Arc::new(Handle::new(engine)),
        }
    }

    /// Opens the database in a folder, making it if it is not there.
    ///
    /// # Errors
    /// `55006` if another process has it open, `XX001` if acknowledged data is damaged, `58030` if the system says no.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("app.db");
    /// let db = tailwater::Database::open(&path)?;
    /// db.exec("CREATE TABLE IF NOT EXISTS t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
    /// drop(db); // the last handle closes it
    /// let db = tailwater::Database::open(&path)?;
    /// assert_eq!(db.query("SELECT id FROM t", ())?.scalar::<i64>()?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Builder::default().open(path)
    }

    /// A database that lives in memory and ends with its last handle.
    ///
    /// # Errors
    /// When the system gives no thread.
    ///
    /// ```
    /// use tailwater::Database;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let (one, other) = (Database::memory()?, Database::memory()?);
    /// one.exec("CREATE TABLE t", ())?;
    /// assert_eq!(other.query("SELECT * FROM t", ()).unwrap_err().sqlstate(), "42P01"); // each is its own
    /// # Ok(())
    /// # }
    /// ```
    pub fn memory() -> Result<Self> {
        Builder::default().memory()
    }

    /// Settings before opening.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::builder().statement_rows(1_000_000).memory()?;
    /// assert_eq!(db.query("SELECT 6 * 7", ())?.scalar::<i64>()?, 42);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A handle on the same database that is used for somebody: their name stands in the records of their commits, and
    /// their resume tokens are good for them only. The embedding program itself has no name.
    ///
    /// ```
    /// use tailwater::{Database, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// let (ada, bob) = (db.as_principal("ada"), db.as_principal("bob"));
    /// ada.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let token = ada.subscribe(FeedRequest::of("t").without_snapshot())?.token();
    /// assert!(ada.subscribe(FeedRequest::of("t").since(&token)).is_ok());
    /// assert_eq!(bob.subscribe(FeedRequest::of("t").since(&token)).unwrap_err().sqlstate(), "22023");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn as_principal(&self, name: &str) -> Self {
        Self {
            handle: Arc::new(self.handle.for_principal(name)),
        }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.handle.engine
    }

    /// What this thread works at.
    #[cfg(feature = "modules")]
    pub(crate) fn desk(&self) -> &Arc<Desk> {
        self.handle.desk()
    }

    #[cfg(feature = "modules")]
    pub(crate) fn principal(&self) -> &Arc<str> {
        &self.handle.principal
    }

    /// Runs a statement or a script, each statement a transaction of its own, and waits until it is durable.
    ///
    /// # Errors
    /// The first statement that fails, with its position.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// let done = db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)", ())?;
    /// assert_eq!(done.rows, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn exec(&self, sql: &str, params: impl Params) -> Result<Done> {
        match self.session().execute(sql, params)? {
            Outcome::Done { rows, lsn, .. } => Ok(Done { rows, lsn }),
            Outcome::Rows(rows) => {
                let lsn = rows.lsn();
                let mut count = 0;
                for row in rows {
                    row?;
                    count += 1;
                }
                Ok(Done { rows: count, lsn })
            }
            Outcome::Feed(_) => Ok(Done { rows: 0, lsn: None }),
        }
    }

    /// Runs a query (or a statement with RETURNING) and returns its rows, read as they are asked for.
    ///
    /// # Errors
    /// Whatever is wrong with the statement; `0A000` if it returns no rows.
    ///
    /// ```
    /// use tailwater::{Database, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE word (w TEXT PRIMARY KEY)", ())?;
    /// let mut rows = db.query("INSERT INTO word VALUES (?) RETURNING length(w) AS n", params!["lantern"])?;
    /// assert_eq!(rows.next_row()?.unwrap().get::<i64>("n")?, 7);
    /// let error = db.query("DELETE FROM word", ()).unwrap_err();
    /// assert_eq!((error.sqlstate(), error.hint()), ("0A000", Some("use exec for it, or add RETURNING")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn query(&self, sql: &str, params: impl Params) -> Result<Rows> {
        match self.session().execute(sql, params)? {
            Outcome::Rows(rows) => Ok(rows),
            Outcome::Done { tag, .. } => Err(no_rows(tag)),
            Outcome::Feed(_) => {
                Err(no_rows("TAIL").with_hint("use Database::subscribe, or a Session"))
            }
        }
    }

    /// Runs one statement and returns as soon as its place in the order of commits is fixed. The ticket tells when
    /// it is durable: many tickets may be outstanding, and one sync confirms all that were written by then.
    ///
    /// # Errors
    /// Whatever is wrong with the statement.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let tickets: Vec<_> = (0..64)
    ///     .map(|id| db.submit("INSERT INTO t VALUES (?)", tailwater::params![id]))
    ///     .collect::<tailwater::Result<_>>()?;
    /// for ticket in tickets {
    ///     ticket.wait()?;
    /// }
    /// assert_eq!(db.query("SELECT count(*) FROM t", ())?.scalar::<i64>()?, 64);
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit(&self, sql: &str, params: impl Params) -> Result<Ticket> {
        let parameters = params.into_parameters()?;
        let desk = self.handle.desk();
        let run = |txn: &mut Transaction| desk.run(txn, sql, &parameters);
        let (_, lsn) = desk.engine.retry(&desk.principal, run)?;
        Ok(Ticket::new(desk, lsn))
    }

    /// Runs a closure in a transaction that may write, and waits until it is durable. If another transaction was
    /// first, the closure runs again; at last nobody can be first any more. An error from the closure takes
    /// everything back.
    ///
    /// # Errors
    /// What the closure or the commit fails with.
    ///
    /// ```
    /// use tailwater::{Database, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE account (id INT PRIMARY KEY, cents BIGINT)", ())?;
    /// db.exec("INSERT INTO account VALUES (1, 100), (2, 0)", ())?;
    /// let committed = db.update(|tx| {
    ///     tx.exec("UPDATE account SET cents = cents - 40 WHERE id = 1", ())?;
    ///     tx.exec("UPDATE account SET cents = cents + 40 WHERE id = 2", ())?;
    ///     tx.query("SELECT cents FROM account WHERE id = 2", ())?.scalar::<i64>()
    /// })?;
    /// assert_eq!(committed.value, 40);
    /// # Ok(())
    /// # }
    /// ```
    pub fn update<T>(
        &self,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T>,
    ) -> Result<Committed<T>> {
        let desk = self.handle.desk();
        let engine = &desk.engine;
        let (value, lsn) = engine.retry(&desk.principal, |txn| work(&mut Tx::new(engine, txn)))?;
        engine.wait(lsn)?;
        Ok(Committed { value, lsn })
    }

    /// As `update`, but returns as soon as the transaction's place in the order of commits is fixed.
    ///
    /// # Errors
    /// What the closure or the commit fails with.
    ///
    /// ```
    /// use tailwater::{Database, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE seat (no INT PRIMARY KEY, guest TEXT)", ())?;
    /// db.exec("INSERT INTO seat VALUES (1, 'Ada'), (2, NULL), (3, NULL)", ())?;
    /// let (seat, ticket) = db.submit_update(|tx| {
    ///     let free: i64 = tx.query("SELECT min(no) FROM seat WHERE guest IS NULL", ())?.scalar()?;
    ///     tx.exec("UPDATE seat SET guest = ? WHERE no = ?", params!["Grace", free])?;
    ///     Ok(free)
    /// })?;
    /// assert_eq!(seat, 2); // chosen now, safe once the ticket says so:
    /// ticket.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit_update<T>(
        &self,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T>,
    ) -> Result<(T, Ticket)> {
        let desk = self.handle.desk();
        let engine = &desk.engine;
        let (value, lsn) = engine.retry(&desk.principal, |txn| work(&mut Tx::new(engine, txn)))?;
        Ok((value, Ticket::new(desk, lsn)))
    }

    /// Installs a module, or a new version of it, under its package's name: tables are made, or brought along from the
    /// version before, in the transaction that puts the module into the catalog.
    ///
    /// # Errors
    /// What [`plan`](crate::module::ModuleSource::plan) is refused with; `0A000` with every reason why a new version would lose
    /// data; `42P07` if a table is there already that rows of a message cannot be in.
    ///
    /// ```
    /// use tailwater::Database;
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// let version = |fields: &str| {
    ///     let text = format!("syntax = \"proto3\"; package shop; message Item {{ string id = 1; {fields} }}");
    ///     db.install_module(&ModuleSource::new("shop.proto", text))
    /// };
    /// version("int32 cents = 2;")?;
    /// db.exec("INSERT INTO item VALUES ('tea', 450)", ())?;
    /// version("int64 price = 2; string unit = 3;")?; // renamed, widened, and one more
    /// let price: i64 = db.query("SELECT price FROM item WHERE unit = ''", ())?.scalar()?;
    /// assert_eq!(price, 450);
    /// assert_eq!(version("").unwrap_err().sqlstate(), "0A000"); // it would lose data
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "modules")]
    pub fn install_module(&self, source: &crate::module::ModuleSource) -> Result<Done> {
        self.exec(&source.sql(&source.module_name()?), ())
    }

    /// Runs a closure over one snapshot: every query in it sees the same commit, tables and views together.
    ///
    /// # Errors
    /// What the closure fails with.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// # db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let (n, lsn) = db.view(|snap| Ok((snap.query("SELECT count(*) FROM t", ())?.scalar::<i64>()?, snap.lsn())))?;
    /// # assert_eq!(n, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn view<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let Desk {
            engine, principal, ..
        } = &**self.handle.desk();
        let mut txn = engine.begin(Mode::ReadOnly, principal)?;
        work(&mut Tx::new(engine, &mut txn))
    }

    /// A session: transactions by BEGIN and COMMIT, savepoints, cursors. For one thread at a time.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let db = tailwater::Database::memory()?;
    /// let mut session = db.session();
    /// session.execute("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// session.execute("BEGIN; INSERT INTO t VALUES (1); ROLLBACK", ())?;
    /// assert_eq!(db.query("SELECT count(*) FROM t", ())?.scalar::<i64>()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(Arc::clone(&self.handle))
    }

    /// Follows a table or view: its rows as they are, then every change of it, exactly once and in order.
    ///
    /// # Errors
    /// `42P01` if there is no such table or view; what a resume token is refused with.
    ///
    /// ```
    /// use tailwater::{Database, FeedRequest, FeedEvent};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY, name TEXT)", ())?;
    /// let mut feed = db.subscribe(FeedRequest::of("t"))?;
    /// db.exec("INSERT INTO t VALUES (1, 'Ada')", ())?;
    /// loop {
    ///     if let FeedEvent::Frame(frame) = feed.recv()? {
    ///         assert_eq!(frame.changes.len(), 1);
    ///         break;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self, request: FeedRequest) -> Result<Subscription> {
        crate::feed::subscribe(self.engine(), &self.handle.principal, request)
    }

    /// Says that the consumer of a slot has dealt with everything up to an event: the one this token came with. It is
    /// cheap, and may be said after each; after a crash the slot may stand a bit further back.
    ///
    /// # Errors
    /// `42704` if there is no such slot, `22023` for a token that is not of this database.
    ///
    /// ```
    /// use tailwater::{Database, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let feed = db.subscribe(FeedRequest::of("t").slot("search"))?;
    /// db.advance_slot("search", &feed.token())?;
    /// assert_eq!(db.advance_slot("serach", &feed.token()).unwrap_err().sqlstate(), "42704");
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance_slot(&self, name: &str, token: &str) -> Result<()> {
        crate::feed::advance_slot(self.engine(), name, token)
    }

    /// Removes a slot: the log keeps nothing for its consumer any more. Says whether there was one.
    ///
    /// # Errors
    /// `53100` if the disk is full; the slot is still there then.
    ///
    /// ```
    /// use tailwater::{Database, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// db.subscribe(FeedRequest::of("t").slot("search"))?; // the slot outlives the subscription
    /// assert_eq!(db.query("SELECT count(*) FROM tailwater.slots", ())?.scalar::<i64>()?, 1);
    /// assert!(db.drop_slot("search")?);
    /// assert!(!db.drop_slot("search")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn drop_slot(&self, name: &str) -> Result<bool> {
        crate::feed::drop_slot(self.engine(), name)
    }

    /// Writes what is durable in the log into the storage file now, instead of in the background soon.
    ///
    /// # Errors
    /// When the disk fails or is full; nothing is lost then.
    ///
    /// ```
    /// use tailwater::{Database, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// db.update(|tx| (1..=1000).try_for_each(|id| tx.exec("INSERT INTO t VALUES (?)", params![id]).map(drop)))?;
    /// let before = db.stats().memory_bytes;
    /// db.checkpoint()?;
    /// assert!(db.stats().memory_bytes < before); // the rows are in the storage file now
    /// # Ok(())
    /// # }
    /// ```
    pub fn checkpoint(&self) -> Result<()> {
        self.engine().checkpoint().map(drop)
    }

    /// Takes a checkpoint and writes the storage file anew, without the space of rows that were deleted; commits and
    /// reads go on. Returns the bytes of the file before and after. A database does so by itself after a checkpoint
    /// that finds a file of more than 64 MiB mostly empty, as long as not more than 1 GiB would be copied.
    ///
    /// # Errors
    /// I/O and a full disk: the copy needs room beside the file, which stays as it was then.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = tailwater::Database::open(dir.path().join("app.db"))?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY, text TEXT);
    ///          INSERT INTO t SELECT i, repeat('text', 500) FROM generate_series(1, 2000) AS s (i)", ())?;
    /// db.checkpoint()?;
    /// db.exec("DELETE FROM t WHERE id > 10", ())?;
    /// let (before, after) = db.compact()?;
    /// assert!(after < before / 4, "{before} to {after}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn compact(&self) -> Result<(u64, u64)> {
        let compacted = self.engine().compact()?;
        Ok((compacted.before, compacted.after))
    }

    /// Reads every row of the storage file, as the last checkpoint left it, and checks its checksum, while all else
    /// goes on: finds damage before a query does. It mends nothing.
    ///
    /// # Errors
    /// `XX001` for the first damage found, naming the place; `58030` if the disk fails.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)", ())?;
    /// db.checkpoint()?;
    /// let report = db.scrub()?;
    /// assert!(report.storages >= 1 && report.rows >= 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn scrub(&self) -> Result<ScrubReport> {
        Ok(self.engine().store.scrub()?)
    }

    /// The last commit that everyone can see.
    ///
    /// ```
    /// use tailwater::Database;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// let before = db.visible_lsn();
    /// let done = db.exec("CREATE TABLE t", ())?;
    /// assert_eq!(db.visible_lsn(), before.next());
    /// assert_eq!(done.lsn, Some(db.visible_lsn()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn visible_lsn(&self) -> Lsn {
        self.engine().store.visible_lsn()
    }

    /// What opening the database took.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tailwater::{Database, vfs::MemoryVfs};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let disk = MemoryVfs::new();
    /// let db = Database::builder().vfs(Arc::new(disk.clone())).without_background().open("app")?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)", ())?;
    ///
    /// let db = Database::builder().vfs(Arc::new(disk.crash())).open("app")?;
    /// let report = db.recovery();
    /// assert!(report.records >= 2 && report.rows >= 2); // read out of the log,
    /// assert_eq!(report.rows_evaluated, 0); // and put in place as they were
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn recovery(&self) -> &RecoveryReport {
        &self.engine().recovery
    }

    /// Counters since the database was opened.
    ///
    /// ```
    /// use tailwater::{Database, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let before = db.stats();
    /// for id in 0..5 {
    ///     db.exec("INSERT INTO t VALUES (?)", params![id])?;
    /// }
    /// assert_eq!(db.stats().commits - before.commits, 5);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let engine = self.engine();
        Stats {
            commits: engine.commit_count(),
            syncs: engine.vfs.syncs(),
            conflicts: engine.conflicts.load(std::sync::atomic::Ordering::Relaxed),
            admission_waits: engine
                .admission_waits
                .load(std::sync::atomic::Ordering::Relaxed),
            memory_bytes: engine.store.memory_bytes() as u64,
            snapshots: engine.store.stats().snapshots as u64,
            snapshots_too_old: engine.store.snapshots_too_old(),
        }
    }

    /// Makes everything durable and closes the database, whatever other handles there are: they fail from then on.
    ///
    /// # Errors
    /// When the log or the storage file cannot be written.
    ///
    /// ```
    /// use tailwater::Database;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// let other = db.clone();
    /// db.close()?;
    /// let error = other.exec("CREATE TABLE t", ()).unwrap_err();
    /// assert_eq!(error.kind(), tailwater::ErrorKind::Unavailable);
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(self) -> Result<()> {
        self.engine().shut_down()
    }
}

/// Counters of an open database.
///
/// ```
/// use tailwater::{Database, params};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
/// let syncs = db.stats().syncs;
/// let tickets = (0..100).map(|id| db.submit("INSERT INTO t VALUES (?)", params![id]));
/// for ticket in tickets.collect::<Result<Vec<_>, _>>()? {
///     ticket.wait()?;
/// }
/// assert!(db.stats().syncs - syncs < 100); // commits under way together share their syncs
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Transactions committed.
    pub commits: u64,
    /// Syncs of files and folders, the log's and the storage file's.
    pub syncs: u64,
    /// Transactions that were run again because another one was first.
    pub conflicts: u64,
    /// Transactions that waited for memory.
    pub admission_waits: u64,
    /// Bytes of rows in memory that are not only in the storage file.
    pub memory_bytes: u64,
    /// States of the past that somebody still reads: transactions, cursors, rows.
    pub snapshots: u64,
    /// Such states that were let go of because they were too old.
    pub snapshots_too_old: u64,
}
