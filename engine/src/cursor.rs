//! `SqlCursor`: what DECLARE made, forward only: the rows of a query, or a feed as rows.

use std::sync::Arc;
use std::time::Duration;

use tailwater_proto::{Document, Row, SqlType, Value, sqlstate};
use tailwater_views::plan::Field;

use crate::error::{Error, Result};
use crate::feed::{FeedEvent, FeedOp, Subscription};
use crate::rows::Rows;
use crate::sql::statement::{Fetch, FetchDirection};

/// How long FETCH of a feed waits for the first event when there is none, unless it says otherwise.
const FIRST_EVENT_TIMEOUT: Duration = Duration::from_millis(0);

/// A cursor between DECLARE and CLOSE.
#[derive(Debug)]
pub(crate) enum SqlCursor {
    /// Over a query.
    Query(Rows),
    /// Over a feed: rows that were received and not fetched yet, and the feed.
    Tail {
        fields: Arc<[Field]>,
        received: Vec<Row>,
        feed: Box<Subscription>,
    },
}

impl SqlCursor {
    pub(crate) fn query(rows: Rows) -> Self {
        Self::Query(rows)
    }

    pub(crate) fn tail(feed: Subscription) -> Self {
        Self::Tail {
            fields: tail_fields(&feed),
            received: Vec::new(),
            feed: Box::new(feed),
        }
    }

    /// The rows FETCH asks for: of a query so many as it says, of a feed those that are there now.
    ///
    /// # Errors
    /// `0A000` for going backwards.
    pub(crate) fn fetch(&mut self, fetch: &Fetch) -> Result<Rows> {
        let count = match fetch.direction {
            FetchDirection::All => usize::MAX,
            FetchDirection::Forward(count) if count >= 0 => {
                usize::try_from(count).unwrap_or(usize::MAX)
            }
            _ => {
                return Err(Error::statement(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    "a cursor moves forward only",
                )
                .with_hint("FETCH n, FETCH NEXT or FETCH ALL"));
            }
        };
        match self {
            Self::Query(rows) => {
                let mut taken = Vec::new();
                while taken.len() < count {
                    match rows.next_raw()? {
                        Some(row) => taken.push(row),
                        None => break,
                    }
                }
                Ok(Rows::collected(rows.fields(), taken, None))
            }
            Self::Tail {
                fields,
                received,
                feed,
            } => {
                let mut timeout = timeout(fetch)?;
                while received.len() < count {
                    let Some(event) = feed.recv_timeout(timeout)? else {
                        break;
                    };
                    timeout = Duration::ZERO;
                    received.extend(tail_rows(fields, event));
                }
                let rest = received.split_off(count.min(received.len()));
                let taken = std::mem::replace(received, rest);
                Ok(Rows::collected(Arc::clone(fields), taken, None))
            }
        }
    }
}

/// `WITH (timeout = '1s')`: how long to wait for the first event.
fn timeout(fetch: &Fetch) -> Result<Duration> {
    let [(name, value)] = fetch.options.as_slice() else {
        return Ok(FIRST_EVENT_TIMEOUT);
    };
    let text = value.as_ref().map(ToString::to_string).unwrap_or_default();
    let text = text.trim_matches('\'');
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    match (name.as_str(), number.parse(), unit.trim()) {
        ("timeout", Ok(number), "ms") => Ok(Duration::from_millis(number)),
        ("timeout", Ok(number), "s" | "") => Ok(Duration::from_secs(number)),
        _ => Err(Error::statement(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("FETCH has no option {name} = {text}"),
        )
        .with_hint("its option is timeout, such as '1s' or '250ms'")),
    }
}

/// Columns of a feed as rows: commit, what happened, then the columns of the table or view.
fn tail_fields(feed: &Subscription) -> Arc<[Field]> {
    let own = [("lsn", SqlType::Int8), ("op", SqlType::Text)].map(|(name, ty)| Field {
        name: name.into(),
        ty,
        spread: false,
    });
    let columns = feed.columns().into_iter().map(|column| Field {
        name: column.name.as_str().into(),
        spread: false,
        ty: column.ty,
    });
    own.into_iter().chain(columns).collect()
}

/// An event as rows: a snapshot's are `snapshot`, an update shows the row after it, a delete the row that was.
pub(crate) fn tail_rows(fields: &[Field], event: FeedEvent) -> Vec<Row> {
    let row = |lsn: Value, op: &str, document: &Document| -> Row {
        let columns = fields
            .iter()
            .skip(2)
            .map(|f| document.get(&f.name).cloned().unwrap_or_default());
        [lsn, Value::text(op)].into_iter().chain(columns).collect()
    };
    match event {
        FeedEvent::Snapshot { rows } => rows
            .iter()
            .map(|stored| row(Value::Null, "snapshot", &stored.row))
            .collect(),
        FeedEvent::Frame(frame) => {
            let lsn = Value::Int(i64::try_from(frame.lsn.0).unwrap_or(i64::MAX));
            frame
                .changes
                .iter()
                .filter_map(|change| {
                    let shown = match change.op {
                        FeedOp::Delete => change.before.as_ref(),
                        FeedOp::Insert | FeedOp::Update => change.after.as_ref(),
                    };
                    shown.map(|document| row(lsn.clone(), change.op.name(), document))
                })
                .collect()
        }
        FeedEvent::SnapshotBegin { .. }
        | FeedEvent::SnapshotEnd { .. }
        | FeedEvent::Progress { .. }
        | FeedEvent::Reset { .. } => Vec::new(),
    }
}
