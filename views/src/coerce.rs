//! Types of expressions: which type several take together, and which is converted into which by whom.
//!
//! PostgreSQL's rules. `Any` (known only from the value) goes with everything and makes what it meets `Any`;
//! `Unknown` (an untyped literal) takes the type of what it meets.

use tailwater_proto::SqlType;

use crate::expr::CastMode;

/// Whether a conversion from one type to the other may be asked for in this way.
#[must_use]
pub fn castable(from: &SqlType, to: &SqlType, mode: CastMode) -> bool {
    match (from, to) {
        (SqlType::Any | SqlType::Unknown, _) | (_, SqlType::Any | SqlType::Unknown) => true,
        (SqlType::Array(from), SqlType::Array(to)) => castable(from, to, mode),
        _ if family(from) == family(to) && family(from) == Family::Text => true,
        _ if same_base(from, to) => true,
        _ => match mode {
            CastMode::Implicit => implicit(from, to),
            CastMode::Assignment => implicit(from, to) || assignable(from, to),
            CastMode::Explicit => implicit(from, to) || assignable(from, to) || explicit(from, to),
        },
    }
}

fn implicit(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::{Date, Document, Interval, Json, Time, Timestamp, TimestampTz};
    match (number_rank(from), number_rank(to)) {
        (Some(from), Some(to)) => from < to,
        _ => matches!(
            (from, to),
            (Date, Timestamp | TimestampTz)
                | (Timestamp, TimestampTz)
                | (Time, Interval)
                | (Document, Json)
        ),
    }
}

fn assignable(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::{Array, Date, Document, Json, Time, Timestamp, TimestampTz};
    if to.is_text() {
        return true;
    }
    match (number_rank(from), number_rank(to)) {
        (Some(_), Some(_)) => true,
        _ => matches!(
            (from, to),
            (Timestamp, Date | Time)
                | (TimestampTz, Date | Time | Timestamp)
                | (Json, Document | Array(_))
                | (Array(_), Json)
        ),
    }
}

fn explicit(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::{Bool, Interval, Json, Time};
    match (from, to) {
        (from, _) if from.is_text() => true,
        (Bool, to) => to.is_integer() || *to == Json,
        (from, Bool) => from.is_integer() || *from == Json,
        (Interval, Time) => true,
        (from, Json) | (Json, from) => from.is_numeric(),
        _ => false,
    }
}

#[derive(PartialEq, Eq)]
enum Family {
    Number,
    Text,
    Time,
    Other,
}

const fn family(ty: &SqlType) -> Family {
    match ty {
        SqlType::Text | SqlType::Char(_) | SqlType::Varchar(_) => Family::Text,
        SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz => Family::Time,
        _ if ty.is_numeric() => Family::Number,
        _ => Family::Other,
    }
}

/// Whether the types differ at most in length, precision and scale.
#[must_use]
pub fn same_base(a: &SqlType, b: &SqlType) -> bool {
    match (a, b) {
        (SqlType::Array(a), SqlType::Array(b)) => same_base(a, b),
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// The type without length, precision and scale; `CHAR(n)` becomes TEXT.
#[must_use]
pub fn base(ty: &SqlType) -> SqlType {
    match ty {
        SqlType::Numeric(_) => SqlType::Numeric(None),
        SqlType::Varchar(_) => SqlType::Varchar(None),
        SqlType::Char(_) => SqlType::Text,
        SqlType::Array(element) => SqlType::Array(Box::new(base(element))),
        other => other.clone(),
    }
}

const fn number_rank(ty: &SqlType) -> Option<u8> {
    Some(match ty {
        SqlType::Int2 => 1,
        SqlType::Int4 => 2,
        SqlType::Int8 => 3,
        SqlType::Numeric(_) => 4,
        SqlType::Real => 5,
        SqlType::Double => 6,
        _ => return None,
    })
}

const fn time_rank(ty: &SqlType) -> u8 {
    match ty {
        SqlType::Date => 1,
        SqlType::Timestamp => 2,
        _ => 3,
    }
}

/// The type that UNION, CASE, COALESCE, VALUES, IN and array literals give expressions of these types.
///
/// `None`: they have none (PostgreSQL's 42804). Only `Unknown`s: TEXT. No types at all: TEXT.
#[must_use]
pub fn common_type(types: &[SqlType]) -> Option<SqlType> {
    let mut known = types.iter().filter(|ty| **ty != SqlType::Unknown);
    let Some(first) = known.next() else {
        return Some(SqlType::Text);
    };
    known.try_fold(first.clone(), |common, ty| pair(&common, ty))
}

fn pair(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    if a == b {
        return Some(a.clone());
    }
    if matches!(a, SqlType::Any) || matches!(b, SqlType::Any) {
        return Some(SqlType::Any);
    }
    if let (SqlType::Array(a), SqlType::Array(b)) = (a, b) {
        return Some(SqlType::Array(Box::new(pair(a, b)?)));
    }
    if same_base(a, b) {
        return Some(base(a));
    }
    match (family(a), family(b)) {
        (Family::Number, Family::Number) => Some(base(if number_rank(a) < number_rank(b) {
            b
        } else {
            a
        })),
        (Family::Text, Family::Text) => Some(SqlType::Text),
        (Family::Time, Family::Time) => {
            Some((if time_rank(a) < time_rank(b) { b } else { a }).clone())
        }
        _ if implicit(a, b) => Some(b.clone()),
        _ if implicit(b, a) => Some(a.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_types_are_postgresqls() {
        use SqlType::{
            Any, Bool, Date, Double, Int2, Int4, Int8, Real, Text, TimestampTz, Unknown,
        };
        let numeric = || SqlType::Numeric(None);
        for (types, expected) in [
            (vec![], Some(Text)),
            (vec![Unknown, Unknown], Some(Text)),
            (vec![Unknown, Int4], Some(Int4)),
            (vec![Int2, Int8, Int4], Some(Int8)),
            (vec![Int4, SqlType::Numeric(Some((5, 2)))], Some(numeric())),
            (vec![numeric(), Real], Some(Real)),
            (vec![Real, Double], Some(Double)),
            (vec![SqlType::Varchar(Some(3)), Text], Some(Text)),
            (vec![Date, TimestampTz], Some(TimestampTz)),
            (vec![Int4, Text], None),
            (vec![Bool, Int4], None),
            (vec![Int4, Any], Some(Any)),
        ] {
            assert_eq!(common_type(&types), expected, "{types:?}");
        }
    }

    #[test]
    fn conversions_need_their_occasion() {
        use CastMode::{Assignment, Explicit, Implicit};
        use SqlType::{Bool, Bytea, Date, Double, Int4, Int8, Text};
        assert!(castable(&Int4, &Int8, Implicit));
        assert!(!castable(&Int8, &Int4, Implicit));
        assert!(castable(&Int8, &Int4, Assignment));
        assert!(!castable(&Text, &Int4, Assignment));
        assert!(castable(&Text, &Int4, Explicit));
        assert!(castable(&Date, &Text, Assignment));
        assert!(castable(&Bool, &Int4, Explicit));
        assert!(!castable(&Double, &Bool, Explicit));
        assert!(!castable(&Int4, &Bytea, Explicit));
    }
}
