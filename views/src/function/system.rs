//! Functions about values' types and about who runs the statement.

use tailwater_proto::Value;

use super::Kind::{Any, Text, Uuid};
use super::{Function, Volatility};
use crate::cast::type_name;
use crate::context::ExecContext;
use crate::error::Result;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        450,
        &["typeof"],
        &[Any],
        Text,
        "The kind of the value.",
        ("typeof(CAST(1.5 AS FLOAT8))", "double"),
        type_of,
    )
    .with_nulls(),
    Function::new(
        451,
        &["pg_typeof"],
        &[Any],
        Text,
        "PostgreSQL's name of the type; where only the value tells, integers are `bigint`.",
        ("pg_typeof(true)", "boolean"),
        pg_typeof,
    )
    .with_nulls(),
    Function::new(
        452,
        &["current_user", "session_user", "user"],
        &[],
        Text,
        "Who runs the statement; empty for the embedding program.",
        ("current_user", ""),
        current_user,
    )
    .volatility(Volatility::Stable),
    Function::new(
        453,
        &["version"],
        &[],
        Text,
        "Name and version of the database.",
        ("starts_with(version(), 'Tailwater ')", "true"),
        version,
    )
    .volatility(Volatility::Stable),
    Function::new(
        454,
        &["gen_random_uuid", "uuid_generate_v4"],
        &[],
        Uuid,
        "Another random UUID (version 4) each time.",
        ("length(CAST(gen_random_uuid() AS TEXT))", "36"),
        gen_random_uuid,
    )
    .volatility(Volatility::Volatile),
];

fn type_of(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(args
        .first()
        .map_or(Value::Null, |value| Value::text(value.kind_name())))
}

fn pg_typeof(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(args.first().map_or(Value::Null, |value| {
        Value::text(match value {
            Value::Int(_) => "bigint",
            other => type_name(other),
        })
    }))
}

fn current_user(_: &[Value], cx: &ExecContext) -> Result<Value> {
    Ok(Value::text(&cx.principal))
}

fn version(_: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(Value::text(concat!(
        "Tailwater ",
        env!("CARGO_PKG_VERSION")
    )))
}

/// RFC 9562: 122 random bits, the version and the variant.
fn gen_random_uuid(_: &[Value], cx: &ExecContext) -> Result<Value> {
    let bits = u128::from(cx.random_bits()) << 64 | u128::from(cx.random_bits());
    let version = 0x4 << 76;
    let variant = 0x8 << 60;
    let random = bits & !(0xf << 76) & !(0xc << 60);
    Ok(Value::Uuid((random | version | variant).to_be_bytes()))
}
