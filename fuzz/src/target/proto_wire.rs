//! Bytes of a module's message: a row or an error, as prost-reflect's dynamic message has it; any row is bytes or an error.
//!
//! Next door: `engine::module::wire`, the plans; `proto_module`, the text of a module.

use std::cell::OnceCell;

use prost_reflect::prost::encoding::{WireType, decode_varint, encode_key, encode_varint};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use prost_reflect::{ReflectMessage as _, Value as Dynamic};
use tailwater::internals::wire::Rows;
use tailwater::module::ModuleSource;
use tailwater_proto::Value;

use super::assert_same;
use crate::choices::Choices;
use crate::rng::Rng;
use crate::{memory, value};

const MODULE: &str = r#"
syntax = "proto3";
package wire;
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Colour { NONE = 0; RED = 1; }
message Part { string name = 1; sint64 size = 2; optional Colour colour = 3; All all = 4; }
message All {
  double a_double = 1; float a_float = 2; int32 an_int32 = 3; uint64 a_uint64 = 4; sint32 a_sint32 = 5; bool a_bool = 6;
  fixed32 a_fixed32 = 7; sfixed64 a_sfixed64 = 8; bytes some_bytes = 9; string text = 10; Colour colour = 11;
  repeated int64 numbers = 12; repeated float loose = 13 [packed = false]; repeated string words = 14; repeated Part parts = 15;
  map<string, Part> by_name = 16; map<bool, sint32> by_bool = 17; map<int32, google.protobuf.Value> by_number = 18;
  oneof one { string left = 19; Part right = 20; google.protobuf.Duration lasts = 21; }
  google.protobuf.Timestamp at = 22; google.protobuf.Struct fields = 23; google.protobuf.Value json = 24; google.protobuf.ListValue list = 25;
  google.protobuf.UInt64Value wrapped = 26; google.protobuf.FieldMask mask = 27; repeated google.protobuf.Timestamp times = 28;
}
"#;

/// The plan of the message, which is the same for all inputs.
struct Wire {
    descriptor: MessageDescriptor,
    rows: Rows,
}

impl Wire {
    fn new() -> Self {
        let set = ModuleSource::new("wire.proto", MODULE).descriptor_set();
        let set = set.expect("the module is right");
        let pool = DescriptorPool::decode(set.as_slice()).expect("it was just compiled");
        let descriptor = pool.get_message_by_name("wire.All");
        let descriptor = descriptor.expect("the module has it");
        let rows = Rows::new(&descriptor).expect("it stands by Google's types");
        Self { descriptor, rows }
    }
}

thread_local! {
    static WIRE: OnceCell<Wire> = const { OnceCell::new() };
}

/// Reads the input as a message, then as decisions for a row.
///
/// # Panics
/// If the dynamic message says otherwise, or something does not come back.
pub fn run(input: &[u8]) {
    WIRE.with(|wire| {
        let wire = wire.get_or_init(Wire::new);
        reads_as_the_twin_does(wire, input);
        what_is_written_comes_back(wire, input);
    });
}

fn reads_as_the_twin_does(wire: &Wire, input: &[u8]) {
    let mut row = Vec::new();
    let ours = memory::bounded(|| wire.rows.decode(input, &mut row));
    let twins = DynamicMessage::decode(wire.descriptor.clone(), input);
    let sent = match (ours, twins) {
        (Ok(()), Ok(twins)) => twins,
        (Err(error), Err(_)) => return assert_eq!(error.sqlstate().len(), 5, "{error}"),
        (Err(error), Ok(twins)) => {
            // Stricter: points in time, depth, and the wire type of maps, at which the twin does not look.
            let is_stricter = ["22008", "54001"].contains(&error.sqlstate());
            let is_stricter = is_stricter || is_about_a_map(&error.to_string(), wire, input);
            return assert!(is_stricter, "the twin takes it: {error}: {twins}");
        }
        (Ok(()), Err(error)) => panic!("the twin does not take it: {error}"),
    };
    let mut bytes = Vec::new();
    let written = wire.rows.encode(&row, &mut bytes);
    written.expect("what was read can be written");
    let came = DynamicMessage::decode(wire.descriptor.clone(), bytes.as_slice());
    let came = came.expect("what was written can be read");
    let (sent, came) = (kept(&sent), kept(&came));
    assert!(sent == came, "{sent}\nis not\n{came}");
    let mut again = Vec::new();
    let read = wire.rows.decode(&bytes, &mut again);
    read.expect("what was written can be read");
    assert_same(&row, &again);
}

fn what_is_written_comes_back(wire: &Wire, input: &[u8]) {
    let choices = &mut Choices::new(input);
    let fields = wire.descriptor.fields().len();
    let mut row = vec![Value::Null; fields];
    for _ in 0..=choices.below(6) {
        let place = choices.below(fields);
        row[place] = value::value(choices, 4);
    }
    let mut bytes = Vec::new();
    if let Err(error) = wire.rows.encode(&row, &mut bytes) {
        return assert_eq!(error.sqlstate().len(), 5, "{error}");
    }
    let twins = DynamicMessage::decode(wire.descriptor.clone(), bytes.as_slice());
    twins.expect("what was written can be read");
    let mut read = Vec::new();
    let decoded = wire.rows.decode(&bytes, &mut read);
    decoded.expect("what was written can be read");
    let mut again = Vec::new();
    let written = wire.rows.encode(&read, &mut again);
    written.expect("what was read can be written");
    assert_eq!(bytes, again, "{row:?}");
}

