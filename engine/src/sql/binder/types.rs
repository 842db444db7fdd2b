//! Type names to types: PostgreSQL's, Genji's (DOCUMENT, ANY) and what people bring along from elsewhere
//! (DATETIME, TINYINT). A name we do not have is an error that says so, never a guess.

use sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, ObjectName, TimezoneInfo,
};
use tailwater_proto::{SqlType, sqlstate};

use super::names::{fold_parts, nearest};
use crate::sql::{SqlError, SqlResult};

/// Longest CHAR and VARCHAR, as in PostgreSQL.
const LENGTH_MAX: u64 = 10_485_760;
/// Widest NUMERIC, as in PostgreSQL.
const PRECISION_MAX: u64 = 1000;

/// The type a name means.
///
/// # Errors
/// 42704 for a type we do not have, 22023 for a length or precision out of range.
pub fn sql_type(name: &DataType) -> SqlResult<SqlType> {
    use DataType as D;
    Ok(match name {
        D::Bool | D::Boolean => SqlType::Bool,
        D::TinyInt(_) | D::SmallInt(_) | D::Int2(_) => SqlType::Int2,
        D::Int(_) | D::Integer(_) | D::Int4(_) | D::MediumInt(_) | D::Int32 => SqlType::Int4,
        D::BigInt(_) | D::Int8(_) | D::Int64 => SqlType::Int8,
        D::Real | D::Float4 | D::Float32 => SqlType::Real,
        D::Double(_) | D::DoublePrecision | D::Float8 | D::Float64 => SqlType::Double,
        D::Float(ExactNumberInfo::Precision(bits)) if *bits <= 24 => SqlType::Real,
        D::Float(_) => SqlType::Double,
        D::Numeric(info) | D::Decimal(info) | D::Dec(info) => numeric(info)?,
        D::Text | D::String(_) | D::Clob(_) | D::TinyText | D::MediumText | D::LongText => {
            SqlType::Text
        }
        D::Char(length) | D::Character(length) => match length {
            None => SqlType::Char(1),
            Some(length) => SqlType::Char(characters(length)?.unwrap_or(1)),
        },
        D::Varchar(length) | D::CharVarying(length) | D::CharacterVarying(length) => match length {
            None => SqlType::Varchar(None),
            Some(length) => SqlType::Varchar(characters(length)?),
        },
        D::Bytea | D::Blob(_) | D::Bytes(_) | D::Binary(_) | D::Varbinary(_) => SqlType::Bytea,
        D::Date => SqlType::Date,
        D::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => SqlType::Time,
        D::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => SqlType::TimestampTz,
        D::Timestamp(..) | D::Datetime(_) | D::TimestampNtz(_) => SqlType::Timestamp,
        D::Interval { .. } => SqlType::Interval,
        D::Uuid => SqlType::Uuid,
        D::JSON | D::JSONB => SqlType::Json,
        D::AnyType => SqlType::Any,
        D::Array(element) => match element {
            ArrayElemTypeDef::None => SqlType::Array(Box::new(SqlType::Any)),
            ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::SquareBracket(element, _)
            | ArrayElemTypeDef::Parenthesis(element)
            | ArrayElemTypeDef::Qualified(element, _) => {
                SqlType::Array(Box::new(sql_type(element)?))
            }
        },
        D::Custom(name, modifiers) => custom(name, modifiers)?,
        other => return Err(unknown(&other.to_string())),
    })
}

fn numeric(info: &ExactNumberInfo) -> SqlResult<SqlType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(SqlType::Numeric(None)),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    match (u16::try_from(precision), i16::try_from(scale)) {
        (Ok(small), Ok(scale)) if (1..=PRECISION_MAX).contains(&precision) => {
            if (-1000..=1000).contains(&scale) {
                return Ok(SqlType::Numeric(Some((small, scale))));
            }
            Err(out_of_range(format!(
                "NUMERIC scale {scale} must be between -1000 and 1000"
            )))
        }
        _ => Err(out_of_range(format!(
            "NUMERIC precision {precision} must be between 1 and {PRECISION_MAX}"
        ))),
    }
}

fn characters(length: &CharacterLength) -> SqlResult<Option<u32>> {
    match length {
        CharacterLength::Max => Ok(None),
        CharacterLength::IntegerLength { length: 0, .. } => Err(out_of_range(
            "length of a character type must be at least 1".to_owned(),
        )),
        CharacterLength::IntegerLength { length, .. } => match u32::try_from(*length) {
            Ok(small) if *length <= LENGTH_MAX => Ok(Some(small)),
            _ => Err(out_of_range(format!(
                "length of a character type cannot exceed {LENGTH_MAX}"
            ))),
        },
    }
}

/// Names sqlparser does not know.
const CUSTOM: &[(&str, SqlType)] = &[
    ("any", SqlType::Any),
    ("bool", SqlType::Bool),
    ("bpchar", SqlType::Text),
    ("document", SqlType::Document),
    ("float", SqlType::Double),
    ("int", SqlType::Int4),
    ("json", SqlType::Json),
    ("jsonb", SqlType::Json),
    ("name", SqlType::Text),
    ("object", SqlType::Document),
    ("text", SqlType::Text),
    ("timestamptz", SqlType::TimestampTz),
    ("uuid", SqlType::Uuid),
];

fn custom(name: &ObjectName, modifiers: &[String]) -> SqlResult<SqlType> {
    let parts = fold_parts(name);
    let known = match parts.as_slice() {
        [name] => Some(name),
        [schema, name] if schema == "pg_catalog" => Some(name),
        _ => None,
    };
    known
        .filter(|_| modifiers.is_empty())
        .and_then(|name| CUSTOM.iter().find(|(known, _)| known == name))
        .map(|(_, ty)| ty.clone())
        .ok_or_else(|| unknown(&name.to_string()))
}

fn unknown(name: &str) -> SqlError {
    let error = SqlError::new(
        sqlstate::UNDEFINED_OBJECT,
        format!("type \"{}\" does not exist", name.to_lowercase()),
    )
    .on(name.to_lowercase());
    let known = CUSTOM.iter().map(|(name, _)| *name).chain([
        "integer",
        "bigint",
        "smallint",
        "real",
        "double precision",
        "numeric",
        "varchar",
        "char",
        "bytea",
        "date",
        "time",
        "timestamp",
        "interval",
        "boolean",
    ]);
    match nearest(&name.to_lowercase(), known) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    }
}

fn out_of_range(message: String) -> SqlError {
    SqlError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}
