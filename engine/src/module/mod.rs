//! Modules: a plain `.proto` becomes tables, indexes, views and methods, without a compiler's output and without a restart.
//!
//! `source` compiles the text, `options` reads what it says of itself, `infer` has `table` and `method` tell what it does not say,
//! `plan` is what comes of it, as data; what is ambiguous stays unbound. `wire` moves rows to and from the wire by it. The rules
//! stand in MODULES.md. Nothing here knows sockets. Next door: `server`, which shows plans.
//!
//! ```
//! use tailwater::module::ModuleSource;
//!
//! # fn main() -> tailwater::Result<()> {
//! let plan = ModuleSource::new("note.proto", r#"
//!     syntax = "proto3";
//!     service Notes { rpc Follow(Topic) returns (stream Note); }
//!     message Topic { string id = 1; }
//!     message Note { string topic_id = 1; string text = 2; }"#)
//!     .plan()?;
//! assert_eq!(
//!     plan.methods[0].binding.to_string(),
//!     "streams SELECT * FROM note WHERE topic_id = :id ORDER BY seq"
//! );
//! # Ok(())
//! # }
//! ```

pub(crate) mod adopt;
mod answer;
mod column;
mod default;
pub(crate) mod evolve;
mod followed;
mod infer;
mod message;
mod method;
mod name;
mod options;
mod plan;
mod request;
mod source;
mod statement;
mod table;
mod widen;
pub(crate) mod wire;

pub(crate) use self::answer::Answer;
pub(crate) use self::followed::{Parts, unfit};
pub(crate) use self::method::path_of;
pub use self::plan::{
    Binding, CallKind, CheckPlan, ColumnPlan, IndexPlan, MethodPlan, ModulePlan, PrimaryKey,
    ReservedPlan, TablePlan, ValuePlan,
};
pub use self::source::ModuleSource;
pub(crate) use self::statement::BoundStatement;
