//! CREATE INDEX and the indexes of UNIQUE constraints: parts are columns or paths into them.

use sqlparser::ast::Spanned;
use tailwater_proto::{StorageId, sqlstate};
use tailwater_views::Expr;

use super::{error, unsupported};
use crate::catalog::{
    Catalog, Index, IndexPart, Object, ObjectId, ObjectName, Relation, RelationKind,
};
use crate::sql::SqlResult;
use crate::sql::binder::names::{nearest_relation, object_name};
use crate::sql::binder::{SystemRelations, bind_expr, key_part_expr};
use crate::sql::statement::{CreateIndex, KeyPart};

/// The index of a CREATE INDEX.
///
/// # Errors
/// 42P01 and 42809 for its relation, 42703 for its parts, 0A000 for partial, covering and expression indexes.
pub fn create_index(
    catalog: &mut Catalog,
    create: &CreateIndex,
    system: &dyn SystemRelations,
) -> SqlResult<Index> {
    let wanted = object_name(&create.table);
    let span = create.table.span();
    let relation = match catalog.find(&wanted) {
        Some(Object::Relation(relation)) => relation.clone(),
        Some(other) => {
            return Err(error(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{wanted}\" is not a table but a {}", other.kind_name()),
                span,
            )
            .on(&wanted));
        }
        None => {
            let missing = error(
                sqlstate::UNDEFINED_TABLE,
                format!("relation \"{wanted}\" does not exist"),
                span,
            )
            .on(&wanted);
            return Err(match nearest_relation(catalog, &wanted) {
                Some(near) => missing.hint(format!("did you mean {near}?")),
                None => missing,
            });
        }
    };
    if relation.kind == RelationKind::View {
        return Err(error(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("cannot create index on view \"{wanted}\""),
            span,
        )
        .on(&wanted)
        .hint("index its tables, or make it a MATERIALIZED VIEW"));
    }
    if relation.kind == RelationKind::MaterializedView && create.unique {
        return Err(unsupported("a unique index on a view", span));
    }
    if let Some(filter) = &create.filter {
        return Err(unsupported("a partial index", filter.span()));
    }
    if let Some(column) = create.include.first() {
        return Err(unsupported("INCLUDE in an index", column.span));
    }
    if create.nulls_equal {
        return Err(unsupported("NULLS NOT DISTINCT", span));
    }
    let parts = index_parts(catalog, &relation, &create.columns, system)?;
    let name = create.name.as_ref().map(|name| object_name(name).name);
    Ok(new_index(catalog, &relation, name, create.unique, parts))
}

/// Parts of a key over a relation's row layout.
///
/// # Errors
/// 42703 for columns there are not, 42701 for a part that stands twice, 0A000 for expressions.
pub fn index_parts(
    catalog: &Catalog,
    relation: &Relation,
    columns: &[KeyPart],
    system: &dyn SystemRelations,
) -> SqlResult<Vec<IndexPart>> {
    let mut parts: Vec<IndexPart> = Vec::with_capacity(columns.len());
    for column in columns {
        let sql = key_part_expr(column);
        let span = sql.span();
        let (expr, _) = bind_expr(catalog, Some(relation), &sql, None, system)?;
        let is_path = match &expr {
            Expr::Column(_) => true,
            Expr::Path { base, .. } => matches!(**base, Expr::Column(_)),
            _ => false,
        };
        if !is_path {
            return Err(unsupported("an index on an expression", span)
                .hint("index a column or a path into one, such as a.b[0]"));
        }
        if column
            .nulls_first
            .is_some_and(|first| first != column.descending)
        {
            return Err(unsupported("this order of NULLs in an index", span)
                .hint("NULLs come last, and first under DESC"));
        }
        let text = sql.to_string();
        if parts.iter().any(|part| part.expr == expr) {
            return Err(error(
                sqlstate::DUPLICATE_COLUMN,
                format!("column \"{text}\" appears twice in a key"),
                span,
            )
            .on(&text));
        }
        parts.push(IndexPart {
            expr,
            text,
            descending: column.descending,
        });
    }
    Ok(parts)
}

/// An index with numbers and, if it has none, a name of its own.
pub fn new_index(
    catalog: &mut Catalog,
    relation: &Relation,
    name: Option<String>,
    unique: bool,
    parts: Vec<IndexPart>,
) -> Index {
    let name = name.unwrap_or_else(|| {
        let columns = parts
            .iter()
            .map(|part| words(&part.text))
            .collect::<Vec<_>>()
            .join("_");
        let suffix = if unique { "key" } else { "idx" };
        free_name(
            catalog,
            relation,
            &format!("{}_{columns}_{suffix}", relation.name.name),
            &[],
        )
    });
    Index {
        id: ObjectId(catalog.allocate()),
        name: ObjectName::in_schema(relation.name.schema.as_str(), name),
        relation: relation.id,
        storage: StorageId(catalog.allocate()),
        unique,
        for_maintenance: false,
        parts,
        sql: String::new(),
    }
}

/// A path's text as a piece of a name.
fn words(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|ch: char| !ch.is_alphanumeric() && ch != '_')
        .filter(|w| !w.is_empty())
        .collect();
    words.join("_")
}

/// The name, or the first of name1, name2, … that no object and none of `taken` has.
pub(super) fn free_name(
    catalog: &Catalog,
    relation: &Relation,
    name: &str,
    taken: &[String],
) -> String {
    let is_free = |name: &str| {
        let name = ObjectName::in_schema(relation.name.schema.as_str(), name);
        catalog.find(&name).is_none() && !taken.contains(&name.name)
    };
    if is_free(name) {
        return name.to_owned();
    }
    let mut number = 1_u32;
    loop {
        let numbered = format!("{name}{number}");
        if is_free(&numbered) {
            return numbered;
        }
        number += 1;
    }
}
