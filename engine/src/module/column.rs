//! A field becomes a column: its SQL type, whether it may be NULL, and what it has that is not set.
//!
//! A field without presence has Protobuf's zero, as it would on the wire. Next door: `table`.

use prost_reflect::{Cardinality, FieldDescriptor, Kind};

use super::options;
use super::plan::ColumnPlan;

/// The column of a field.
pub(super) fn of(field: &FieldDescriptor) -> ColumnPlan {
    let said = options::of_field(field).unwrap_or_default();
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let said_type = text(said.r#type);
    let is_nullable = said.nullable || (field.supports_presence() && !field.is_required());
    // Zero may be nothing that another type has.
    let has_zero = !is_nullable && !field.is_required() && said_type.is_none();
    let zero = || has_zero.then(|| zero(field));
    let own_default = text(said.default);
    ColumnPlan {
        name: text(said.name).unwrap_or_else(|| field.name().to_owned()),
        field: field.name().to_owned(),
        field_number: field.number(),
        sql_type: said_type.unwrap_or_else(|| sql_type(field)),
        is_nullable,
        kind: kind(field),
        has_own_default: own_default.is_some(),
        default: own_default.or_else(zero),
    }
}

/// The condition that an option says each value of a field meets.
pub(super) fn check(field: &FieldDescriptor) -> Option<String> {
    let said = options::of_field(field)?.check;
    Some(said).filter(|check| !check.is_empty())
}

/// What a field is, as the text of a module has it.
fn kind(field: &FieldDescriptor) -> String {
    let one = |kind: &Kind| match kind {
        Kind::Double => "double".to_owned(),
        Kind::Float => "float".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Uint32 => "uint32".to_owned(),
        Kind::Uint64 => "uint64".to_owned(),
        Kind::Sint32 => "sint32".to_owned(),
        Kind::Sint64 => "sint64".to_owned(),
        Kind::Fixed32 => "fixed32".to_owned(),
        Kind::Fixed64 => "fixed64".to_owned(),
        Kind::Sfixed32 => "sfixed32".to_owned(),
        Kind::Sfixed64 => "sfixed64".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(of) => of.full_name().to_owned(),
    };
    match field.kind() {
        Kind::Message(entry) if field.is_map() => format!(
            "map<{}, {}>",
            one(&entry.map_entry_key_field().kind()),
            one(&entry.map_entry_value_field().kind())
        ),
        kind if field.is_list() => format!("repeated {}", one(&kind)),
        kind => one(&kind),
    }
}

/// The SQL type that stands for a field's.
fn sql_type(field: &FieldDescriptor) -> String {
    if field.is_map() {
        return "DOCUMENT".to_owned();
    }
    let one = single(&field.kind());
    match field.cardinality() {
        Cardinality::Repeated => format!("{one}[]"),
        Cardinality::Optional | Cardinality::Required => one.to_owned(),
    }
}

fn single(kind: &Kind) -> &'static str {
    match kind {
        Kind::Double => "DOUBLE PRECISION",
        Kind::Float => "REAL",
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Enum(_) => "INTEGER",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint32 | Kind::Fixed32 => "BIGINT",
        Kind::Uint64 | Kind::Fixed64 => "NUMERIC(20,0)",
        Kind::Bool => "BOOLEAN",
        Kind::String => "TEXT",
        Kind::Bytes => "BYTEA",
        Kind::Message(message) => well_known(message.full_name()).unwrap_or("DOCUMENT"),
    }
}

/// Google's well-known types that are values of SQL.
fn well_known(name: &str) -> Option<&'static str> {
    Some(match name.strip_prefix("google.protobuf.")? {
        "Timestamp" => "TIMESTAMPTZ",
        "Duration" => "INTERVAL",
        "DoubleValue" => "DOUBLE PRECISION",
        "FloatValue" => "REAL",
        "Int32Value" => "INTEGER",
        "Int64Value" | "UInt32Value" => "BIGINT",
        "UInt64Value" => "NUMERIC(20,0)",
        "BoolValue" => "BOOLEAN",
        "StringValue" => "TEXT",
        "BytesValue" => "BYTEA",
        "Struct" | "Any" => "DOCUMENT",
        "Value" | "ListValue" => "JSON",
        "FieldMask" => "TEXT[]",
        _ => return None,
    })
}

/// What stands for a value that is not set, where NULL may not.
fn zero(field: &FieldDescriptor) -> String {
    if field.is_map() {
        return "{}".to_owned();
    }
    if field.is_list() {
        return "'{}'".to_owned();
    }
    match field.kind() {
        Kind::Bool => "false",
        Kind::String | Kind::Bytes => "''",
        Kind::Message(_) => "NULL",
        _ => "0",
    }
    .to_owned()
}
