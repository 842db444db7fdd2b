//! Views: the query bound, its columns named, and what may not stand in a view that is maintained refused.

use sqlparser::ast::{SetExpr, Spanned};
use sqlparser::tokenizer::Span;
use tailwater_proto::{ColumnId, EcoString, StorageId, sqlstate};
use tailwater_views::plan::Field;

use super::{error, unsupported};
use crate::catalog::{Catalog, Column, ObjectId, Relation, RelationKind, ViewDefinition};
use crate::sql::SqlResult;
use crate::sql::binder::names::{fold, object_name};
use crate::sql::binder::{self, BindContext, SystemRelations};
use crate::sql::bound::BoundView;
use crate::sql::statement::CreateView;

/// Binds the query of a view.
///
/// # Errors
/// See [`binder::bind`]; 42701 for two columns of a name; 0A000 for what a maintained view may not hold.
pub fn bind_view(
    catalog: &Catalog,
    create: &CreateView,
    system: &dyn SystemRelations,
) -> SqlResult<BoundView> {
    let span = create.name.span();
    if create.temporary {
        return Err(unsupported("a temporary view", span));
    }
    if create.materialized && !create.with_data {
        return Err(unsupported("WITH NO DATA", span).hint("a view always holds its rows"));
    }
    let cx = BindContext {
        source: "",
        question_marks: &[],
        system,
    };
    let mut bound = binder::bind_view(catalog, &create.query, &cx)?;
    if create.columns.len() > bound.fields.len() {
        return Err(error(
            sqlstate::SYNTAX_ERROR,
            "CREATE VIEW specifies more column names than columns",
            create.columns.last().map_or(span, |column| column.span),
        ));
    }
    let mut fields = bound.fields.to_vec();
    for (field, name) in fields.iter_mut().zip(&create.columns) {
        field.name = fold(name);
        field.spread = false;
    }
    bound.fields = fields.into();
    check_columns(&bound.fields, create)?;
    Ok(bound)
}

/// The relation of a view; a maintained one still lacks its dataflow.
///
/// # Errors
/// 22023 for an option there is not.
pub fn view_relation(
    catalog: &mut Catalog,
    create: &CreateView,
    bound: &BoundView,
    query: &str,
) -> SqlResult<Relation> {
    let mut reject_errors = false;
    for (name, value) in &create.options {
        let text = value.as_ref().map(ToString::to_string).unwrap_or_default();
        let text = text.trim_matches('\'').to_lowercase();
        match (name.as_str(), text.as_str()) {
            ("on_error", "reject") => reject_errors = true,
            ("on_error", "keep") | ("placement", "in commit" | "in_commit") => {}
            ("placement", _) => {
                return Err(
                    unsupported(format!("the placement {text}"), create.name.span())
                        .hint("views are maintained in the commit"),
                );
            }
            _ => {
                return Err(error(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("unrecognized option {name} = {text}"),
                    create.name.span(),
                )
                .on(object_name(&create.name))
                .hint("known: on_error = 'keep' or 'reject', placement = 'in commit'"));
            }
        }
    }
    let mut next_column = ColumnId::REST.0 + 1;
    let columns = bound
        .fields
        .iter()
        .map(|field| Column {
            id: if field.spread {
                ColumnId::REST
            } else {
                next_column += 1;
                ColumnId(next_column - 1)
            },
            name: field.name.clone(),
            ty: field.ty.clone(),
            not_null: false,
            default: None,
            default_sql: None,
            sequence: None,
            identity: None,
            hidden: false,
            nested: Vec::new(),
        })
        .collect();
    Ok(Relation {
        id: ObjectId(catalog.allocate()),
        name: object_name(&create.name),
        kind: if create.materialized {
            RelationKind::MaterializedView
        } else {
            RelationKind::View
        },
        storage: StorageId(catalog.allocate()),
        schema_version: 1,
        columns,
        next_column,
        primary_key: Vec::new(),
        checks: Vec::new(),
        view: Some(ViewDefinition {
            query: query.to_owned(),
            dataflow: None,
            sources: Vec::new(),
            depends_on: bound.reads.clone(),
            state: Vec::new(),
            indexes: Vec::new(),
            order: bound.order.clone(),
            reject_errors,
        }),
        sql: String::new(),
    })
}

/// Every column has a name of its own; undeclared fields stand last.
fn check_columns(fields: &[Field], create: &CreateView) -> SqlResult<()> {
    let mut names: Vec<&EcoString> = Vec::with_capacity(fields.len());
    for (place, field) in fields.iter().enumerate() {
        let span = column_span(create, place, fields.len());
        if field.spread && place + 1 < fields.len() {
            return Err(
                unsupported("* of an open table before other columns, in a view", span)
                    .hint("put it last, or name the columns"),
            );
        }
        if names.contains(&&field.name) {
            return Err(error(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{}\" specified more than once", field.name),
                span,
            )
            .on(&field.name)
            .hint(format!(
                "give one of them another name: {0} AS {0}_2",
                field.name
            )));
        }
        names.push(&field.name);
    }
    Ok(())
}

/// Where the n-th of so many columns is written; without `*` each has a place of its own.
fn column_span(create: &CreateView, place: usize, columns: usize) -> Span {
    if let Some(name) = create.columns.get(place) {
        return name.span;
    }
    match &*create.query.body {
        SetExpr::Select(select) if select.projection.len() == columns => select
            .projection
            .get(place)
            .map_or(create.query.span(), Spanned::span),
        _ => create.query.span(),
    }
}
