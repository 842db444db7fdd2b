//! `FeedRequest`: what to follow, from where, which rows.

use sqlparser::ast::{Expr, Value as SqlValue};
use tailwater_capture::LagPolicy;
use tailwater_proto::{Value, sqlstate};

use crate::error::{Error, Result};
use crate::params::Parameters;

/// What to follow.
///
/// ```
/// use tailwater::{Database, FeedEvent, FeedRequest};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE stock (item TEXT PRIMARY KEY, n INT); INSERT INTO stock VALUES ('tea', 1), ('salt', 9)", ())?;
/// let scarce = FeedRequest::of("stock").filter("n < 3");
/// let events: Vec<FeedEvent> = db.subscribe(scarce)?.take(2).collect::<Result<_, _>>()?;
/// assert!(matches!(&events[1], FeedEvent::Snapshot { rows } if rows.len() == 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FeedRequest {
    pub(crate) object: String,
    pub(crate) filter: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) skip_snapshot: bool,
    pub(crate) lag: LagPolicy,
    pub(crate) slot: Option<String>,
}

impl FeedRequest {
    /// All rows of a table or materialised view, then its changes.
    ///
    /// ```
    /// use tailwater::{Database, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t; CREATE VIEW v AS SELECT * FROM t", ())?;
    /// assert!(db.subscribe(FeedRequest::of("t")).is_ok());
    /// let error = db.subscribe(FeedRequest::of("v")).unwrap_err();
    /// assert_eq!(error.hint(), Some("create it as a MATERIALIZED VIEW"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of(object: impl Into<String>) -> Self {
        Self {
            object: object.into(),
            filter: None,
            since: None,
            skip_snapshot: false,
            lag: LagPolicy::default(),
            slot: None,
        }
    }

    /// Only rows for which an SQL condition is true; a row that begins or ceases to match is inserted or deleted.
    ///
    /// ```
    /// use tailwater::{Database, FeedEvent, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE message (id INT PRIMARY KEY, chat INT)", ())?;
    /// let mut feed = db.subscribe(FeedRequest::of("message").filter("chat = 7").without_snapshot())?;
    /// db.exec("INSERT INTO message VALUES (1, 7), (2, 8), (3, 7)", ())?;
    /// assert!(matches!(feed.recv()?, FeedEvent::Frame(frame) if frame.changes.len() == 2));
    /// let unknown = db.subscribe(FeedRequest::of("message").filter("chta = 7")).unwrap_err();
    /// assert_eq!(unknown.sqlstate(), "42703");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn filter(mut self, condition: impl Into<String>) -> Self {
        self.filter = Some(condition.into());
        self
    }

    /// No snapshot: the changes after the event that came with this token.
    ///
    /// ```
    /// use tailwater::{Database, FeedEvent, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let mut feed = db.subscribe(FeedRequest::of("t").without_snapshot())?;
    /// db.exec("INSERT INTO t VALUES (1)", ())?;
    /// db.exec("INSERT INTO t VALUES (2)", ())?;
    /// let FeedEvent::Frame(first) = feed.recv()? else { unreachable!() };
    /// drop(feed); // say, a crash, after the first frame and its token were stored
    /// let mut feed = db.subscribe(FeedRequest::of("t").since(&first.token))?;
    /// assert!(matches!(feed.recv()?, FeedEvent::Frame(second) if second.lsn == first.lsn.next()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn since(mut self, token: impl Into<String>) -> Self {
        self.since = Some(token.into());
        self
    }

    /// No snapshot: only changes from now on.
    ///
    /// ```
    /// use tailwater::{Database, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", ())?;
    /// assert!(db.subscribe(FeedRequest::of("t"))?.try_recv()?.is_some());
    /// assert!(db.subscribe(FeedRequest::of("t").without_snapshot())?.try_recv()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn without_snapshot(mut self) -> Self {
        self.skip_snapshot = true;
        self
    }

    /// The log keeps what this consumer has not dealt with, also while it is away, up to a gigabyte or a day
    /// ([`WalSettings`](crate::WalSettings) has the figures). The slot of that name is made if it is not there; it stays, also
    /// through restarts, until [`Database::drop_slot`](crate::Database::drop_slot), and moves on by
    /// [`Database::advance_slot`](crate::Database::advance_slot). `tailwater.slots` lists them.
    ///
    /// ```
    /// use tailwater::{Database, FeedEvent, FeedRequest};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let feed = db.subscribe(FeedRequest::of("t").without_snapshot().slot("search"))?;
    /// let token = feed.token();
    /// drop(feed); // from here on the log keeps what "search" has not seen
    /// db.exec("INSERT INTO t VALUES (1)", ())?;
    /// let mut feed = db.subscribe(FeedRequest::of("t").since(token).slot("search"))?;
    /// let FeedEvent::Frame(frame) = feed.recv()? else { unreachable!() };
    /// db.advance_slot("search", &frame.token)?; // dealt with
    /// let lsn = db.query("SELECT lsn FROM tailwater.slots WHERE name = 'search'", ())?.scalar::<i64>()?;
    /// assert_eq!(lsn, frame.lsn.0 as i64);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn slot(mut self, name: impl Into<String>) -> Self {
        self.slot = Some(name.into());
        self
    }

    /// What to do about a subscriber that does not keep up. Default: read on from the log.
    ///
    /// ```
    /// use tailwater::{Database, FeedRequest, FeedSettings, LagPolicy, params};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let short = FeedSettings { queue_frames_max: 2, ..FeedSettings::default() };
    /// let db = Database::builder().feed(short).memory()?;
    /// db.exec("CREATE TABLE t (id INT PRIMARY KEY)", ())?;
    /// let frames = |policy| {
    ///     let mut feed = db.subscribe(FeedRequest::of("t").without_snapshot().lag(policy))?;
    ///     feed.try_recv()?; // it follows now
    ///     db.exec("DELETE FROM t", ())?;
    ///     for id in 0..10 {
    ///         db.exec("INSERT INTO t VALUES (?)", params![id])?;
    ///     }
    ///     let received: tailwater::Result<Vec<_>> = feed.take(10).collect();
    ///     received.map(|events| events.len())
    /// };
    /// assert_eq!(frames(LagPolicy::CatchUp)?, 10); // more than the queue holds: read from memory or the log
    /// assert!(frames(LagPolicy::Disconnect).is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn lag(mut self, policy: LagPolicy) -> Self {
        self.lag = policy;
        self
    }
}

