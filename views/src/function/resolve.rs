//! `resolve`: which row of the table a call means, what its arguments become and what type it has.

use std::fmt;

use tailwater_proto::{SqlType, sqlstate};

use super::{Function, Kind, by_name};
use crate::coerce::{base, castable, common_type, same_base};
use crate::expr::CastMode;

/// A call that is bound.
#[derive(Clone, Debug)]
pub struct ResolvedCall {
    /// The row.
    pub function: &'static Function,
    /// Type of the result.
    pub result: SqlType,
    /// For each argument the type it is converted to before the call ([`CastMode::Implicit`]); `None`: it stays.
    pub coercions: Vec<Option<SqlType>>,
}

/// Why a call is not bound.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// No function of that name takes these arguments.
    Undefined {
        /// `lower(integer)`.
        call: String,
        /// What arguments functions of the name take; empty if there is none.
        candidates: Vec<String>,
    },
}

impl ResolveError {
    /// `42883`.
    #[must_use]
    pub const fn sqlstate(&self) -> &'static str {
        match self {
            Self::Undefined { .. } => sqlstate::UNDEFINED_FUNCTION,
        }
    }

    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Undefined { candidates, .. } if candidates.is_empty() => {
                "No function of this name is known; SHOW FUNCTIONS lists all.".to_owned()
            }
            Self::Undefined { candidates, .. } => format!(
                "Known: {}. You might need to add explicit type casts.",
                candidates.join(", ")
            ),
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undefined { call, .. } => write!(f, "function {call} does not exist"),
        }
    }
}

impl std::error::Error for ResolveError {}

/// The function `name` (in lower case) means for arguments of these types.
///
/// The row with the fewest and least conversions wins, the first of the table among equals.
///
/// # Errors
/// If no row takes these arguments.
pub fn resolve(name: &str, arguments: &[SqlType]) -> Result<ResolvedCall, ResolveError> {
    let candidates = by_name(name);
    let mut best: Option<(u32, ResolvedCall)> = None;
    for function in candidates {
        let Some((cost, call)) = bind(function, arguments) else {
            continue;
        };
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, call));
        }
    }
    best.map(|(_, call)| call).ok_or_else(|| {
        let types: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        ResolveError::Undefined {
            call: format!("{name}({})", types.join(", ")),
            candidates: candidates.iter().map(|row| signature(name, row)).collect(),
        }
    })
}

/// `name(kind, kind [, kind])`, for messages and the manual.
#[must_use]
pub fn signature(name: &str, function: &Function) -> String {
    let required = function.arguments.len() - function.optional.min(function.arguments.len());
    let mut text = format!("{name}(");
    for (place, kind) in function.arguments.iter().enumerate() {
        if place > 0 {
            text.push_str(", ");
        }
        text.push_str(&kind.name());
        if place >= required {
            text.push_str(" [optional]");
        }
    }
    if function.variadic {
        text.push_str(", ...");
    }
    text.push(')');
    text
}

/// What an argument of one type costs as another.
mod cost {
    pub(super) const EXACT: u32 = 0;
    pub(super) const DYNAMIC: u32 = 1;
    pub(super) const LITERAL: u32 = 1;
    pub(super) const CONVERTED: u32 = 16;
}

