//! One statement against one transaction: look the plan up or make it, run it.

use std::sync::Arc;

use tailwater_proto::{Row, Value, sqlstate};
use tailwater_views::cast::cast;
use tailwater_views::expr::CastMode;
use tailwater_views::plan::Field;
use tailwater_views::{CancelToken, ExecContext};

use super::dml;
use super::query::{self, Source};
use super::{ddl, utility};
use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::optimizer::optimize;
use crate::params::Parameters;
use crate::prepared::Prepared;
use crate::sql::binder;
use crate::sql::bound::{BoundStatement, Parameter};
use crate::sql::statement::{Parsed, Statement};
use crate::system::SystemTables;
use crate::txn::{Mode, Transaction};

/// What a statement brought.
pub(crate) enum Ran {
    /// Rows, read as they are asked for.
    Rows(Arc<[Field]>, Source),
    /// Rows that are there already.
    Collected(Arc<[Field]>, Vec<Row>),
    /// A count of rows, under a command tag.
    Count(&'static str, u64),
}

impl Ran {
    /// The same; what fails while its rows are read has this place.
    fn at(self, position: usize) -> Self {
        match self {
            Self::Rows(fields, source) => Self::Rows(fields, source.at(position)),
            other => other,
        }
    }
}

/// Whether a statement can change something: decides the mode of its transaction.
pub(crate) fn mode_of(statement: &Statement) -> Mode {
    match statement {
        Statement::Query(_)
        | Statement::Show(_)
        | Statement::CheckView(_)
        | Statement::Tail(_)
        | Statement::DeclareCursor(_)
        | Statement::Fetch(_)
        | Statement::CloseCursor(_)
        | Statement::Checkpoint
        | Statement::Vacuum
        | Statement::Analyze(_) => Mode::ReadOnly,
        Statement::Explain(explain) if !explain.analyze => Mode::ReadOnly,
        Statement::Explain(explain) => mode_of(&explain.statement),
        _ => Mode::ReadWrite,
    }
}

/// Everything a statement runs with besides its transaction.
pub(crate) struct Surroundings<'s> {
    pub(crate) engine: &'s Arc<Engine>,
    pub(crate) cancel: &'s CancelToken,
    pub(crate) parameters: &'s Parameters,
}

/// Runs a statement that reads or changes data or schema.
///
/// # Errors
/// Whatever is wrong with the statement or its data, at the place of the statement if at no other. What it staged is
/// the caller's to take back.
pub(crate) fn run(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    sql: &str,
    parsed: &Parsed,
) -> Result<Ran> {
    let start = parsed.text_range.start;
    match run_parsed(around, txn, sql, parsed) {
        Ok(ran) => Ok(ran.at(start)),
        Err(error) => Err(error.at(start)),
    }
}

fn run_parsed(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    sql: &str,
    parsed: &Parsed,
) -> Result<Ran> {
    match &parsed.statement {
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_) => {
            let prepared = prepare(around.engine, txn, sql, parsed)?;
            run_bound(around, txn, &prepared)
        }
        Statement::Explain(explain) => utility::explain(around, txn, sql, parsed, explain),
        Statement::Show(show) => {
            around.parameters.refuse_more_than(0)?;
            utility::show(around, txn, show)
        }
        Statement::CheckView(name) => {
            around.parameters.refuse_more_than(0)?;
            utility::check_view(around, txn, name)
        }
        Statement::Analyze(names) => {
            around.parameters.refuse_more_than(0)?;
            utility::analyze(txn, names)
        }
        Statement::Checkpoint => {
            around.parameters.refuse_more_than(0)?;
            around.engine.checkpoint()?;
            Ok(Ran::Count("CHECKPOINT", 0))
        }
        Statement::Vacuum => {
            around.parameters.refuse_more_than(0)?;
            around.engine.compact()?;
            Ok(Ran::Count("VACUUM", 0))
        }
        _ => {
            refuse_writes(txn)?;
            let ran = ddl::execute_ddl(around, txn, sql, parsed)?;
            around.parameters.refuse_more_than(0)?;
            Ok(ran)
        }
    }
}

/// Runs a prepared statement whose text is all there is: it stands at the first byte.
pub(crate) fn run_prepared(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    prepared: &Prepared,
) -> Result<Ran> {
    match run_bound(around, txn, prepared) {
        Ok(ran) => Ok(ran.at(0)),
        Err(error) => Err(error.at(0)),
    }
}

/// Runs a statement that is bound and optimized. A wrong value is the fault of the table it was to go into.
pub(super) fn run_bound(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    prepared: &Prepared,
) -> Result<Ran> {
    let cx = context(around, txn, &prepared.bound)?;
    let ran = run_within(around.engine, txn, prepared, &cx);
    txn.spare_context = Some(cx);
    ran
}

