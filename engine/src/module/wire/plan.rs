//! `Plan`: what the descriptors of a message say, laid out for reading and writing without them.
//!
//! Messages are known by index, so one that stands within itself is one plan. Descriptors are looked at here only, once, when
//! a module is installed. Next door: `scalar`, `decode` and `encode`, which follow it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use tailwater_proto::{Document, EcoString, Value};

use super::scalar::Scalar;
use super::shape::{self, Shape};
use crate::error::Result;

/// A message, and all it can hold. The first is the message itself.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) messages: Vec<MessagePlan>,
}

#[derive(Debug)]
pub(super) struct MessagePlan {
    /// The full name.
    pub(super) name: String,
    pub(super) shape: Shape,
    /// In the order of their numbers.
    pub(super) fields: Vec<FieldPlan>,
    /// Names of fields, sorted, and their places.
    names: Vec<(EcoString, usize)>,
    /// Fields of each `oneof`.
    pub(super) oneofs: Vec<OneofPlan>,
}

#[derive(Debug)]
pub(super) struct OneofPlan {
    pub(super) name: String,
    pub(super) arms: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct FieldPlan {
    pub(super) number: u32,
    pub(super) name: EcoString,
    pub(super) kind: FieldKind,
    pub(super) form: Form,
    /// Whether zero is the same as not being set.
    pub(super) presence: Presence,
    /// The `oneof` that it is an arm of.
    pub(super) oneof: Option<usize>,
    /// Protobuf's value of a field that is not set: zero, or the default it was given; NULL for a message.
    pub(super) default: Value,
}

#[derive(Clone, Debug)]
pub(super) enum FieldKind {
    Scalar(Scalar),
    /// By its place in the plan.
    Message(usize),
    Group(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Single,
    /// One key for each element.
    Repeated,
    /// One key for all.
    Packed,
    /// Its kind is the entry: `key` and `value`.
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Explicit,
    Implicit,
}

impl Presence {
    pub(super) fn of(field: &FieldDescriptor) -> Self {
        match field.supports_presence() {
            true => Self::Explicit,
            false => Self::Implicit,
        }
    }
}

impl Plan {
    /// # Errors
    /// `42P16` for a message that has the name of one of Google's, but not its fields.
    pub(super) fn new(message: &MessageDescriptor) -> Result<Self> {
        let mut queue = Queue::default();
        queue.place(message, Surroundings::Plain);
        let mut messages = Vec::new();
        while let Some((message, surroundings)) = queue.messages.get(messages.len()).cloned() {
            messages.push(plan_of(&message, surroundings, &mut queue)?);
        }
        Ok(Self { messages })
    }

    /// # Panics
    /// For a place that is not the plan's own.
    pub(super) fn message(&self, place: usize) -> &MessagePlan {
        match self.messages.get(place) {
            Some(message) => message,
            None => unreachable!("places come from the plan"),
        }
    }

    /// The message that the plan is of.
    pub(super) fn root(&self) -> &MessagePlan {
        self.message(0)
    }
}

impl MessagePlan {
    /// The place of a field by its number. `near` is where it would stand if fields came in order.
    #[inline]
    pub(super) fn find(&self, number: u32, near: usize) -> Option<usize> {
        if self
            .fields
            .get(near)
            .is_some_and(|field| field.number == number)
        {
            return Some(near);
        }
        self.fields
            .binary_search_by_key(&number, |field| field.number)
            .ok()
    }

