//! Sequences: CREATE SEQUENCE, and those that SERIAL and IDENTITY columns bring along.

use sqlparser::ast::Spanned;
use sqlparser::tokenizer::Span;
use tailwater_proto::{SqlType, sqlstate};

use super::{error, unsupported};
use crate::catalog::{Catalog, ObjectId, ObjectName, Sequence};
use crate::sql::SqlResult;
use crate::sql::binder::names::object_name;
use crate::sql::binder::types::sql_type;
use crate::sql::statement::{CreateSequence, SequenceOptions};

/// The sequence of a CREATE SEQUENCE.
///
/// # Errors
/// 22023 for options that contradict each other, 0A000 for OWNED BY.
pub fn create_sequence(catalog: &mut Catalog, create: &CreateSequence) -> SqlResult<Sequence> {
    let span = create.name.span();
    if matches!(create.options.owned_by, Some(Some(_))) {
        return Err(unsupported("OWNED BY", span).hint("use GENERATED … AS IDENTITY"));
    }
    new_sequence(
        catalog,
        object_name(&create.name),
        &create.options,
        None,
        None,
        span,
    )
}

/// A sequence with numbers, its options checked.
pub(super) fn new_sequence(
    catalog: &mut Catalog,
    name: ObjectName,
    options: &SequenceOptions,
    column_type: Option<&SqlType>,
    owner: Option<ObjectId>,
    span: Span,
) -> SqlResult<Sequence> {
    let ty = match (&options.data_type, column_type) {
        (Some(name), _) => sql_type(name)?,
        (None, Some(ty)) => ty.clone(),
        (None, None) => SqlType::Int8,
    };
    let (low, high) = match ty {
        SqlType::Int2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        SqlType::Int4 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        SqlType::Int8 => (i64::MIN, i64::MAX),
        other => {
            return Err(refuse(
                format!("sequence type must be smallint, integer, or bigint, not {other}"),
                span,
            ));
        }
    };
    let increment = options.increment.unwrap_or(1);
    if increment == 0 {
        return Err(refuse("INCREMENT must not be zero", span));
    }
    if options.cache.is_some_and(|cache| cache < 1) {
        return Err(refuse("CACHE must be greater than zero", span));
    }
    let up = increment > 0;
    let min = options.min.flatten().unwrap_or(if up { 1 } else { low });
    let max = options.max.flatten().unwrap_or(if up { high } else { -1 });
    if min < low || max > high {
        return Err(refuse(
            format!("MINVALUE or MAXVALUE is out of range for type {ty}"),
            span,
        ));
    }
    if min >= max {
        return Err(refuse(
            format!("MINVALUE ({min}) must be less than MAXVALUE ({max})"),
            span,
        ));
    }
    let start = options.start.unwrap_or(if up { min } else { max });
    if start < min || start > max {
        return Err(refuse(
            format!("START value ({start}) must lie between MINVALUE ({min}) and MAXVALUE ({max})"),
            span,
        ));
    }
    Ok(Sequence {
        id: ObjectId(catalog.allocate()),
        name,
        increment,
        min,
        max,
        start,
        cycle: options.cycle.unwrap_or(false),
        owner,
        sql: String::new(),
    })
}

fn refuse(message: impl Into<String>, span: Span) -> crate::sql::SqlError {
    error(sqlstate::INVALID_PARAMETER_VALUE, message, span)
}
