//! Statements whose names and types are settled: what the optimizer, execution and maintenance take. Plain
//! data; made by `binder`, never changed by execution.

use std::sync::Arc;

use tailwater_proto::{EcoString, Path, SqlType};
use tailwater_views::Expr;
use tailwater_views::plan::{Field, Plan, SortKey};

use crate::catalog::{ObjectId, Relation};

/// A SELECT.
#[derive(Clone, Debug)]
pub struct BoundQuery {
    /// Naive: whole scans, filters above joins. The optimizer makes it fast.
    pub plan: Plan,
    /// Output columns.
    pub fields: Arc<[Field]>,
    /// Objects whose definition was read.
    pub reads: Vec<ObjectId>,
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// Whether the plan may be kept for the catalog's version.
    pub cacheable: bool,
}

/// A parameter of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its type, declared or inferred; `Any` where nothing tells. A value is to be converted to it.
    pub ty: SqlType,
    /// Its name (`$name`, `:name`), without the sigil; `None` if it goes by position (`?`, `$1`).
    pub name: Option<EcoString>,
}

impl Parameter {
    /// Its name, if it goes by name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// A statement whose names and types are settled.
#[derive(Clone, Debug)]
pub enum BoundStatement {
    /// SELECT.
    Query(BoundQuery),
    /// INSERT.
    Insert(BoundInsert),
    /// UPDATE.
    Update(BoundUpdate),
    /// DELETE.
    Delete(BoundDelete),
}

impl BoundStatement {
    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        matches!(self, Self::Query(_))
    }

    /// Whether it may be kept for the catalog's version.
    #[must_use]
    pub const fn is_cacheable(&self) -> bool {
        match self {
            Self::Query(bound) => bound.cacheable,
            Self::Insert(bound) => bound.cacheable,
            Self::Update(bound) => bound.cacheable,
            Self::Delete(bound) => bound.cacheable,
        }
    }

    /// Its parameters in the order they are numbered.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        match self {
            Self::Query(bound) => &bound.parameters,
            Self::Insert(bound) => &bound.parameters,
            Self::Update(bound) => &bound.parameters,
            Self::Delete(bound) => &bound.parameters,
        }
    }

    /// Objects whose definition was read.
    #[must_use]
    pub fn reads(&self) -> &[ObjectId] {
        match self {
            Self::Query(bound) => &bound.reads,
            Self::Insert(bound) => &bound.reads,
            Self::Update(bound) => &bound.reads,
            Self::Delete(bound) => &bound.reads,
        }
    }

    /// Calls `visit` on each plan in it.
    pub fn for_each_plan(&mut self, visit: &mut dyn FnMut(&mut Plan)) {
        match self {
            Self::Query(bound) => visit(&mut bound.plan),
            Self::Insert(bound) => match &mut bound.source {
                InsertSource::Rows { plan, .. } => visit(plan),
                InsertSource::Values(_) | InsertSource::Documents(_) => {}
            },
            Self::Update(bound) => visit(&mut bound.scan),
            Self::Delete(bound) => visit(&mut bound.scan),
        }
    }
}

/// An INSERT.
#[derive(Clone, Debug)]
pub struct BoundInsert {
    /// Into what.
    pub table: Arc<Relation>,
    /// The rows.
    pub source: InsertSource,
    /// Who fills identity columns that a document names.
    pub overriding: Overriding,
    /// What to do about a conflict.
    pub conflict: OnConflict,
    /// RETURNING, over the row as stored.
    pub returning: Option<Returning>,
    /// Objects whose definition was read.
    pub reads: Vec<ObjectId>,
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// Whether it may be kept for the catalog's version.
    pub cacheable: bool,
}

/// OVERRIDING: who fills identity columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overriding {
    /// Not said: columns GENERATED ALWAYS take no value.
    Nothing,
    /// SYSTEM VALUE: the values of the statement count.
    System,
    /// USER VALUE: the sequences count, and the values of the statement are passed over.
    User,
}

