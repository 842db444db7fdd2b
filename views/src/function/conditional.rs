//! COALESCE, NULLIF, GREATEST, LEAST and their kin: functions that choose among their arguments.

use std::cmp::Ordering;

use tailwater_proto::{Value, sqlstate};

use super::Function;
use super::Kind::{Any, Int4, Int8, Same};
use crate::context::ExecContext;
use crate::error::{Error, Result};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        400,
        &["coalesce", "ifnull"],
        &[Same],
        Same,
        "The first argument that is not NULL; those after it are not evaluated.",
        ("coalesce(NULL, 2, 3)", "2"),
        coalesce,
    )
    .variadic()
    .with_nulls()
    .lazy(coalesce_lazily),
    Function::new(
        401,
        &["nullif"],
        &[Same, Same],
        Same,
        "NULL if both arguments are equal, else the first.",
        ("nullif(1, 1)", "NULL"),
        nullif,
    )
    .with_nulls(),
    Function::new(
        402,
        &["greatest"],
        &[Same],
        Same,
        "The greatest of its arguments, NULLs left out.",
        ("greatest(1, NULL, 3, 2)", "3"),
        greatest,
    )
    .variadic()
    .with_nulls(),
    Function::new(
        403,
        &["least"],
        &[Same],
        Same,
        "The least of its arguments, NULLs left out.",
        ("least(2, NULL, 1, 3)", "1"),
        least,
    )
    .variadic()
    .with_nulls(),
    Function::new(
        404,
        &["num_nulls"],
        &[Any],
        Int4,
        "How many arguments are NULL.",
        ("num_nulls(1, NULL, 2)", "1"),
        num_nulls,
    )
    .variadic()
    .with_nulls(),
    Function::new(
        405,
        &["num_nonnulls"],
        &[Any],
        Int4,
        "How many arguments are not NULL.",
        ("num_nonnulls(1, NULL, 2)", "2"),
        num_nonnulls,
    )
    .variadic()
    .with_nulls(),
    Function::new(
        406,
        &["single_value"],
        &[Int8, Any],
        Any,
        "The value of a subquery that had so many rows: an error if it had several.",
        ("single_value(1, 'a')", "a"),
        single_value,
    )
    .with_nulls(),
];

fn single_value(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Int(rows), _] if *rows > 1 => Err(Error::row(
            sqlstate::CARDINALITY_VIOLATION,
            "more than one row returned by a subquery used as an expression",
        )),
        [_, value] => Ok(value.clone()),
        _ => Ok(Value::Null),
    }
}

fn coalesce(args: &[Value], _: &ExecContext) -> Result<Value> {
    let first = args.iter().find(|value| !value.is_null());
    Ok(first.cloned().unwrap_or_default())
}

fn coalesce_lazily(args: &mut dyn Iterator<Item = Result<Value>>) -> Result<Value> {
    for value in args {
        match value {
            Ok(Value::Null) => {}
            other => return other,
        }
    }
    Ok(Value::Null)
}

fn nullif(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [a, b] if a.cmp_sql(b) == Some(Ordering::Equal) => Value::Null,
        [a, ..] => a.clone(),
        [] => Value::Null,
    })
}

fn greatest(args: &[Value], _: &ExecContext) -> Result<Value> {
    let known = args.iter().filter(|value| !value.is_null());
    Ok(known
        .max_by(|a, b| a.cmp_total(b))
        .cloned()
        .unwrap_or_default())
}

fn least(args: &[Value], _: &ExecContext) -> Result<Value> {
    let known = args.iter().filter(|value| !value.is_null());
    Ok(known
        .min_by(|a, b| a.cmp_total(b))
        .cloned()
        .unwrap_or_default())
}

fn count(args: &[Value], counted: impl Fn(&Value) -> bool) -> Value {
    let count = args.iter().filter(|value| counted(value)).count();
    i64::try_from(count).map_or(Value::Null, Value::Int)
}

fn num_nulls(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(count(args, Value::is_null))
}

fn num_nonnulls(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(count(args, |value| !value.is_null()))
}
