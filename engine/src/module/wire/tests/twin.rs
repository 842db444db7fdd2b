//! The slow twin: values of a dynamic message, by the rules of MODULES.md and in the most straightforward way.

use std::sync::Arc;

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Syntax,
    Value as Dynamic,
};
use tailwater_proto::{Document, Interval, Value};

/// The row of a message: all fields by number; NULL where nothing is set, but lists and maps are empty.
pub(super) fn row(message: &DynamicMessage) -> Result<Vec<Value>, String> {
    let fields = message.descriptor();
    let row = fields.fields().map(|field| {
        let value = field_value(message, &field)?;
        Ok(match value {
            Some(value) => value,
            None if field.is_list() => Value::array(Vec::new()),
            None if field.is_map() => Value::document(Document::new()),
            None => Value::Null,
        })
    });
    row.collect()
}

/// `None` if it is not set.
fn field_value(message: &DynamicMessage, field: &FieldDescriptor) -> Result<Option<Value>, String> {
    // `has_field` takes minus zero for zero, and an empty list for none.
    let is_set = message
        .fields()
        .any(|(set, _)| set.number() == field.number());
    let value = message.get_field(field);
    let is_minus_zero = match value.as_ref() {
        Dynamic::F64(number) => number.to_bits() == (-0.0_f64).to_bits(),
        Dynamic::F32(number) => number.to_bits() == (-0.0_f32).to_bits(),
        _ => false,
    };
    match is_set || is_minus_zero {
        true => of(&value, &field.kind()),
        false => Ok(None),
    }
}

/// `None` for a number that is no value of a closed enum.
fn of(value: &Dynamic, kind: &Kind) -> Result<Option<Value>, String> {
    Ok(Some(match (value, kind) {
        (Dynamic::Bool(truth), _) => Value::Bool(*truth),
        (Dynamic::I32(number), _) => Value::Int((*number).into()),
        (Dynamic::I64(number), _) => Value::Int(*number),
        (Dynamic::U32(number), _) => Value::Int((*number).into()),
        (Dynamic::U64(number), _) => Value::numeric((*number).into()),
        (Dynamic::F32(number), _) => Value::Real(*number),
        (Dynamic::F64(number), _) => Value::Double(*number),
        (Dynamic::String(text), _) => Value::text(text),
        (Dynamic::Bytes(bytes), _) => Value::Bytes(bytes.as_ref().into()),
        (Dynamic::EnumNumber(number), Kind::Enum(of)) => match is_value(of, *number) {
            true => Value::Int((*number).into()),
            false => return Ok(None),
        },
        (Dynamic::EnumNumber(number), _) => Value::Int((*number).into()),
        (Dynamic::Message(message), _) => message_value(message)?,
        (Dynamic::List(list), kind) => {
            let list = list
                .iter()
                .filter_map(|element| of(element, kind).transpose());
            Value::array(list.collect::<Result<_, _>>()?)
        }
        (Dynamic::Map(map), Kind::Message(entry)) => {
            let kind = entry.map_entry_value_field().kind();
            let mut document = Document::new();
            for (key, value) in map {
                let key = match key {
                    MapKey::Bool(truth) => truth.to_string(),
                    MapKey::I32(number) => number.to_string(),
                    MapKey::I64(number) => number.to_string(),
                    MapKey::U32(number) => number.to_string(),
                    MapKey::U64(number) => number.to_string(),
                    MapKey::String(text) => text.clone(),
                };
                if let Some(value) = of(value, &kind)? {
                    document.set(key, value);
                }
            }
            Value::document(document)
        }
        (Dynamic::Map(_), _) => return Err("a map has entries".to_owned()),
    }))
}

fn is_value(of: &EnumDescriptor, number: i32) -> bool {
    of.parent_file().syntax() == Syntax::Proto3 || of.get_value(number).is_some()
}

