//! Lists of results: a SELECT list and RETURNING. `*` is what the tables show, in order.

use sqlparser::ast::{
    SelectItem, SelectItemQualifiedWildcardKind, Spanned, WildcardAdditionalOptions,
};
use sqlparser::tokenizer::Span;
use tailwater_proto::sqlstate;
use tailwater_views::Expr;
use tailwater_views::plan::Field;

use super::expr::Env;
use super::names::{fold, fold_parts};
use super::naming::output_name;
use super::scope::{Column, Scope, Table};
use super::{Binder, settle_field};
use crate::catalog::Relation;
use crate::sql::SqlResult;
use crate::sql::bound::Returning;

/// One column of a list.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) expr: Expr,
    pub(super) field: Field,
}

impl Binder<'_> {
    /// The columns of a list.
    pub(super) fn items(&mut self, env: &mut Env<'_>, list: &[SelectItem]) -> SqlResult<Vec<Item>> {
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            match item {
                SelectItem::UnnamedExpr(sql) => {
                    let name = output_name(sql, env.scope);
                    items.push(self.item(env, sql, name)?);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push(self.item(env, expr, fold(alias))?);
                }
                SelectItem::Wildcard(options) => {
                    self.plain_wildcard(options)?;
                    let span = options.wildcard_token.0.span;
                    if env.scope.tables.is_empty() {
                        return Err(self.error(
                            sqlstate::SYNTAX_ERROR,
                            "SELECT * with no tables specified is not valid",
                            span,
                        ));
                    }
                    let columns: Vec<Column> = env.scope.star_columns().cloned().collect();
                    push_columns(env, &mut items, &columns, span);
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    self.plain_wildcard(options)?;
                    let columns = self.table_columns(env.scope, kind)?;
                    push_columns(env, &mut items, &columns, kind.span());
                }
                SelectItem::ExprWithAliases { expr, .. } => {
                    return Err(self.unsupported("several names for a column", expr.span()));
                }
            }
        }
        Ok(items)
    }

    fn item(
        &mut self,
        env: &mut Env<'_>,
        sql: &sqlparser::ast::Expr,
        name: tailwater_proto::EcoString,
    ) -> SqlResult<Item> {
        let typed = self.expr(env, sql)?;
        // a bare NULL or text keeps no type, so that UNION and INSERT can give it one
        let field = Field {
            name,
            ty: typed.ty,
            spread: false,
        };
        Ok(Item {
            expr: typed.expr,
            field,
        })
    }

    fn plain_wildcard(&self, options: &WildcardAdditionalOptions) -> SqlResult<()> {
        let others = options.opt_ilike.is_some()
            || options.opt_exclude.is_some()
            || options.opt_except.is_some()
            || options.opt_replace.is_some()
            || options.opt_rename.is_some()
            || options.opt_alias.is_some();
        if others {
            return Err(self.unsupported("an option of *", options.wildcard_token.0.span));
        }
        Ok(())
    }

    pub(super) fn table_columns(
        &self,
        scope: &Scope,
        kind: &SelectItemQualifiedWildcardKind,
    ) -> SqlResult<Vec<Column>> {
        let SelectItemQualifiedWildcardKind::ObjectName(name) = kind else {
            return Err(self.unsupported("* of an expression", kind.span()));
        };
        let parts = fold_parts(name);
        let table = match parts.as_slice() {
            [table] => scope.table(None, table),
            [.., schema, table] => scope.table(Some(schema), table),
            [] => None,
        };
        match table {
            Some(table) => Ok(table
                .columns
                .iter()
                .filter(|column| !column.hidden)
                .cloned()
                .collect()),
            None => Err(self
                .error(
                    sqlstate::UNDEFINED_TABLE,
                    format!(
                        "missing FROM-clause entry for table \"{}\"",
                        parts.join(".")
                    ),
                    name.span(),
                )
                .on(parts.join("."))
                .hint("name the table in FROM, or check its alias")),
        }
    }

    /// RETURNING, over the row layout of a table.
    pub(super) fn returning(
        &mut self,
        list: Option<&[SelectItem]>,
        table: &Relation,
        alias: Option<&sqlparser::ast::Ident>,
    ) -> SqlResult<Option<Returning>> {
        let Some(list) = list else { return Ok(None) };
        let scope = Scope::of(Table::of_relation(table, alias.map(fold)));
        let mut env = Env::new(&scope, "RETURNING");
        let items = self.items(&mut env, list)?;
        let (exprs, fields): (Vec<Expr>, Vec<Field>) = items
            .into_iter()
            .map(|item| (item.expr, settle_field(item.field)))
            .unzip();
        Ok(Some(Returning {
            exprs,
            fields: fields.into(),
        }))
    }
}

fn push_columns(env: &mut Env<'_>, items: &mut Vec<Item>, columns: &[Column], span: Span) {
    for column in columns {
        env.seen.push((column.position, column.name.clone(), span));
        items.push(Item {
            expr: Expr::Column(column.position),
            field: column.field(),
        });
    }
}
