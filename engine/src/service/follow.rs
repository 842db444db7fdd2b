//! Methods that follow: the rows of a query, first those there are, then each that comes or changes.
//!
//! The query reads one table or materialised view: its WHERE is a condition of the subscription, its columns are told of each
//! row, its ORDER BY is the order of the rows there are. Next door: `stream`, which hands them out.

use std::collections::VecDeque;
use std::sync::Arc;

use tailwater_capture::{FrameStream, LagPolicy};
use tailwater_proto::row_codec::RowView;
use tailwater_proto::{ColumnId, Lsn, Value, sqlstate};
use tailwater_views::cast::cast;
use tailwater_views::expr::{CastMode, Literal};
use tailwater_views::plan::{Field, SortKey};
use tailwater_views::{CancelToken, ExecContext, Expr, Plan};

use super::answer::Answer;
use super::method::Form;
use super::options::CallOptions;
use crate::catalog::{Catalog, Relation};
use crate::database::Database;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::execute::{self, Ran, Surroundings};
use crate::feed::{self, Condition, From};
use crate::module::BoundStatement as Named;
use crate::module::wire::ParameterDecoder;
use crate::optimizer::optimize;
use crate::params::Parameters;
use crate::prepared::Prepared;
use crate::sql::binder;
use crate::sql::bound::{BoundQuery, BoundStatement, Parameter};
use crate::sql::parser::parse_one;
use crate::system::SystemTables;
use crate::txn::{Mode, Transaction};

/// A query that is followed, with the fields of a request as parameters.
#[derive(Debug)]
pub(super) struct Follow {
    relation: Arc<Relation>,
    layout: Vec<ColumnId>,
    /// All over the row layout of the relation.
    predicates: Vec<Expr>,
    exprs: Vec<Expr>,
    keys: Vec<SortKey>,
    fields: Arc<[Field]>,
    wanted: Vec<Parameter>,
    parameters: ParameterDecoder,
    answer: Answer,
}

/// A call that has begun: messages of the rows there are, and what comes.
pub(super) struct Followed {
    pub(super) first: VecDeque<Vec<u8>>,
    /// Goes on behind the rows there are.
    pub(super) token: String,
    /// The commit that they are read at.
    pub(super) lsn: Lsn,
    pub(super) changes: FrameStream,
}

impl Follow {
    pub(super) fn new(
        engine: &Arc<Engine>,
        txn: &Transaction,
        sql: &str,
        form: &Form<'_>,
    ) -> Result<Self> {
        let named = Named::new(sql)?;
        let parsed = parse_one(&named.sql)?;
        let system = SystemTables::new(engine, &txn.catalog);
        let BoundStatement::Query(bound) = binder::bind(&txn.catalog, &parsed, &system)? else {
            return Err(unfit("it is no SELECT"));
        };
        let parts = Parts::of(&bound.plan)?;
        let relation = (parts.storage)
            .and_then(|storage| txn.catalog.relation_of_storage(storage))
            .ok_or_else(|| unfit("it reads no table"))?;
        let relation = feed::followed(&txn.catalog, &relation.name)?;
        let all = parts.predicates.iter().chain(&parts.columns);
        if !all.into_iter().all(feed::depends_on_row_alone) {
            return Err(unfit("it depends on more than the row"));
        }
        let columns: Vec<String> = bound.fields.iter().map(|f| f.name.to_string()).collect();
        Ok(Self {
            layout: relation.layout(),
            keys: match parts.keys.is_empty() {
                true => natural_order(&relation),
                false => parts.keys,
            },
            predicates: parts.predicates,
            exprs: parts.columns,
            fields: bound.fields,
            wanted: bound.parameters,
            parameters: ParameterDecoder::new(form.input, &named.fields)?,
            answer: Answer::new(form.output, &columns, form.plan)?,
            relation,
        })
    }

