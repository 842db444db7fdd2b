//! Methods that follow: the rows of a query, first those there are, then each that comes or changes.
//!
//! The query reads one table or materialised view: its WHERE is a condition of the subscription, its columns are told of each
//! row, its ORDER BY is the order of the rows there are. Next door: `stream`, which hands them out.

use std::collections::VecDeque;
use std::sync::Arc;

use tailwater_capture::{FrameStream, LagPolicy, RowPredicate as _};
use tailwater_proto::row_codec::RowView;
use tailwater_proto::{ColumnId, Lsn, Value, sqlstate};
use tailwater_views::cast::cast;
use tailwater_views::expr::{CastMode, Literal};
use tailwater_views::plan::{Field, SortKey};
use tailwater_views::{CancelToken, ExecContext, Expr, Plan};

use super::method::{Action, Form};
use super::options::CallOptions;
use super::versions::{Current, Home};
use crate::catalog::{Catalog, Relation};
use crate::database::Database;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::execute::{self, Ran, Surroundings};
use crate::feed::{self, Condition, From};
use crate::module::wire::ParameterDecoder;
use crate::module::{Answer, BoundStatement as Named, Parts, unfit};
use crate::optimizer::optimize;
use crate::params::Parameters;
use crate::prepared::Prepared;
use crate::rows::Rows;
use crate::sql::binder;
use crate::sql::bound::{BoundQuery, BoundStatement, Parameter};
use crate::sql::parser::parse_one;
use crate::system::SystemTables;
use crate::tx::no_rows;
use crate::txn::{Mode, Transaction};

/// A query that is followed, with the fields of a request as parameters.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) home: Arc<Home>,
    relation: Arc<Relation>,
    layout: Vec<ColumnId>,
    /// All over the row layout of the relation.
    predicates: Vec<Expr>,
    exprs: Vec<Expr>,
    keys: Vec<SortKey>,
    newest: Newest,
    fields: Arc<[Field]>,
    wanted: Vec<Parameter>,
    parameters: ParameterDecoder,
    answer: Answer,
}

/// At which end of the order the newest rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Newest {
    Last,
    /// The order is that of descending values.
    First,
}

impl Newest {
    fn of(keys: &[SortKey]) -> Self {
        match keys.first() {
            Some(key) if key.descending => Self::First,
            _ => Self::Last,
        }
    }
}

/// A call that has begun: messages of the rows there are, and what comes.
pub(super) struct Followed {
    pub(super) first: VecDeque<Vec<u8>>,
    /// Goes on behind the rows there are.
    pub(super) token: String,
    /// The commit that they are read at.
    pub(super) lsn: Lsn,
    pub(super) changes: FrameStream,
    pub(super) told: Told,
    /// Which rows they are.
    pub(super) selection: u64,
    /// The version of the catalog it was looked up at.
    pub(super) version: u64,
}

/// What is told of rows: a method, with what a request says in it.
#[derive(Debug)]
pub(super) struct Told {
    by: Current<Follow>,
    exprs: Vec<Expr>,
}

