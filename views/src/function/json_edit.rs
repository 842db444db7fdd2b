//! JSON values with something set, inserted or taken away. Every function makes a new value.

use std::sync::Arc;

use tailwater_proto::{Document, Value, sqlstate};

use super::Function;
use super::Kind::{Bool, Int4, Json, Text, TextArray};
use super::document::inside;
use crate::context::ExecContext;
use crate::error::{Error, Result};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        340,
        &["jsonb_set", "json_set"],
        &[Json, TextArray, Json, Bool],
        Json,
        "The JSON value with the third argument under a path; a missing last step is made unless the fourth is false.",
        ("jsonb_set('{\"a\": [1]}', '{a,0}', '2')", "{\"a\": [2]}"),
        set,
    )
    .optional(1),
    Function::new(
        341,
        &["jsonb_insert", "json_insert"],
        &[Json, TextArray, Json, Bool],
        Json,
        "The JSON value with the third argument inserted at a path; in arrays before the element, behind it if the fourth is true.",
        ("jsonb_insert('[1, 2]', '{1}', '9')", "[1, 9, 2]"),
        insert,
    )
    .optional(1),
    Function::new(
        342,
        &["jsonb_strip_nulls", "json_strip_nulls"],
        &[Json],
        Json,
        "The JSON value without the fields of objects that are null.",
        ("jsonb_strip_nulls('{\"a\": null, \"b\": [null]}')", "{\"b\": [null]}"),
        strip_nulls,
    ),
    Function::new(
        343,
        &["jsonb_delete"],
        &[Json, Text],
        Json,
        "The object without a field, the array without texts equal to it; the operator -.",
        ("jsonb_delete('{\"a\": 1, \"b\": 2}', 'a')", "{\"b\": 2}"),
        delete_names,
    ),
    Function::new(
        344,
        &["jsonb_delete"],
        &[Json, TextArray],
        Json,
        "The JSON value without any of the names; the operator -.",
        ("jsonb_delete('{\"a\": 1, \"b\": 2}', ARRAY['a', 'b'])", "{}"),
        delete_names,
    ),
    Function::new(
        345,
        &["jsonb_delete"],
        &[Json, Int4],
        Json,
        "The array without the element at a place, counted from 0 or back from -1; the operator -.",
        ("jsonb_delete('[1, 2]', -1)", "[1]"),
        delete_place,
    ),
    Function::new(
        346,
        &["jsonb_delete_path"],
        &[Json, TextArray],
        Json,
        "The JSON value without what stands under a path; the operator #-.",
        ("jsonb_delete_path('{\"a\": [1, 2]}', '{a,0}')", "{\"a\": [2]}"),
        delete_path,
    ),
    Function::new(
        347,
        &["jsonb_exists"],
        &[Json, Text],
        Bool,
        "Whether the object has the field, the array the text, or the value is the text.",
        ("jsonb_exists('{\"a\": null}', 'a')", "true"),
        exists_all,
    ),
    Function::new(
        348,
        &["jsonb_exists_any"],
        &[Json, TextArray],
        Bool,
        "Whether jsonb_exists holds for any of the texts.",
        ("jsonb_exists_any('{\"a\": 1}', ARRAY['a', 'b'])", "true"),
        exists_any,
    ),
    Function::new(
        349,
        &["jsonb_exists_all"],
        &[Json, TextArray],
        Bool,
        "Whether jsonb_exists holds for all of the texts.",
        ("jsonb_exists_all('{\"a\": 1}', ARRAY['a', 'b'])", "false"),
        exists_all,
    ),
];

/// What is done at the end of a path.
enum Edit {
    /// Replace what is there; make it if it is not and `create` holds.
    Set {
        value: Value,
        create: bool,
    },
    /// Put it before or behind what is there.
    Insert {
        value: Value,
        behind: bool,
    },
    Delete,
}

fn json(value: Value) -> Value {
    Value::Json(Arc::new(value))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::row(sqlstate::INVALID_PARAMETER_VALUE, message)
}

/// The text of the step at `depth`.
fn name_at(path: &[Value], depth: usize) -> Result<&str> {
    path.get(depth).and_then(Value::as_text).ok_or_else(|| {
        Error::row(
            sqlstate::NULL_VALUE_NOT_ALLOWED,
            format!("path element at position {} is null", depth + 1),
        )
    })
}

/// `value` with the edit done where `path`, from `depth` on, leads. What is not there stays away, but for the last step.
fn edited(value: &Value, path: &[Value], depth: usize, edit: &Edit) -> Result<Value> {
    let last = depth + 1 == path.len();
    match value.unwrap_json() {
        Value::Document(document) => {
            let name = name_at(path, depth)?;
            let mut document = (**document).clone();
            match (document.get(name), edit) {
                (Some(below), _) if !last => {
                    let below = edited(below, path, depth + 1, edit)?;
                    document.set(name, below);
                }
                (None, _) if !last => {}
                (Some(_), Edit::Insert { .. }) => {
                    return Err(invalid("cannot replace existing key"));
                }
                (Some(_), Edit::Delete) => drop(document.remove(name)),
                (None, Edit::Delete | Edit::Set { create: false, .. }) => {}
                (_, Edit::Set { value, .. } | Edit::Insert { value, .. }) => {
                    document.set(name, value.clone());
                }
            }
            Ok(Value::document(document))
        }
        Value::Array(elements) => {
            let name = name_at(path, depth)?;
            let step: i64 = name.parse().map_err(|_| {
                Error::row(
                    sqlstate::INVALID_TEXT_REPRESENTATION,
                    format!(
                        "path element at position {} is not an integer: \"{name}\"",
                        depth + 1
                    ),
                )
            })?;
            elements_edited(elements, step, path, depth, edit)
        }
        other => Ok(other.clone()),
    }
}

