//! Execution: bound statements run against a transaction. Plans are evaluated by `views`; rows of tables are staged
//! by `TableWriter`; DDL changes the catalog and the rows that follow from it. Nothing here commits.

mod alter;
mod ddl;
mod definition;
mod dml;
mod document;
mod load;
mod module;
mod query;
mod rename;
mod run;
mod sequence;
pub(crate) mod setting;
mod utility;

pub(crate) use self::ddl::add_object;
pub(crate) use self::query::Source;
#[cfg(feature = "modules")]
pub(crate) use self::run::prepare;
pub(crate) use self::run::{Ran, Surroundings, mode_of, run, run_prepared};
