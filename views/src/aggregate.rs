//! Aggregates: the table of them, and how one call of one is written in a plan.

use serde::{Deserialize, Serialize};
use tailwater_proto::SqlType;

use crate::expr::Expr;

/// Which aggregate. Stored by name: names are never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AggregateFunction {
    /// `count(*)`, `count(x)`.
    Count,
    /// `sum(x)`.
    Sum,
    /// `avg(x)`.
    Avg,
    /// `min(x)`.
    Min,
    /// `max(x)`.
    Max,
}

/// One aggregate in a SELECT list, HAVING or ORDER BY.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AggregateCall {
    /// Which.
    pub function: AggregateFunction,
    /// Argument; `None` for `count(*)`.
    pub argument: Option<Expr>,
    /// The argument's type, `Any` if known only from values: decides the type of sums.
    pub argument_type: SqlType,
    /// `DISTINCT`.
    pub distinct: bool,
    /// `FILTER (WHERE …)`.
    pub filter: Option<Expr>,
}
