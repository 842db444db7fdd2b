//! The feed as users see it: a table or view by name, rows as documents, positions as tokens.
//!
//! Frames, order, seam and catching up are `capture`'s; here names become storages, a WHERE becomes a predicate, and
//! the bytes of rows become fields again. Next door: `cursor`, which hands the same out as SQL rows.

mod decode;
mod event;
mod predicate;
mod request;
mod slot;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use tailwater_capture::token::{Expected, Token, TokenError};
use tailwater_capture::{Filter, LagPolicy, Selection, Start, SubscribeRequest};
use tailwater_proto::{Direction, KeyRange, StorageId, sqlstate};

use self::decode::Decoder;
pub use self::event::{FeedChange, FeedEvent, FeedOp, FeedRow, Frame};
pub(crate) use self::predicate::Condition;
#[cfg(feature = "modules")]
pub(crate) use self::predicate::fingerprint;
pub use self::request::FeedRequest;
pub(crate) use self::slot::{advance as advance_slot, remove as drop_slot};
pub use self::stream::FeedStream;
use crate::catalog::Relation;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::params::Parameters;
use crate::sql::statement::{Tail, TailSource};
use crate::storage::{Scan, StorageError};
use crate::txn::{Mode, Transaction};

/// A feed that is being followed. Dropping it ends it; commits never wait for it.
///
/// ```
/// use tailwater::{Database, FeedEvent, FeedRequest};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE task (id INT PRIMARY KEY, done BOOL); INSERT INTO task VALUES (1, false)", ())?;
/// let mut feed = db.subscribe(FeedRequest::of("task").without_snapshot())?;
/// let listener = std::thread::spawn(move || {
///     feed.find_map(|event| match event {
///         Ok(FeedEvent::Frame(frame)) => Some(frame.changes.len()),
///         _ => None,
///     })
/// });
/// db.exec("UPDATE task SET done = true", ())?;
/// assert_eq!(listener.join().unwrap(), Some(1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    inner: tailwater_capture::Subscription,
    decoder: Decoder,
}

impl Subscription {
    /// The next event; waits for it.
    ///
    /// # Errors
    /// When the database is closed, or a row does not decode.
    ///
    /// ```
    /// use tailwater::{Database, FeedEvent, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)", ())?;
    /// let mut feed = db.subscribe(FeedRequest::of("t"))?;
    /// assert!(matches!(feed.recv()?, FeedEvent::SnapshotBegin { .. }));
    /// assert!(matches!(feed.recv()?, FeedEvent::Snapshot { rows } if rows.len() == 2));
    /// assert!(matches!(feed.recv()?, FeedEvent::SnapshotEnd { lsn, .. } if lsn == db.visible_lsn()));
    /// db.close()?;
    /// assert!(feed.recv().is_err()); // as an iterator it would just end
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv(&mut self) -> Result<FeedEvent> {
        let event = self.inner.recv().map_err(feed_error)?;
        self.decoder.event(event)
    }

    /// The next event, or `None` if there is none within `timeout`.
    ///
    /// # Errors
    /// As `recv`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tailwater::{Database, FeedEvent, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let mut feed = db.subscribe(FeedRequest::of("t").without_snapshot())?;
    /// assert!(feed.recv_timeout(Duration::from_millis(1))?.is_none());
    /// db.exec("INSERT INTO t VALUES (1)", ())?;
    /// assert!(matches!(feed.recv_timeout(Duration::from_secs(10))?, Some(FeedEvent::Frame(_))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<FeedEvent>> {
        let event = self.inner.recv_timeout(timeout).map_err(feed_error)?;
        event.map(|event| self.decoder.event(event)).transpose()
    }

    /// The next event if there is one now.
    ///
    /// # Errors
    /// As `recv`.
    ///
    /// ```
    /// use tailwater::{Database, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let mut feed = db.subscribe(FeedRequest::of("t").without_snapshot())?;
    /// db.exec("INSERT INTO t VALUES (1)", ())?;
    /// db.exec("INSERT INTO t VALUES (2)", ())?;
    /// let mut frames = 0;
    /// while feed.try_recv()?.is_some() {
    ///     frames += 1; // what is there now, without waiting
    /// }
    /// assert_eq!(frames, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_recv(&mut self) -> Result<Option<FeedEvent>> {
        let event = self.inner.try_recv().map_err(feed_error)?;
        event.map(|event| self.decoder.event(event)).transpose()
    }

    /// The token that goes on after what was handed out so far.
    ///
    /// ```
    /// use tailwater::{Database, FeedEvent, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let feed = db.subscribe(FeedRequest::of("t").without_snapshot())?;
    /// let token = feed.token();
    /// drop(feed);
    /// db.exec("INSERT INTO t VALUES (1)", ())?; // while nobody listens
    /// let mut feed = db.subscribe(FeedRequest::of("t").since(token))?;
    /// assert!(matches!(feed.recv()?, FeedEvent::Frame(frame) if frame.changes.len() == 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn token(&self) -> String {
        self.inner.token().to_string()
    }

    /// Names and types of the columns.
    ///
    /// ```
    /// use tailwater::{Database, FeedRequest, SqlType};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY, name TEXT)", ())?;
    /// let columns = db.subscribe(FeedRequest::of("t"))?.columns();
    /// assert_eq!((columns[1].name.as_str(), &columns[1].ty), ("name", &SqlType::Text));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn columns(&self) -> Vec<crate::rows::Column> {
        self.decoder.columns()
    }

    /// The name of the table or view.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let outcome = db.session().execute("CREATE TABLE person; TAIL Person", ())?;
    /// let tailwater::Outcome::Feed(feed) = outcome else { unreachable!() };
    /// assert_eq!(feed.object(), "person"); // as the catalog has it
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn object(&self) -> &str {
        self.decoder.object()
    }

    /// The same events as a stream, without a runtime of its own.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    /// use tailwater::{Database, FeedEvent, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let mut stream = db.subscribe(FeedRequest::of("t"))?.into_stream();
    /// let mut context = Context::from_waker(Waker::noop()); // an executor brings its own
    /// let Poll::Ready(Some(event)) = stream.poll_next(&mut context) else { unreachable!() };
    /// assert!(matches!(event?, FeedEvent::SnapshotBegin { .. }));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn into_stream(self) -> FeedStream {
        FeedStream::new(self.inner, self.decoder)
    }
}

