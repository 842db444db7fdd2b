//! Functions on arrays, documents and JSON. Positions in arrays count from 1, as PostgreSQL's functions do
//! (subscripts count from 0, as Genji's paths do).

use std::sync::Arc;

use tailwater_proto::{Document, Value, sqlstate};

use super::Function;
use super::Kind::{self, Any, Array, Element, Int4, Json, Text, TextArray};
use super::string::counted;
use crate::context::ExecContext;
use crate::error::{Error, Result};
use crate::expr;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        300,
        &["array_length"],
        &[Array, Int4],
        Int4,
        "How many elements the array has in a dimension; NULL if none.",
        ("array_length(ARRAY[1, 2, 3], 1)", "3"),
        array_length,
    ),
    Function::new(
        301,
        &["cardinality"],
        &[Array],
        Int4,
        "How many elements the array has in all dimensions.",
        ("cardinality(ARRAY[1, 2, 3])", "3"),
        cardinality,
    ),
    Function::new(
        302,
        &["array_append"],
        &[Array, Element],
        Array,
        "The array with an element at its end.",
        ("array_append(ARRAY[1, 2], 3)", "{1,2,3}"),
        array_append,
    )
    .with_nulls(),
    Function::new(
        303,
        &["array_prepend"],
        &[Element, Array],
        Array,
        "The array with an element at its start.",
        ("array_prepend(1, ARRAY[2, 3])", "{1,2,3}"),
        array_prepend,
    )
    .with_nulls(),
    Function::new(
        304,
        &["array_cat"],
        &[Array, Array],
        Array,
        "Both arrays as one.",
        ("array_cat(ARRAY[1, 2], ARRAY[3])", "{1,2,3}"),
        array_cat,
    )
    .with_nulls(),
    Function::new(
        305,
        &["array_position"],
        &[Array, Element],
        Int4,
        "Where the element stands first, counted from 1; NULL if nowhere.",
        ("array_position(ARRAY['a', 'b'], 'b')", "2"),
        array_position,
    )
    .with_nulls(),
    Function::new(
        306,
        &["array_remove"],
        &[Array, Element],
        Array,
        "The array without elements equal to the second argument.",
        ("array_remove(ARRAY[1, 2, 1], 1)", "{2}"),
        array_remove,
    )
    .with_nulls(),
    Function::new(
        307,
        &["array_replace"],
        &[Array, Element, Element],
        Array,
        "The array with elements equal to the second argument replaced by the third.",
        ("array_replace(ARRAY[1, 2, 1], 1, 9)", "{9,2,9}"),
        array_replace,
    )
    .with_nulls(),
    Function::new(
        308,
        &["array_contains"],
        &[Array, Element],
        Kind::Bool,
        "Whether the element stands in the array.",
        ("array_contains(ARRAY[1, 2], 2)", "true"),
        array_contains,
    ),
    Function::new(
        320,
        &["objects.fields", "object_keys"],
        &[Kind::Document],
        TextArray,
        "The names of the document's fields, in order.",
        ("object_keys({a: 1, b: 2})", "{a,b}"),
        object_keys,
    ),
    Function::new(
        321,
        &["json_typeof", "jsonb_typeof"],
        &[Json],
        Text,
        "What the JSON value is: object, array, string, number, boolean or null.",
        ("json_typeof('[1]')", "array"),
        json_typeof,
    ),
    Function::new(
        322,
        &["json_array_length", "jsonb_array_length"],
        &[Json],
        Int4,
        "How many elements the JSON array has.",
        ("json_array_length('[1, 2]')", "2"),
        json_array_length,
    ),
    Function::new(
        323,
        &["to_json", "to_jsonb"],
        &[Any],
        Json,
        "The value as JSON.",
        ("to_json('a')", "\"a\""),
        to_json,
    )
    .with_nulls(),
    Function::new(
        324,
        &["json_build_object", "jsonb_build_object"],
        &[Any],
        Json,
        "A JSON object of names and values in turn.",
        ("json_build_object('a', 1)", "{\"a\": 1}"),
        json_build_object,
    )
    .optional(1)
    .variadic()
    .with_nulls(),
    Function::new(
        325,
        &["json_build_array", "jsonb_build_array"],
        &[Any],
        Json,
        "A JSON array of the arguments.",
        ("json_build_array(1, 'a', NULL)", "[1, \"a\", null]"),
        json_build_array,
    )
    .optional(1)
    .variadic()
    .with_nulls(),
    Function::new(
        326,
        &["json_extract_path", "jsonb_extract_path"],
        &[Json, Text],
        Json,
        "What stands in the JSON value under names or places counted from 0; NULL if nothing.",
        ("json_extract_path('{\"a\": [1, 2]}', 'a', '1')", "2"),
        json_extract_path,
    )
    .variadic(),
    Function::new(
        327,
        &["json_extract_path_text", "jsonb_extract_path_text"],
        &[Json, Text],
        Text,
        "As json_extract_path, as text.",
        ("json_extract_path_text('{\"a\": \"b\"}', 'a')", "b"),
        json_extract_path_text,
    )
    .variadic(),
];

