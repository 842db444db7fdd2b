//! `Decoder`: the bytes of a message into slots, one for each field of its plan.
//!
//! What comes twice is merged here, as Protobuf says: the last scalar counts, messages are joined field by field, lists grow.
//! Recursion and memory are bounded. It makes no documents. Next door: `finish`, which does when all has been read.

use prost::encoding::WireType;
use tailwater_proto::{EcoString, Value, sqlstate};

use super::fields::FieldSet;
use super::plan::{FieldKind, FieldPlan, Form, MessagePlan, Plan, Presence};
use super::reader::{DEPTH_MAX, Fault, FieldKey, Reader, Wrong};
use super::scalar::{Scalar, is_zero, key_name};
use super::shape::Shape;
use crate::error::{Error, Result};

/// Values that a message may come to beyond one for each of its bytes. An empty message of many fields is one byte or two on
/// the wire and all its fields in memory.
const VALUES_MAX: usize = 1 << 20;

/// What has been read of a field so far.
#[derive(Debug)]
pub(super) enum Slot {
    Unset,
    Value(Value),
    List(Vec<Value>),
    Map(Box<FieldSet>),
    Message(Box<[Slot]>),
}

/// One reading of one message.
#[derive(Debug)]
pub(super) struct Decoder<'p> {
    pub(super) plan: &'p Plan,
    values_left: usize,
}

impl<'p> Decoder<'p> {
    /// # Errors
    /// `22P03` for bytes that are no such message, `22021` for text that is not UTF-8, `22008` for points in time that Protobuf
    /// has not, `54001` for messages nested too deep, `54000` for those that are too much.
    pub(super) fn decode(plan: &'p Plan, wire: &[u8]) -> Result<(Self, Box<[Slot]>)> {
        let mut decoder = Self {
            plan,
            values_left: VALUES_MAX.saturating_add(wire.len()),
        };
        let root = plan.root();
        let mut slots = decoder.slots(root)?;
        let mut reader = Reader::new(wire);
        decoder.message(root, &mut slots, &mut reader, None, 0)?;
        Ok((decoder, slots))
    }

    /// Slots of a message of which nothing has been read.
    pub(super) fn slots(&mut self, message: &MessagePlan) -> Result<Box<[Slot]>> {
        self.charge(message, message.fields.len())?;
        Ok(message.fields.iter().map(|_| Slot::Unset).collect())
    }

    fn charge(&mut self, message: &MessagePlan, values: usize) -> Result<()> {
        match self.values_left.checked_sub(values) {
            Some(left) => {
                self.values_left = left;
                Ok(())
            }
            None => Err(Error::data(
                sqlstate::PROGRAM_LIMIT_EXCEEDED,
                format!("{}: the message comes to too many values", message.name),
            )
            .with_hint("send its parts in messages of their own")),
        }
    }

    /// Merges what there is into the slots; up to the end of the group, if it is one.
    fn message(
        &mut self,
        message: &'p MessagePlan,
        slots: &mut [Slot],
        reader: &mut Reader<'_>,
        group: Option<u32>,
        depth: usize,
    ) -> Result<()> {
        let mut near = 0;
        while !reader.is_empty() {
            let start = reader.fault(Wrong::GroupEnd);
            let key = reader
                .key()
                .map_err(|fault| malformed(message, None, fault))?;
            if key.wire_type == WireType::EndGroup {
                return match group {
                    Some(number) if number == key.number => Ok(()),
                    _ => Err(malformed(message, None, start)),
                };
            }
            let Some(place) = message.find(key.number, near) else {
                let skipped = reader.skip(key, depth);
                skipped.map_err(|fault| malformed(message, None, fault))?;
                continue;
            };
            // Often the same field follows, or the next.
            near = place + 1;
            self.field(message, place, slots, reader, key, depth)?;
        }
        match group {
            None => Ok(()),
            Some(_) => Err(malformed(message, None, reader.fault(Wrong::GroupEnd))),
        }
    }