impl Iterator for Subscription {
    type Item = Result<FeedEvent>;

    /// The next event; `None` once the database is closed.
    fn next(&mut self) -> Option<Self::Item> {
        match self.inner.recv() {
            Ok(event) => Some(self.decoder.event(event)),
            Err(tailwater_capture::Error::Closed) => None,
            Err(error) => Some(Err(feed_error(error))),
        }
    }
}

/// Begins to follow a table or view.
///
/// # Errors
/// `42P01` if there is none of that name, what the WHERE is refused with, `22023` for a token that does not fit.
pub(crate) fn subscribe(
    engine: &Arc<Engine>,
    principal: &Arc<str>,
    request: FeedRequest,
) -> Result<Subscription> {
    if let Some(slot) = &request.slot {
        // Before the snapshot is taken: what comes after that is kept.
        slot::keep(engine, slot)?;
    }
    let txn = engine.begin(Mode::ReadOnly, principal)?;
    let name = crate::names::resolve(&txn.catalog, &request.object)?;
    let relation = followed(&txn.catalog, &name)?;
    let condition = match &request.filter {
        Some(filter) => Some(predicate::bind(engine, &txn.catalog, &relation, filter)?),
        None => None,
    };
    let from = match (&request.since, request.skip_snapshot) {
        (Some(token), _) => From::Token(token),
        (None, true) => From::Now,
        (None, false) => From::Snapshot,
    };
    let inner = follow(engine, &txn, &relation, condition, from, request.lag)?;
    Ok(Subscription {
        inner,
        decoder: Decoder::new(engine, &relation),
    })
}

/// Where following begins.
pub(crate) enum From<'t> {
    /// With the rows as the transaction sees them.
    Snapshot,
    /// With the first change that the transaction does not see.
    Now,
    /// Behind the event that came with this token.
    Token(&'t str),
}

/// Follows the rows of a relation, as a transaction knows it, that a condition is true of.
///
/// # Errors
/// `22023` for a token that does not fit.
pub(crate) fn follow(
    engine: &Arc<Engine>,
    txn: &Transaction,
    relation: &Arc<Relation>,
    condition: Option<Condition>,
    from: From<'_>,
    lag: LagPolicy,
) -> Result<tailwater_capture::Subscription> {
    let selection = match condition {
        Some(condition) => condition
            .selection(relation)
            .with_predicate(Arc::new(condition)),
        None => Selection::whole(relation.storage),
    };
    let principal = &txn.principal;
    let start = match from {
        From::Token(token) => Start::After(check_token(engine, principal, &selection, token)?),
        From::Now => Start::After(txn.lsn()),
        From::Snapshot => Start::SnapshotThenDeltas {
            lsn: txn.lsn(),
            rows: Box::new(StoredRows {
                storage: relation.storage,
                scan: txn
                    .snapshot
                    .scan(relation.storage, keys_of(&selection), Direction::Forward),
            }),
        },
    };
    let mut wanted = SubscribeRequest::new(selection, start);
    wanted.principal = Arc::clone(principal);
    wanted.lag = lag;
    engine.feed.subscribe(wanted).map_err(feed_error)
}

