//! `tailwater-views`: expressions, plans and operators.
//!
//! A query is a view that is read once; a view is a query that stays: each operator is *evaluated* over a snapshot
//! and *stepped* by the changes of a commit, with one evaluator and one set of rules for both. The room knows no SQL
//! text, no clock, no thread and no file: storages are seen through `store`. The engine compiles SQL into it.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod aggregate;
pub mod aggregate_type;
pub mod cast;
pub mod civil;
pub mod coerce;
pub mod compile;
pub mod context;
pub mod dataflow;
pub mod error;
pub mod expr;
pub mod function;
pub mod identity;
mod memory;
pub mod numeric;
pub mod operator;
pub mod plan;
pub mod plan_eval;
pub mod reserved;
pub mod step;
pub mod store;
pub mod zset;

pub use context::{CancelToken, Counters, ExecContext};
pub use dataflow::Dataflow;
pub use error::{Error, Result};
pub use expr::Expr;
pub use plan::{Field, Plan};
pub use store::{Cursor, Image, Reader, StateStore};
pub use zset::{Delta, ZSet};
