//! Views that read what gets another name, or a column more: they stay as they are, rows, state and column names, and their
//! text says what it said.
//!
//! What a view means is its plan. The text is told anew only in words that bind to the very same plan over the changed
//! catalog; if there are none, the new name is refused. Next door: `alter`, which gives names; `sql::retell`, the words.

use std::sync::Arc;

use tailwater_proto::{Value, sqlstate};
use tailwater_views::plan::{Field, Plan};

use super::definition;
use super::run::Surroundings;
use crate::catalog::{Catalog, Object, ObjectId, Relation};
use crate::error::{Error, Result};
use crate::optimizer::without_unread;
use crate::sql::binder::{BindContext, SystemRelations, Trace, trace_view};
use crate::sql::bound::BoundView;
use crate::sql::retell::{NewName, Renamed, Wording, retell};
use crate::sql::{SqlResult, Statement, parse_one};
use crate::system::SystemTables;
use crate::txn::Transaction;

/// A view as it was bound before what it reads changes.
pub(super) struct Reader {
    view: Arc<Relation>,
    bound: BoundView,
    trace: Trace,
    catalog: Arc<Catalog>,
}

/// The views that read a relation, those first that others of them may read.
///
/// # Errors
/// A view whose text does not bind any more.
pub(super) fn readers(
    around: &Surroundings<'_>,
    txn: &Transaction,
    relation: ObjectId,
) -> Result<Vec<Reader>> {
    let reads = |other: &&Arc<Relation>| {
        let view = other.view.as_ref();
        view.is_some_and(|view| view.depends_on.contains(&relation))
    };
    let mut views: Vec<Arc<Relation>> = txn.catalog.relations().filter(reads).cloned().collect();
    // A view is made after what it reads.
    views.sort_by_key(|view| view.id);
    let bind = |view: Arc<Relation>| {
        let (bound, trace) = bind(around, &txn.catalog, query_of(&view))
            .map_err(|error| refused(&view, &format!("{}, in", error.message)))?;
        Ok(Reader {
            view,
            bound,
            trace,
            catalog: Arc::clone(&txn.catalog),
        })
    };
    views.into_iter().map(bind).collect()
}

/// Tells what the catalog has by now in the texts of the views.
///
/// # Errors
/// `0A000` with a view in which it cannot be told.
pub(super) fn tell(
    around: &Surroundings<'_>,
    txn: &mut Transaction,
    readers: Vec<Reader>,
    renamed: &Renamed,
) -> Result<()> {
    for reader in readers {
        let query = reader.told(around, &txn.catalog, renamed)?;
        if let Some(query) = query {
            if let Some(module) = super::module::standing_on(txn, reader.view.id) {
                let what = format!("by its text module \"{}\" would make another", module.name);
                return Err(refused(&reader.view, &what)
                    .with_hint("install a version of the module that says what it shall be"));
            }
            put_query(txn, &reader.view, query, None)?;
        }
    }
    Ok(())
}

/// Gives a view another text of the same meaning, with the statement that makes it if that is written already.
pub(super) fn put_query(
    txn: &mut Transaction,
    view: &Relation,
    query: String,
    sql: Option<&str>,
) -> Result<()> {
    let mut view = view.clone();
    if let Some(definition) = &mut view.view {
        definition.query = query;
    }
    if let Some(sql) = sql
        .map(str::to_owned)
        .or_else(|| definition::view_sql(&view))
    {
        view.sql = sql;
    }
    txn.put_object(view.id, Some(Object::Relation(view.into())))
}

/// Whether a query would make the very view, under the same names.
#[cfg(feature = "modules")]
pub(super) fn means_the_same(
    around: &Surroundings<'_>,
    catalog: &Catalog,
    view: &Relation,
    query: &str,
) -> bool {
    let meaning = |text: &str| meaning(around, catalog, text, Columns::All);
    let (Some(old), Some(new)) = (meaning(query_of(view)), meaning(query)) else {
        return false;
    };
    let columns = view.columns.iter().map(|column| (&column.name, &column.ty));
    let fields = new.fields.iter().map(|field| (&field.name, &field.ty));
    fields.eq(columns) && new.named_like(&old) == old
}

