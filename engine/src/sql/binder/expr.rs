//! Scalar expressions: the one match over sqlparser's `Expr`, which hands each construct to its neighbour. `Env`
//! says where the expression stands: what is in scope, whether aggregates and subqueries may stand there.

use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DataType, Expr as Sql, Ident, Spanned, TrimWhereField,
};
use sqlparser::tokenizer::Span;
use tailwater_proto::{EcoString, SqlType, sqlstate};
use tailwater_views::Expr;
use tailwater_views::coerce::castable;
use tailwater_views::expr::{CastMode, TruthTest};

use super::aggregate::Calls;
use super::scope::Scope;
use super::subquery::Pending;
use super::typed::cast;
use super::types::sql_type;
use super::{Binder, Typed};
use crate::sql::SqlResult;

/// Columns from here on stand for aggregates, until the plan beneath is known.
pub(super) const AGGREGATE: usize = usize::MAX / 4;
/// Columns from here on stand for values of subqueries.
pub(super) const SUBQUERY: usize = usize::MAX / 2;

/// Columns from here on are of the query around a subquery.
pub(super) const OUTER: usize = usize::MAX / 4 * 3;

/// Where an expression stands.
pub(super) struct Env<'s> {
    pub(super) scope: &'s Scope,
    /// The clause's name, for messages.
    pub(super) clause: &'static str,
    /// Aggregates found so far; `None` where none may stand.
    pub(super) aggregates: Option<&'s mut Calls>,
    /// Subqueries found so far; `None` where none may stand.
    pub(super) pending: Option<&'s mut Vec<Pending>>,
    /// Columns that were read, with where: for "must appear in the GROUP BY clause".
    pub(super) seen: Vec<(usize, EcoString, Span)>,
    /// Decimal literals are doubles here, as in documents.
    pub(super) dynamic: bool,
    /// The expression is a condition, where FALSE will do for NULL.
    pub(super) loose: bool,
    /// Fields of the document being built that later ones may name.
    pub(super) earlier: Vec<(EcoString, Typed)>,
}

impl<'s> Env<'s> {
    /// No aggregates, no subqueries.
    pub(super) fn new(scope: &'s Scope, clause: &'static str) -> Self {
        Env {
            scope,
            clause,
            aggregates: None,
            pending: None,
            seen: Vec::new(),
            dynamic: false,
            loose: false,
            earlier: Vec::new(),
        }
    }
}

