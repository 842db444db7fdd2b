//! The field plans of a module without a database around them, for who tests them from outside.
//!
//! It adds nothing of its own. Next door: `crate::module::wire`.

use prost_reflect::MessageDescriptor;
use tailwater_proto::Value;

use crate::error::Result;
use crate::module::wire::{
    Absent, AckEncoder, FieldColumn, ParameterDecoder, RowDecoder, RowEncoder,
};

/// All fields of a message, in the order of their numbers, as the columns of a row.
#[derive(Debug)]
pub struct Rows {
    decoder: RowDecoder,
    encoder: RowEncoder,
}

impl Rows {
    /// # Errors
    /// A message that only looks like one of Google's.
    pub fn new(message: &MessageDescriptor) -> Result<Self> {
        let column = |number| FieldColumn {
            number,
            absent: Absent::Null,
        };
        let columns: Vec<_> = message
            .fields()
            .map(|field| column(field.number()))
            .collect();
        let numbers: Vec<_> = columns.iter().map(|column| Some(column.number)).collect();
        Ok(Self {
            decoder: RowDecoder::new(message, &columns)?,
            encoder: RowEncoder::new(message, &numbers)?,
        })
    }

    /// The row of a message.
    ///
    /// # Errors
    /// As the decoder's.
    pub fn decode(&self, wire: &[u8], values: &mut Vec<Value>) -> Result<()> {
        self.decoder.decode(wire, values, &mut Vec::new())
    }

    /// The message of a row.
    ///
    /// # Errors
    /// As the encoder's.
    pub fn encode(&self, values: &[Value], wire: &mut Vec<u8>) -> Result<()> {
        self.encoder.encode(values, wire)
    }
}

/// What paths lead to in a request.
///
/// # Errors
/// As the decoder's.
pub fn parameters(
    message: &MessageDescriptor,
    paths: &[String],
    wire: &[u8],
) -> Result<Vec<Value>> {
    let mut values = Vec::new();
    ParameterDecoder::new(message, paths)?.decode(wire, &mut values)?;
    Ok(values)
}

/// The answer of a method that stored something.
pub fn acknowledgement(message: &MessageDescriptor, count: u64, lsn: u64) -> Vec<u8> {
    let mut wire = Vec::new();
    AckEncoder::new(message).encode(count, lsn, &mut wire);
    wire
}