fn bind(function: &'static Function, arguments: &[SqlType]) -> Option<(u32, ResolvedCall)> {
    if !function.takes(arguments.len()) {
        return None;
    }
    let last = function.arguments.last().copied();
    let kinds = || {
        function
            .arguments
            .iter()
            .copied()
            .chain(std::iter::repeat_with(move || last.unwrap_or(Kind::Any)))
    };
    let of_kind = |wanted: Kind| {
        kinds()
            .zip(arguments)
            .filter(move |(kind, _)| *kind == wanted)
            .map(|(_, ty)| ty.clone())
            .collect::<Vec<_>>()
    };
    let same = common_type(&of_kind(Kind::Same))?;
    let exact = common_type(&of_kind(Kind::Exact))?;
    let array = of_kind(Kind::Array)
        .into_iter()
        .find(|ty| matches!(ty, SqlType::Array(_)))
        .unwrap_or(SqlType::Any);
    let element = match &array {
        SqlType::Array(element) => (**element).clone(),
        _ => SqlType::Any,
    };
    let mut total = 0;
    let mut coercions = Vec::with_capacity(arguments.len());
    for (kind, ty) in kinds().zip(arguments) {
        let target = match kind {
            Kind::Same => same.clone(),
            Kind::Element => element.clone(),
            Kind::Exact => {
                target(kind, ty)?;
                target(kind, &exact)?
            }
            Kind::Array if *ty == SqlType::Unknown && array != SqlType::Any => array.clone(),
            _ => target(kind, ty)?,
        };
        let (cost, coercion) = conversion(ty, target)?;
        total += cost;
        coercions.push(coercion);
    }
    let result = match function.result {
        Kind::Same => same,
        Kind::Element => element,
        Kind::Array => array,
        kind @ (Kind::Number
        | Kind::Exact
        | Kind::Floating
        | Kind::Instant
        | Kind::Temporal
        | Kind::Document) => kinds()
            .zip(arguments.iter().zip(&coercions))
            .find(|(argument, _)| *argument == kind)
            .map_or(SqlType::Any, |(_, (ty, coercion))| {
                base(coercion.as_ref().unwrap_or(ty))
            }),
        kind => kind.sql_type().unwrap_or(SqlType::Any),
    };
    Some((
        total,
        ResolvedCall {
            function,
            result,
            coercions,
        },
    ))
}

/// The type an argument of type `ty` is to have for `kind`; `None`: it does not fit.
fn target(kind: Kind, ty: &SqlType) -> Option<SqlType> {
    let kept = |fits: bool| fits.then(|| ty.clone());
    let literal = *ty == SqlType::Unknown;
    if *ty == SqlType::Any {
        return Some(SqlType::Any);
    }
    match kind {
        Kind::Any if literal => Some(SqlType::Text),
        Kind::Any => kept(true),
        Kind::Number | Kind::Exact | Kind::Floating if literal => Some(SqlType::Double),
        Kind::Number => kept(ty.is_numeric()),
        Kind::Exact => kept(ty.is_integer() || matches!(ty, SqlType::Numeric(_))),
        Kind::Floating => match ty {
            SqlType::Numeric(_) => kept(true),
            _ => ty.is_numeric().then_some(SqlType::Double),
        },
        Kind::Instant | Kind::Temporal if literal => Some(SqlType::TimestampTz),
        Kind::Instant => kept(is_instant(ty)),
        Kind::Temporal => kept(is_instant(ty) || matches!(ty, SqlType::Time | SqlType::Interval)),
        Kind::Array => kept(matches!(ty, SqlType::Array(_))),
        Kind::Document if literal => Some(SqlType::Document),
        Kind::Document => kept(matches!(ty, SqlType::Document | SqlType::Json)),
        one => one.sql_type(),
    }
}

const fn is_instant(ty: &SqlType) -> bool {
    matches!(
        ty,
        SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz
    )
}

fn conversion(from: &SqlType, to: SqlType) -> Option<(u32, Option<SqlType>)> {
    match from {
        SqlType::Any => Some((cost::DYNAMIC, None)),
        _ if to == SqlType::Any => Some((cost::DYNAMIC, None)),
        SqlType::Unknown => {
            let rank = if to == SqlType::Text {
                cost::EXACT
            } else {
                cost::LITERAL
            };
            Some((rank, Some(to)))
        }
        _ if same_base(from, &to) => Some((cost::EXACT, None)),
        _ if from.is_text() && to.is_text() => Some((cost::EXACT, None)),
        _ if castable(from, &to, CastMode::Implicit) => {
            // PostgreSQL prefers the widest type of a family.
            let preferred = matches!(to, SqlType::Double | SqlType::TimestampTz);
            Some((cost::CONVERTED - u32::from(preferred), Some(to)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_bound_by_types() {
        let call = resolve(
            "coalesce",
            &[SqlType::Int4, SqlType::Unknown, SqlType::Int8],
        )
        .unwrap();
        assert_eq!(call.result, SqlType::Int8);
        assert_eq!(
            call.coercions,
            [Some(SqlType::Int8), Some(SqlType::Int8), None]
        );
        let error = resolve("no_such", &[SqlType::Int4, SqlType::Text]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "function no_such(integer, text) does not exist"
        );
        assert!(resolve("coalesce", &[SqlType::Int4, SqlType::Text]).is_err());
        assert!(resolve("coalesce", &[]).is_err());
    }
}