/// The keys a selection of one relation can have.
fn keys_of(selection: &Selection) -> KeyRange {
    match &selection.filter {
        Filter::All => KeyRange::all(),
        Filter::KeyEquals(_, key) => KeyRange::prefix(key.clone()),
        Filter::KeyRange(_, range) => range.clone(),
    }
}

/// Begins to follow what a TAIL or SUBSCRIBE statement names.
pub(crate) fn tail(
    engine: &Arc<Engine>,
    principal: &Arc<str>,
    tail: &Tail,
    parameters: &Parameters,
) -> Result<Subscription> {
    let TailSource::Object(name) = &tail.source else {
        return Err(Error::statement(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "TAIL of a query is not supported",
        )
        .with_hint("make it a materialized view and TAIL the view"));
    };
    let mut request = FeedRequest::of(name.to_string());
    if let Some(filter) = &tail.filter {
        request = request.filter(filter.to_string());
    }
    parameters.refuse_more_than(tail.since.as_ref().map_or(0, request::parameters_taken))?;
    if let Some(since) = &tail.since {
        request = request.since(request::token_text(since, parameters)?);
    }
    for (name, value) in &tail.options {
        match (
            name.as_str(),
            value.as_ref().map(ToString::to_string).as_deref(),
        ) {
            ("snapshot", Some("false" | "'false'" | "off")) => request = request.without_snapshot(),
            ("snapshot", None | Some("true" | "'true'" | "on")) => {}
            _ => {
                return Err(Error::statement(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("TAIL has no option \"{name}\" of that value"),
                )
                .with_hint("its option is snapshot = true | false"));
            }
        }
    }
    subscribe(engine, principal, request)
}

/// The table or materialised view of that name.
pub(crate) fn followed(
    catalog: &crate::catalog::Catalog,
    name: &crate::catalog::ObjectName,
) -> Result<Arc<Relation>> {
    use crate::catalog::RelationKind;
    let relation = catalog.relation(name).ok_or_else(|| {
        Error::statement(
            sqlstate::UNDEFINED_TABLE,
            format!("relation \"{name}\" does not exist"),
        )
        .on(name.to_string())
    })?;
    if relation.kind == RelationKind::View {
        return Err(Error::statement(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{name}\" is a view that is not materialized: it has no changes to follow"),
        )
        .on(name.to_string())
        .with_hint("create it as a MATERIALIZED VIEW"));
    }
    Ok(Arc::clone(relation))
}

fn check_token(
    engine: &Engine,
    principal: &str,
    selection: &Selection,
    text: &str,
) -> Result<tailwater_proto::Lsn> {
    let refused = |error: TokenError| {
        Error::statement(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("the resume token is not good here: {error}"),
        )
        .with_hint("start again without it: a snapshot comes first then")
        .because(error)
    };
    let token: Token = text.parse().map_err(refused)?;
    let expected = Expected {
        selection,
        schema_version: 0,
        principal,
        policy_version: 0,
    };
    match token.check(&engine.feed, &expected) {
        Ok(lsn) => Ok(lsn),
        // Out of retention: the subscription itself says `Reset`, as it does to one that falls behind.
        Err(TokenError::Released { .. }) => Ok(token.lsn),
        Err(error) => Err(refused(error)),
    }
}

/// The rows of a storage at the snapshot's commit.
struct StoredRows {
    storage: StorageId,
    scan: Scan,
}

impl tailwater_capture::SnapshotRows for StoredRows {
    fn next(
        &mut self,
    ) -> Result<Option<tailwater_capture::SnapshotRow>, tailwater_capture::BoxError> {
        let row = self.scan.next()?;
        Ok(row.map(|(key, image)| (self.storage, key, image)))
    }
}

fn is_too_old(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<StorageError>();
    error.is_some_and(|error| error.sqlstate() == sqlstate::SNAPSHOT_TOO_OLD)
}

/// A failure of the feed as the engine's error.
pub(crate) fn feed_error(error: tailwater_capture::Error) -> Error {
    let own = match &error {
        tailwater_capture::Error::Closed => Error::new(
            ErrorKind::Unavailable,
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "the feed has ended: the database was closed",
        ),
        tailwater_capture::Error::Record { .. } => Error::corrupted(error.to_string()),
        tailwater_capture::Error::Snapshot { source, .. } if is_too_old(&**source) => Error::new(
            ErrorKind::Stopped,
            sqlstate::SNAPSHOT_TOO_OLD,
            error.to_string(),
        ),
        _ => Error::new(
            ErrorKind::Unavailable,
            sqlstate::IO_ERROR,
            error.to_string(),
        ),
    };
    own.because(error)
}
