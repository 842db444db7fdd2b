//! `FeedRequest`: what to follow, from where, which rows.

use sqlparser::ast::{Expr, Value as SqlValue};
use tailwater_capture::LagPolicy;
use tailwater_proto::{Value, sqlstate};

use crate::error::{Error, Result};
use crate::params::Parameters;

/// What to follow.
///
/// ```
/// use tailwater::FeedRequest;
///
/// let request = FeedRequest::of("by_cust").filter("s > 100");
/// # let _ = request;
/// ```
#[derive(Clone, Debug)]
pub struct FeedRequest {
    pub(crate) object: String,
    pub(crate) filter: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) skip_snapshot: bool,
    pub(crate) lag: LagPolicy,
}

impl FeedRequest {
    /// All rows of a table or materialised view, then its changes.
    #[must_use]
    pub fn of(object: impl Into<String>) -> Self {
        Self {
            object: object.into(),
            filter: None,
            since: None,
            skip_snapshot: false,
            lag: LagPolicy::default(),
        }
    }

    /// Only rows for which an SQL condition is true; a row that begins or ceases to match is inserted or deleted.
    #[must_use]
    pub fn filter(mut self, condition: impl Into<String>) -> Self {
        self.filter = Some(condition.into());
        self
    }

    /// No snapshot: the changes after the event that came with this token.
    #[must_use]
    pub fn since(mut self, token: impl Into<String>) -> Self {
        self.since = Some(token.into());
        self
    }

    /// No snapshot: only changes from now on.
    #[must_use]
    pub const fn without_snapshot(mut self) -> Self {
        self.skip_snapshot = true;
        self
    }

    /// What to do about a subscriber that does not keep up. Default: read on from the log.
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
