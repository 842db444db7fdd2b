//! `ParameterDecoder`: what a request says, by paths such as `channel.name`, for the parameters of a method's SQL.
//!
//! Next door: `row`, whole messages; `decode`, which reads.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use tailwater_proto::{Path, PathStep, Value, sqlstate};

use super::decode::{Decoder, Slot};
use super::plan::{Plan, Presence};
use super::shape::{self, Shape};
use crate::error::{Error, Result};

/// Bytes of a request into the values that paths lead to.
#[derive(Debug)]
pub(crate) struct ParameterDecoder {
    plan: Plan,
    /// The field a path begins with, and how it goes on there.
    paths: Vec<(usize, Path)>,
}

impl ParameterDecoder {
    /// A path names fields, from the request's own inwards; within a map or a `Struct` it names what is there.
    ///
    /// # Errors
    /// `42703` for a path that leads nowhere.
    pub(crate) fn new(message: &MessageDescriptor, paths: &[String]) -> Result<Self> {
        let plan = Plan::new(message)?;
        let path_of = |path: &String| {
            let nowhere = || {
                let what = format!("{path} is nothing that a {} says", message.full_name());
                Error::statement(sqlstate::UNDEFINED_COLUMN, what)
            };
            let mut steps = path.split('.');
            let first = steps.next().unwrap_or_default();
            let field = message.get_field_by_name(first).ok_or_else(nowhere)?;
            let place = plan.root().find_name(first, 0).ok_or_else(nowhere)?;
            let rest: Vec<&str> = steps.collect();
            match leads_somewhere(&field, &rest)? {
                true => {
                    let steps = rest.into_iter().map(|step| PathStep::Field(step.into()));
                    Ok((place, Path(steps.collect())))
                }
                false => Err(nowhere()),
            }
        };
        let paths = paths.iter().map(path_of).collect::<Result<_>>()?;
        Ok(Self { plan, paths })
    }

    /// Sets `values` to what the paths lead to. A field that has presence and is not set is NULL, and so is all within it.
    ///
    /// # Errors
    /// As `RowDecoder::decode`.
    pub(crate) fn decode(&self, wire: &[u8], values: &mut Vec<Value>) -> Result<()> {
        let (decoder, mut slots) = Decoder::decode(&self.plan, wire)?;
        let mut whole: Vec<Option<Value>> = Vec::with_capacity(slots.len());
        for (field, slot) in self.plan.root().fields.iter().zip(&mut slots) {
            let slot = std::mem::replace(slot, Slot::Unset);
            whole.push(match (decoder.field_value(field, slot)?, field.presence) {
                (None, Presence::Implicit) => Some(field.default.clone()),
                (value, _) => value,
            });
        }
        values.clear();
        values.extend(self.paths.iter().map(|(place, path)| {
            let start = whole.get(*place).and_then(Option::as_ref);
            let found = start.and_then(|start| path.find(start));
            found.cloned().unwrap_or_default()
        }));
        Ok(())
    }
}

/// Whether a path leads on from a field.
fn leads_somewhere(field: &FieldDescriptor, rest: &[&str]) -> Result<bool> {
    let Some((step, rest)) = rest.split_first() else {
        return Ok(true);
    };
    if field.is_map() {
        return Ok(true);
    }
    let Kind::Message(message) = field.kind() else {
        return Ok(false);
    };
    if field.is_list() {
        return Ok(false);
    }
    match shape::of(&message)? {
        Shape::Struct | Shape::Json(_) => Ok(true),
        Shape::Document => match message.get_field_by_name(step) {
            Some(next) => leads_somewhere(&next, rest),
            None => Ok(false),
        },
        _ => Ok(false),
    }
}