fn run_within(
    engine: &Arc<Engine>,
    txn: &mut Transaction,
    prepared: &Prepared,
    cx: &ExecContext,
) -> Result<Ran> {
    let (tag, table, returning, result) = match (&prepared.bound, &prepared.writer) {
        (BoundStatement::Query(bound), _) => {
            let source = query::open(txn, &bound.plan, cx)?;
            return Ok(Ran::Rows(Arc::clone(&bound.fields), source));
        }
        (_, None) => unreachable!("a statement that writes is prepared with a writer"),
        (BoundStatement::Insert(bound), Some(writer)) => {
            refuse_writes(txn)?;
            let result = dml::insert(engine, txn, bound, writer, cx);
            ("INSERT", &bound.table, &bound.returning, result)
        }
        (BoundStatement::Update(bound), Some(writer)) => {
            refuse_writes(txn)?;
            let result = dml::update(txn, bound, writer, cx);
            ("UPDATE", &bound.table, &bound.returning, result)
        }
        (BoundStatement::Delete(bound), Some(writer)) => {
            refuse_writes(txn)?;
            let result = dml::delete(txn, bound, writer, cx);
            ("DELETE", &bound.table, &bound.returning, result)
        }
    };
    let result = result.map_err(|error| match error.kind() {
        ErrorKind::Data => error.on(table.name.to_string()),
        _ => error,
    })?;
    Ok(match returning {
        Some(returning) => Ran::Collected(Arc::clone(&returning.fields), result.returned),
        None => Ran::Count(tag, result.affected),
    })
}

/// Binds and optimizes a statement, or takes it from the cache.
pub(crate) fn prepare(
    engine: &Arc<Engine>,
    txn: &Transaction,
    sql: &str,
    parsed: &Parsed,
) -> Result<Arc<Prepared>> {
    let plan_version = txn.plan_version();
    if let Some(prepared) = engine.statements.get_for(sql, plan_version) {
        return Ok(prepared);
    }
    let catalog: &Catalog = &txn.catalog;
    let system = SystemTables::new(engine, catalog);
    let mut bound = binder::bind(catalog, parsed, &system)?;
    let cacheable = bound.is_cacheable() && plan_version.is_some();
    bound.for_each_plan(&mut |plan| {
        let naive = std::mem::replace(plan, empty_plan());
        *plan = optimize(naive, catalog, &**engine);
    });
    let prepared = Arc::new(Prepared::new(catalog, sql, bound));
    if cacheable {
        engine.statements.put(Arc::clone(&prepared));
    }
    Ok(prepared)
}

fn empty_plan() -> tailwater_views::Plan {
    tailwater_views::Plan::Values {
        rows: Vec::new(),
        fields: Vec::new(),
    }
}

/// The surroundings of a statement as the evaluator wants them.
fn context(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    bound: &BoundStatement,
) -> Result<ExecContext> {
    let settings = &around.engine.settings;
    let deadline = settings.statement_timeout.map(|timeout| {
        let clock = Arc::clone(&around.engine.clock);
        let end = clock.monotonic() + timeout;
        Arc::new(move || clock.monotonic() >= end) as Arc<dyn Fn() -> bool + Send + Sync>
    });
    let mut cx = txn.take_context(around.cancel);
    cx.deadline = deadline;
    cx.memory_bytes_max = settings.statement_memory_bytes_max;
    cx.rows_max = settings.statement_rows_max;
    fit_parameters(&mut cx.parameters, around.parameters, bound.parameters())?;
    Ok(cx)
}

/// Puts the parameters into `slots`, in the order the statement numbers them.
fn fit_parameters(
    slots: &mut Arc<[Value]>,
    given: &Parameters,
    wanted: &[Parameter],
) -> Result<()> {
    if slots.len() != wanted.len() || Arc::get_mut(slots).is_none() {
        *slots = std::iter::repeat_n(Value::Null, wanted.len()).collect();
    }
    let slots = Arc::get_mut(slots).unwrap_or_default();
    let Some(names) = &given.names else {
        if given.values.len() < wanted.len() {
            return Err(Error::statement(
                sqlstate::UNDEFINED_PARAMETER,
                format!(
                    "the statement takes {}, {} were given",
                    crate::params::count(wanted.len()),
                    given.values.len()
                ),
            )
            .with_hint("bind one value for each ? or $n"));
        }
        given.refuse_more_than(wanted.len())?;
        for ((slot, parameter), value) in slots.iter_mut().zip(wanted).zip(&given.values) {
            *slot = fit(parameter, value)?;
        }
        return Ok(());
    };
    for (slot, parameter) in slots.iter_mut().zip(wanted) {
        let name = parameter.name();
        let place = names.iter().position(|given| Some(given.as_str()) == name);
        let value = place.and_then(|place| given.values.get(place));
        *slot = fit(
            parameter,
            value.ok_or_else(|| {
                Error::statement(
                    sqlstate::UNDEFINED_PARAMETER,
                    format!(
                        "no value was given for the parameter ${}",
                        name.unwrap_or("?")
                    ),
                )
            })?,
        )?;
    }
    Ok(())
}

/// A value as the type the statement needs it in.
fn fit(parameter: &Parameter, value: &Value) -> Result<Value> {
    Ok(cast(value, &parameter.ty, CastMode::Assignment)?)
}

/// Refuses writes in a read-only transaction.
fn refuse_writes(txn: &Transaction) -> Result<()> {
    match txn.mode {
        Mode::ReadWrite => Ok(()),
        Mode::ReadOnly => Err(Error::statement(
            sqlstate::READ_ONLY_SQL_TRANSACTION,
            "cannot write in a read-only transaction",
        )
        .with_hint("use Database::update, or BEGIN without READ ONLY")),
    }
}
