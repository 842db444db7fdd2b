//! The function table: one row a function; binder, `SHOW FUNCTIONS`, manual and its test read the row.
//!
//! To add a function, write its row in the file of its family. Numbers are persisted in stored plans: never renumber.

use serde::{Deserialize, Serialize};
use tailwater_proto::{SqlType, Value};

use crate::context::ExecContext;
use crate::error::Result;

/// The lasting number of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FunctionId(pub u16);

/// What a function's result depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volatility {
    /// Its arguments only: allowed in views, indexes and constant folding.
    Immutable,
    /// The transaction too (`now()`, `current_user`): not allowed in views and indexes.
    Stable,
    /// Each call is another (`random()`).
    Volatile,
}

/// The type a function takes or returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This type; arguments of others are brought to it where PostgreSQL would.
    Of(SqlType),
    /// Any type.
    Any,
    /// Any number; kept as it is.
    Number,
    /// The type of the first argument (after bringing all `Same` arguments to one type).
    Same,
    /// An array of anything.
    AnyArray,
}

/// One signature of a function. Several rows of one name are overloads, the first that fits wins.
pub struct Function {
    /// Persisted, never renumber.
    pub id: FunctionId,
    /// Name as written in SQL, in lower case; other names for it.
    pub names: &'static [&'static str],
    /// Argument kinds.
    pub arguments: &'static [Kind],
    /// Whether the last argument kind may be repeated any number of times (or left out).
    pub variadic: bool,
    /// Result kind.
    pub result: Kind,
    /// What the result depends on.
    pub volatility: Volatility,
    /// Whether a NULL argument makes the result NULL without a call.
    pub strict: bool,
    /// One sentence.
    pub doc: &'static str,
    /// An SQL expression and its text: tested.
    pub example: (&'static str, &'static str),
    /// The function.
    pub eval: fn(&[Value], &ExecContext) -> Result<Value>,
}