fn message_value(message: &DynamicMessage) -> Result<Value, String> {
    let get = |name: &str| message.get_field_by_name(name).unwrap().into_owned();
    let parts = || {
        let seconds = get("seconds").as_i64().unwrap();
        (
            i128::from(seconds),
            i128::from(get("nanos").as_i32().unwrap()),
        )
    };
    let descriptor = message.descriptor();
    let Some(known) = descriptor.full_name().strip_prefix("google.protobuf.") else {
        return document(message);
    };
    Ok(match known {
        "Timestamp" => {
            let (seconds, nanos) = parts();
            let range = -62_135_596_800..253_402_300_800;
            if !range.contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
                return Err("a timestamp out of range".to_owned());
            }
            let micros = (seconds * 1_000_000_000 + nanos).div_euclid(1000);
            Value::TimestampTz(micros.try_into().unwrap())
        }
        "Duration" => {
            let (seconds, nanos) = parts();
            let disagree = (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0);
            if seconds.abs() > 315_576_000_000 || nanos.abs() > 999_999_999 || disagree {
                return Err("a duration out of range".to_owned());
            }
            let micros = (seconds * 1_000_000_000 + nanos) / 1000;
            Value::Interval(Interval {
                months: 0,
                days: 0,
                micros: micros.try_into().unwrap(),
            })
        }
        "Struct" => json_fields(message),
        "Value" | "ListValue" => Value::Json(Arc::new(json(message))),
        "FieldMask" => {
            let paths = get("paths");
            let paths = paths.as_list().unwrap().iter();
            Value::array(
                paths
                    .map(|path| Value::text(path.as_str().unwrap()))
                    .collect(),
            )
        }
        wrapper if wrapper.ends_with("Value") => {
            let field = descriptor.get_field(1).unwrap();
            of(&message.get_field(&field), &field.kind())?.unwrap()
        }
        _ => document(message)?,
    })
}

fn document(message: &DynamicMessage) -> Result<Value, String> {
    let mut document = Document::new();
    for field in message.descriptor().fields() {
        let value = match field_value(message, &field)? {
            None if !field.supports_presence() => of(&field.default_value(), &field.kind())?,
            value => value,
        };
        if let Some(value) = value {
            document.push(field.name(), value);
        }
    }
    Ok(Value::document(document))
}

fn json_fields(message: &DynamicMessage) -> Value {
    let mut document = Document::new();
    let fields = message.get_field_by_name("fields").unwrap();
    for (name, value) in fields.as_map().unwrap() {
        document.set(name.as_str().unwrap(), json(value.as_message().unwrap()));
    }
    Value::document(document)
}

/// Of a `Value` or a `ListValue`, without a mark that it is JSON.
fn json(message: &DynamicMessage) -> Value {
    if message.descriptor().name() == "ListValue" {
        let values = message.get_field_by_name("values").unwrap();
        let values = values.as_list().unwrap().iter();
        return Value::array(
            values
                .map(|value| json(value.as_message().unwrap()))
                .collect(),
        );
    }
    let Some((field, value)) = message.fields().next() else {
        return Value::Null;
    };
    match (field.name(), value) {
        ("number_value", Dynamic::F64(number)) => Value::Double(*number),
        ("string_value", Dynamic::String(text)) => Value::text(text),
        ("bool_value", Dynamic::Bool(truth)) => Value::Bool(*truth),
        ("struct_value", Dynamic::Message(fields)) => json_fields(fields),
        ("list_value", Dynamic::Message(list)) => json(list),
        _ => Value::Null,
    }
}

/// What a message has lost, as it should, when it comes back from a row: unknown fields, less than microseconds, numbers that a
/// closed enum has not, and the difference between JSON's null and nothing at all.
pub(super) fn as_rows_keep_it(message: &DynamicMessage) -> DynamicMessage {
    let descriptor = message.descriptor();
    let mut kept = DynamicMessage::new(descriptor.clone());
    for (field, value) in message.fields() {
        if let Some(value) = kept_value(value, &field.kind()) {
            kept.set_field(&field, value);
        }
    }
    let is_moment =
        ["google.protobuf.Timestamp", "google.protobuf.Duration"].contains(&descriptor.full_name());
    if is_moment {
        let nanos = kept.get_field_by_name("nanos").unwrap().as_i32().unwrap();
        kept.set_field_by_name("nanos", Dynamic::I32(nanos / 1000 * 1000));
    }
    if descriptor.full_name() == "google.protobuf.Value" {
        let is_null = kept.has_field_by_name("null_value") || kept.fields().next().is_none();
        if is_null {
            kept.set_field_by_name("null_value", Dynamic::EnumNumber(0));
        }
    }
    kept
}

fn kept_value(value: &Dynamic, kind: &Kind) -> Option<Dynamic> {
    Some(match (value, kind) {
        (Dynamic::EnumNumber(number), Kind::Enum(of)) if !is_value(of, *number) => return None,
        (Dynamic::Message(message), _) => Dynamic::Message(as_rows_keep_it(message)),
        (Dynamic::List(list), kind) => Dynamic::List(
            list.iter()
                .filter_map(|element| kept_value(element, kind))
                .collect(),
        ),
        (Dynamic::Map(map), Kind::Message(entry)) => {
            let kind = entry.map_entry_value_field().kind();
            let kept = |(key, value): (&MapKey, _)| Some((key.clone(), kept_value(value, &kind)?));
            Dynamic::Map(map.iter().filter_map(kept).collect())
        }
        (value, _) => value.clone(),
    })
}
