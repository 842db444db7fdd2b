//! Ways into documents and arrays: `a.b[0].c`, `a['k']`, `(expr).f`, `doc -> 'k'`. Constant steps make one path,
//! which indexes can match; computed ones are subscripts.

use sqlparser::ast::{
    AccessExpr, Expr as Sql, Ident, Spanned, Subscript, UnaryOperator, Value as SqlValue,
};
use sqlparser::tokenizer::Span;
use tailwater_proto::{EcoString, Path, PathStep, SqlType, sqlstate};
use tailwater_views::Expr;
use tailwater_views::expr::CastMode;

use super::expr::Env;
use super::names::fold;
use super::scope::nested_type;
use super::typed::cast;
use super::{Binder, Typed};
use crate::sql::SqlResult;

impl Binder<'_> {
    /// `root` and a chain of fields and subscripts.
    pub(super) fn access(
        &mut self,
        env: &mut Env<'_>,
        root: &Sql,
        chain: &[AccessExpr],
    ) -> SqlResult<Typed> {
        let (typed, rest) = self.access_root(env, root, chain)?;
        let mut place = typed;
        for step in rest {
            place = match step {
                AccessExpr::Dot(Sql::Identifier(field)) => {
                    self.field(env, place, fold(field), field.span)?
                }
                AccessExpr::Dot(other) => {
                    return Err(self.unsupported("this kind of field access", other.span()));
                }
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    self.subscript(env, place, index)?
                }
                AccessExpr::Subscript(Subscript::Slice { .. }) => {
                    return Err(self.unsupported("a slice of an array", root.span()));
                }
            };
        }
        Ok(place)
    }

    /// The longest dotted name at the front, and what is left of the chain.
    fn access_root<'c>(
        &mut self,
        env: &mut Env<'_>,
        root: &Sql,
        chain: &'c [AccessExpr],
    ) -> SqlResult<(Typed, &'c [AccessExpr])> {
        let mut parts: Vec<Ident> = match root {
            Sql::Identifier(ident) => vec![ident.clone()],
            Sql::CompoundIdentifier(parts) => parts.clone(),
            other => return Ok((self.expr(env, other)?, chain)),
        };
        let dotted = chain
            .iter()
            .take_while(|step| matches!(step, AccessExpr::Dot(Sql::Identifier(_))))
            .count();
        for step in chain.iter().take(dotted) {
            if let AccessExpr::Dot(Sql::Identifier(ident)) = step {
                parts.push(ident.clone());
            }
        }
        let typed = self.expr(env, &Sql::CompoundIdentifier(parts))?;
        Ok((typed, chain.get(dotted..).unwrap_or_default()))
    }

    fn field(
        &mut self,
        env: &Env<'_>,
        place: Typed,
        name: EcoString,
        span: Span,
    ) -> SqlResult<Typed> {
        match place.ty {
            SqlType::Any | SqlType::Document | SqlType::Json | SqlType::Unknown => {
                Ok(step(env, place, PathStep::Field(name)))
            }
            other => Err(self
                .error(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("a value of type {other} has no field \"{name}\""),
                    span,
                )
                .on(&name)),
        }
    }

    fn subscript(&mut self, env: &mut Env<'_>, place: Typed, index: &Sql) -> SqlResult<Typed> {
        let span = index.span();
        let element = match &place.ty {
            SqlType::Array(element) => (**element).clone(),
            SqlType::Any | SqlType::Document | SqlType::Json | SqlType::Unknown => SqlType::Any,
            other => {
                return Err(self.error(
                    sqlstate::DATATYPE_MISMATCH,
                    format!(
                        "cannot subscript type {other} because it does not support subscripting"
                    ),
                    span,
                ));
            }
        };
        if let Some(constant) = constant_step(index) {
            let mut stepped = step(env, place, constant);
            if element != SqlType::Any {
                stepped.ty = element;
            }
            return Ok(stepped);
        }
        let index = self.expr(env, index)?;
        let index = match index.ty {
            SqlType::Unknown => self.coerce(index, &SqlType::Any),
            _ => index,
        };
        let expr = Expr::Subscript {
            base: Box::new(place.expr),
            index: Box::new(index.expr),
        };
        Ok(Typed::new(expr, element))
    }

    /// `doc -> 'k'`, `arr -> 0`. Of JSON it is JSON, as in PostgreSQL; of a document or array it is the value itself.
    pub(super) fn arrow(
        &mut self,
        env: &mut Env<'_>,
        left: Typed,
        right: &Sql,
    ) -> SqlResult<Typed> {
        match left.ty {
            SqlType::Unknown | SqlType::Json => self.json_arrow(env, "json_get", left, right),
            _ => self.subscript(env, left, right),
        }
    }

    /// `doc ->> 'k'`: the same as text.
    pub(super) fn long_arrow(
        &mut self,
        env: &mut Env<'_>,
        left: Typed,
        right: &Sql,
    ) -> SqlResult<Typed> {
        match left.ty {
            SqlType::Unknown | SqlType::Json => self.json_arrow(env, "json_get_text", left, right),
            _ => {
                let value = self.subscript(env, left, right)?;
                Ok(cast(value, &SqlType::Text, CastMode::Explicit))
            }
        }
    }

    fn json_arrow(
        &mut self,
        env: &mut Env<'_>,
        function: &str,
        left: Typed,
        right: &Sql,
    ) -> SqlResult<Typed> {
        let step = self.expr(env, right)?;
        let step = match step.ty {
            SqlType::Unknown => self.coerce(step, &SqlType::Text),
            _ => step,
        };
        self.call(function, vec![left, step], right.span())
    }
}

/// A constant step: a whole number, a text or a quoted name.
fn constant_step(index: &Sql) -> Option<PathStep> {
    match index {
        Sql::Value(value) => match &value.value {
            SqlValue::Number(digits, _) => digits.parse().ok().map(PathStep::Index),
            SqlValue::SingleQuotedString(name) => Some(PathStep::Field(name.as_str().into())),
            _ => None,
        },
        Sql::Identifier(name) if name.quote_style == Some('"') => {
            Some(PathStep::Field(name.value.as_str().into()))
        }
        Sql::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match constant_step(expr)? {
            PathStep::Index(index) => Some(PathStep::Index(index.checked_neg()?)),
            PathStep::Field(_) => None,
        },
        Sql::Nested(inner) => constant_step(inner),
        _ => None,
    }
}

/// One step further; steps on a path make a longer path.
fn step(env: &Env<'_>, place: Typed, step: PathStep) -> Typed {
    let (base, mut steps) = match place.expr {
        Expr::Path { base, path } => (base, path.0),
        other => (Box::new(other), Vec::new()),
    };
    steps.push(step);
    let path = Path(steps);
    let ty = match &*base {
        Expr::Column(position) => env
            .scope
            .tables
            .iter()
            .flat_map(|table| &table.columns)
            .find(|column| column.position == *position)
            .map_or(SqlType::Any, |column| nested_type(&column.nested, &path)),
        _ => SqlType::Any,
    };
    Typed::new(Expr::Path { base, path }, ty)
}
