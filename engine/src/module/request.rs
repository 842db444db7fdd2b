//! Which rows a request means: its fields, and the columns of a table that they are compared with.
//!
//! A message within matches by its key, never as a whole: two that ask for one channel under different names mean the same
//! one. What nothing can be found for is said, not guessed. Next door: `method`.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::message;
use super::name::{quoted_path, snake_case};

/// Fields of requests that say how much is wanted, and not of what.
const PAGING: [&str; 6] = [
    "limit",
    "page_size",
    "page_token",
    "max_results",
    "order_by",
    "update_mask",
];

/// A column, or a path into one, that has what a field of the request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// `channel.name`.
    pub(super) column: String,
    /// `name`.
    pub(super) field: String,
}

impl Condition {
    /// As SQL.
    pub(super) fn sql(&self) -> String {
        format!("{} = :{}", quoted_path(&self.column), self.field)
    }
}

/// The rows of `row` that a request means; what is in the way, if that is not clear.
pub(super) fn conditions(
    request: &MessageDescriptor,
    row: &MessageDescriptor,
) -> Result<Vec<Condition>, String> {
    if let Some(condition) = as_part(request, row)? {
        return Ok(vec![condition]);
    }
    if let Some(condition) = as_owner(request, row) {
        return Ok(vec![condition]);
    }
    let fields = request
        .fields()
        .filter(|field| !PAGING.contains(&field.name()));
    fields.map(|field| of_field(&field, request, row)).collect()
}

/// Rows that have the whole request as one of their fields match by its key.
fn as_part(
    request: &MessageDescriptor,
    row: &MessageDescriptor,
) -> Result<Option<Condition>, String> {
    let parts: Vec<FieldDescriptor> = row
        .fields()
        .filter(|field| !field.is_list() && !field.is_map() && is_of(field, request))
        .collect();
    match parts.as_slice() {
        [] => Ok(None),
        [part] => {
            let key = message::key(request)
                .ok_or_else(|| format!("{} has no field that names it", request.name()))?;
            Ok(Some(Condition {
                column: format!("{}.{}", part.name(), key.name()),
                field: key.name().to_owned(),
            }))
        }
        [first, second, ..] => Err(format!(
            "{} of {} may be its {} or its {}",
            request.name(),
            row.name(),
            first.name(),
            second.name()
        )),
    }
}

/// Rows that have the key of the request under its name match by that: `User.id` is `user_id` of an order.
fn as_owner(request: &MessageDescriptor, row: &MessageDescriptor) -> Option<Condition> {
    let key = message::key(request)?;
    let own = snake_case(request.name());
    let column = match key.name().starts_with(&own) {
        true => key.name().to_owned(),
        false => format!("{own}_{}", key.name()),
    };
    row.get_field_by_name(&column)
        .filter(|found| found.kind() == key.kind() && !found.is_list())
        .map(|_| Condition {
            column,
            field: key.name().to_owned(),
        })
}

fn of_field(
    field: &FieldDescriptor,
    request: &MessageDescriptor,
    row: &MessageDescriptor,
) -> Result<Condition, String> {
    let nothing = || {
        format!(
            "{} of {} has nothing to match in {}",
            field.name(),
            request.name(),
            row.name()
        )
    };
    if field.is_list() || field.is_map() {
        return Err(nothing());
    }
    let same = row
        .get_field_by_name(field.name())
        .filter(|column| column.kind() == field.kind() && !column.is_list());
    if let Kind::Message(part) = field.kind() {
        // A message within: the row has one like it, or its key.
        let key = message::key(&part).ok_or_else(nothing)?;
        let path = format!("{}.{}", field.name(), key.name());
        if same.is_some() {
            return Ok(Condition {
                column: path.clone(),
                field: path,
            });
        }
        let flat = format!("{}_{}", field.name(), key.name());
        let column = row
            .get_field_by_name(&flat)
            .filter(|column| column.kind() == key.kind());
        return column
            .map(|_| Condition {
                column: flat,
                field: path,
            })
            .ok_or_else(nothing);
    }
    if same.is_some() {
        return Ok(Condition {
            column: field.name().to_owned(),
            field: field.name().to_owned(),
        });
    }
    // The key of what is asked with: `Channel.id` is `channel_id` of the row.
    let asked = request.name().trim_end_matches("Request");
    let own = format!("{}_{}", snake_case(asked), field.name());
    row.get_field_by_name(&own)
        .filter(|column| column.kind() == field.kind())
        .map(|_| Condition {
            column: own,
            field: field.name().to_owned(),
        })
        .ok_or_else(nothing)
}

/// Whether a field is such a message.
pub(super) fn is_of(field: &FieldDescriptor, message: &MessageDescriptor) -> bool {
    match field.kind() {
        Kind::Message(of) => of.full_name() == message.full_name(),
        _ => false,
    }
}
