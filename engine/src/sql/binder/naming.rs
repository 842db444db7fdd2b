//! Names of result columns, as PostgreSQL gives them; a path into a document is named by its text, as in Genji.

use sqlparser::ast::{DataType, Expr as Sql, SelectItem, SetExpr};
use tailwater_proto::EcoString;

use super::names::{fold, fold_parts};
use super::scope::Scope;
use super::types::sql_type;

/// The name of an expression's column.
pub(super) fn output_name(sql: &Sql, scope: &Scope) -> EcoString {
    named(sql, scope).unwrap_or_else(|| "?column?".into())
}

fn named(sql: &Sql, scope: &Scope) -> Option<EcoString> {
    match sql {
        Sql::Identifier(ident) => match scope.resolve(std::slice::from_ref(ident)) {
            Ok(Some(resolved)) => Some(resolved.name),
            _ => Some(fold(ident)),
        },
        Sql::CompoundIdentifier(parts) => match scope.resolve(parts) {
            Ok(Some(resolved)) => Some(resolved.name),
            _ => parts.last().map(fold),
        },
        Sql::CompoundFieldAccess { .. } => Some(sql.to_string().into()),
        Sql::Nested(inner) | Sql::Collate { expr: inner, .. } => named(inner, scope),
        Sql::Cast {
            expr, data_type, ..
        } => match named(expr, scope) {
            Some(name) => Some(name),
            None => type_name(data_type),
        },
        Sql::TypedString(typed) => type_name(&typed.data_type),
        Sql::Interval(_) => Some("interval".into()),
        Sql::Function(function) => {
            let name = fold_parts(&function.name).pop()?;
            Some(if name == "between_symmetric" {
                "?column?".into()
            } else {
                name
            })
        }
        Sql::Case { else_result, .. } => match else_result.as_deref() {
            Some(otherwise @ (Sql::Identifier(_) | Sql::CompoundIdentifier(_))) => {
                named(otherwise, scope)
            }
            _ => Some("case".into()),
        },
        Sql::Extract { .. } => Some("extract".into()),
        Sql::Ceil { .. } => Some("ceil".into()),
        Sql::Floor { .. } => Some("floor".into()),
        Sql::Position { .. } => Some("position".into()),
        Sql::Substring { .. } => Some("substring".into()),
        Sql::Trim { trim_where, .. } => Some(match trim_where {
            Some(sqlparser::ast::TrimWhereField::Leading) => "ltrim".into(),
            Some(sqlparser::ast::TrimWhereField::Trailing) => "rtrim".into(),
            _ => "btrim".into(),
        }),
        Sql::Overlay { .. } => Some("overlay".into()),
        Sql::AtTimeZone { .. } => Some("timezone".into()),
        Sql::Exists { .. } => Some("exists".into()),
        Sql::Array(array) if array.named => Some("array".into()),
        Sql::Value(value) => match &value.value {
            sqlparser::ast::Value::Boolean(_) => Some("bool".into()),
            _ => None,
        },
        Sql::Subquery(query) => match &*query.body {
            SetExpr::Select(select) => match select.projection.first() {
                Some(SelectItem::ExprWithAlias { alias, .. }) => Some(fold(alias)),
                Some(SelectItem::UnnamedExpr(expr)) => named(expr, &Scope::default()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// PostgreSQL's short name of a type.
fn type_name(name: &DataType) -> Option<EcoString> {
    use tailwater_proto::SqlType as T;
    Some(match sql_type(name).ok()? {
        T::Bool => "bool".into(),
        T::Int2 => "int2".into(),
        T::Int4 => "int4".into(),
        T::Int8 => "int8".into(),
        T::Real => "float4".into(),
        T::Double => "float8".into(),
        T::Char(_) => "bpchar".into(),
        T::Varchar(_) => "varchar".into(),
        T::Numeric(_) => "numeric".into(),
        T::Time => "time".into(),
        T::Timestamp => "timestamp".into(),
        T::TimestampTz => "timestamptz".into(),
        T::Array(_) => "array".into(),
        other => other.to_string().into(),
    })
}
