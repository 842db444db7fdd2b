//! `Encoder`: values into the bytes of a message, in the order of its fields' numbers.
//!
//! NULL and what a field without presence has anyway are left out. What does not fit is an error that names the field; names in
//! a document that the message has not are left out. Next door: `known`, Google's types; `scalar`, single values.

use prost::encoding::{WireType, encode_key, encode_varint};
use smallvec::{SmallVec, smallvec};
use tailwater_proto::{Document, Value, sqlstate};

use super::plan::{FieldKind, FieldPlan, Form, MessagePlan, Plan, Presence};
use super::reader::DEPTH_MAX;
use super::scalar::{Misfit, Scalar, Wire, key_name, mismatch};
use super::shape::Shape;
use crate::error::{Error, Result};

/// The value of each field of a message, by place.
pub(super) type Given<'v> = SmallVec<[Option<&'v Value>; 16]>;

/// Writes by a plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoder<'p> {
    pub(super) plan: &'p Plan,
}

impl Encoder<'_> {
    /// The fields of a message that stands `depth` deep.
    ///
    /// # Errors
    /// `42804` for a value of another kind than its field, `22003` and `22008` for one out of range, `22004` for NULL in a list,
    /// `22000` for two arms of a `oneof`, `54001` for what is nested too deep.
    pub(super) fn fields(
        self,
        message: &MessagePlan,
        given: &Given<'_>,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<()> {
        for oneof in &message.oneofs {
            let is_set = |arm: &&usize| given.get(**arm).copied().flatten().is_some();
            let mut set = oneof
                .arms
                .iter()
                .filter(is_set)
                .filter_map(|arm| message.fields.get(*arm));
            if let (Some(one), Some(two)) = (set.next(), set.next()) {
                let what = format!(
                    "{}: {} and {} of oneof {} are both set",
                    message.name, one.name, two.name, oneof.name
                );
                return Err(Error::data(sqlstate::DATA_EXCEPTION, what)
                    .with_hint("at most one of its arms may be other than NULL"));
            }
        }
        for (field, value) in message.fields.iter().zip(given) {
            if let Some(value) = value {
                self.field(message, field, value, out, depth)?;
            }
        }
        Ok(())
    }

    /// A field, whose value is not NULL.
    pub(super) fn field(
        self,
        message: &MessagePlan,
        field: &FieldPlan,
        value: &Value,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<()> {
        let misfit = |misfit: Misfit| misfit.of(message, field);
        match (&field.kind, field.form) {
            (FieldKind::Scalar(scalar), Form::Single) => {
                let wire = scalar.wire(value).map_err(misfit)?;
                if field.presence == Presence::Explicit || !wire.is_zero() {
                    encode_key(field.number, scalar.wire_type(), out);
                    wire.write(out);
                }
                Ok(())
            }
            (FieldKind::Scalar(scalar), Form::Packed) => {
                let elements = elements(value).map_err(misfit)?;
                if elements.is_empty() {
                    return Ok(());
                }
                encode_key(field.number, WireType::LengthDelimited, out);
                delimited(out, |out| {
                    elements.iter().try_for_each(|element| {
                        scalar.element(element).map_err(misfit)?.write(out);
                        Ok(())
                    })
                })
            }
            (FieldKind::Scalar(scalar), _) => {
                for element in elements(value).map_err(misfit)? {
                    let wire = scalar.element(element).map_err(misfit)?;
                    encode_key(field.number, scalar.wire_type(), out);
                    wire.write(out);
                }
                Ok(())
            }
            (FieldKind::Message(_) | FieldKind::Group(_), Form::Single) => {
                self.within(message, field, value, out, depth)
            }
            (FieldKind::Message(entry), Form::Map) => {
                self.map(message, field, self.plan.message(*entry), value, out, depth)
            }
            (FieldKind::Message(inner) | FieldKind::Group(inner), _) => {
                let is_json = matches!(self.plan.message(*inner).shape, Shape::Json(_));
                for element in elements(value).map_err(misfit)? {
                    if element.is_null() && !is_json {
                        return Err(misfit(null_element()));
                    }
                    self.within(message, field, element, out, depth)?;
                }
                Ok(())
            }
        }
    }

    /// A message as one field of another.
    fn within(
        self,
        message: &MessagePlan,
        field: &FieldPlan,
        value: &Value,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<()> {
        self.check_depth(message, field, depth)?;
        match field.kind {
            FieldKind::Scalar(_) => Ok(()),
            FieldKind::Message(inner) => {
                let inner = self.plan.message(inner);
                encode_key(field.number, WireType::LengthDelimited, out);
                delimited(out, |out| {
                    self.body(message, field, inner, value, out, depth + 1)
                })
            }
            FieldKind::Group(inner) => {
                let inner = self.plan.message(inner);
                encode_key(field.number, WireType::StartGroup, out);
                self.body(message, field, inner, value, out, depth + 1)?;
                encode_key(field.number, WireType::EndGroup, out);
                Ok(())
            }
        }
    }

    fn check_depth(self, message: &MessagePlan, field: &FieldPlan, depth: usize) -> Result<()> {
        let too_deep = || Misfit {
            sqlstate: sqlstate::STATEMENT_TOO_COMPLEX,
            what: format!("the value is nested deeper than {DEPTH_MAX} messages"),
        };
        match depth < DEPTH_MAX {
            true => Ok(()),
            false => Err(too_deep().of(message, field)),
        }
    }

    /// What stands in a message that is the value of a field.
    fn body(
        self,
        message: &MessagePlan,
        field: &FieldPlan,
        inner: &MessagePlan,
        value: &Value,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<()> {
        let misfit = |misfit: Misfit| misfit.of(message, field);
        match inner.shape {
            Shape::Document | Shape::MapEntry => match value.unwrap_json() {
                Value::Document(document) => {
                    self.fields(inner, &given(inner, document), out, depth)
                }
                other => Err(misfit(mismatch(other, &inner.name))),
            },
            shape => self
                .known(shape, inner, value, out, depth)
                .map_err(|failed| match failed {
                    Failed::Here(found) => misfit(found),
                    Failed::Within(error) => error,
                }),
        }
    }

    fn map(
        self,
        message: &MessagePlan,
        field: &FieldPlan,
        entry: &MessagePlan,
        value: &Value,
        out: &mut Vec<u8>,
        depth: usize,
    ) -> Result<()> {
        let misfit = |misfit: Misfit| misfit.of(message, field);
        let Value::Document(document) = value.unwrap_json() else {
            return Err(misfit(mismatch(value, "a map")));
        };
        let [key_field, value_field] = entry.fields.as_slice() else {
            return Ok(());
        };
        let is_json = match value_field.kind {
            FieldKind::Message(inner) => {
                matches!(self.plan.message(inner).shape, Shape::Json(_))
            }
            _ => false,
        };
        let FieldKind::Scalar(key_kind) = &key_field.kind else {
            return Ok(());
        };
        for (name, value) in document.iter() {
            if value.is_null() && !is_json {
                continue;
            }
            self.check_depth(message, field, depth)?;
            let key = key_kind.key(name).map_err(misfit)?;
            encode_key(field.number, WireType::LengthDelimited, out);
            delimited(out, |out| {
                self.field(entry, key_field, &key, out, depth + 1)?;
                self.field(entry, value_field, value, out, depth + 1)
            })?;
        }
        Ok(())
    }
}

/// Why a value of one of Google's types was not written.
pub(super) enum Failed {
    Here(Misfit),
    Within(Error),
}

impl From<Misfit> for Failed {
    fn from(misfit: Misfit) -> Self {
        Self::Here(misfit)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Within(error)
    }
}

impl Misfit {
    pub(super) fn of(self, message: &MessagePlan, field: &FieldPlan) -> Error {
        let what = format!("field {}.{}: {}", message.name, field.name, self.what);
        let error = Error::data(self.sqlstate, what);
        match self.sqlstate {
            sqlstate::DATATYPE_MISMATCH => {
                error.with_hint("convert it in the query: CAST(column AS type)")
            }
            _ => error,
        }
    }
}

impl Scalar {
    /// An element of a list.
    fn element<'v>(&self, value: &'v Value) -> std::result::Result<Wire<'v>, Misfit> {
        match value {
            Value::Null => Err(null_element()),
            value => self.wire(value),
        }
    }

    /// The key of a map that a document has as a name. One key has one name.
    fn key(&self, name: &str) -> std::result::Result<Value, Misfit> {
        let key = match self {
            Self::Text => return Ok(Value::text(name)),
            Self::Bool => name.parse().ok().map(Value::Bool),
            Self::Uint64 | Self::Fixed64 => {
                let number: Option<u64> = name.parse().ok();
                number.map(|number| Value::numeric(number.into()))
            }
            _ => name.parse().ok().map(Value::Int),
        };
        key.filter(|key| key_name(key.clone()) == name)
            .ok_or_else(|| Misfit {
                sqlstate: sqlstate::INVALID_TEXT_REPRESENTATION,
                what: format!("{name:?} is no key of type {}", self.name()),
            })
    }
}

