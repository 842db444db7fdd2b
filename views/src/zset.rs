//! `ZSet`: the change of a relation in one commit.
//!
//! Rows of a bag are told apart by the key of where they came from, never by their content, so every element has
//! a weight of -1 (`before`), +1 (`after`) or both at once, and an update stays one entry.

use tailwater_proto::{Key, Row};

/// One row of a relation, before and after. Entries of one set have different keys.
#[derive(Clone, Debug)]
pub struct Delta {
    /// Where the row comes from: primary key, group, joined keys, branch of a union.
    pub key: Key,
    /// The row before; `None`: there was none.
    pub before: Option<Row>,
    /// The row after; `None`: there is none.
    pub after: Option<Row>,
}

/// The changes of one relation in one commit, each key at most once.
pub type ZSet = Vec<Delta>;