fn elements_edited(
    elements: &[Value],
    step: i64,
    path: &[Value],
    depth: usize,
    edit: &Edit,
) -> Result<Value> {
    let count = i64::try_from(elements.len()).unwrap_or(i64::MAX);
    let place = if step < 0 {
        count.saturating_add(step)
    } else {
        step
    };
    let there = usize::try_from(place)
        .ok()
        .filter(|place| *place < elements.len());
    let mut elements = elements.to_vec();
    if depth + 1 < path.len() {
        if let Some(below) = there.and_then(|place| elements.get_mut(place)) {
            *below = edited(below, path, depth + 1, edit)?;
        }
        return Ok(Value::array(elements));
    }
    match (there, edit) {
        (Some(place), Edit::Set { value, .. }) => {
            elements.splice(place..=place, [value.clone()]);
        }
        (Some(place), Edit::Insert { value, behind }) => {
            elements.insert(place + usize::from(*behind), value.clone());
        }
        (Some(place), Edit::Delete) => drop(elements.remove(place)),
        (None, Edit::Delete | Edit::Set { create: false, .. }) => {}
        (None, Edit::Set { value, .. } | Edit::Insert { value, .. }) => {
            let place = if place < 0 { 0 } else { elements.len() };
            elements.insert(place, value.clone());
        }
    }
    Ok(Value::array(elements))
}

fn edit(target: &Value, path: &Value, edit: &Edit, refused: &'static str) -> Result<Value> {
    let Value::Array(path) = path else {
        return Ok(Value::Null);
    };
    let target = inside(target);
    match target {
        Value::Array(_) | Value::Document(_) if path.is_empty() => Ok(json(target.clone())),
        Value::Array(_) | Value::Document(_) => Ok(json(edited(target, path, 0, edit)?)),
        _ => Err(invalid(refused)),
    }
}

fn set(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [target, path, value, rest @ ..] = args else {
        return Ok(Value::Null);
    };
    let what = Edit::Set {
        value: inside(value).clone(),
        create: !matches!(rest.first(), Some(Value::Bool(false))),
    };
    edit(target, path, &what, "cannot set path in scalar")
}

fn insert(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [target, path, value, rest @ ..] = args else {
        return Ok(Value::Null);
    };
    let what = Edit::Insert {
        value: inside(value).clone(),
        behind: matches!(rest.first(), Some(Value::Bool(true))),
    };
    edit(target, path, &what, "cannot set path in scalar")
}

fn delete_path(args: &[Value], _: &ExecContext) -> Result<Value> {
    match args {
        [target, path] => edit(target, path, &Edit::Delete, "cannot delete path in scalar"),
        _ => Ok(Value::Null),
    }
}

fn stripped(value: &Value) -> Value {
    match value.unwrap_json() {
        Value::Document(document) => {
            let mut kept = Document::new();
            for (name, value) in document
                .iter()
                .filter(|(_, value)| !inside(value).is_null())
            {
                kept.push(name.clone(), stripped(value));
            }
            Value::document(kept)
        }
        Value::Array(elements) => Value::array(elements.iter().map(stripped).collect()),
        other => inside(other).clone(),
    }
}

fn strip_nulls(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(args
        .first()
        .map_or(Value::Null, |value| json(stripped(value))))
}

/// A text, or the texts of an array.
fn names_of(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(names) => names.iter().filter_map(Value::as_text).collect(),
        one => one.as_text().into_iter().collect(),
    }
}

fn delete_names(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [target, names] = args else {
        return Ok(Value::Null);
    };
    let names = names_of(names);
    match inside(target) {
        Value::Document(document) => {
            let mut document = (**document).clone();
            for name in names {
                document.remove(name);
            }
            Ok(json(Value::document(document)))
        }
        Value::Array(elements) => {
            let kept = elements
                .iter()
                .filter(|element| !element.as_text().is_some_and(|text| names.contains(&text)));
            Ok(json(Value::array(kept.cloned().collect())))
        }
        _ => Err(invalid("cannot delete from scalar")),
    }
}

fn delete_place(args: &[Value], _: &ExecContext) -> Result<Value> {
    let [target, Value::Int(place)] = args else {
        return Ok(Value::Null);
    };
    match inside(target) {
        Value::Array(elements) => {
            elements_edited(elements, *place, &[], 0, &Edit::Delete).map(json)
        }
        Value::Document(_) => Err(invalid("cannot delete from object using integer index")),
        _ => Err(invalid("cannot delete from scalar")),
    }
}

fn has(target: &Value, name: &str) -> bool {
    match inside(target) {
        Value::Document(document) => document.get(name).is_some(),
        Value::Array(elements) => elements
            .iter()
            .any(|element| element.as_text() == Some(name)),
        other => other.as_text() == Some(name),
    }
}

fn exists_all(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [target, names] => Value::Bool(names_of(names).iter().all(|name| has(target, name))),
        _ => Value::Null,
    })
}

fn exists_any(args: &[Value], _: &ExecContext) -> Result<Value> {
    Ok(match args {
        [target, names] => Value::Bool(names_of(names).iter().any(|name| has(target, name))),
        _ => Value::Null,
    })
}
