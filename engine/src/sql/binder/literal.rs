//! Constants, parameters, arrays and documents. Whole numbers are the narrowest of INT4, INT8, NUMERIC that holds
//! them; texts and NULL are untyped until they meet something.

use sqlparser::ast::{
    Array, DictionaryField, Expr as Sql, Interval, Spanned, TypedString, Value as SqlValue,
    ValueWithSpan,
};
use sqlparser::tokenizer::Span;
use tailwater_proto::{BigDecimal, EcoString, SqlType, Value, sqlstate};
use tailwater_views::Expr;
use tailwater_views::coerce::common_type;
use tailwater_views::expr::CastMode;

use super::expr::Env;
use super::names::fold;
use super::typed::cast;
use super::types::sql_type;
use super::{Binder, Slot, Typed};
use crate::sql::{SqlError, SqlResult};

/// Highest number of a parameter, as in PostgreSQL's protocol.
const PARAMETERS_MAX: usize = 65_535;
/// Most expression nodes that earlier fields of a document may bring into later ones.
const DOCUMENT_NODES_MAX: usize = 10_000;

/// A number as written: INT4 if it fits, else INT8, else NUMERIC.
pub(super) fn number(text: &str) -> SqlResult<Typed> {
    let digits = text.replace('_', "");
    if let Ok(whole) = digits.parse::<i64>() {
        let ty = if i32::try_from(whole).is_ok() {
            SqlType::Int4
        } else {
            SqlType::Int8
        };
        return Ok(Typed::constant(whole, ty));
    }
    match digits.parse::<BigDecimal>() {
        Ok(decimal) if exponent_is_sane(&digits) => {
            Ok(Typed::constant(decimal, SqlType::Numeric(None)))
        }
        _ => Err(SqlError::new(
            sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("\"{text}\" is not a number that can be held"),
        )),
    }
}

/// An exponent that does not blow a few characters up to gigabytes.
fn exponent_is_sane(digits: &str) -> bool {
    digits
        .split_once(['e', 'E'])
        .is_none_or(|(_, exponent)| exponent.parse::<i32>().is_ok_and(|e| e.abs() <= 10_000))
}