impl Reader {
    /// The text with the new name; `None` if it stays as it is.
    fn told(
        &self,
        around: &Surroundings<'_>,
        catalog: &Catalog,
        renamed: &Renamed,
    ) -> Result<Option<String>> {
        let text = query_of(&self.view);
        let columns = match renamed.to {
            NewName::Added(_) => Columns::Read,
            _ => Columns::All,
        };
        let before = &Meaning::of(around, &self.catalog, self.bound.clone(), columns);
        let meaning = |text: &str| meaning(around, catalog, text, columns);
        let as_it_is = meaning(text);
        if as_it_is.as_ref() == Some(before) {
            return Ok(None);
        }
        for wording in Wording::ALL {
            let told = retell(text, &self.trace, renamed, wording);
            if let Some(told) = told
                && meaning(&told).as_ref() == Some(before)
            {
                return Ok(Some(told));
            }
        }
        // The names that its columns keep are listed before the text.
        if as_it_is.is_some_and(|now| now.named_like(before) == *before) {
            return Ok(Some(text.to_owned()));
        }
        Err(refused(
            &self.view,
            match renamed.to {
                NewName::Added(_) => "the new column would change",
                _ => "the new name cannot be told in",
            },
        ))
    }
}

/// What a text means: the same plan of the same columns.
#[derive(PartialEq)]
struct Meaning {
    plan: Plan,
    fields: Vec<Field>,
    order: Vec<tailwater_views::plan::SortKey>,
    reads: Vec<ObjectId>,
}

/// Which columns of what a text reads belong to its meaning: a column more makes no difference if nothing reads it.
#[derive(Clone, Copy)]
enum Columns {
    All,
    Read,
}

/// What a text means, if it means something.
fn meaning(
    around: &Surroundings<'_>,
    catalog: &Catalog,
    text: &str,
    columns: Columns,
) -> Option<Meaning> {
    let (bound, _) = bind(around, catalog, text).ok()?;
    Some(Meaning::of(around, catalog, bound, columns))
}

impl Meaning {
    fn of(
        around: &Surroundings<'_>,
        catalog: &Catalog,
        bound: BoundView,
        columns: Columns,
    ) -> Self {
        let plan = match columns {
            Columns::All => bound.plan,
            Columns::Read => without_unread(bound.plan, catalog, &**around.engine),
        };
        Self {
            plan: plan.without_names(),
            fields: bound.fields.to_vec(),
            order: bound.order,
            reads: bound.reads,
        }
    }

    fn named_like(mut self, other: &Self) -> Self {
        for (field, other) in self.fields.iter_mut().zip(&other.fields) {
            field.name.clone_from(&other.name);
        }
        self
    }
}

fn query_of(view: &Relation) -> &str {
    view.view
        .as_ref()
        .map_or("", |definition| definition.query.as_str())
}

fn bind(around: &Surroundings<'_>, catalog: &Catalog, text: &str) -> SqlResult<(BoundView, Trace)> {
    let parsed = parse_one(text)?;
    let Statement::Query(query) = &parsed.statement else {
        let what = "the text of a view is not a query";
        return Err(crate::sql::SqlError::new(sqlstate::DATA_CORRUPTED, what));
    };
    let system = Forms(SystemTables::new(around.engine, catalog));
    trace_view(catalog, query, &BindContext::of(&parsed, &system))
}

/// System relations without their rows, which tell of the moment.
struct Forms<'s>(SystemTables<'s>);

impl SystemRelations for Forms<'_> {
    fn relation(&self, schema: &str, name: &str) -> Option<(Vec<Field>, Vec<Vec<Value>>)> {
        let (fields, _) = self.0.relation(schema, name)?;
        Some((fields, Vec::new()))
    }
}

fn refused(view: &Relation, what: &str) -> Error {
    let (kind, name) = (view.kind.name(), &view.name);
    Error::statement(
        sqlstate::FEATURE_NOT_SUPPORTED,
        format!("{what} {kind} \"{name}\""),
    )
    .on(name.to_string())
    .with_hint("drop the view first and create it again after")
}