    /// Begins to follow what a request means.
    pub(super) fn open(
        &self,
        db: &Database,
        request: &[u8],
        options: &CallOptions,
    ) -> Result<Followed> {
        let mut values = Vec::new();
        self.parameters.decode(request, &mut values)?;
        for (value, wanted) in values.iter_mut().zip(&self.wanted) {
            *value = cast(value, &wanted.ty, CastMode::Assignment)?;
        }
        let mut predicate = match self.predicates.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            more => Some(Expr::And(more.to_vec())),
        };
        if let Some(predicate) = &mut predicate {
            substitute(predicate, &values);
        }
        let engine = db.engine();
        let mut txn = engine.begin(Mode::ReadOnly, db.principal())?;
        if txn
            .catalog
            .relation_of_storage(self.relation.storage)
            .is_none()
        {
            let what = format!("\"{}\" is not what it was any more", self.relation.name);
            return Err(Error::conflict(what));
        }
        let (first, from) = match &options.since {
            Some(token) => (VecDeque::new(), From::Token(token)),
            None => {
                let limit = options.limit.unwrap_or(CallOptions::LIMIT);
                let rows = self.newest(engine, &mut txn, predicate.clone(), &values, limit)?;
                (rows, From::Now)
            }
        };
        let condition = predicate.map(|expr| Condition::new(&self.relation, expr));
        let subscription = feed::follow(
            engine,
            &txn,
            &self.relation,
            condition,
            from,
            LagPolicy::CatchUp,
        )?;
        Ok(Followed {
            first,
            token: subscription.token().to_string(),
            lsn: subscription.token().lsn,
            changes: subscription.into_stream(),
        })
    }

    /// The last rows, so many at most, in order.
    fn newest(
        &self,
        engine: &Arc<Engine>,
        txn: &mut Transaction,
        predicate: Option<Expr>,
        values: &[Value],
        limit: u64,
    ) -> Result<VecDeque<Vec<u8>>> {
        let mut messages = VecDeque::new();
        if limit == 0 {
            return Ok(messages);
        }
        let mut plan = binder::scan(&self.relation);
        if let Some(predicate) = predicate {
            plan = Plan::Filter {
                input: Box::new(plan),
                predicate,
            };
        }
        if !self.keys.is_empty() {
            plan = Plan::Sort {
                input: Box::new(plan),
                keys: self.keys.iter().map(backwards).collect(),
            };
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut exprs = self.exprs.clone();
        exprs.iter_mut().for_each(|expr| substitute(expr, values));
        let plan = Plan::Project {
            input: Box::new(Plan::Limit {
                input: Box::new(plan),
                limit: Some(Expr::literal(limit)),
                offset: None,
            }),
            exprs,
            fields: self.fields.to_vec(),
        };
        let rows = rows_of(engine, txn, plan, &self.fields)?;
        for row in rows {
            let mut message = Vec::new();
            self.answer.encode(&row, &mut message)?;
            match self.keys.is_empty() {
                true => messages.push_back(message),
                false => messages.push_front(message),
            }
        }
        Ok(messages)
    }

    /// The message of a stored row.
    pub(super) fn message(&self, image: &[u8]) -> Result<Vec<u8>> {
        let damaged = |error: tailwater_proto::DecodeError| {
            Error::corrupted(error.to_string()).on(self.relation.name.to_string())
        };
        let mut stored = Vec::with_capacity(self.layout.len());
        RowView::new(image)
            .and_then(|view| view.project(&self.layout, &mut stored))
            .map_err(damaged)?;
        let cx = ExecContext::default();
        let values = self.exprs.iter().map(|expr| expr.eval(&stored, &cx));
        let values: Vec<Value> = values.collect::<std::result::Result<_, _>>()?;
        let mut message = Vec::new();
        self.answer.encode(&values, &mut message)?;
        Ok(message)
    }
}

/// Runs a plan in a transaction.
fn rows_of(
    engine: &Arc<Engine>,
    txn: &mut Transaction,
    plan: Plan,
    fields: &Arc<[Field]>,
) -> Result<Vec<tailwater_proto::Row>> {
    let catalog: &Catalog = &txn.catalog;
    let bound = BoundStatement::Query(BoundQuery {
        plan: optimize(plan, catalog, &**engine),
        fields: Arc::clone(fields),
        reads: Vec::new(),
        parameters: Vec::new(),
        cacheable: false,
    });
    let prepared = Prepared::new(catalog, "", bound);
    let around = Surroundings {
        engine,
        cancel: &CancelToken::default(),
        parameters: &Parameters::default(),
    };
    match execute::run_prepared(&around, txn, &prepared)? {
        Ran::Rows(_, source) => source.collect(),
        Ran::Collected(_, rows) => Ok(rows),
        Ran::Count(..) => Ok(Vec::new()),
    }
}

/// Puts values in the place of parameters.
fn substitute(expr: &mut Expr, values: &[Value]) {
    if let Expr::Parameter(number) = expr {
        let value = values.get(*number).cloned().unwrap_or_default();
        *expr = Expr::Literal(Literal(value));
        return;
    }
    expr.for_each_child_mut(&mut |child| substitute(child, values));
}

fn backwards(key: &SortKey) -> SortKey {
    SortKey {
        expr: key.expr.clone(),
        descending: !key.descending,
        nulls_first: !key.nulls_first,
    }
}

/// The order of rows that nobody has said: a view's own, or by the key.
fn natural_order(relation: &Relation) -> Vec<SortKey> {
    if let Some(view) = relation.view.as_ref().filter(|view| !view.order.is_empty()) {
        return view.order.clone();
    }
    let parts = relation.primary_key.iter();
    parts
        .map(|part| SortKey {
            expr: part.expr.clone(),
            descending: part.descending,
            nulls_first: part.descending,
        })
        .collect()
}

/// What a query is made of that can be followed; all over the columns of the scan.
#[derive(Default)]
struct Parts {
    storage: Option<tailwater_proto::StorageId>,
    columns: Vec<Expr>,
    predicates: Vec<Expr>,
    keys: Vec<SortKey>,
}

impl Parts {
    fn of(plan: &Plan) -> Result<Self> {
        Ok(match plan {
            Plan::Scan(scan) => Self {
                storage: Some(scan.storage),
                columns: (0..scan.columns.len()).map(Expr::Column).collect(),
                ..Self::default()
            },
            Plan::Filter { input, predicate } => {
                let mut parts = Self::of(input)?;
                let predicate = parts.over(predicate);
                parts.predicates.push(predicate);
                parts
            }
            Plan::Project { input, exprs, .. } => {
                let mut parts = Self::of(input)?;
                parts.columns = exprs.iter().map(|expr| parts.over(expr)).collect();
                parts
            }
            Plan::Sort { input, keys } => {
                let mut parts = Self::of(input)?;
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

fn unfit(why: &str) -> Error {
    Error::statement(
        sqlstate::FEATURE_NOT_SUPPORTED,
        format!("the query cannot be followed: {why}"),
    )
    .with_hint("make it a materialized view, and follow that: SELECT .. FROM the view WHERE ..")
}
