//! Functions behind PostgreSQL's operators on JSON and arrays: `->`, `->>`, `#>`, `#>>`, `@>`, `<@`, `&&`.

use std::sync::Arc;

use tailwater_proto::Value;

use super::Function;
use super::Kind::{Any, Array, Bool, Json, Text, TextArray};
use super::document::inside;
use crate::cast::text_of;
use crate::context::ExecContext;
use crate::error::Result;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        330,
        &["json_get", "json_object_field", "json_array_element"],
        &[Json, Any],
        Json,
        "What stands in the JSON value under a name, or at a place counted from 0 or back from -1; the operator ->.",
        ("json_get('{\"a\": \"b\"}', 'a')", "\"b\""),
        get,
    )
    .variadic(),
    Function::new(
        331,
        &["json_get_text", "json_object_field_text", "json_array_element_text"],
        &[Json, Any],
        Text,
        "As json_get, as text; the operator ->>.",
        ("json_get_text('[1, \"b\"]', -1)", "b"),
        get_text,
    )
    .variadic(),
    Function::new(
        332,
        &["json_at"],
        &[Json, TextArray],
        Json,
        "What stands in the JSON value under an array of names or places; the operator #>.",
        ("json_at('{\"a\": [1, 2]}', '{a,1}')", "2"),
        at,
    ),
    Function::new(
        333,
        &["json_at_text"],
        &[Json, TextArray],
        Text,
        "As json_at, as text; the operator #>>.",
        ("json_at_text('{\"a\": [\"b\"]}', '{a,0}')", "b"),
        at_text,
    ),
    Function::new(
        334,
        &["jsonb_contains", "json_contains"],
        &[Json, Json],
        Bool,
        "Whether the first JSON value has everything the second one has; the operator @>.",
        ("jsonb_contains('{\"a\": [1, 2]}', '{\"a\": [2]}')", "true"),
        json_contains,
    ),
    Function::new(
        337,
        &["jsonb_contained", "json_contained"],
        &[Json, Json],
        Bool,
        "Whether the second JSON value has everything the first one has; the operator <@.",
        ("jsonb_contained('1', '[1, 2]')", "true"),
        |args, cx| match args {
            [part, whole] => json_contains(&[whole.clone(), part.clone()], cx),
            _ => Ok(Value::Null),
        },
    ),
    Function::new(
        335,
        &["arraycontains", "array_has_all"],
        &[Array, Array],
        Bool,
        "Whether every element of the second array is in the first; the operator @>.",
        ("arraycontains(ARRAY[1, 2, 3], ARRAY[3, 1])", "true"),
        array_contains,
    ),
    Function::new(
        336,
        &["arrayoverlap", "array_has_any"],
        &[Array, Array],
        Bool,
        "Whether the arrays have an element in common; the operator &&.",
        ("arrayoverlap(ARRAY[1, 2], ARRAY[2, 3])", "true"),
        array_overlap,
    ),
];

/// The element at a place, counted back from -1 too.
fn element(elements: &[Value], place: i64) -> Option<&Value> {
    let place = match place {
        back @ ..0 => i64::try_from(elements.len()).ok()?.checked_add(back)?,
        place => place,
    };
    elements.get(usize::try_from(place).ok()?)
}

/// One step by `->`: a text is a name, a number is a place.
fn child<'v>(place: &'v Value, step: &Value) -> Option<&'v Value> {
    match (place.unwrap_json(), step) {
        (Value::Array(elements), Value::Int(place)) => element(elements, *place),
        (Value::Document(document), Value::Text(name)) => document.get(name),
        _ => None,
    }
}

/// One step by `#>`: a text that is a number is a place in an array.
fn descendant<'v>(place: &'v Value, step: &Value) -> Option<&'v Value> {
    let step = step.as_text()?;
    match place.unwrap_json() {
        Value::Array(elements) => element(elements, step.parse().ok()?),
        Value::Document(document) => document.get(step),
        _ => None,
    }
}

fn as_json(value: &Value) -> Value {
    match value {
        json @ Value::Json(_) => json.clone(),
        other => Value::Json(Arc::new(other.clone())),
    }
}

/// JSON null is NULL as text.
fn as_text(value: &Value) -> Value {
    match inside(value) {
        Value::Null => Value::Null,
        Value::Text(text) => Value::Text(text.clone()),
        _ => Value::Text(text_of(&as_json(value))),
    }
}

fn got(args: &[Value]) -> Option<&Value> {
    let (root, steps) = args.split_first()?;
    steps.iter().try_fold(root, child)
}

fn get(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(got(args).map_or(Value::Null, as_json))
}

fn get_text(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(got(args).map_or(Value::Null, as_text))
}

fn reached(args: &[Value]) -> Option<&Value> {
    match args {
        [root, Value::Array(steps)] => steps.iter().try_fold(root, descendant),
        _ => None,
    }
}

fn at(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(reached(args).map_or(Value::Null, as_json))
}

fn at_text(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(reached(args).map_or(Value::Null, as_text))
}

/// Objects contain fields by name, arrays contain elements in any order, and everything contains what equals it.
fn contains(whole: &Value, part: &Value) -> bool {
    match (inside(whole), inside(part)) {
        (Value::Document(whole), Value::Document(part)) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|whole| contains(whole, part))),
        (Value::Array(whole), Value::Array(part)) => part
            .iter()
            .all(|part| whole.iter().any(|whole| contains(whole, part))),
        (whole, part) => whole == part,
    }
}

fn json_contains(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [whole, part] = args else {
        return Ok(Value::Null);
    };
    let truth = match (inside(whole), inside(part)) {
        // An array may contain a value that is no array or object, as PostgreSQL has it, at its outermost level.
        (Value::Array(elements), part) if !matches!(part, Value::Array(_) | Value::Document(_)) => {
            elements.iter().any(|element| inside(element) == part)
        }
        (whole, part) => contains(whole, part),
    };
    Ok(Value::Bool(truth))
}

/// Elements of arrays of all dimensions.
fn leaves<'v>(value: &'v Value, out: &mut Vec<&'v Value>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| leaves(element, out)),
        value => out.push(value),
    }
}

fn both_leaves(args: &[Value]) -> Option<(Vec<&Value>, Vec<&Value>)> {
    let [left @ Value::Array(_), right @ Value::Array(_)] = args else {
        return None;
    };
    let (mut of_left, mut of_right) = (Vec::new(), Vec::new());
    leaves(left, &mut of_left);
    leaves(right, &mut of_right);
    Some((of_left, of_right))
}

/// NULL equals nothing.
fn has(elements: &[&Value], wanted: &Value) -> bool {
    !wanted.is_null() && elements.contains(&wanted)
}

fn array_contains(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(both_leaves(args).map_or(Value::Null, |(whole, part)| {
        Value::Bool(part.iter().all(|wanted| has(&whole, wanted)))
    }))
}

fn array_overlap(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(both_leaves(args).map_or(Value::Null, |(left, right)| {
        Value::Bool(right.iter().any(|wanted| has(&left, wanted)))
    }))
}