/// Where inserted rows come from.
#[derive(Clone, Debug)]
pub enum InsertSource {
    /// Rows that read nothing: for each row and each column of the row layout its value over no columns; `None` is
    /// the default. Most inserts are one such row.
    Values(Vec<Vec<Option<Expr>>>),
    /// Rows of a plan.
    Rows {
        /// The plan.
        plan: Plan,
        /// For each column of the row layout its value over the plan's row, already cast; `None` is the default.
        columns: Vec<Option<Expr>>,
        /// Columns that take their default all the same in some rows, with what tells over the plan's row.
        drawn: Vec<(usize, Expr)>,
    },
    /// Each evaluates to a document over no columns; its fields go into columns of their name, the others into
    /// the column for the rest.
    Documents(Vec<Expr>),
}

impl InsertSource {
    /// Rows of a plan that is nothing but a list of them become [`InsertSource::Values`].
    pub fn inline_values(&mut self) {
        let Self::Rows {
            plan: Plan::Values { rows, .. },
            columns,
            drawn,
        } = self
        else {
            return;
        };
        let inlined = rows.iter().map(|row| {
            let mut inlined = columns.clone();
            for column in inlined.iter_mut().flatten() {
                column.replace_columns(row);
            }
            for (column, draws) in drawn.iter() {
                let mut draws = draws.clone();
                draws.replace_columns(row);
                if draws == Expr::literal(true)
                    && let Some(slot) = inlined.get_mut(*column)
                {
                    *slot = None;
                }
            }
            inlined
        });
        *self = Self::Values(inlined.collect());
    }
}

/// What to do about a row that conflicts with one that is there.
#[derive(Clone, Debug)]
pub enum OnConflict {
    /// Refuse the statement.
    Error,
    /// Leave the row out.
    DoNothing {
        /// On which indexes; an empty list is the primary key. `None`: on any.
        target: Option<Vec<ObjectId>>,
    },
    /// The new row takes the place of every one it conflicts with.
    DoReplace,
    /// Change the row that is there.
    DoUpdate {
        /// On which indexes; an empty list is the primary key. `None`: on any.
        target: Option<Vec<ObjectId>>,
        /// Over the row that is there, then the row proposed (two row layouts side by side).
        assignments: Vec<Assignment>,
        /// Only if TRUE, over the same.
        filter: Option<Expr>,
    },
}

/// One change of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// Position in the row layout.
    pub column: usize,
    /// The way below the column; empty is the whole column.
    pub path: Path,
    /// The new value, already cast; NULL for `unset`.
    pub value: Expr,
    /// Take the field out instead.
    pub unset: bool,
}

/// An UPDATE.
#[derive(Clone, Debug)]
pub struct BoundUpdate {
    /// Of what.
    pub table: Arc<Relation>,
    /// Yields the row layout, in order; columns after it are what assignments read besides. With such columns a row
    /// of the table may come several times: the first counts.
    pub scan: Plan,
    /// Over the scan's row.
    pub assignments: Vec<Assignment>,
    /// RETURNING, over the new row's layout.
    pub returning: Option<Returning>,
    /// Objects whose definition was read.
    pub reads: Vec<ObjectId>,
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// Whether it may be kept for the catalog's version.
    pub cacheable: bool,
}

/// A DELETE.
#[derive(Clone, Debug)]
pub struct BoundDelete {
    /// From what.
    pub table: Arc<Relation>,
    /// Yields the row layout, in order.
    pub scan: Plan,
    /// RETURNING, over the old row.
    pub returning: Option<Returning>,
    /// Objects whose definition was read.
    pub reads: Vec<ObjectId>,
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// Whether it may be kept for the catalog's version.
    pub cacheable: bool,
}

/// RETURNING.
#[derive(Clone, Debug, PartialEq)]
pub struct Returning {
    /// Over the row layout.
    pub exprs: Vec<Expr>,
    /// Their names and types.
    pub fields: Arc<[Field]>,
}

/// The query of a view, ready to be compiled.
#[derive(Clone, Debug)]
pub struct BoundView {
    /// Without the outermost ORDER BY, if that has no LIMIT.
    pub plan: Plan,
    /// Its columns.
    pub fields: Arc<[Field]>,
    /// That ORDER BY, over the columns: the view's default reading order.
    pub order: Vec<SortKey>,
    /// Objects it reads directly.
    pub reads: Vec<ObjectId>,
}