/// The elements of an array, in JSON too.
fn elements(value: &Value) -> Option<&Arc<[Value]>> {
    match value.unwrap_json() {
        Value::Array(elements) => Some(elements),
        _ => None,
    }
}

fn array_length(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [array, Value::Int(dimension)] = args else {
        return Ok(Value::Null);
    };
    let mut inner = elements(array);
    for _ in 1..(*dimension).min(64) {
        inner = inner.and_then(|outer| outer.first()).and_then(elements);
    }
    match inner {
        Some(elements) if *dimension >= 1 && !elements.is_empty() => counted(elements.len()),
        _ => Ok(Value::Null),
    }
}

fn leaves(value: &Value) -> usize {
    elements(value).map_or(1, |elements| elements.iter().map(leaves).sum())
}

fn cardinality(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args.first() {
        Some(array) if elements(array).is_some() => counted(leaves(array)),
        _ => Ok(Value::Null),
    }
}

/// A new array, or NULL if there was none.
fn made(array: &Value, make: impl FnOnce(&[Value]) -> Vec<Value>) -> Result<Value> {
    Ok(match array {
        Value::Null => Value::array(make(&[])),
        other => elements(other).map_or(Value::Null, |elements| Value::array(make(elements))),
    })
}

fn array_append(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [array, element] => made(array, |elements| {
            elements.iter().chain([element]).cloned().collect()
        }),
        _ => Ok(Value::Null),
    }
}

fn array_prepend(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [element, array] => made(array, |elements| {
            [element].into_iter().chain(elements).cloned().collect()
        }),
        _ => Ok(Value::Null),
    }
}

fn array_cat(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [Value::Null, other] | [other, Value::Null] => Ok(other.clone()),
        [Value::Array(left), Value::Array(right)] => Ok(expr::joined(left, right)),
        [left, right] => match elements(right) {
            Some(right) => made(left, |left| {
                left.iter().chain(right.iter()).cloned().collect()
            }),
            None => Ok(Value::Null),
        },
        _ => Ok(Value::Null),
    }
}

fn array_position(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [array, wanted] = args else {
        return Ok(Value::Null);
    };
    let place = elements(array).and_then(|elements| {
        elements
            .iter()
            .position(|element| element.cmp_total(wanted).is_eq())
    });
    place.map_or(Ok(Value::Null), |place| counted(place + 1))
}

fn array_remove(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [array, unwanted] if !array.is_null() => made(array, |elements| {
            let kept = elements
                .iter()
                .filter(|element| element.cmp_total(unwanted).is_ne());
            kept.cloned().collect()
        }),
        _ => Ok(Value::Null),
    }
}

