//! A table that is there already and that a message of a module is to be a row of: whether it will do.
//!
//! It may have columns that the message does not know, and wider types. Next door: `plan`, which says what is wanted.

use tailwater_proto::SqlType;
use tailwater_views::Expr;

use super::name::quoted;
use super::plan::{PrimaryKey, TablePlan};
use crate::catalog::{Identity, Relation, RelationKind};
use crate::error::{Error, Result};

/// Refuses a table or view that rows of the message cannot be in.
///
/// `wanted` is the table as the module would make it.
///
/// # Errors
/// `42P07` saying what does not fit.
pub(crate) fn check(plan: &TablePlan, wanted: Option<&Relation>, found: &Relation) -> Result<()> {
    let refuse = |what: String| {
        Err(Error::statement(
            "42P07",
            format!(
                "{} \"{}\" is there already and cannot hold rows of {}: {what}",
                found.kind.name(),
                found.name,
                plan.message
            ),
        )
        .on(found.name.to_string())
        .with_hint("name another: option (tailwater.v1.table) = { name: \"another\" };, or bind the methods by SQL"))
    };
    let is_view = plan.view.is_some();
    if is_view != (found.kind == RelationKind::MaterializedView) {
        let wants = if is_view {
            "materialized view"
        } else {
            "table"
        };
        return refuse(format!("the module wants a {wants}"));
    }
    for column in &plan.columns {
        let Some((_, here)) = found.column(&column.name) else {
            if found.rest().is_some() {
                continue;
            }
            return refuse(format!("it has no column {}", column.name));
        };
        let wanted = wanted.and_then(|wanted| wanted.column(&column.name));
        if let Some((_, wanted)) = wanted
            && !holds(&here.ty, &wanted.ty)
        {
            return refuse(format!(
                "its column {} is {}, the field {} wants {}",
                column.name, here.ty, column.field, wanted.ty
            ));
        }
    }
    if is_view {
        return Ok(());
    }
    let key: Vec<&str> = found
        .primary_key
        .iter()
        .map(|part| match &part.expr {
            Expr::Column(place) => (found.columns.get(*place)).map_or("", |c| c.name.as_str()),
            _ => part.text.as_str(),
        })
        .collect();
    if key != plan.primary_key.columns() {
        return refuse(format!(
            "its primary key is ({}), the module wants ({})",
            key.join(", "),
            plan.primary_key.columns().join(", ")
        ));
    }
    if let PrimaryKey::Sequence(name) = &plan.primary_key {
        let counts = |identity: Option<Identity>| identity.is_some();
        if !found
            .column(name)
            .is_some_and(|(_, column)| counts(column.identity))
        {
            return refuse(format!("its column {name} does not count its rows"));
        }
    }
    Ok(())
}

/// What the module's options say of a table that was there before, and that it has not: defaults and conditions.
pub(crate) fn statements(plan: &TablePlan, found: &Relation) -> Vec<String> {
    let table = quoted(&plan.name);
    let mut statements = Vec::new();
    for column in plan.columns.iter().filter(|column| column.has_own_default) {
        let here = found.column(&column.name).map(|(_, here)| here);
        if let (Some(here), Some(default)) = (here, &column.default)
            && here.default.is_none()
        {
            let name = quoted(&column.name);
            statements.push(format!(
                "ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {default};\n"
            ));
        }
    }
    for check in &plan.checks {
        if found.checks.iter().all(|here| here.name != check.name) {
            statements.push(format!("ALTER TABLE {table} ADD {};\n", check.sql()));
        }
    }
    statements
}

/// Whether every value of one type is kept by the other.
fn holds(here: &SqlType, wanted: &SqlType) -> bool {
    use SqlType::{Any, Char, Int2, Int4, Int8, Numeric, Real, Text, Varchar};
    use SqlType::{Document, Double, Json};
    here == wanted
        || matches!(
            (here, wanted),
            (Any, _)
                | (Int4 | Int8 | Numeric(None), Int2)
                | (Int8 | Numeric(None), Int4)
                | (Numeric(None), Int8 | Numeric(_))
                | (Double, Real)
                | (Text | Char(_) | Varchar(_), Text)
                | (Json, Document)
        )
}
