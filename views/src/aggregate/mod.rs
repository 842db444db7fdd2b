//! Aggregates: how one call of one is written in a plan, and their accumulators, which SELECT and views share.
//!
//! Every accumulator is exact and takes values back as exactly as it took them in, in any order: so a view kept for
//! a year says what the SELECT says. The table of state bytes is in `codec`; typing follows PostgreSQL.

use serde::{Deserialize, Serialize};
use tailwater_proto::SqlType;

use crate::expr::Expr;

pub use self::accumulator::Accumulator;
pub(crate) use self::representation::Representation;

mod accumulator;
pub(crate) mod codec;
mod exact_double;
mod number_sum;
pub(crate) mod representation;

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

impl AggregateCall {
    /// Whether it looks at each value once only; MIN and MAX do so anyway.
    #[must_use]
    pub const fn counts_values_once(&self) -> bool {
        match self.function {
            AggregateFunction::Count | AggregateFunction::Sum | AggregateFunction::Avg => {
                self.distinct
            }
            AggregateFunction::Min | AggregateFunction::Max => false,
        }
    }

    /// Whether a view keeps its values in order: MIN, MAX and DISTINCT do.
    #[must_use]
    pub const fn needs_values(&self) -> bool {
        match self.function {
            AggregateFunction::Count | AggregateFunction::Sum | AggregateFunction::Avg => {
                self.distinct
            }
            AggregateFunction::Min | AggregateFunction::Max => true,
        }
    }
}
