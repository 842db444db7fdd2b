//! The types aggregates return, as PostgreSQL declares them.

use tailwater_proto::SqlType;

use crate::aggregate::AggregateFunction;
use crate::coerce::base;

/// The type of `function(argument)`; `None`: there is no such aggregate (PostgreSQL's 42883).
///
/// Sums of `Any` are `Any`: integers while all values are, then doubles, as in Genji.
#[must_use]
pub fn result_type(function: AggregateFunction, argument: &SqlType) -> Option<SqlType> {
    match function {
        AggregateFunction::Count => Some(SqlType::Int8),
        AggregateFunction::Sum => match argument {
            SqlType::Any => Some(SqlType::Any),
            SqlType::Int2 | SqlType::Int4 => Some(SqlType::Int8),
            SqlType::Int8 | SqlType::Numeric(_) => Some(SqlType::Numeric(None)),
            SqlType::Real | SqlType::Double | SqlType::Interval => Some(argument.clone()),
            _ => None,
        },
        AggregateFunction::Avg => match argument {
            SqlType::Any => Some(SqlType::Any),
            SqlType::Real | SqlType::Double => Some(SqlType::Double),
            SqlType::Interval => Some(SqlType::Interval),
            number if number.is_numeric() => Some(SqlType::Numeric(None)),
            _ => None,
        },
        AggregateFunction::Min | AggregateFunction::Max => match argument {
            SqlType::Unknown => Some(SqlType::Text),
            other => Some(base(other)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_averages_widen() {
        use AggregateFunction::{Avg, Count, Max, Sum};
        let numeric = || Some(SqlType::Numeric(None));
        assert_eq!(result_type(Sum, &SqlType::Int4), Some(SqlType::Int8));
        assert_eq!(result_type(Sum, &SqlType::Int8), numeric());
        assert_eq!(result_type(Sum, &SqlType::Real), Some(SqlType::Real));
        assert_eq!(result_type(Sum, &SqlType::Text), None);
        assert_eq!(result_type(Avg, &SqlType::Int2), numeric());
        assert_eq!(result_type(Avg, &SqlType::Real), Some(SqlType::Double));
        assert_eq!(result_type(Max, &SqlType::Numeric(Some((5, 2)))), numeric());
        assert_eq!(result_type(Count, &SqlType::Json), Some(SqlType::Int8));
    }
}
