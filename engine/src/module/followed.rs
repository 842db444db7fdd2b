//! Which queries can be followed: those of one table or view, row by row; and what they are made of.
//!
//! Next door: `crate::service`, which follows them; `crate::feed`, whose conditions are of the same kind.

use tailwater_proto::sqlstate;
use tailwater_views::plan::SortKey;
use tailwater_views::{Expr, Plan};

use crate::error::{Error, Result};
use crate::sql::depends_on_row_alone;

/// What a query is made of that can be followed; all over the columns of the scan.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) storage: Option<tailwater_proto::StorageId>,
    pub(crate) columns: Vec<Expr>,
    pub(crate) predicates: Vec<Expr>,
    pub(crate) keys: Vec<SortKey>,
}

impl Parts {
    /// # Errors
    /// `0A000` for a query that cannot be followed, saying why.
    pub(crate) fn of(plan: &Plan) -> Result<Self> {
        let parts = Self::of_any(plan)?;
        let all = parts.predicates.iter().chain(&parts.columns);
        let all = all.chain(parts.keys.iter().map(|key| &key.expr));
        match all.into_iter().all(depends_on_row_alone) {
            true => Ok(parts),
            false => Err(unfit("it depends on more than the row")),
        }
    }

    fn of_any(plan: &Plan) -> Result<Self> {
        Ok(match plan {
            Plan::Scan(scan) => Self {
                storage: Some(scan.storage),
                columns: (0..scan.columns.len()).map(Expr::Column).collect(),
                ..Self::default()
            },
            Plan::Filter { input, predicate } => {
                let mut parts = Self::of_any(input)?;
                let predicate = parts.over(predicate);
                parts.predicates.push(predicate);
                parts
            }
            Plan::Project { input, exprs, .. } => {
                let mut parts = Self::of_any(input)?;
                parts.columns = exprs.iter().map(|expr| parts.over(expr)).collect();
                parts
            }
            Plan::Sort { input, keys } => {
                let mut parts = Self::of_any(input)?;
                let over = |key: &SortKey| SortKey {
                    expr: parts.over(&key.expr),
                    ..key.clone()
                };
                parts.keys = keys.iter().map(over).collect();
                parts
            }
            Plan::Limit { .. } => {
                return Err(unfit(
                    "it has a LIMIT: the caller says how many rows he begins with",
                ));
            }
            Plan::Values { .. } | Plan::Series(_) => return Err(unfit("it reads no table")),
            Plan::Join(_) => return Err(unfit("it joins")),
            Plan::Aggregate { .. } | Plan::Distinct { .. } => return Err(unfit("it groups rows")),
            Plan::UnionAll { .. } => return Err(unfit("it unites rows")),
        })
    }

    /// An expression over the columns so far, over those of the scan.
    fn over(&self, expr: &Expr) -> Expr {
        let mut expr = expr.clone();
        expr.replace_columns(&self.columns);
        expr
    }
}

/// The refusal of a query that cannot be followed.
pub(crate) fn unfit(why: &str) -> Error {
    Error::statement(
        sqlstate::FEATURE_NOT_SUPPORTED,
        format!("the query cannot be followed: {why}"),
    )
    .with_hint("make it a materialized view, and follow that: SELECT .. FROM the view WHERE ..")
}
