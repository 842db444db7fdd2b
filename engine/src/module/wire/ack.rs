//! `AckEncoder`: the answer of a method that stores, in whatever message the module has for it.
//!
//! What its fields are for is told by their names and types; those that nothing is told of stay unset. MODULES.md has the rule.
//! Next door: `scalar`, which writes.

use prost::encoding::encode_key;
use prost_reflect::{Kind, MessageDescriptor};
use tailwater_proto::Value;

use super::plan::Presence;
use super::scalar::Scalar;

const TEXTS: [&str; 3] = ["status", "message", "result"];
const COUNTS: [&str; 7] = [
    "count", "stored", "rows", "inserted", "updated", "deleted", "affected",
];
const LSN: &str = "lsn";
const TRUTHS: [&str; 2] = ["ok", "success"];

/// Says what was stored, and where in the log.
#[derive(Debug)]
pub(crate) struct AckEncoder {
    fields: Vec<AckField>,
}

#[derive(Debug)]
struct AckField {
    number: u32,
    scalar: Scalar,
    presence: Presence,
    says: Says,
}

#[derive(Clone, Copy, Debug)]
enum Says {
    Text,
    Count,
    Lsn,
    True,
}

impl AckEncoder {
    /// Any message will do: one without such fields is answered empty.
    pub(crate) fn new(message: &MessageDescriptor) -> Self {
        let fields = message.fields().filter(|field| !field.is_list());
        let mut fields: Vec<AckField> = fields
            .filter_map(|field| {
                let says = says(field.name(), &field.kind())?;
                // Of a oneof only one could be said, and which is not told.
                let oneof = field.containing_oneof();
                let is_arm = oneof.is_some_and(|oneof| !oneof.is_synthetic());
                (!is_arm).then(|| AckField {
                    number: field.number(),
                    scalar: Scalar::of(&field.kind()),
                    presence: Presence::of(&field),
                    says,
                })
            })
            .collect();
        fields.sort_unstable_by_key(|field| field.number);
        Self { fields }
    }

    /// Appends the answer: so many rows, and the number of their commit. A number that its field cannot hold is left out.
    pub(crate) fn encode(&self, count: u64, lsn: u64, out: &mut Vec<u8>) {
        for field in &self.fields {
            let value = match field.says {
                Says::Text => Value::from(format!("stored {count}, lsn {lsn}")),
                Says::Count => Value::numeric(count.into()),
                Says::Lsn => Value::numeric(lsn.into()),
                Says::True => Value::Bool(true),
            };
            // What it tells of is done by now: what its field cannot hold is not told.
            let Ok(wire) = field.scalar.wire(&value) else {
                continue;
            };
            if field.presence == Presence::Explicit || !wire.is_zero() {
                encode_key(field.number, field.scalar.wire_type(), out);
                wire.write(out);
            }
        }
    }
}

fn says(name: &str, kind: &Kind) -> Option<Says> {
    match kind {
        Kind::String if TEXTS.contains(&name) => Some(Says::Text),
        Kind::Bool if TRUTHS.contains(&name) => Some(Says::True),
        Kind::Int32
        | Kind::Int64
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Fixed32
        | Kind::Fixed64
        | Kind::Sfixed32
        | Kind::Sfixed64 => match name {
            LSN => Some(Says::Lsn),
            _ if COUNTS.contains(&name) => Some(Says::Count),
            _ => None,
        },
        _ => None,
    }
}