    fn field(
        &mut self,
        message: &'p MessagePlan,
        place: usize,
        slots: &mut [Slot],
        reader: &mut Reader<'_>,
        key: FieldKey,
        depth: usize,
    ) -> Result<()> {
        let Some(field) = message.fields.get(place) else {
            return Ok(());
        };
        let fail = |fault| malformed(message, Some(field), fault);
        match (&field.kind, field.form) {
            (FieldKind::Scalar(scalar), Form::Single) => {
                let value = read_as(scalar, reader, key).map_err(fail)?;
                if let Some(slot) = single(message, field, value) {
                    *set(message, field, place, slots) = slot;
                }
            }
            (FieldKind::Scalar(scalar), _) => {
                let Slot::List(list) = list_in(set(message, field, place, slots)) else {
                    return Ok(());
                };
                let before = list.len();
                read_list(scalar, reader, key, list).map_err(fail)?;
                self.charge(message, list.len() - before)?;
            }
            (FieldKind::Message(inner) | FieldKind::Group(inner), Form::Single) => {
                let inner = self.plan.message(*inner);
                let slot = set(message, field, place, slots);
                if !matches!(slot, Slot::Message(_)) {
                    *slot = Slot::Message(self.slots(inner)?);
                }
                if let Slot::Message(within) = slot {
                    self.enter(message, field, inner, within, reader, key, depth)?;
                }
            }
            (FieldKind::Message(entry), Form::Map) => {
                let entry = self.plan.message(*entry);
                let mut within = self.slots(entry)?;
                self.enter(message, field, entry, &mut within, reader, key, depth)?;
                let slot = set(message, field, place, slots);
                if !matches!(slot, Slot::Map(_)) {
                    *slot = Slot::Map(Box::default());
                }
                if let (Slot::Map(map), Some((key, value))) = (slot, self.entry(entry, within)?) {
                    map.set(key, value);
                }
            }
            (FieldKind::Message(inner) | FieldKind::Group(inner), _) => {
                let inner = self.plan.message(*inner);
                let mut within = self.slots(inner)?;
                self.enter(message, field, inner, &mut within, reader, key, depth)?;
                let value = self.value_of(inner, within)?;
                self.charge(message, 1)?;
                if let Slot::List(list) = list_in(set(message, field, place, slots)) {
                    list.push(value);
                }
            }
        }
        Ok(())
    }

    /// Reads a message within another into its slots.
    fn enter(
        &mut self,
        message: &'p MessagePlan,
        field: &'p FieldPlan,
        inner: &'p MessagePlan,
        slots: &mut [Slot],
        reader: &mut Reader<'_>,
        key: FieldKey,
        depth: usize,
    ) -> Result<()> {
        let fail = |fault| malformed(message, Some(field), fault);
        if depth >= DEPTH_MAX {
            return Err(fail(reader.fault(Wrong::TooDeep)));
        }
        let is_group = matches!(field.kind, FieldKind::Group(_));
        match (is_group, key.wire_type) {
            (true, WireType::StartGroup) => {
                self.message(inner, slots, reader, Some(field.number), depth + 1)
            }
            (false, WireType::LengthDelimited) => {
                let mut within = reader.within().map_err(fail)?;
                self.message(inner, slots, &mut within, None, depth + 1)
            }
            (_, found) => Err(fail(reader.fault(Wrong::WireType(found)))),
        }
    }

