//! Operators, one file each, with both gears: **evaluate** (pull rows of a snapshot) and **step** (turn the changes of
//! its inputs into the change of its output). Both use the same expressions, keys and aggregates.
//!
//! Plans are opened in `plan_eval`, dataflows stepped in `step`. No operator knows what keeps its storages.

use tailwater_proto::Row;

use crate::context::ExecContext;
use crate::error::Result;

pub(crate) mod aggregate;
pub(crate) mod bounds;
pub(crate) mod distinct;
pub(crate) mod filter;
pub(crate) mod join;
pub(crate) mod limit;
pub(crate) mod project;
pub mod scan;
pub(crate) mod series;
pub(crate) mod sort;
pub(crate) mod union;
pub(crate) mod values;

/// Rows of a plan, pulled one at a time.
///
/// # Contract
/// After the end (`None`) or an error it is not called again. All calls get the context it was opened with.
pub trait RowSource: Send {
    /// The next row, or `None` at the end.
    ///
    /// # Errors
    /// Whatever an expression, the storage or a limit of the context says.
    fn next(&mut self, cx: &ExecContext) -> Result<Option<Row>>;
}

/// The semantic version of each operator in dataflows. A stored dataflow compiled for another version is rebuilt:
/// raise the number when the rows, keys, errors or state of an operator change their meaning.
pub const VERSIONS: &[(&str, u32)] = &[
    ("source", 1),
    ("values", 1),
    ("filter", 1),
    ("project", 1),
    ("join", 1),
    ("aggregate", 1),
    ("distinct", 1),
    ("union_all", 1),
];

/// The version of an operator; 0 for a name not in the table.
#[must_use]
pub fn version_of(name: &str) -> u32 {
    VERSIONS
        .iter()
        .find(|(operator, _)| *operator == name)
        .map_or(0, |(_, version)| *version)
}