/// Whether an error is about the wire type of a map: that of another type, or that of the end of a group.
fn is_about_a_map(error: &str, wire: &Wire, input: &[u8]) -> bool {
    let message = |name| wire.descriptor.parent_pool().get_message_by_name(name);
    let Some((name, why)) = error.split_once(" at byte ") else {
        return false;
    };
    let field = match (message(name), name.rsplit_once('.')) {
        (Some(message), _) => {
            let at = why.split(':').next().and_then(|at| at.parse().ok());
            let key = at.and_then(|at: usize| decode_varint(&mut input.get(at..)?).ok());
            key.filter(|key| key & 7 == WireType::EndGroup as u64)
                .and_then(|key| message.get_field((key >> 3) as u32))
        }
        (None, Some((name, field))) if why.contains("of another type than the wire type") => {
            message(name).and_then(|message| message.get_field_by_name(field))
        }
        (None, _) => None,
    };
    field.is_some_and(|field| field.is_map())
}

/// A message without what a row does not keep: unknown fields, less than a microsecond, the difference between JSON's null
/// and nothing; and with one NaN instead of many that are never equal.
fn kept(message: &DynamicMessage) -> DynamicMessage {
    let descriptor = message.descriptor();
    let mut kept = DynamicMessage::new(descriptor.clone());
    for (field, value) in message.fields() {
        kept.set_field(&field, kept_value(value));
    }
    let name = descriptor.full_name();
    if name == "google.protobuf.Timestamp" || name == "google.protobuf.Duration" {
        let nanos = kept
            .get_field_by_name("nanos")
            .and_then(|nanos| nanos.as_i32());
        let micros = nanos.unwrap_or_default() / 1000;
        kept.set_field_by_name("nanos", Dynamic::I32(micros * 1000));
    }
    if name == "google.protobuf.Value" {
        let is_null = kept.fields().all(|(field, _)| field.name() == "null_value");
        if is_null {
            kept.set_field_by_name("null_value", Dynamic::EnumNumber(0));
        }
    }
    kept
}

fn kept_value(value: &Dynamic) -> Dynamic {
    match value {
        Dynamic::F64(number) if number.is_nan() => Dynamic::F64(0.125),
        Dynamic::F32(number) if number.is_nan() => Dynamic::F32(0.125),
        Dynamic::Message(message) => Dynamic::Message(kept(message)),
        Dynamic::List(list) => Dynamic::List(list.iter().map(kept_value).collect()),
        Dynamic::Map(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| (key.clone(), kept_value(value)));
            Dynamic::Map(entries.collect())
        }
        other => other.clone(),
    }
}

/// The bytes of a message.
pub fn generate(rng: &mut Rng) -> Vec<u8> {
    let bytes = rng.bytes(250);
    WIRE.with(|wire| {
        let wire = wire.get_or_init(Wire::new);
        let mut out = Vec::new();
        message(&mut Choices::new(&bytes), &wire.descriptor, 4, &mut out);
        out
    })
}

/// Fields of a message in any order, some more than once.
fn message(choices: &mut Choices<'_>, of: &MessageDescriptor, depth: usize, out: &mut Vec<u8>) {
    let fields: Vec<FieldDescriptor> = of.fields().collect();
    for _ in 0..choices.below(6) {
        let field = &fields[choices.below(fields.len())];
        let (number, kind) = (field.number(), field.kind());
        if field.is_list() && field.is_packed() && choices.below(2) == 0 {
            let mut packed = Vec::new();
            for _ in 0..choices.below(5) {
                single(choices, &kind, depth, &mut packed);
            }
            encode_key(number, WireType::LengthDelimited, out);
            delimited(&packed, out);
            continue;
        }
        encode_key(number, kind.wire_type(), out);
        single(choices, &kind, depth, out);
    }
}

fn single(choices: &mut Choices<'_>, kind: &Kind, depth: usize, out: &mut Vec<u8>) {
    match (kind, kind.wire_type()) {
        (Kind::Message(inner), _) => {
            let mut within = Vec::new();
            if depth > 0 {
                message(choices, inner, depth - 1, &mut within);
            }
            delimited(&within, out);
        }
        (Kind::String, _) => {
            delimited(
                ["", "a", "é", "\u{10FFFF}"][choices.below(4)].as_bytes(),
                out,
            );
        }
        (_, WireType::Varint) => encode_varint(choices.word() >> choices.below(64), out),
        (_, WireType::ThirtyTwoBit) => out.extend((choices.word() as u32).to_le_bytes()),
        (_, WireType::SixtyFourBit) => out.extend(choices.word().to_le_bytes()),
        _ => delimited(choices.bytes(20), out),
    }
}

fn delimited(bytes: &[u8], out: &mut Vec<u8>) {
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
