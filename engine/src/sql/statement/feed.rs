//! What TAIL, SUBSCRIBE TO, DECLARE, FETCH and MOVE say: the nodes of feeds and cursors.

use super::{Expr, Ident, ObjectName, Options, Query};

/// TAIL, SUBSCRIBE TO.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// What is followed.
    pub source: TailSource,
    /// WHERE, of a named object.
    pub filter: Option<Expr>,
    /// SINCE: a resume token, an LSN or a parameter.
    pub since: Option<Expr>,
    /// WITH (…).
    pub options: Options,
}

/// What a tail follows.
#[derive(Debug, Clone, PartialEq)]
pub enum TailSource {
    /// A table or view.
    Object(ObjectName),
    /// A live query.
    Query(Box<Query>),
}

/// DECLARE CURSOR.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclareCursor {
    /// Its name.
    pub name: Ident,
    /// WITH HOLD.
    pub hold: bool,
    /// SCROLL (true), NO SCROLL (false).
    pub scroll: Option<bool>,
    /// What it runs over.
    pub source: CursorSource,
}

/// What a cursor runs over.
#[derive(Debug, Clone, PartialEq)]
pub enum CursorSource {
    /// A query.
    Query(Box<Query>),
    /// A feed.
    Tail(Tail),
}

/// FETCH, MOVE.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    /// The cursor.
    pub cursor: Ident,
    /// Which way and how many.
    pub direction: FetchDirection,
    /// MOVE: go there without handing rows out.
    pub move_only: bool,
    /// WITH (…), for example `timeout`.
    pub options: Options,
}

/// Which rows FETCH wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchDirection {
    /// The next n rows; NEXT is 1; negative goes back; 0 is the current row.
    Forward(i64),
    /// ALL that are left.
    All,
    /// BACKWARD ALL.
    BackwardAll,
    /// ABSOLUTE n; FIRST is 1, LAST is -1.
    Absolute(i64),
    /// RELATIVE n.
    Relative(i64),
}
