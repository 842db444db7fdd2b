//! `Shape`: what a message is as a value. Google's well-known types are values of SQL; every other message is a document.
//!
//! Such a type is known by its name and must have its fields: a file of that name may be anybody's. Next door: `finish`, which
//! makes the values, and `known`, which writes them.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Document,
    MapEntry,
    Timestamp,
    Duration,
    /// One field, whose value it is.
    Wrapper,
    /// One field, which is repeated.
    FieldMask,
    Struct,
    /// `google.protobuf.Value`.
    Json(Marked),
    /// `google.protobuf.ListValue`.
    JsonList(Marked),
}

/// Whether a value of JSON says that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marked {
    AsJson,
    /// It stands within JSON.
    Not,
}

/// Fields of `google.protobuf.Value`.
pub(super) mod json {
    pub(in super::super) const NULL: u32 = 1;
    pub(in super::super) const NUMBER: u32 = 2;
    pub(in super::super) const TEXT: u32 = 3;
    pub(in super::super) const BOOL: u32 = 4;
    pub(in super::super) const STRUCT: u32 = 5;
    pub(in super::super) const LIST: u32 = 6;
}

const PACKAGE: &str = "google.protobuf.";

/// Names within [`PACKAGE`], and their fields, from number 1 on.
const KNOWN: &[(&str, Shape, &[&str])] = &[
    ("Timestamp", Shape::Timestamp, &["int64", "int32"]),
    ("Duration", Shape::Duration, &["int64", "int32"]),
    ("DoubleValue", Shape::Wrapper, &["double"]),
    ("FloatValue", Shape::Wrapper, &["float"]),
    ("Int64Value", Shape::Wrapper, &["int64"]),
    ("UInt64Value", Shape::Wrapper, &["uint64"]),
    ("Int32Value", Shape::Wrapper, &["int32"]),
    ("UInt32Value", Shape::Wrapper, &["uint32"]),
    ("BoolValue", Shape::Wrapper, &["bool"]),
    ("StringValue", Shape::Wrapper, &["string"]),
    ("BytesValue", Shape::Wrapper, &["bytes"]),
    ("FieldMask", Shape::FieldMask, &["repeated string"]),
    ("Struct", Shape::Struct, &["map google.protobuf.Value"]),
    (
        "Value",
        Shape::Json(Marked::AsJson),
        &[
            "enum",
            "double",
            "string",
            "bool",
            "google.protobuf.Struct",
            "google.protobuf.ListValue",
        ],
    ),
    (
        "ListValue",
        Shape::JsonList(Marked::AsJson),
        &["repeated google.protobuf.Value"],
    ),
];

impl Shape {
    pub(super) const fn within_json(self) -> Self {
        match self {
            Self::Json(_) => Self::Json(Marked::Not),
            Self::JsonList(_) => Self::JsonList(Marked::Not),
            other => other,
        }
    }
}

/// # Errors
/// `42P16` for a message that has the name of one of Google's, but not its fields.
pub(super) fn of(message: &MessageDescriptor) -> Result<Shape> {
    if message.is_map_entry() {
        return Ok(Shape::MapEntry);
    }
    let known = message
        .full_name()
        .strip_prefix(PACKAGE)
        .and_then(|name| KNOWN.iter().find(|(known, ..)| *known == name));
    let Some((name, shape, fields)) = known else {
        return Ok(Shape::Document);
    };
    let has_field = |(number, kind): (u32, &&str)| {
        let field = message.get_field(number);
        field.is_some_and(|field| kind_of(&field) == **kind)
    };
    let is_googles = message.fields().len() == fields.len() && (1..).zip(*fields).all(has_field);
    match is_googles {
        true => Ok(*shape),
        false => Err(Error::statement(
            "42P16",
            format!("{PACKAGE}{name} has other fields than Google's"),
        )
        .with_hint(format!(
            "import Google's own google/protobuf/*.proto, which is there, or give {name} another package"
        ))),
    }
}

/// As [`KNOWN`] says it.
fn kind_of(field: &FieldDescriptor) -> String {
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let value = entry.map_entry_value_field().kind();
        return format!("map {}", name_of(&value));
    }
    let name = name_of(&field.kind());
    match field.is_list() {
        true => format!("repeated {name}"),
        false => name,
    }
}

fn name_of(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(_) => "enum".to_owned(),
        scalar => format!("{scalar:?}"),
    }
}
