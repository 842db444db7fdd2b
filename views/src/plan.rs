//! `Plan`: a relational query, bound and typed: what a SELECT evaluates once and a view is compiled from.
//!
//! A tree; the optimizer rewrites it into an equal one (access paths, join strategies). It knows storages, not names.

use serde::{Deserialize, Serialize};
use tailwater_proto::{ColumnId, Direction, EcoString, SqlType, StorageId};

use crate::aggregate::AggregateCall;
use crate::expr::Expr;

/// A column of a plan's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Name in the result.
    pub name: EcoString,
    /// Declared or derived type.
    pub ty: SqlType,
    /// A document whose fields stand in the result in its place: `*` over a schemaless or partial table.
    pub spread: bool,
}

/// A relational query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Plan {
    /// Literal rows; one row without columns where there is no FROM.
    Values {
        /// Expressions over no columns.
        rows: Vec<Vec<Expr>>,
        /// Output columns.
        fields: Vec<Field>,
    },
    /// Values in equal steps: `generate_series`.
    Series(Box<Series>),
    /// Rows of a table or view.
    Scan(Scan),
    /// Rows for which the predicate is TRUE.
    Filter {
        /// Input.
        input: Box<Plan>,
        /// Over the input's columns.
        predicate: Expr,
    },
    /// One output column an expression.
    Project {
        /// Input.
        input: Box<Plan>,
        /// Over the input's columns.
        exprs: Vec<Expr>,
        /// Output columns.
        fields: Vec<Field>,
    },
    /// Pairs of rows; output columns are the left's, then the right's.
    Join(Box<Join>),
    /// One row a group (one in all without group expressions): group values, then aggregates.
    Aggregate {
        /// Input.
        input: Box<Plan>,
        /// Over the input's columns. NULLs form one group.
        group: Vec<Expr>,
        /// Aggregates over the input's columns.
        calls: Vec<AggregateCall>,
        /// Output columns.
        fields: Vec<Field>,
    },
    /// Different rows, each once.
    Distinct {
        /// Input.
        input: Box<Plan>,
    },
    /// All rows of all inputs, which have equally many columns.
    UnionAll {
        /// Inputs, in order.
        inputs: Vec<Plan>,
        /// Output columns.
        fields: Vec<Field>,
    },
    /// Rows in order.
    Sort {
        /// Input.
        input: Box<Plan>,
        /// Over the input's columns, the first weighs most.
        keys: Vec<SortKey>,
    },
    /// A stretch of the rows.
    Limit {
        /// Input.
        input: Box<Plan>,
        /// At most so many rows; NULL: all.
        limit: Option<Expr>,
        /// Rows left out first; NULL: none.
        offset: Option<Expr>,
    },
}

/// A read of one table or view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// The object's name, for EXPLAIN and errors.
    pub name: EcoString,
    /// Where its rows are.
    pub storage: StorageId,
    /// Which columns, in output order.
    pub columns: Vec<ColumnId>,
    /// Output columns, one for each of `columns`.
    pub fields: Vec<Field>,
    /// The way to the rows.
    pub access: Access,
}

/// The way to the rows of a scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Access {
    /// All rows in key order.
    All(Direction),
    /// Ranges of the primary key, or of an index whose entries end in the primary key.
    Ranges {
        /// `None`: the primary key; else the index storage with how many encoded parts precede the primary key.
        index: Option<IndexAccess>,
        /// Names for EXPLAIN, such as `orders_pkey`.
        name: EcoString,
        /// Which of the key's parts are descending: one for each part of the primary key, or of the index before it.
        descending: Vec<bool>,
        /// Ranges in key order; rows in several are returned once if ranges do not overlap (they must not).
        ranges: Vec<KeyBounds>,
        /// Reading order.
        direction: Direction,
    },
}

/// Which index, and the shape of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexAccess {
    /// Where its entries are: encoded parts, then the encoded primary key; no value.
    pub storage: StorageId,
    /// How many encoded parts precede the primary key.
    pub parts: usize,
}

/// Bounds on a key: equal leading parts, then an interval of the next part.
///
/// Expressions see the columns of the left row of a lookup join, and no columns elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyBounds {
    /// Values of the leading parts. A NULL here matches nothing (SQL equality).
    pub equal: Vec<Expr>,
    /// Lower bound of the part after them, with whether it is included. A NULL matches nothing.
    pub lower: Option<(Expr, bool)>,
    /// Upper bound of the part after them, with whether it is included. A NULL matches nothing.
    pub upper: Option<(Expr, bool)>,
}