/// Rows that a stream begins with at most.
const ROWS_MAX: u64 = 100_000;
/// Bytes of their messages, where the caller has not said how many rows he wants.
const BYTES_MAX: usize = 4 << 20;
/// The same where he has.
const ASKED_BYTES_MAX: usize = 64 << 20;

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
        let columns: Vec<String> = bound.fields.iter().map(|f| f.name.to_string()).collect();
        Ok(Self {
            home: Arc::clone(form.home),
            layout: relation.layout(),
            newest: Newest::of(&parts.keys),
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
        self: &Arc<Self>,
        db: &Database,
        request: &[u8],
        options: &CallOptions,
    ) -> Result<Followed> {
        let engine = db.engine();
        let mut txn = engine.begin(Mode::ReadOnly, db.principal())?;
        let version = txn.catalog.version();
        let by = self.home.current(self, &txn, Action::follow)?;
        let now = Arc::clone(&by.does);
        let values = now.values(request)?;
        let predicate = now.predicate(&values);
        if txn
            .catalog
            .relation_of_storage(now.relation.storage)
            .is_none()
        {
            let what = format!("\"{}\" is not what it was any more", now.relation.name);
            return Err(Error::conflict(what));
        }
        let (first, from) = match &options.since {
            Some(token) => (VecDeque::new(), From::Token(token)),
            None => {
                let rows =
                    now.newest(engine, &mut txn, predicate.clone(), &values, options.limit)?;
                (rows, From::Now)
            }
        };
        let selection = now.selection(&values);
        let condition = predicate.map(|expr| Condition::new(&now.relation, expr));
        let subscription = feed::follow(
            engine,
            &txn,
            &now.relation,
            condition,
            from,
            LagPolicy::CatchUp,
        )?;
        Ok(Followed {
            first,
            token: subscription.token().to_string(),
            lsn: subscription.token().lsn,
            changes: subscription.into_stream(),
            told: Told {
                by,
                exprs: substituted(&now.exprs, &values),
            },
            selection,
            version,
        })
    }

    /// What a request says, in the types that are asked for.
    fn values(&self, request: &[u8]) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        self.parameters.decode(request, &mut values)?;
        for (value, wanted) in values.iter_mut().zip(&self.wanted) {
            *value = cast(value, &wanted.ty, CastMode::Assignment)?;
        }
        Ok(values)
    }

    /// A number that differs where other rows are meant, whatever is told of them.
    fn selection(&self, values: &[Value]) -> u64 {
        let condition = self
            .predicate(values)
            .map(|expr| Condition::new(&self.relation, expr).fingerprint());
        let storage = self.relation.storage.0;
        feed::fingerprint(format!("{storage} {condition:?}").as_bytes())
    }

    fn predicate(&self, values: &[Value]) -> Option<Expr> {
        let mut predicate = match self.predicates.as_slice() {
            [] => return None,
            [one] => one.clone(),
            more => Expr::And(more.to_vec()),
        };
        substitute(&mut predicate, values);
        Some(predicate)
    }

    /// The newest rows, so many at most, in order.
    fn newest(
        &self,
        engine: &Arc<Engine>,
        txn: &mut Transaction,
        predicate: Option<Expr>,
        values: &[Value],
        asked: Option<u64>,
    ) -> Result<VecDeque<Vec<u8>>> {
        let mut messages = VecDeque::new();
        let limit = asked.unwrap_or(CallOptions::LIMIT).min(ROWS_MAX);
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
                keys: self
                    .keys
                    .iter()
                    .map(|key| self.newest_first(key, values))
                    .collect(),
            };
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let plan = Plan::Project {
            input: Box::new(Plan::Limit {
                input: Box::new(plan),
                limit: Some(Expr::literal(limit)),
                offset: None,
            }),
            exprs: substituted(&self.exprs, values),
            fields: self.fields.to_vec(),
        };
        let mut rows = rows_of(engine, txn, plan, &self.fields)?;
        let mut bytes = 0;
        while let Some(row) = rows.next_row()? {
            let mut message = Vec::new();
            self.answer.encode(row.values(), &mut message)?;
            bytes += message.len();
            match asked {
                // As many of the newest as there is room for.
                None if bytes > BYTES_MAX => break,
                Some(_) if bytes > ASKED_BYTES_MAX => return Err(too_many()),
                _ => {}
            }
            match (self.keys.is_empty(), self.newest) {
                (false, Newest::Last) => messages.push_front(message),
                _ => messages.push_back(message),
            }
        }
        Ok(messages)
    }

    /// The order in which the newest rows come first.
    fn newest_first(&self, key: &SortKey, values: &[Value]) -> SortKey {
        let mut key = key.clone();
        substitute(&mut key.expr, values);
        if self.newest == Newest::Last {
            key.descending = !key.descending;
            key.nulls_first = !key.nulls_first;
        }
        key
    }
}

impl Told {
    /// What a later version of the method tells, if it follows the same rows.
    pub(super) fn renewed(&self, by: Current<Follow>, request: &[u8]) -> Result<Option<Self>> {
        let (old, new) = (&self.by.does, &by.does);
        let values = new.values(request)?;
        if old.selection(&old.values(request)?) != new.selection(&values) {
            return Ok(None);
        }
        let exprs = substituted(&new.exprs, &values);
        Ok(Some(Self { by, exprs }))
    }

    /// Where the method belongs.
    pub(super) fn home(&self) -> &Home {
        &self.by.does.home
    }

    /// The version of the relation from which on its rows are told so.
    pub(super) fn schema_version(&self) -> u32 {
        self.by.does.relation.schema_version
    }

    /// The message of a stored row.
    ///
    /// # Errors
    /// `72000` for a row that has become what the message cannot hold.
    pub(super) fn message(&self, image: &[u8]) -> Result<Vec<u8>> {
        let follow = &*self.by.does;
        let damaged = |error: tailwater_proto::DecodeError| {
            Error::corrupted(error.to_string()).on(follow.relation.name.to_string())
        };
        let mut stored = Vec::with_capacity(follow.layout.len());
        RowView::new(image)
            .and_then(|view| view.project(&follow.layout, &mut stored))
            .map_err(damaged)?;
        let cx = ExecContext::default();
        let values = self.exprs.iter().map(|expr| expr.eval(&stored, &cx));
        let values: Vec<Value> = values.collect::<std::result::Result<_, _>>()?;
        let mut message = Vec::new();
        match follow.answer.encode(&values, &mut message) {
            Ok(()) => Ok(message),
            Err(error) => Err(Error::new(
                ErrorKind::Stopped,
                sqlstate::SNAPSHOT_TOO_OLD,
                format!("the stream cannot go on: {}", error.message()),
            )
            .with_hint("call again without a token: the rows there are come first")),
        }
    }
}

fn too_many() -> Error {
    Error::statement(
        sqlstate::PROGRAM_LIMIT_EXCEEDED,
        format!("the rows there are come to more than {ASKED_BYTES_MAX} bytes"),
    )
    .with_hint("ask for fewer")
}

fn substituted(exprs: &[Expr], values: &[Value]) -> Vec<Expr> {
    let mut exprs = exprs.to_vec();
    exprs.iter_mut().for_each(|expr| substitute(expr, values));
    exprs
}

/// The rows of a plan in a transaction.
fn rows_of(
    engine: &Arc<Engine>,
    txn: &mut Transaction,
    plan: Plan,
    fields: &Arc<[Field]>,
) -> Result<Rows> {
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
        Ran::Rows(fields, source) => Ok(Rows::streaming(fields, source)),
        Ran::Collected(fields, rows) => Ok(Rows::collected(fields, rows, None)),
        Ran::Count(tag, _) => Err(no_rows(tag)),
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