impl Binder<'_> {
    /// A constant or a parameter.
    pub(super) fn value(&mut self, env: &Env<'_>, value: &ValueWithSpan) -> SqlResult<Typed> {
        let span = value.span;
        match &value.value {
            SqlValue::Number(text, _) => {
                let number = number(text).map_err(|error| self.place(error, span))?;
                Ok(if env.dynamic { number.soften() } else { number })
            }
            SqlValue::Boolean(truth) => Ok(Typed::constant(*truth, SqlType::Bool)),
            SqlValue::Null => Ok(Typed::null()),
            SqlValue::Placeholder(name) => self.parameter(name, span),
            SqlValue::SingleQuotedString(text)
            | SqlValue::EscapedStringLiteral(text)
            | SqlValue::UnicodeStringLiteral(text)
            | SqlValue::NationalStringLiteral(text) => {
                Ok(Typed::constant(text.as_str(), SqlType::Unknown))
            }
            SqlValue::DollarQuotedString(text) => {
                Ok(Typed::constant(text.value.as_str(), SqlType::Unknown))
            }
            SqlValue::HexStringLiteral(digits) => match hex(digits) {
                Some(bytes) => Ok(Typed::constant(bytes, SqlType::Bytea)),
                None => Err(self.error(
                    sqlstate::INVALID_TEXT_REPRESENTATION,
                    format!("X'{digits}' is not an even number of hexadecimal digits"),
                    span,
                )),
            },
            other => Err(self.unsupported(format!("the literal {other}"), span)),
        }
    }

    /// `?`, `?1`, `$1`, `$name`, `:name`.
    fn parameter(&mut self, name: &str, span: Span) -> SqlResult<Typed> {
        self.one_style(name, span)?;
        let place = if name == "?" {
            self.cx.question_marks.binary_search(&span.start).ok()
        } else {
            let bare = name.get(1..).unwrap_or_default();
            match bare.parse::<usize>() {
                Ok(number) if (1..=PARAMETERS_MAX).contains(&number) => {
                    let unnamed = || Slot {
                        ty: SqlType::Unknown,
                        name: None,
                    };
                    if self.parameters.len() < number {
                        self.parameters.resize_with(number, unnamed);
                    }
                    Some(number - 1)
                }
                Ok(_) => None,
                Err(_) if bare.is_empty() => None,
                Err(_) => Some(self.named_parameter(bare)),
            }
        };
        let Some(place) = place else {
            return Err(self
                .error(
                    sqlstate::UNDEFINED_PARAMETER,
                    format!("there is no parameter {name}"),
                    span,
                )
                .on(name));
        };
        let ty = self
            .parameters
            .get(place)
            .map_or(SqlType::Unknown, |slot| slot.ty.clone());
        Ok(Typed::new(Expr::Parameter(place), ty))
    }

    /// `?`, `$1` and `$name` number parameters each in its own way.
    fn one_style(&mut self, name: &str, span: Span) -> SqlResult<()> {
        let digit = |rest: &str| rest.starts_with(|ch: char| ch.is_ascii_digit());
        let style = match name {
            "?" => "?",
            _ if name.get(1..).is_some_and(digit) => "$1",
            _ => "$name",
        };
        let known = *self.parameter_style.get_or_insert(style);
        if known == style {
            return Ok(());
        }
        Err(self.error(
            sqlstate::UNDEFINED_PARAMETER,
            format!("parameters written as {known} and as {style} cannot be mixed"),
            span,
        ))
    }

    fn named_parameter(&mut self, name: &str) -> usize {
        let known = self
            .parameters
            .iter()
            .position(|slot| slot.name.as_deref() == Some(name));
        known.unwrap_or_else(|| {
            let name = Some(EcoString::from(name));
            self.parameters.push(Slot {
                ty: SqlType::Unknown,
                name,
            });
            self.parameters.len() - 1
        })
    }

    /// `DATE '2024-01-01'`.
    pub(super) fn typed_string(&mut self, env: &Env<'_>, typed: &TypedString) -> SqlResult<Typed> {
        let span = typed.value.span;
        let to = sql_type(&typed.data_type).map_err(|error| self.place(error, span))?;
        let text = self.value(env, &typed.value)?;
        Ok(cast(text, &to, CastMode::Explicit))
    }

    /// `INTERVAL '1' DAY`, `INTERVAL '1 day'`.
    pub(super) fn interval(&mut self, env: &Env<'_>, interval: &Interval) -> SqlResult<Typed> {
        let span = interval.value.span();
        let Sql::Value(value) = &*interval.value else {
            return Err(self
                .unsupported("an INTERVAL of an expression", span)
                .hint("multiply: n * INTERVAL '1 day'"));
        };
        if interval.last_field.is_some() {
            return Err(self.unsupported("an INTERVAL over a range of fields", span));
        }
        let text = match (self.value(env, value)?.expr, &interval.leading_field) {
            (Expr::Literal(literal), field) => {
                let number = match &literal.0 {
                    Value::Text(text) => text.to_string(),
                    Value::Int(whole) => whole.to_string(),
                    Value::Numeric(decimal) => decimal.to_string(),
                    _ => return Err(self.unsupported("this INTERVAL", span)),
                };
                match field {
                    Some(field) => format!("{number} {}", field.to_string().to_lowercase()),
                    None => number,
                }
            }
            _ => return Err(self.unsupported("an INTERVAL of a parameter", span)),
        };
        let text = Typed::constant(text, SqlType::Unknown);
        Ok(cast(text, &SqlType::Interval, CastMode::Explicit))
    }

    /// `ARRAY[…]` and `[…]`: of one type if there is one, else of anything.
    pub(super) fn array(&mut self, env: &mut Env<'_>, array: &Array) -> SqlResult<Typed> {
        let outside = env.dynamic;
        env.dynamic |= !array.named;
        let elements: SqlResult<Vec<Typed>> = array
            .elem
            .iter()
            .map(|element| self.expr(env, element))
            .collect();
        env.dynamic = outside;
        let mut elements = elements?;
        if !array.named {
            // Elements of a document's array need no common type: a text is a text, a parameter is whatever is
            // bound to it.
            elements = elements
                .into_iter()
                .map(|element| match &element.expr {
                    Expr::Literal(literal) if literal.0.is_null() => element,
                    _ => self.settled(element),
                })
                .collect();
        }
        if elements.is_empty() {
            return Ok(Typed::new(
                Expr::Array(Vec::new()),
                SqlType::Array(Box::new(SqlType::Any)),
            ));
        }
        let types: Vec<SqlType> = elements.iter().map(|element| element.ty.clone()).collect();
        let (elements, element) = match common_type(&types) {
            Some(common) => {
                let elements = elements
                    .into_iter()
                    .map(|element| self.coerce(element, &common))
                    .collect();
                (elements, common)
            }
            None if !array.named => (elements, SqlType::Any),
            None => {
                let first = types.first().cloned().unwrap_or(SqlType::Any);
                let other = types
                    .iter()
                    .find(|ty| common_type(&[first.clone(), (*ty).clone()]).is_none());
                let other = other.cloned().unwrap_or(SqlType::Any);
                let span = array.elem.first().map_or(Span::empty(), Spanned::span);
                return Err(self.error(
                    sqlstate::DATATYPE_MISMATCH,
                    format!("ARRAY types {first} and {other} cannot be matched"),
                    span,
                ));
            }
        };
        let exprs = elements
            .into_iter()
            .map(|element: Typed| element.expr)
            .collect();
        Ok(Typed::new(
            Expr::Array(exprs),
            SqlType::Array(Box::new(element)),
        ))
    }

    /// `{…}`: a later field may name an earlier one.
    pub(super) fn document(
        &mut self,
        env: &mut Env<'_>,
        fields: &[DictionaryField],
    ) -> SqlResult<Typed> {
        let outside = std::mem::replace(&mut env.dynamic, true);
        let known = env.earlier.len();
        let named = self.document_fields(env, fields);
        env.earlier.truncate(known);
        env.dynamic = outside;
        Ok(Typed::new(Expr::Document(named?), SqlType::Document))
    }

    fn document_fields(
        &mut self,
        env: &mut Env<'_>,
        fields: &[DictionaryField],
    ) -> SqlResult<Vec<(EcoString, Expr)>> {
        let mut named: Vec<(EcoString, Expr)> = Vec::with_capacity(fields.len());
        let mut nodes = 0;
        for field in fields {
            let name = fold(&field.key);
            if named.iter().any(|(known, _)| *known == name) {
                return Err(self
                    .error(
                        sqlstate::DUPLICATE_COLUMN,
                        format!("the field \"{name}\" stands twice in a document"),
                        field.key.span,
                    )
                    .on(&name));
            }
            let typed = self.expr(env, &field.value)?;
            typed.expr.walk(&mut |_| nodes += 1);
            if nodes > DOCUMENT_NODES_MAX && !env.earlier.is_empty() {
                return Err(self.error(
                    sqlstate::STATEMENT_TOO_COMPLEX,
                    "a document whose fields refer to each other too often",
                    field.key.span,
                ));
            }
            let typed = match typed.ty {
                SqlType::Unknown => self.coerce(typed, &SqlType::Any),
                _ => typed,
            };
            if env.clause == "VALUES" {
                env.earlier.push((name.clone(), typed.clone()));
            }
            named.push((name, typed.expr));
        }
        Ok(named)
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = digits
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| match pair {
            [high, low] => Some((high << 4) | low),
            _ => None,
        })
        .collect()
}
