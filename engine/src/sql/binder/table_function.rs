//! Functions in FROM that bring rows: `generate_series`.

use sqlparser::ast::{FunctionArg, FunctionArgExpr, ObjectName as SqlName, Spanned, TableAlias};
use tailwater_proto::{SqlType, sqlstate};
use tailwater_views::plan::{Field, Plan, Series};

use super::expr::Env;
use super::from::Source;
use super::names::{fold, fold_parts};
use super::scope::{Scope, Table};
use super::{Binder, Typed};
use crate::sql::SqlResult;

impl Binder<'_> {
    /// `name(args) AS alias`. A function of one column names it as the table, as in PostgreSQL.
    pub(super) fn table_function(
        &mut self,
        name: &SqlName,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
    ) -> SqlResult<Source> {
        let parts = fold_parts(name);
        if parts.last().is_none_or(|name| name != "generate_series") {
            return Err(self.unsupported(format!("the table function {name}"), name.span()));
        }
        let scope = Scope::default();
        let mut values = Vec::with_capacity(args.len());
        // It does not see the tables beside it: that would be LATERAL.
        let outer = std::mem::take(&mut self.outer);
        for arg in args {
            let bound = match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    self.expr(&mut Env::new(&scope, "functions in FROM"), expr)
                }
                _ => Err(self.unsupported(format!("this argument of {name}"), name.span())),
            };
            match bound {
                Ok(value) => values.push(value),
                Err(error) => {
                    self.outer = outer;
                    return Err(error);
                }
            }
        }
        self.outer = outer;
        let title = alias.map_or_else(|| "generate_series".into(), |alias| fold(&alias.name));
        let (series, ty) = self.series(values, name)?;
        let fields = vec![Field {
            name: title.clone(),
            ty,
            spread: false,
        }];
        let scope = Scope::of(Table::of_fields(title, &fields));
        let plan = Plan::Series(Box::new(Series { fields, ..series }));
        Ok(Source { plan, scope })
    }

    /// The parts of a series brought to their types, and the type of its values.
    fn series(&mut self, values: Vec<Typed>, name: &SqlName) -> SqlResult<(Series, SqlType)> {
        let types: Vec<SqlType> = values.iter().map(|value| value.ty.clone()).collect();
        let mut values = values.into_iter();
        let parts = (values.next(), values.next(), values.next(), values.next());
        let of_instants = types.iter().take(2).any(|ty| {
            matches!(
                ty,
                SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz
            )
        });
        let ((Some(start), Some(stop), step, None), Some(ty)) = (parts, series_type(&types)) else {
            let types: Vec<String> = types.iter().map(ToString::to_string).collect();
            let list = types.join(", ");
            return Err(self
                .error(
                    sqlstate::UNDEFINED_FUNCTION,
                    format!("function {name}({list}) does not exist"),
                    name.span(),
                )
                .hint("generate_series(first, last) or (first, last, step), of integers, NUMERIC, or timestamps with an interval"));
        };
        let step = match (step, of_instants) {
            (Some(step), true) => self.coerce(step, &SqlType::Interval),
            (Some(step), false) => self.coerce(step, &ty),
            (None, _) => Typed::constant(1_i64, ty.clone()),
        };
        let series = Series {
            start: self.coerce(start, &ty).expr,
            stop: self.coerce(stop, &ty).expr,
            step: step.expr,
            fields: Vec::new(),
        };
        Ok((series, ty))
    }
}

/// The type of a series' values: the widest of its numbers, or of its instants. `None` if there is no such series.
fn series_type(types: &[SqlType]) -> Option<SqlType> {
    use SqlType::{Date, Int2, Int4, Int8, Interval, Numeric, Timestamp, TimestampTz, Unknown};
    let (ends, step) = (types.get(..2)?, types.get(2));
    let among = |wanted: fn(&SqlType) -> bool| ends.iter().any(wanted);
    if among(|ty| matches!(ty, Date | Timestamp | TimestampTz)) {
        let fits = ends
            .iter()
            .all(|ty| matches!(ty, Date | Timestamp | TimestampTz | Unknown))
            && matches!(step, Some(Interval | Unknown));
        let without_zone =
            among(|ty| matches!(ty, Timestamp)) && !among(|ty| matches!(ty, TimestampTz));
        return fits.then_some(if without_zone { Timestamp } else { TimestampTz });
    }
    let fits = types
        .iter()
        .all(|ty| matches!(ty, Int2 | Int4 | Int8 | Numeric(_) | Unknown | SqlType::Any));
    let any = |wanted: fn(&SqlType) -> bool| types.iter().any(wanted);
    fits.then(|| {
        if any(|ty| matches!(ty, Numeric(_))) {
            Numeric(None)
        } else if any(|ty| matches!(ty, Int8 | SqlType::Any)) {
            Int8
        } else {
            Int4
        }
    })
}
