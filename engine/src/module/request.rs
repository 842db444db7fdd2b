//! Which rows a request means: its fields, and the columns of a table that they are compared with.
//!
//! A message within matches by its key, never as a whole: two that ask for one channel under different names mean the same
//! one. What nothing can be found for is said, not guessed. Next door: `method`.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::name::{quoted, quoted_path, snake_case};
use super::{column, message};

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
    pub(super) fn sql(&self, table: &str) -> String {
        let path = quoted_path(&self.column);
        match self.is_hidden_by(table) {
            true => format!("{}.{path} = :{}", quoted(table), self.field),
            false => format!("{path} = :{}", self.field),
        }
    }

    /// Whether the path would be read as a column of the table, whose name its first step has.
    pub(super) fn is_hidden_by(&self, table: &str) -> bool {
        self.column
            .split_once('.')
            .is_some_and(|(first, _)| first == table)
    }
}

/// The rows of `row` that a request means; what is in the way, if that is not clear. `about` is the message that the method's
/// name is about, if that is told.
pub(super) fn conditions(
    request: &MessageDescriptor,
    row: &MessageDescriptor,
    about: Option<&str>,
) -> Result<Vec<Condition>, String> {
    if let Some(condition) = as_part(request, row)? {
        return Ok(vec![condition]);
    }
    if request.full_name() == row.full_name() {
        // Asked with a row: by its key, whatever else is set.
        let key =
            message::row_key(row).ok_or_else(|| format!("{} has no key of its own", row.name()))?;
        return Ok(vec![Condition {
            column: column::of(&key).name,
            field: key.name().to_owned(),
        }]);
    }
    if let Some(condition) = as_owner(request, row) {
        return Ok(vec![condition]);
    }
    let about = match about == Some(row.name()) || request.name().contains(row.name()) {
        true => About::Row,
        false => About::Another,
    };
    let is_paging = |field: &FieldDescriptor| {
        PAGING.contains(&field.name()) && row.get_field_by_name(field.name()).is_none()
    };
    let mut all: Vec<Condition> = Vec::new();
    for field in request.fields().filter(|field| !is_paging(field)) {
        let condition = of_field(&field, request, row, about)?;
        if let Some(other) = all.iter().find(|other| other.column == condition.column) {
            let (one, two) = (&other.field, &condition.field);
            return Err(format!(
                "{one} and {two} of {} would both be compared with {}",
                request.name(),
                condition.column
            ));
        }
        all.push(condition);
    }
    Ok(all)
}

/// What a request names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Row,
    Another,
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
        [part] if request.full_name() == row.full_name() => Err(format!(
            "{} may be asked for itself or as {} of others",
            row.name(),
            part.name()
        )),
        [part] => {
            let key = message::key(request)
                .ok_or_else(|| format!("{} has no field that names it", request.name()))?;
            Ok(Some(Condition {
                column: format!("{}.{}", column::of(part).name, key.name()),
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
    let name = match key.name().starts_with(&own) {
        true => key.name().to_owned(),
        false => format!("{own}_{}", key.name()),
    };
    same_kind(row, &name, &key).map(|found| Condition {
        column: column::of(&found).name,
        field: key.name().to_owned(),
    })
}

/// The single field of that name in a row, if it is of the same type.
fn same_kind(
    row: &MessageDescriptor,
    name: &str,
    field: &FieldDescriptor,
) -> Option<FieldDescriptor> {
    row.get_field_by_name(name)
        .filter(|found| found.kind() == field.kind() && !found.is_list())
}

fn of_field(
    field: &FieldDescriptor,
    request: &MessageDescriptor,
    row: &MessageDescriptor,
    about: About,
) -> Result<Condition, String> {
    let (name, asked_with, of_row) = (field.name(), request.name(), row.name());
    let nothing = || format!("{name} of {asked_with} has nothing to match in {of_row}");
    if field.is_list() || field.is_map() {
        return Err(nothing());
    }
    let same = same_kind(row, name, field);
    if let Kind::Message(part) = field.kind() {
        // A message within: the row has one like it, or its key.
        let key = message::key(&part).ok_or_else(nothing)?;
        let column = match same {
            Some(same) => Some(format!("{}.{}", column::of(&same).name, key.name())),
            None => same_kind(row, &format!("{name}_{}", key.name()), &key)
                .map(|found| column::of(&found).name),
        };
        let field = format!("{name}.{}", key.name());
        return column
            .map(|column| Condition { column, field })
            .ok_or_else(nothing);
    }
    // The key of what is asked with: `id` of a `ChannelRequest` is `channel_id` of the row.
    let asked = asked_with.trim_end_matches("Request");
    let own = same_kind(row, &format!("{}_{name}", snake_case(asked)), field);
    let is_request_key = message::key(request).is_some_and(|key| key.name() == name);
    let found = match (own, same) {
        // What names the request names it in the row, too; the row's own key is another thing.
        (Some(own), Some(_)) if is_request_key && about == About::Another => own,
        (Some(own), Some(same)) => {
            return Err(format!(
                "{name} of {asked_with} may be {} or {} of {of_row}",
                own.name(),
                same.name()
            ));
        }
        (Some(own), None) => own,
        // What names the request names a row only where the row is asked for.
        (None, Some(same))
            if !is_request_key || about == About::Row || same.name() != name_of_key(row) =>
        {
            same
        }
        (None, _) => return Err(nothing()),
    };
    Ok(Condition {
        column: column::of(&found).name,
        field: name.to_owned(),
    })
}

fn name_of_key(row: &MessageDescriptor) -> String {
    message::key(row).map_or_else(String::new, |key| key.name().to_owned())
}

/// Whether a field is such a message.
pub(super) fn is_of(field: &FieldDescriptor, message: &MessageDescriptor) -> bool {
    match field.kind() {
        Kind::Message(of) => of.full_name() == message.full_name(),
        _ => false,
    }
}