    /// What an entry of a map says; nothing if its value is none that the enum has.
    fn entry(
        &mut self,
        entry: &MessagePlan,
        slots: Box<[Slot]>,
    ) -> Result<Option<(EcoString, Value)>> {
        let mut fields = entry.fields.iter().zip(slots);
        let (Some((key, key_slot)), Some((field, slot))) = (fields.next(), fields.next()) else {
            return Ok(None);
        };
        let key = self
            .field_value(key, key_slot)?
            .unwrap_or_else(|| key.default.clone());
        let key = key_name(key);
        let value = match self.field_value(field, slot)? {
            Some(Value::Null) if matches!(field.kind, FieldKind::Scalar(_)) => return Ok(None),
            Some(value) => value,
            None => match field.kind {
                FieldKind::Message(inner) | FieldKind::Group(inner) => {
                    let inner = self.plan.message(inner);
                    let nothing = self.slots(inner)?;
                    self.value_of(inner, nothing)?
                }
                FieldKind::Scalar(_) => field.default.clone(),
            },
        };
        Ok(Some((key, value)))
    }
}

/// What a value that was read makes of its slot; nothing if it is as if it had not been sent.
fn single(message: &MessagePlan, field: &FieldPlan, value: Option<Value>) -> Option<Slot> {
    match value {
        // Zero is nothing where there is no presence, even if it was sent.
        Some(value) if field.presence == Presence::Implicit && is_zero(&value) => Some(Slot::Unset),
        Some(value) => Some(Slot::Value(value)),
        // A number that the enum does not have is no value, and an entry with it is no entry.
        None if message.shape == Shape::MapEntry => Some(Slot::Value(Value::Null)),
        None => None,
    }
}

fn read_as(
    scalar: &Scalar,
    reader: &mut Reader<'_>,
    key: FieldKey,
) -> Result<Option<Value>, Fault> {
    match key.wire_type == scalar.wire_type() {
        true => scalar.read(reader),
        false => Err(reader.fault(Wrong::WireType(key.wire_type))),
    }
}

/// Elements of a list, whether one by one or packed, whatever the field is declared as.
fn read_list(
    scalar: &Scalar,
    reader: &mut Reader<'_>,
    key: FieldKey,
    list: &mut Vec<Value>,
) -> Result<(), Fault> {
    if key.wire_type != WireType::LengthDelimited || !scalar.is_packable() {
        list.extend(read_as(scalar, reader, key)?);
        return Ok(());
    }
    let mut packed = reader.within()?;
    while !packed.is_empty() {
        list.extend(scalar.read(&mut packed)?);
    }
    Ok(())
}

/// The slot of a field that is set now: the other arms of its `oneof` are not any more.
fn set<'s>(
    message: &MessagePlan,
    field: &FieldPlan,
    place: usize,
    slots: &'s mut [Slot],
) -> &'s mut Slot {
    let oneof = field.oneof.and_then(|oneof| message.oneofs.get(oneof));
    for arm in oneof.iter().flat_map(|oneof| &oneof.arms) {
        if let Some(slot) = slots.get_mut(*arm).filter(|_| *arm != place) {
            *slot = Slot::Unset;
        }
    }
    match slots.get_mut(place) {
        Some(slot) => slot,
        None => unreachable!("a message has a slot for each field"),
    }
}

/// The slot, as a list.
fn list_in(slot: &mut Slot) -> &mut Slot {
    if !matches!(slot, Slot::List(_)) {
        *slot = Slot::List(Vec::new());
    }
    slot
}

fn malformed(message: &MessagePlan, field: Option<&FieldPlan>, fault: Fault) -> Error {
    let sqlstate = match fault.what {
        Wrong::TooDeep => sqlstate::STATEMENT_TOO_COMPLEX,
        Wrong::Utf8 => "22021",
        _ => "22P03",
    };
    let what = match field {
        Some(field) => format!(
            "{}.{} at byte {}: {}",
            message.name, field.name, fault.at, fault.what
        ),
        None => format!("{} at byte {}: {}", message.name, fault.at, fault.what),
    };
    let error = Error::data(sqlstate, what);
    match fault.what {
        Wrong::TooDeep => error.with_hint("store parts of it in rows of their own"),
        Wrong::Utf8 => error.with_hint("a field of type bytes holds any bytes"),
        _ => error.with_hint(
            "encode the message with the descriptors that the module was installed with",
        ),
    }
}