impl Binder<'_> {
    /// An expression.
    pub(super) fn expr(&mut self, env: &mut Env<'_>, sql: &Sql) -> SqlResult<Typed> {
        // only the top of a condition, and IN right there, may take FALSE for NULL
        env.loose &= matches!(
            sql,
            Sql::InSubquery { .. }
                | Sql::Nested(_)
                | Sql::BinaryOp {
                    op: BinaryOperator::And,
                    ..
                }
        );
        match sql {
            Sql::Identifier(ident) => self.name(env, std::slice::from_ref(ident)),
            Sql::CompoundIdentifier(parts) => self.name(env, parts),
            Sql::CompoundFieldAccess { root, access_chain } => self.access(env, root, access_chain),
            Sql::Value(value) => self.value(env, value),
            Sql::TypedString(typed) => self.typed_string(env, typed),
            Sql::Interval(interval) => self.interval(env, interval),
            Sql::Array(array) => self.array(env, array),
            Sql::Dictionary(fields) => self.document(env, fields),
            Sql::Nested(inner) => self.expr(env, inner),
            Sql::BinaryOp { .. } => self.binary_chain(env, sql),
            Sql::UnaryOp { op, expr } => self.unary(env, op, expr),
            Sql::IsNull(expr) => self.is(env, expr, TruthTest::Null),
            Sql::IsNotNull(expr) => self.is(env, expr, TruthTest::NotNull),
            Sql::IsTrue(expr) => self.is(env, expr, TruthTest::True),
            Sql::IsNotTrue(expr) => self.is(env, expr, TruthTest::NotTrue),
            Sql::IsFalse(expr) => self.is(env, expr, TruthTest::False),
            Sql::IsNotFalse(expr) => self.is(env, expr, TruthTest::NotFalse),
            Sql::IsUnknown(expr) => self.is(env, expr, TruthTest::Unknown),
            Sql::IsNotUnknown(expr) => self.is(env, expr, TruthTest::NotUnknown),
            Sql::IsDistinctFrom(left, right) => self.distinct(env, left, right, false),
            Sql::IsNotDistinctFrom(left, right) => self.distinct(env, left, right, true),
            Sql::Between {
                expr,
                negated,
                low,
                high,
            } => self.between(env, expr, *negated, low, high),
            Sql::InList {
                expr,
                list,
                negated,
            } => self.in_list(env, expr, list, *negated),
            Sql::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => self.quantified(env, left, compare_op, right, false),
            Sql::AllOp {
                left,
                compare_op,
                right,
            } => self.quantified(env, left, compare_op, right, true),
            Sql::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.like(env, expr, pattern, escape_char.as_deref(), false, *negated),
            Sql::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.like(env, expr, pattern, escape_char.as_deref(), true, *negated),
            Sql::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                ..
            } => self.cast(env, expr, data_type),
            Sql::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(env, operand.as_deref(), conditions, else_result.as_deref()),
            Sql::Function(function) => self.function(env, function),
            Sql::Subquery(query) => self.scalar_subquery(env, query),
            Sql::Exists { subquery, negated } => self.exists(env, subquery, *negated),
            Sql::InSubquery {
                expr,
                subquery,
                negated,
            } => self.in_subquery(env, expr, subquery, *negated),
            other => self.sugar(env, other),
        }
    }

    /// Constructs that are other spellings of functions.
    fn sugar(&mut self, env: &mut Env<'_>, sql: &Sql) -> SqlResult<Typed> {
        let span = sql.span();
        match sql {
            Sql::Extract { field, expr, .. } => {
                let field = field.to_string().trim_matches('\'').to_lowercase();
                let field = Typed::constant(field, SqlType::Text);
                let value = self.expr(env, expr)?;
                self.call("extract", vec![field, value], span)
            }
            Sql::Ceil { expr, field } => self.ceil_floor(env, "ceil", expr, field, span),
            Sql::Floor { expr, field } => self.ceil_floor(env, "floor", expr, field, span),
            Sql::Position { expr, r#in } => {
                let args = vec![self.expr(env, r#in)?, self.expr(env, expr)?];
                self.call("strpos", args, span)
            }
            Sql::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                let text = self.expr(env, expr)?;
                let from = match substring_from {
                    Some(from) => self.expr(env, from)?,
                    None => Typed::constant(1, SqlType::Int4),
                };
                let mut args = vec![text, from];
                if let Some(count) = substring_for {
                    args.push(self.expr(env, count)?);
                }
                self.call("substring", args, span)
            }
            Sql::Trim {
                trim_where,
                trim_what,
                expr,
                trim_characters,
            } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "btrim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let mut args = vec![self.expr(env, expr)?];
                let characters = trim_characters.as_deref().and_then(<[Sql]>::first);
                if let Some(what) = trim_what.as_deref().or(characters) {
                    args.push(self.expr(env, what)?);
                }
                self.call(name, args, span)
            }
            Sql::Overlay {
                expr,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                let mut args = Vec::new();
                let count = overlay_for.as_deref();
                for part in [&**expr, overlay_what, overlay_from]
                    .into_iter()
                    .chain(count)
                {
                    args.push(self.expr(env, part)?);
                }
                self.call("overlay", args, span)
            }
            Sql::AtTimeZone {
                timestamp,
                time_zone,
            } => {
                let args = vec![self.expr(env, time_zone)?, self.expr(env, timestamp)?];
                self.call("timezone", args, span)
            }
            Sql::Collate { expr, collation } => {
                let name = collation.to_string().replace('"', "").to_lowercase();
                match name.as_str() {
                    "c" | "posix" | "default" | "ucs_basic" | "binary" => self.expr(env, expr),
                    _ => Err(self
                        .unsupported(format!("the collation {collation}"), span)
                        .hint("texts compare by their code points: COLLATE \"C\"")),
                }
            }
            Sql::Tuple(_) => Err(self
                .unsupported("a row as a value", span)
                .hint("compare rows with rows, or use an array or a document")),
            Sql::QualifiedWildcard(..) | Sql::Wildcard(_) => Err(self.error(
                sqlstate::SYNTAX_ERROR,
                "* stands for columns and is not a value",
                span,
            )),
            other => Err(self.unsupported(construct(other), span)),
        }
    }

    fn ceil_floor(
        &mut self,
        env: &mut Env<'_>,
        name: &str,
        expr: &Sql,
        field: &CeilFloorKind,
        span: Span,
    ) -> SqlResult<Typed> {
        match field {
            CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime) => {
                let value = self.expr(env, expr)?;
                self.call(name, vec![value], span)
            }
            _ => Err(self.unsupported(format!("{name} to a scale or field"), span)),
        }
    }

    /// A dotted name.
    fn name(&mut self, env: &mut Env<'_>, parts: &[Ident]) -> SqlResult<Typed> {
        if let Some(found) = earlier_field(env, parts) {
            return Ok(found);
        }
        let span = parts.first().map_or(Span::empty(), |ident| ident.span);
        match env.scope.resolve(parts) {
            Ok(Some(resolved)) => {
                if let Some(trace) = &mut self.trace {
                    trace.column(env.scope, parts, &resolved);
                }
                env.seen.push((resolved.position, resolved.name, span));
                Ok(resolved.typed)
            }
            Ok(None) => self.not_found(env, parts, span),
            Err(error) => Err(self.place(error, span)),
        }
    }

    fn not_found(&mut self, env: &Env<'_>, parts: &[Ident], span: Span) -> SqlResult<Typed> {
        if let [name] = parts
            && name.quote_style.is_none()
            && name.value.eq_ignore_ascii_case("user")
        {
            return self.call("current_user", Vec::new(), span);
        }
        let text = parts
            .iter()
            .map(|part| part.value.as_str())
            .collect::<Vec<_>>()
            .join(".");
        if let Some(outer) = self.outer_column(env, parts, &text, span)? {
            return Ok(outer);
        }
        if let [table, _, ..] = parts
            && env.scope.suggest(parts).is_none()
        {
            let table = super::names::fold(table);
            if env.scope.table(None, &table).is_none() {
                return Err(self
                    .error(
                        sqlstate::UNDEFINED_TABLE,
                        format!("missing FROM-clause entry for table \"{table}\""),
                        span,
                    )
                    .on(&table)
                    .hint("name the table in FROM, or check its alias"));
            }
        }
        let message = match parts {
            [name] => format!("column \"{}\" does not exist", super::names::fold(name)),
            _ => format!("column {text} does not exist"),
        };
        let object = match parts {
            [name] => super::names::fold(name).to_string(),
            _ => text.to_string(),
        };
        let error = self
            .error(sqlstate::UNDEFINED_COLUMN, message, span)
            .on(object);
        Err(match env.scope.suggest(parts) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None if parts.len() == 1 && parts.iter().all(|p| p.quote_style == Some('"')) => {
                error.hint("double quotes are for names; text is written in single quotes")
            }
            None => error,
        })
    }

    /// A name of the query around: its column, if it may be read here.
    fn outer_column(
        &mut self,
        env: &Env<'_>,
        parts: &[Ident],
        text: &str,
        span: Span,
    ) -> SqlResult<Option<Typed>> {
        for (distance, scope) in self.outer.iter().rev().enumerate() {
            let Ok(Some(resolved)) = scope.resolve(parts) else {
                continue;
            };
            if distance > 0 || !matches!(env.clause, "WHERE" | "SELECT") {
                return Err(self
                    .unsupported(
                        format!("a subquery that reads {text} of the query around it there"),
                        span,
                    )
                    .hint("read it in WHERE of the subquery, or join the tables instead"));
            }
            if let Some(trace) = &mut self.trace {
                trace.column(scope, parts, &resolved);
            }
            let mut typed = resolved.typed;
            typed.expr.map_columns(&|column| column + OUTER);
            return Ok(Some(typed));
        }
        Ok(None)
    }

    /// CAST and `::`.
    fn cast(&mut self, env: &mut Env<'_>, expr: &Sql, to: &DataType) -> SqlResult<Typed> {
        let span = expr.span();
        let to = sql_type(to).map_err(|error| self.place(error, span))?;
        let typed = self.expr(env, expr)?;
        if let (SqlType::Unknown, Expr::Parameter(_)) = (&typed.ty, &typed.expr) {
            return Ok(cast(self.coerce(typed, &to), &to, CastMode::Explicit));
        }
        if typed.ty == to {
            return Ok(typed);
        }
        if !castable(&typed.ty, &to, CastMode::Explicit) {
            return Err(self.error(
                sqlstate::CANNOT_COERCE,
                format!("cannot cast type {} to {to}", typed.ty),
                span,
            ));
        }
        Ok(cast(typed, &to, CastMode::Explicit))
    }

    /// A condition: a boolean, or a dynamic value that may be one.
    pub(super) fn condition(&mut self, env: &mut Env<'_>, sql: &Sql) -> SqlResult<Expr> {
        let typed = self.expr(env, sql)?;
        self.truth(typed, env.clause, sql.span())
    }

    /// Requires a truth value.
    pub(super) fn truth(&mut self, typed: Typed, what: &str, span: Span) -> SqlResult<Expr> {
        match &typed.ty {
            SqlType::Bool | SqlType::Any => Ok(typed.expr),
            SqlType::Unknown => Ok(self.coerce(typed, &SqlType::Bool).expr),
            other => Err(self.error(
                sqlstate::DATATYPE_MISMATCH,
                format!("argument of {what} must be type boolean, not type {other}"),
                span,
            )),
        }
    }

    /// A call of the function table.
    pub(super) fn call(&mut self, name: &str, args: Vec<Typed>, span: Span) -> SqlResult<Typed> {
        let types: Vec<SqlType> = args.iter().map(|arg| arg.ty.clone()).collect();
        let call = tailwater_views::function::resolve(name, &types).map_err(|error| {
            self.error(error.sqlstate(), error.to_string(), span)
                .on(name)
                .hint(error.hint())
        })?;
        let args = args
            .into_iter()
            .zip(call.coercions.iter().chain(std::iter::repeat(&None)))
            .map(|(arg, to)| match to {
                Some(to) => self.coerce(arg, to).expr,
                None => arg.expr,
            })
            .collect();
        let expr = Expr::Call {
            function: call.function.id,
            args,
        };
        Ok(Typed::new(expr, call.result))
    }
}

fn earlier_field(env: &Env<'_>, parts: &[Ident]) -> Option<Typed> {
    let [name] = parts else { return None };
    let name = super::names::fold(name);
    env.earlier
        .iter()
        .rev()
        .find(|(field, _)| *field == name)
        .map(|(_, typed)| typed.clone())
}

/// What a construct is called.
fn construct(sql: &Sql) -> &'static str {
    match sql {
        Sql::SimilarTo { .. } => "SIMILAR TO",
        Sql::IsJson { .. } => "IS JSON",
        Sql::IsNormalized { .. } => "IS NORMALIZED",
        Sql::GroupingSets(_) => "GROUPING SETS",
        Sql::Cube(_) => "CUBE",
        Sql::Rollup(_) => "ROLLUP",
        Sql::Like { .. } | Sql::ILike { .. } => "LIKE ANY",
        Sql::Cast { .. } => "TRY_CAST",
        Sql::JsonAccess { .. } => "access with a colon",
        Sql::InUnnest { .. } => "IN UNNEST",
        Sql::Struct { .. } | Sql::Named { .. } => "STRUCT",
        Sql::Lambda(_) => "a lambda",
        _ => "this expression",
    }
}
