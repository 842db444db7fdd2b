//! SQL text in, statements out. `parser` turns a script into our own [`Statement`]s around sqlparser's
//! queries and expressions, with a byte position in every error; `dialect` is PostgreSQL's grammar plus
//! Genji's documents; `binder` settles names and types against a catalog and gives `bound` statements; `ddl`
//! makes objects of definitions. Does no I/O and evaluates nothing; the next doors are `optimizer` and `execute`.

pub mod binder;
pub mod bound;
mod condition;
pub mod construct;
pub mod ddl;
pub mod dialect;
pub mod error;
mod hint;
pub mod keywords;
pub mod lexer;
mod limits;
pub mod parser;
pub(crate) mod retell;
pub mod statement;

pub(crate) use condition::{depends_on_row_alone, parse_condition, rename_column};
pub use error::{SqlError, SqlResult};
pub use lexer::{byte_offset, complete_prefix};
pub use parser::{parse_one, parse_script};
pub use statement::{Parsed, Statement};