/// The fields of a document by their places. Of two of one name the first counts, as for paths.
fn given<'v>(message: &MessagePlan, document: &'v Document) -> Given<'v> {
    let mut given: Given<'v> = smallvec![None; message.fields.len()];
    let mut near = 0;
    for (name, value) in document.iter() {
        let Some(place) = message.find_name(name, near) else {
            continue;
        };
        near = place + 1;
        if let Some(slot @ None) = given.get_mut(place) {
            *slot = Some(value).filter(|value| !value.is_null());
        }
    }
    given
}

fn elements(value: &Value) -> std::result::Result<&[Value], Misfit> {
    match value.unwrap_json() {
        Value::Array(elements) => Ok(elements),
        other => Err(mismatch(other, "a repeated field")),
    }
}

fn null_element() -> Misfit {
    Misfit {
        sqlstate: sqlstate::NULL_VALUE_NOT_ALLOWED,
        what: "a repeated field has no NULL in it".to_owned(),
    }
}

/// What `body` writes, behind its length.
pub(super) fn delimited<E>(
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let start = out.len();
    // Most lengths need one byte; for a longer one the body moves up.
    out.push(0);
    body(out)?;
    let len = out.len() - start - 1;
    match (u8::try_from(len), out.get_mut(start)) {
        (Ok(short @ ..0x80), Some(place)) => *place = short,
        _ => {
            let mut prefix = Vec::with_capacity(10);
            encode_varint(len as u64, &mut prefix);
            out.splice(start..=start, prefix);
        }
    }
    Ok(())
}
