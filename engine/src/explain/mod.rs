//! EXPLAIN: plans and dataflows as text, one operator a line, inputs indented below.
//!
//! It shows what will be done, and evaluates nothing. Plans come from `optimizer`, dataflows from the compiler of
//! maintenance plans in `tailwater_views`.

mod dataflow;
mod expr;
mod plan;

pub use self::dataflow::explain_dataflow;
pub use self::expr::expr_text;
pub use self::plan::explain;
pub(crate) use self::plan::values_text;
