//! Join: matching pairs of rows. Evaluated by a hash table on the right (`hash`) or by looking each left row up in a
//! scan (`lookup`); stepped in `step`, which finds rows by join key in `arrangement`.
//!
//! Keys are equal as SQL's `=` has it: NULL equals nothing, and 1 equals 1.0.

use tailwater_proto::key_codec::encode_key;
use tailwater_proto::{Key, Row, Value};

use crate::context::ExecContext;
use crate::error::Result;
use crate::expr::Expr;

pub(crate) mod arrangement;
pub(crate) mod hash;
pub(crate) mod lookup;
pub(crate) mod step;

/// Writes the join key of a row, replacing what `key` holds; `false` if a part is NULL, so that nothing matches.
pub(crate) fn join_key<'e>(
    exprs: impl IntoIterator<Item = &'e Expr>,
    row: &[Value],
    key: &mut Key,
    cx: &ExecContext,
) -> Result<bool> {
    key.truncate(0);
    let mut matchable = true;
    for expr in exprs {
        // Every part is evaluated, so that whether the key fails does not depend on the order of its parts.
        let value = expr.eval(row, cx)?;
        matchable &= !value.is_null();
        encode_key(key, &value);
    }
    Ok(matchable)
}

/// The columns of both rows.
pub(crate) fn paired(left: &[Value], right: &[Value]) -> Row {
    // Both lengths are known, so this is one allocation.
    left.iter().chain(right).cloned().collect()
}

/// A left row without a match.
pub(crate) fn unmatched(left: &[Value], right_columns: usize) -> Row {
    left.iter()
        .cloned()
        .chain(std::iter::repeat_n(Value::Null, right_columns))
        .collect()
}