/// A join of two inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Join {
    /// Inner or left outer.
    pub kind: JoinKind,
    /// Left input.
    pub left: Plan,
    /// Right input.
    pub right: Plan,
    /// Equalities: an expression over the left's columns, one over the right's (positions start at 0 in each).
    pub equal: Vec<(Expr, Expr)>,
    /// What else must be TRUE, over left and right columns in one row.
    pub residual: Option<Expr>,
    /// How it is evaluated.
    pub strategy: JoinStrategy,
}

/// Kinds of joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinKind {
    /// Matching pairs; a cross join if there is no condition.
    Inner,
    /// Matching pairs, and each left row without a match once with NULLs.
    Left,
}

/// How a join is evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum JoinStrategy {
    /// The right input is held in a hash table by the values of `equal`.
    Hash,
    /// For each left row the right input is read through its access path, whose bounds refer to the left row.
    /// `equal` and `residual` are still checked. The right input is a scan under any number of filters and projections.
    Lookup,
}

/// One term of an ORDER BY.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SortKey {
    /// What is compared.
    pub expr: Expr,
    /// DESC.
    pub descending: bool,
    /// NULLs before all others (by default they are last, and first under DESC).
    pub nulls_first: bool,
}

/// Values from a first to a last one in equal steps, one a row. None if any of the three is NULL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The first value, over no columns.
    pub start: Expr,
    /// No value is beyond it.
    pub stop: Expr,
    /// What is added each time; a negative one goes down. Zero is an error.
    pub step: Expr,
    /// The one output column.
    pub fields: Vec<Field>,
}

impl Plan {
    /// The output columns.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        match self {
            Self::Values { fields, .. }
            | Self::Project { fields, .. }
            | Self::Aggregate { fields, .. }
            | Self::UnionAll { fields, .. } => fields.clone(),
            Self::Series(series) => series.fields.clone(),
            Self::Scan(scan) => scan.fields.clone(),
            Self::Filter { input, .. }
            | Self::Distinct { input }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. } => input.fields(),
            Self::Join(join) => {
                let mut fields = join.left.fields();
                fields.extend(join.right.fields());
                fields
            }
        }
    }

    /// The plan with no names in it: two of the same storages are then equal if they compute the same in the same way.
    ///
    /// ```
    /// use tailwater_proto::SqlType;
    /// use tailwater_views::plan::{Field, Plan};
    ///
    /// let named = |name: &str, ty| Plan::Values {
    ///     rows: Vec::new(),
    ///     fields: vec![Field { name: name.into(), ty, spread: false }],
    /// };
    /// let (old, new) = (named("old", SqlType::Text), named("new", SqlType::Text));
    /// assert_ne!(old, new);
    /// assert_eq!(old.without_names(), new.clone().without_names());
    /// assert_ne!(named("new", SqlType::Int4).without_names(), new.without_names());
    /// ```
    #[must_use]
    pub fn without_names(mut self) -> Self {
        self.forget_names();
        self
    }

    fn forget_names(&mut self) {
        match self {
            Self::Values { fields, .. }
            | Self::Project { fields, .. }
            | Self::Aggregate { fields, .. }
            | Self::UnionAll { fields, .. } => forget(fields),
            Self::Series(series) => forget(&mut series.fields),
            Self::Scan(scan) => {
                scan.name = EcoString::new();
                forget(&mut scan.fields);
            }
            Self::Filter { .. }
            | Self::Distinct { .. }
            | Self::Sort { .. }
            | Self::Limit { .. }
            | Self::Join(_) => {}
        }
        match self {
            Self::Values { .. } | Self::Series(_) | Self::Scan(_) => {}
            Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Distinct { input }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. } => input.forget_names(),
            Self::Join(join) => {
                join.left.forget_names();
                join.right.forget_names();
            }
            Self::UnionAll { inputs, .. } => inputs.iter_mut().for_each(Self::forget_names),
        }
    }

    /// The direct inputs.
    #[must_use]
    pub fn inputs(&self) -> Vec<&Self> {
        match self {
            Self::Values { .. } | Self::Series(_) | Self::Scan(_) => Vec::new(),
            Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Distinct { input }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. } => vec![input],
            Self::Join(join) => vec![&join.left, &join.right],
            Self::UnionAll { inputs, .. } => inputs.iter().collect(),
        }
    }
}

fn forget(fields: &mut [Field]) {
    for field in fields {
        field.name = EcoString::new();
    }
}
