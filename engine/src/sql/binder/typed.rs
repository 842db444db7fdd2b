//! `Typed`: an expression with its type, and how it is brought to another type. An untyped literal or parameter
//! (`Unknown`) takes the type it meets; `Any` stays dynamic. Conversions of columns' values are `Cast` nodes.

use tailwater_proto::{SqlType, Value};
use tailwater_views::Expr;
use tailwater_views::coerce::{castable, common_type, same_base};
use tailwater_views::expr::{CastMode, Literal};

use super::Binder;

/// An expression and its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    pub(crate) ty: SqlType,
}

impl Typed {
    pub(super) fn new(expr: Expr, ty: SqlType) -> Self {
        Typed { expr, ty }
    }

    /// A constant.
    pub(super) fn constant(value: impl Into<Value>, ty: SqlType) -> Self {
        Typed::new(Expr::literal(value), ty)
    }

    /// A truth value.
    pub(super) fn truth(expr: Expr) -> Self {
        Typed::new(expr, SqlType::Bool)
    }

    pub(super) fn null() -> Self {
        Typed::constant(Value::Null, SqlType::Unknown)
    }

    /// A decimal literal that meets dynamic values is a double, as in Genji.
    pub(super) fn soften(self) -> Self {
        match &self.expr {
            Expr::Literal(Literal(Value::Numeric(number))) => {
                match number.to_string().parse::<f64>() {
                    Ok(double) => Typed::constant(double, SqlType::Double),
                    Err(_) => self,
                }
            }
            _ => self,
        }
    }
}

impl Binder<'_> {
    /// Brings an expression to a type it is known to fit implicitly.
    pub(super) fn coerce(&mut self, typed: Typed, to: &SqlType) -> Typed {
        match (&typed.ty, to) {
            (_, SqlType::Unknown) => typed,
            (SqlType::Unknown, _) => self.settle(typed, to, CastMode::Implicit),
            (_, SqlType::Any) => typed.soften(),
            (SqlType::Any, _) => typed,
            (from, to) if same_base(from, to) => typed,
            (from, to) if from.is_text() && to.is_text() => typed,
            _ => cast(typed, to, CastMode::Implicit),
        }
    }

    /// Gives an untyped literal or parameter its type.
    fn settle(&mut self, typed: Typed, to: &SqlType, mode: CastMode) -> Typed {
        match &typed.expr {
            Expr::Parameter(number) => {
                if *to != SqlType::Any
                    && let Some(slot) = self.parameters.get_mut(*number)
                {
                    slot.ty = match to {
                        SqlType::Char(_) | SqlType::Varchar(_) => SqlType::Text,
                        other => other.clone(),
                    };
                }
                let sized = mode == CastMode::Assignment && has_size(to);
                let typed = Typed::new(typed.expr, to.clone());
                if sized { cast(typed, to, mode) } else { typed }
            }
            Expr::Literal(Literal(Value::Null)) => Typed::new(typed.expr, to.clone()),
            Expr::Literal(Literal(Value::Text(_))) => match to {
                SqlType::Any => Typed::new(typed.expr, SqlType::Text),
                _ if to.is_text() && (mode == CastMode::Implicit || !has_size(to)) => {
                    Typed::new(typed.expr, SqlType::Text)
                }
                _ => cast(typed, to, mode),
            },
            _ => cast(typed, to, mode),
        }
    }

    /// Brings all to one type; `None` if there is none.
    pub(super) fn unify(&mut self, all: Vec<Typed>) -> Option<(Vec<Typed>, SqlType)> {
        let types: Vec<SqlType> = all.iter().map(|typed| typed.ty.clone()).collect();
        let common = common_type(&types)?;
        let all = all
            .into_iter()
            .map(|typed| self.coerce(typed, &common))
            .collect();
        Some((all, common))
    }

    /// A value as it is stored into a column of a type; `None` if it does not fit.
    pub(super) fn assign(&mut self, typed: Typed, to: &SqlType) -> Option<Typed> {
        match (&typed.ty, to) {
            (SqlType::Unknown, _) => Some(self.settle(typed, to, CastMode::Assignment)),
            (_, SqlType::Any) => Some(typed.soften()),
            (from, to) if from == to => Some(typed),
            (from, to) if castable(from, to, CastMode::Assignment) => {
                Some(cast(typed, to, CastMode::Assignment))
            }
            _ => None,
        }
    }

    /// An expression whose type must be known by now: text, if nothing told.
    pub(super) fn settled(&mut self, typed: Typed) -> Typed {
        match (&typed.ty, &typed.expr) {
            (SqlType::Unknown, Expr::Parameter(_)) => Typed::new(typed.expr, SqlType::Any),
            (SqlType::Unknown, _) => self.coerce(typed, &SqlType::Text),
            _ => typed,
        }
    }
}

/// Whether values of the type may have to be cut or rounded.
fn has_size(ty: &SqlType) -> bool {
    matches!(
        ty,
        SqlType::Char(_) | SqlType::Varchar(Some(_)) | SqlType::Numeric(Some(_))
    )
}

/// A conversion.
pub(super) fn cast(typed: Typed, to: &SqlType, mode: CastMode) -> Typed {
    Typed::new(
        Expr::Cast {
            expr: Box::new(typed.expr),
            to: to.clone(),
            mode,
        },
        to.clone(),
    )
}