fn array_replace(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [array, from, to] if !array.is_null() => made(array, |elements| {
            let replaced = elements.iter().map(|element| {
                if element.cmp_total(from).is_eq() {
                    to
                } else {
                    element
                }
            });
            replaced.cloned().collect()
        }),
        _ => Ok(Value::Null),
    }
}

fn array_contains(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [array, wanted] = args else {
        return Ok(Value::Null);
    };
    Ok(elements(array).map_or(Value::Null, |elements| {
        Value::Bool(
            elements
                .iter()
                .any(|element| element.cmp_total(wanted).is_eq()),
        )
    }))
}

fn object_keys(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args.first().map(Value::unwrap_json) {
        Some(Value::Document(document)) => Value::array(
            document
                .iter()
                .map(|(name, _)| Value::Text(name.clone()))
                .collect(),
        ),
        _ => Value::Null,
    })
}

/// What JSON holds, its null as NULL.
pub(super) fn inside(value: &Value) -> &Value {
    match value.unwrap_json() {
        Value::Json(null) => null,
        other => other,
    }
}

fn json_typeof(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(args.first().map_or(Value::Null, |value| {
        Value::text(match inside(value) {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) | Value::Real(_) | Value::Double(_) | Value::Numeric(_) => "number",
            Value::Array(_) => "array",
            Value::Document(_) => "object",
            _ => "string",
        })
    }))
}

fn json_array_length(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [value @ Value::Json(_)] => match elements(value) {
            Some(elements) => counted(elements.len()),
            None => Err(Error::row(
                sqlstate::INVALID_PARAMETER_VALUE,
                "cannot get array length of a non-array",
            )),
        },
        [value] => elements(value).map_or(Ok(Value::Null), |elements| counted(elements.len())),
        _ => Ok(Value::Null),
    }
}

fn as_json(value: Value) -> Value {
    match value {
        json @ Value::Json(_) => json,
        other => Value::Json(Arc::new(other)),
    }
}

/// A value as a part of a JSON value: without a wrapper of its own.
fn part(value: &Value) -> Value {
    inside(value).clone()
}

fn to_json(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args.first() {
        None | Some(Value::Null) => Value::Null,
        Some(value) => as_json(value.clone()),
    })
}

fn json_build_object(args: &[Value], _: &ExecContext) -> Result<Value> {
    let mut document = Document::new();
    for pair in args.chunks(2) {
        match pair {
            [Value::Null, _] => {
                return Err(Error::row(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    "names of a JSON object must not be NULL",
                ));
            }
            [name, value] => document.set(crate::cast::text_of(name), part(value)),
            _ => {
                return Err(Error::row(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    "argument list must have even number of elements",
                ));
            }
        }
    }
    Ok(as_json(Value::document(document)))
}

fn json_build_array(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(as_json(Value::array(args.iter().map(part).collect())))
}

/// The value under names or places, negative places from the end.
fn found(args: &[Value]) -> Option<&Value> {
    let (root, path) = args.split_first()?;
    path.iter().try_fold(inside(root), |place, step| {
        let step = step.as_text()?;
        match place.unwrap_json() {
            Value::Document(document) => document.get(step),
            Value::Array(elements) => {
                let index: i64 = step.parse().ok()?;
                let index = if index < 0 {
                    i64::try_from(elements.len()).ok()? + index
                } else {
                    index
                };
                elements.get(usize::try_from(index).ok()?)
            }
            _ => None,
        }
    })
}

fn json_extract_path(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(found(args).map_or(Value::Null, |value| as_json(value.clone())))
}

fn json_extract_path_text(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match found(args).map(inside) {
        None | Some(Value::Null) => Value::Null,
        Some(value @ (Value::Array(_) | Value::Document(_))) => {
            Value::Text(crate::cast::text_of(&as_json(value.clone())))
        }
        Some(value) => Value::Text(crate::cast::text_of(value)),
    })
}