/// The place of the parameter that stands for the token, `?` being the first.
fn place(placeholder: &str, parameters: &Parameters) -> Option<usize> {
    let bare = placeholder.get(1..).unwrap_or_default();
    match &parameters.names {
        Some(names) => names.iter().position(|name| name == bare),
        None => match bare.parse::<usize>() {
            Ok(number) => number.checked_sub(1),
            Err(_) => Some(0),
        },
    }
}

/// How many parameters by position a SINCE takes.
pub(super) fn parameters_taken(since: &Expr) -> usize {
    match since {
        Expr::Value(value) => match &value.value {
            SqlValue::Placeholder(name) => {
                place(name, &Parameters::default()).map_or(0, |place| place.saturating_add(1))
            }
            _ => 0,
        },
        _ => 0,
    }
}

/// The token a SINCE names.
pub(super) fn token_text(expr: &Expr, parameters: &Parameters) -> Result<String> {
    let wrong = || {
        Error::statement(
            sqlstate::INVALID_PARAMETER_VALUE,
            "SINCE needs a resume token: the text that came with an event",
        )
        .with_hint("TAIL v SINCE '…'")
    };
    let Expr::Value(value) = expr else {
        return Err(wrong());
    };
    match &value.value {
        SqlValue::SingleQuotedString(token) => Ok(token.clone()),
        SqlValue::Placeholder(name) => {
            match place(name, parameters).and_then(|place| parameters.values.get(place)) {
                Some(Value::Text(token)) => Ok(token.to_string()),
                _ => Err(wrong()),
            }
        }
        _ => Err(wrong()),
    }
}
