//! Answers: which field of a message a column of a result is, and how rows become a message.
//!
//! A result is the message itself, or the one message, or list of messages, in it. Next door: `crate::service`, which
//! has the rows.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use tailwater_proto::Value;

use super::plan::ModulePlan;
use super::wire::RowEncoder;
use crate::error::{Error, Result};

/// How rows become an answer.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The row is the message.
    Row(RowEncoder),
    /// The row is a message within.
    Within { tag: Vec<u8>, row: RowEncoder },
    /// The rows are a list of messages within.
    List { tag: Vec<u8>, row: RowEncoder },
}

impl Answer {
    /// For a result of these columns.
    ///
    /// # Errors
    /// `42804` if no column is a field of the message, or of one within.
    pub(crate) fn new(
        message: &MessageDescriptor,
        columns: &[String],
        plan: &ModulePlan,
    ) -> Result<Self> {
        let own = numbers(message, columns, plan);
        if own.iter().any(Option::is_some) {
            return Ok(Self::Row(RowEncoder::new(message, &own)?));
        }
        let within = message.fields().filter(|field| !field.is_map());
        for field in within {
            let Kind::Message(row) = field.kind() else {
                continue;
            };
            let theirs = numbers(&row, columns, plan);
            if theirs.iter().all(Option::is_none) {
                continue;
            }
            let (tag, row) = (tag(&field), RowEncoder::new(&row, &theirs)?);
            return Ok(match field.is_list() {
                true => Self::List { tag, row },
                false => Self::Within { tag, row },
            });
        }
        Err(Error::statement(
            "42804",
            format!(
                "none of the columns {} is a field of {}",
                columns.join(", "),
                message.full_name()
            ),
        ))
    }

    /// Whether all rows go into one message.
    pub(crate) const fn is_list(&self) -> bool {
        matches!(self, Self::List { .. })
    }

    /// Appends a row.
    pub(crate) fn encode(&self, row: &[Value], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Row(encoder) => encoder.encode(row, out),
            Self::Within { tag, row: encoder } | Self::List { tag, row: encoder } => {
                let mut body = Vec::new();
                encoder.encode(row, &mut body)?;
                out.extend_from_slice(tag);
                prost::encoding::encode_varint(body.len() as u64, out);
                out.extend_from_slice(&body);
                Ok(())
            }
        }
    }
}

/// The fields that columns are: those of the message's table by their numbers, others by their names.
fn numbers(message: &MessageDescriptor, columns: &[String], plan: &ModulePlan) -> Vec<Option<u32>> {
    let table = (plan.tables.iter()).find(|table| table.message == message.full_name());
    let mut taken = Vec::new();
    let mut number = |column: &String| {
        let planned = table.and_then(|table| table.columns.iter().find(|c| c.name == *column));
        let number = match planned {
            Some(column) => Some(column.field_number),
            None => message
                .get_field_by_name(column)
                .map(|field| field.number()),
        }?;
        // Of two columns with one name the first counts.
        (!taken.contains(&number)).then(|| {
            taken.push(number);
            number
        })
    };
    columns.iter().map(&mut number).collect()
}

/// What stands before the length of a message within.
fn tag(field: &FieldDescriptor) -> Vec<u8> {
    const LENGTH_DELIMITED: u64 = 2;
    let mut tag = Vec::new();
    prost::encoding::encode_varint(u64::from(field.number()) << 3 | LENGTH_DELIMITED, &mut tag);
    tag
}
