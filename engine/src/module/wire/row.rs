//! `RowDecoder` and `RowEncoder`: a message of the wire is a row of values, and a row is a message.
//!
//! They are made once, when a module is installed, and never see a descriptor again. Next door: `parameters`, what a request
//! says; `decode` and `encode`, which do the work.

use prost_reflect::MessageDescriptor;
use smallvec::smallvec;
use tailwater_proto::{Value, sqlstate};

use super::decode::{Decoder, Slot};
use super::encode::{Encoder, Given};
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::module::ColumnPlan;

/// A column that a field fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldColumn {
    pub(crate) number: u32,
    pub(crate) absent: Absent,
}

/// What a column has when its field is not on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    Null,
    /// Protobuf's zero, or the default that the field was given; NULL for a message, which has none.
    Zero,
}

impl From<&ColumnPlan> for FieldColumn {
    /// A column that may not be NULL and has no default gets NULL, too: the table refuses the row and says why.
    fn from(column: &ColumnPlan) -> Self {
        Self {
            number: column.field_number,
            absent: match column.is_nullable || column.default.is_none() {
                true => Absent::Null,
                false => Absent::Zero,
            },
        }
    }
}

/// Bytes of a message into values of chosen fields, in a fixed order.
#[derive(Debug)]
pub(crate) struct RowDecoder {
    plan: Plan,
    /// The field of each column, and what there is without it.
    columns: Vec<(usize, Value)>,
}

impl RowDecoder {
    /// # Errors
    /// `42703` for a field that the message has not, `42701` for one named twice, `42P16` for a message that only looks like one
    /// of Google's.
    pub(crate) fn new(message: &MessageDescriptor, fields: &[FieldColumn]) -> Result<Self> {
        let plan = Plan::new(message)?;
        let mut columns: Vec<(usize, Value)> = Vec::with_capacity(fields.len());
        for column in fields {
            let place = place(&plan, column.number)?;
            if columns.iter().any(|(other, _)| *other == place) {
                return Err(twice(&plan, column.number));
            }
            let zero = plan.root().fields.get(place).map(|field| &field.default);
            let absent = match (column.absent, zero) {
                (Absent::Zero, Some(zero)) => zero.clone(),
                // Lists and maps are empty, never NULL.
                (Absent::Null, Some(empty @ (Value::Array(_) | Value::Document(_)))) => {
                    empty.clone()
                }
                (Absent::Null | Absent::Zero, _) => Value::Null,
            };
            columns.push((place, absent));
        }
        Ok(Self { plan, columns })
    }

    /// Sets `values` to what the message says, one for each column, and `absent` to the places of those that were not on the
    /// wire: where a column has a default of its own, that counts, and not what `values` has.
    ///
    /// # Errors
    /// `22P03` for bytes that are no such message, `22021`, `22008`, `54000` and `54001` for what they hold; `values` are then of
    /// no use.
    pub(crate) fn decode(
        &self,
        wire: &[u8],
        values: &mut Vec<Value>,
        absent: &mut Vec<usize>,
    ) -> Result<()> {
        let (decoder, mut slots) = Decoder::decode(&self.plan, wire)?;
        values.clear();
        absent.clear();
        for (at, (place, zero)) in self.columns.iter().enumerate() {
            let (Some(slot), Some(field)) =
                (slots.get_mut(*place), self.plan.root().fields.get(*place))
            else {
                unreachable!("places come from the plan");
            };
            // Most fields are single values, and moved once.
            if let Slot::Value(value) = slot {
                values.push(std::mem::take(value));
                continue;
            }
            let slot = std::mem::replace(slot, Slot::Unset);
            let found = decoder.field_value(field, slot)?;
            values.push(found.unwrap_or_else(|| {
                absent.push(at);
                zero.clone()
            }));
        }
        Ok(())
    }
}

/// Values of a row into the bytes of a message.
#[derive(Debug)]
pub(crate) struct RowEncoder {
    plan: Plan,
    /// Columns, and their fields.
    columns: Vec<(usize, usize)>,
}

impl RowEncoder {
    /// `columns` has the number of each column's field. Columns without one are left out; fields without a column stay unset.
    ///
    /// # Errors
    /// As [`RowDecoder::new`].
    pub(crate) fn new(message: &MessageDescriptor, columns: &[Option<u32>]) -> Result<Self> {
        let plan = Plan::new(message)?;
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(columns.len());
        for (at, number) in columns.iter().enumerate() {
            let Some(number) = *number else { continue };
            let place = place(&plan, number)?;
            if places.iter().any(|(_, other)| *other == place) {
                return Err(twice(&plan, number));
            }
            places.push((at, place));
        }
        Ok(Self {
            plan,
            columns: places,
        })
    }

    /// Appends the message. Columns that are NULL are not set; those beyond the end of `values` are as NULL.
    ///
    /// # Errors
    /// `42804` for a value of another kind than its field, `22003` and `22008` for one out of range, `22004` for NULL in a list,
    /// `22000` for two arms of a `oneof`, `54001` for what is nested too deep. What was appended is then of no use.
    pub(crate) fn encode(&self, values: &[Value], out: &mut Vec<u8>) -> Result<()> {
        let root = self.plan.root();
        let mut given: Given<'_> = smallvec![None; root.fields.len()];
        for (at, place) in &self.columns {
            let value = values.get(*at).filter(|value| !value.is_null());
            if let Some(slot) = given.get_mut(*place) {
                *slot = value;
            }
        }
        Encoder { plan: &self.plan }.fields(root, &given, out, 0)
    }
}

fn place(plan: &Plan, number: u32) -> Result<usize> {
    let root = plan.root();
    root.find(number, 0).ok_or_else(|| {
        let what = format!("{} has no field of number {number}", root.name);
        Error::statement(sqlstate::UNDEFINED_COLUMN, what)
    })
}

fn twice(plan: &Plan, number: u32) -> Error {
    let what = format!(
        "field {number} of {} would be two columns",
        plan.root().name
    );
    Error::statement(sqlstate::DUPLICATE_COLUMN, what)
}