    /// The place of a field by its name, likewise.
    pub(super) fn find_name(&self, name: &str, near: usize) -> Option<usize> {
        if self
            .fields
            .get(near)
            .is_some_and(|field| field.name == name)
        {
            return Some(near);
        }
        let found = self
            .names
            .binary_search_by(|(other, _)| other.as_str().cmp(name));
        let (_, place) = self.names.get(found.ok()?)?;
        Some(*place)
    }
}

/// Where a message stands: JSON within JSON is not marked as such again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Surroundings {
    Plain,
    Json,
}

/// Messages to be planned, each once, by their places.
#[derive(Default)]
struct Queue {
    messages: Vec<(MessageDescriptor, Surroundings)>,
    places: HashMap<(String, Surroundings), usize>,
}

impl Queue {
    fn place(&mut self, message: &MessageDescriptor, surroundings: Surroundings) -> usize {
        let next = self.messages.len();
        match self
            .places
            .entry((message.full_name().to_owned(), surroundings))
        {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(place) => {
                self.messages.push((message.clone(), surroundings));
                *place.insert(next)
            }
        }
    }
}

fn plan_of(
    message: &MessageDescriptor,
    surroundings: Surroundings,
    queue: &mut Queue,
) -> Result<MessagePlan> {
    let mut shape = shape::of(message)?;
    let inside = match shape {
        Shape::Struct | Shape::Json(_) | Shape::JsonList(_) => Surroundings::Json,
        Shape::MapEntry => surroundings,
        _ => Surroundings::Plain,
    };
    if surroundings == Surroundings::Json {
        shape = shape.within_json();
    }
    let mut fields: Vec<FieldPlan> = message
        .fields()
        .map(|field| field_of(&field, inside, queue))
        .collect();
    fields.sort_unstable_by_key(|field| field.number);
    let mut names: Vec<(EcoString, usize)> = fields
        .iter()
        .map(|field| field.name.clone())
        .zip(0..)
        .collect();
    names.sort_unstable();
    let mut oneofs = Vec::new();
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let number_of_oneof = oneofs.len();
        let mut arms = Vec::new();
        for arm in oneof.fields() {
            let place = fields.binary_search_by_key(&arm.number(), |field| field.number);
            if let Some((place, field)) = place.ok().and_then(|at| Some((at, fields.get_mut(at)?)))
            {
                field.oneof = Some(number_of_oneof);
                arms.push(place);
            }
        }
        let name = oneof.name().to_owned();
        oneofs.push(OneofPlan { name, arms });
    }
    Ok(MessagePlan {
        name: message.full_name().to_owned(),
        shape,
        fields,
        names,
        oneofs,
    })
}

fn field_of(field: &FieldDescriptor, inside: Surroundings, queue: &mut Queue) -> FieldPlan {
    let kind = match field.kind() {
        Kind::Message(message) => {
            let place = queue.place(&message, inside);
            match field.is_group() {
                true => FieldKind::Group(place),
                false => FieldKind::Message(place),
            }
        }
        kind => FieldKind::Scalar(Scalar::of(&kind)),
    };
    let form = match (field.is_map(), field.is_list(), field.is_packed()) {
        (true, _, _) => Form::Map,
        (false, true, true) => Form::Packed,
        (false, true, false) => Form::Repeated,
        (false, false, _) => Form::Single,
    };
    let default = match form {
        Form::Map => Value::document(Document::new()),
        Form::Repeated | Form::Packed => Value::array(Vec::new()),
        Form::Single => default_of(field),
    };
    FieldPlan {
        number: field.number(),
        name: field.name().into(),
        kind,
        form,
        presence: Presence::of(field),
        oneof: None,
        default,
    }
}

fn default_of(field: &FieldDescriptor) -> Value {
    use prost_reflect::Value as Dynamic;
    match field.default_value() {
        Dynamic::Bool(truth) => Value::Bool(truth),
        Dynamic::I32(number) | Dynamic::EnumNumber(number) => Value::from(number),
        Dynamic::I64(number) => Value::Int(number),
        Dynamic::U32(number) => Value::from(number),
        Dynamic::U64(number) => Value::numeric(number.into()),
        Dynamic::F32(number) => Value::Real(number),
        Dynamic::F64(number) => Value::Double(number),
        Dynamic::String(text) => Value::from(text),
        Dynamic::Bytes(bytes) => Value::Bytes(bytes.as_ref().into()),
        Dynamic::Message(_) | Dynamic::List(_) | Dynamic::Map(_) => Value::Null,
    }
}
