//! The rules of MODULES.md, one by one.

use std::str::FromStr;
use std::sync::Arc;

use prost_reflect::{DynamicMessage, MessageDescriptor};
use tailwater_proto::{BigDecimal, Value, parse_json};

use super::super::{Absent, AckEncoder, FieldColumn, ParameterDecoder, RowDecoder, RowEncoder};
use super::{Rows, everything};
use crate::module::ModuleSource;

const CHAT: &str = r#"
syntax = "proto3";
package chat;
import "google/protobuf/struct.proto";
service Chat { rpc Join(Channel) returns (stream Message); rpc Send(stream Message) returns (MessageAck); }
message Channel { string name = 1; string senders_name = 2; }
message Message { string sender = 1; Channel channel = 2; string message = 3; }
message MessageAck { string status = 1; }
message Ask { Channel channel = 1; optional int32 limit = 2; int32 page = 3; google.protobuf.Struct extra = 4; map<string, Channel> by = 5; repeated Channel all = 6; }
"#;

fn columns(numbers: &[u32], absent: Absent) -> Vec<FieldColumn> {
    numbers
        .iter()
        .map(|number| FieldColumn {
            number: *number,
            absent,
        })
        .collect()
}

pub(super) fn message(text: &str) -> MessageDescriptor {
    everything::message(&format!("syntax = \"proto3\";\n{text}"), "M")
}

/// One field of a message, written; or the error.
pub(super) fn written(
    descriptor: &MessageDescriptor,
    value: Value,
) -> Result<DynamicMessage, String> {
    let encoder = RowEncoder::new(descriptor, &[Some(1)]).unwrap();
    let mut wire = Vec::new();
    match encoder.encode(&[value], &mut wire) {
        Ok(()) => Ok(DynamicMessage::decode(descriptor.clone(), wire.as_slice()).unwrap()),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn decoded(descriptor: &MessageDescriptor, wire: &[u8]) -> Value {
    Rows::new(descriptor).decode(wire).unwrap().remove(0)
}

#[test]
fn the_columns_of_a_plan_are_filled_and_a_row_is_the_message_again() {
    let plan = ModuleSource::new("chat.proto", CHAT).plan().unwrap();
    let table = plan
        .tables
        .iter()
        .find(|table| table.name == "message")
        .unwrap();
    let fields: Vec<FieldColumn> = table.columns.iter().map(FieldColumn::from).collect();
    let descriptor = everything::message(CHAT, "chat.Message");
    let decoder = RowDecoder::new(&descriptor, &fields).unwrap();
    let wire = [
        &[0x0A, 3][..],
        b"Ada",
        &[0x12, 5, 0x0A, 3],
        b"den",
        &[0x1A, 2],
        b"hi",
    ]
    .concat();
    let (mut values, mut absent) = (vec![Value::Null; 9], vec![7]);
    decoder.decode(&wire, &mut values, &mut absent).unwrap();
    let channel = parse_json(r#"{"name": "den", "senders_name": ""}"#).unwrap();
    assert_eq!(values, [Value::text("Ada"), channel, Value::text("hi")]);
    assert!(absent.is_empty());
    // As `SELECT *` has it: with the sequence in front, which no field has.
    let encoder = RowEncoder::new(&descriptor, &[None, Some(1), Some(2), Some(3)]).unwrap();
    values.insert(0, Value::Int(1));
    let mut again = Vec::new();
    encoder.encode(&values, &mut again).unwrap();
    assert_eq!(again, wire);
    // Nothing at all: zero where there is no presence, NULL for the message.
    decoder.decode(&[], &mut values, &mut absent).unwrap();
    assert_eq!(values, [Value::text(""), Value::Null, Value::text("")]);
    assert_eq!(absent, [0, 1, 2]);
}

#[test]
fn what_is_not_there_is_null_or_the_default_as_the_column_wants() {
    let [_, two] = everything::both();
    let numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 17, 23];
    let values_of = |absent| {
        let mut values = Vec::new();
        let decoder = RowDecoder::new(&two, &columns(&numbers, absent)).unwrap();
        decoder.decode(&[], &mut values, &mut Vec::new()).unwrap();
        values
    };
    let defaults = [
        Value::Int(-42),
        Value::text("there"),
        Value::Bytes([0, 0xFF][..].into()),
        Value::Bool(true),
        Value::Double(0.5),
        Value::Real(f32::INFINITY),
        Value::numeric(u64::MAX.into()),
        Value::Int(5),
        Value::Int(1),
        Value::text(""),
        Value::array(Vec::new()),
        Value::Null,
        parse_json("{}").unwrap(),
        Value::Null,
    ];
    assert_eq!(values_of(Absent::Zero), defaults);
    let nulls = values_of(Absent::Null);
    let is_null: Vec<bool> = nulls.iter().map(Value::is_null).collect();
    let is_container: Vec<bool> = numbers
        .iter()
        .map(|number| ![11, 17].contains(number))
        .collect();
    assert_eq!(is_null, is_container);
}

#[test]
fn columns_that_are_none_are_refused_when_the_plan_is_made() {
    let descriptor = everything::message(CHAT, "chat.Message");
    let error = RowDecoder::new(&descriptor, &columns(&[1, 9], Absent::Null)).unwrap_err();
    assert_eq!(error.sqlstate(), "42703");
    let error = RowDecoder::new(&descriptor, &columns(&[1, 1], Absent::Null)).unwrap_err();
    assert_eq!(error.sqlstate(), "42701");
    assert_eq!(
        RowEncoder::new(&descriptor, &[Some(4)])
            .unwrap_err()
            .sqlstate(),
        "42703"
    );
    assert_eq!(
        RowEncoder::new(&descriptor, &[Some(3), Some(3)])
            .unwrap_err()
            .sqlstate(),
        "42701"
    );
}

#[test]
fn a_message_that_only_looks_like_one_of_googles_is_refused() {
    let source = ModuleSource::new("a.proto", "syntax = \"proto3\"; import \"google/protobuf/timestamp.proto\"; message A { google.protobuf.Timestamp at = 1; }")
        .with_import("google/protobuf/timestamp.proto", "syntax = \"proto3\"; package google.protobuf; message Timestamp { string seconds = 1; int32 nanos = 2; }");
    let set = source.descriptor_set().unwrap();
    let pool = prost_reflect::DescriptorPool::decode(set.as_slice()).unwrap();
    let message = pool.get_message_by_name("A").unwrap();
    assert_eq!(
        RowEncoder::new(&message, &[]).unwrap_err().sqlstate(),
        "42P16"
    );
}

#[test]
fn parameters_are_found_by_their_paths() {
    let ask = everything::message(CHAT, "chat.Ask");
    let paths = [
        "channel.name",
        "limit",
        "page",
        "channel",
        "extra.colour",
        "by.ada.name",
        "channel.name",
    ];
    let paths = paths.map(str::to_owned);
    let decoder = ParameterDecoder::new(&ask, &paths).unwrap();
    let mut values = Vec::new();
    decoder.decode(&[], &mut values).unwrap();
    let (null, zero) = (Value::Null, Value::Int(0));
    let expected = [&null, &null, &zero, &null, &null, &null, &null].map(Value::clone);
    assert_eq!(
        values, expected,
        "what is not there is NULL, and so is all within"
    );
    decoder.decode(&[0x0A, 0], &mut values).unwrap();
    assert_eq!(
        values[0],
        Value::text(""),
        "the message is there, its name is empty"
    );
    let wire = [
        &[0x0A, 5, 0x0A, 3][..],
        b"den",
        &[0x2A, 12, 0x0A, 3],
        b"ada",
        &[0x12, 5, 0x0A, 3],
        b"Ada",
    ]
    .concat();
    decoder.decode(&wire, &mut values).unwrap();
    assert_eq!(
        (&values[0], &values[5]),
        (&Value::text("den"), &Value::text("Ada"))
    );
    for nowhere in [
        "",
        "nothing",
        "channel.nothing",
        "page.x",
        "all.name",
        "limit.",
        ".channel",
    ] {
        let error = ParameterDecoder::new(&ask, &[nowhere.to_owned()]).unwrap_err();
        assert_eq!(error.sqlstate(), "42703", "{nowhere}");
    }
}

#[test]
fn acknowledgements_fill_what_they_have_a_name_for() {
    let ack = |text: &str| {
        let descriptor = message(text);
        let mut wire = Vec::new();
        AckEncoder::new(&descriptor).encode(3, 17, &mut wire);
        DynamicMessage::decode(descriptor, wire.as_slice())
            .unwrap()
            .to_string()
    };
    assert_eq!(
        ack("message M { string status = 1; }"),
        "status:\"stored 3, lsn 17\""
    );
    assert_eq!(
        ack(
            "message M { uint64 lsn = 2; int32 rows = 1; bool ok = 3; string other = 4; string count = 5; repeated int64 stored = 6; }"
        ),
        "rows:3,lsn:17,ok:true"
    );
    assert_eq!(
        ack("message M { oneof which { string status = 1; string message = 2; } }"),
        ""
    );
    assert_eq!(ack("message M {}"), "");
    let descriptor =
        message("message M { int32 lsn = 1; optional int32 count = 2; int32 rows = 3; }");
    let mut wire = Vec::new();
    AckEncoder::new(&descriptor).encode(1, 1 << 31, &mut wire);
    assert_eq!(
        wire,
        [0x10, 1, 0x18, 1],
        "what a field cannot hold is not told"
    );
    let mut wire = Vec::new();
    AckEncoder::new(&descriptor).encode(0, 1, &mut wire);
    assert_eq!(
        wire,
        [0x08, 1, 0x10, 0],
        "zero is said where it differs from nothing"
    );
}

#[test]
fn numbers_out_of_range_are_errors_that_name_the_field() {
    let numeric = |text: &str| Value::numeric(BigDecimal::from_str(text).unwrap());
    let cases: [(&str, Vec<Value>, Vec<Value>); 8] = [
        (
            "int32",
            vec![Value::Int(i32::MIN.into()), numeric("7.000")],
            vec![Value::Int(1 << 31), numeric("1.5"), numeric("1e400")],
        ),
        (
            "uint32",
            vec![Value::Int(u32::MAX.into())],
            vec![Value::Int(-1), Value::Int(1 << 32)],
        ),
        (
            "int64",
            vec![numeric("-9223372036854775808")],
            vec![numeric("9223372036854775808"), numeric("1e-400")],
        ),
        (
            "uint64",
            vec![
                numeric("18446744073709551615"),
                numeric("1e3"),
                Value::Int(0),
            ],
            vec![numeric("18446744073709551616"), Value::Int(-1)],
        ),
        (
            "sint64",
            vec![Value::Int(i64::MIN)],
            vec![numeric("9223372036854775808")],
        ),
        (
            "fixed32",
            vec![Value::Int(u32::MAX.into())],
            vec![Value::Int(-1)],
        ),
        (
            "float",
            vec![
                Value::Int(3),
                Value::Double(0.1),
                numeric("0.1"),
                Value::Double(f64::INFINITY),
            ],
            vec![Value::Double(1e300), numeric("1e60")],
        ),
        (
            "double",
            vec![Value::Real(0.5), Value::Int(1 << 60), numeric("1e300")],
            vec![numeric("1e400")],
        ),
    ];
    for (kind, good, bad) in cases {
        let descriptor = message(&format!("message M {{ {kind} n = 1; }}"));
        for value in good {
            let what = format!("{value:?} as {kind}");
            written(&descriptor, value).expect(&what);
        }
        for value in bad {
            let error = written(&descriptor, value).unwrap_err();
            assert!(
                error.contains("22003") && error.contains("field M.n"),
                "{error}"
            );
        }
    }
}

#[test]
fn values_of_other_kinds_are_errors_that_name_the_field() {
    let document = parse_json(r#"{"a": 1}"#).unwrap();
    let kinds = [
        ("int32", Value::text("7")),
        ("int64", Value::Double(7.0)),
        ("bool", Value::Int(1)),
        ("bytes", Value::text("x")),
        ("string", Value::Bytes([1][..].into())),
        ("string", document.clone()),
        ("repeated int32", Value::Int(7)),
        ("map<string, int32>", Value::Int(7)),
        ("M", Value::Int(7)),
        ("repeated M", document),
    ];
    for (kind, value) in kinds {
        let descriptor = message(&format!("message M {{ {kind} it = 1; }}"));
        let error = written(&descriptor, value).unwrap_err();
        assert!(
            error.contains("42804") && error.contains("field M.it") && error.contains("CAST"),
            "{error}"
        );
    }
    let list = message("message M { repeated int32 it = 1; }");
    let error = written(&list, Value::array(vec![Value::Int(1), Value::Null])).unwrap_err();
    assert!(error.contains("22004"), "{error}");
    let map = message("message M { map<int32, bool> it = 1; }");
    for name in ["x", "01", "+1", "2147483648", "true", ""] {
        let document = [(name.into(), Value::Bool(true))].into_iter().collect();
        let error = written(&map, Value::document(document)).unwrap_err();
        let sqlstate = if name == "2147483648" {
            "22003"
        } else {
            "22P02"
        };
        assert!(error.contains(sqlstate), "{name}: {error}");
    }
}

#[test]
fn a_string_takes_the_text_of_what_a_column_says() {
    let descriptor = message("message M { string it = 1; }");
    let values = [
        (Value::Int(-7), "-7"),
        (
            Value::Uuid([0xAB; 16]),
            "abababab-abab-abab-abab-abababababab",
        ),
        (Value::Date(0), "1970-01-01"),
        (Value::numeric("1.50".parse().unwrap()), "1.50"),
        (Value::Json(Arc::new(parse_json("[1]").unwrap())), "[1]"),
    ];
    for (value, text) in values {
        let sent = written(&descriptor, value).unwrap();
        assert_eq!(sent.get_field_by_name("it").unwrap().as_str(), Some(text));
    }
}

#[test]
fn at_most_one_arm_of_a_oneof_is_sent_and_the_last_that_came_is_kept() {
    let descriptor = message("message M { oneof which { string a = 1; int32 b = 2; M m = 3; } }");
    let rows = Rows::new(&descriptor);
    let error = rows.encode(&[Value::text("x"), Value::Int(0)]).unwrap_err();
    assert_eq!(error.sqlstate(), "22000");
    assert!(
        error.to_string().contains("a and b of oneof which"),
        "{error}"
    );
    assert_eq!(
        rows.encode(&[Value::Null, Value::Int(0)]).unwrap(),
        [0x10, 0],
        "zero, but set"
    );
    let row = rows.decode(&[0x0A, 1, b'x', 0x10, 7]).unwrap();
    assert_eq!(row, [Value::Null, Value::Int(7), Value::Null]);
    // A message that another arm came between is not merged with its first half.
    let row = rows
        .decode(&[0x1A, 3, 0x0A, 1, b'x', 0x10, 7, 0x1A, 0])
        .unwrap();
    assert_eq!(row[2].to_string(), "{}");
}

#[test]
fn numbers_that_a_closed_enum_has_not_are_as_if_not_sent() {
    let [_, two] = everything::both();
    let rows = Rows::new(&two);
    let at = |row: &[Value], number: u32| {
        let place = two
            .fields()
            .position(|field| field.number() == number)
            .unwrap();
        row[place].clone()
    };
    // grade: 5, 77; grades: 1, 77, 5; by_name: {"x": 77}, {"y": 1}; c_text, then c_grade 77.
    let wire = [
        &[0x40, 5, 0x40, 77, 0x68, 1, 0x6A, 2, 77, 5][..],
        &[
            0x8A, 1, 5, 0x0A, 1, b'x', 0x10, 77, 0x8A, 1, 5, 0x0A, 1, b'y', 0x10, 1,
        ],
        &[0xA2, 1, 1, b't', 0x98, 1, 77],
    ]
    .concat();
    let row = rows.decode(&wire).unwrap();
    assert_eq!(at(&row, 8), Value::Int(5));
    assert_eq!(
        at(&row, 13),
        Value::array(vec![Value::Int(1), Value::Int(5)])
    );
    assert_eq!(at(&row, 17).to_string(), "{\"y\": 1}");
    assert_eq!(at(&row, 20), Value::text("t"));
    let encoder = RowEncoder::new(&two, &[Some(8)]).unwrap();
    let error = encoder
        .encode(&[Value::Int(77)], &mut Vec::new())
        .unwrap_err();
    assert_eq!(error.sqlstate(), "22023");
    let open = message("enum E { Z = 0; } message M { E it = 1; }");
    assert_eq!(decoded(&open, &[0x08, 77]), Value::Int(77));
}

#[test]
fn text_that_is_not_utf8_names_its_field() {
    let [three, _] = everything::both();
    let error = Rows::new(&three)
        .decode(&[0x72, 2, b'a', 0xFF])
        .unwrap_err();
    assert_eq!(error.sqlstate(), "22021");
    assert!(
        error
            .to_string()
            .contains("three.Everything.a_string at byte 1"),
        "{error}"
    );
}

#[test]
fn names_that_a_message_has_not_are_left_out() {
    let descriptor = everything::message(CHAT, "chat.Message");
    let rows = Rows::new(&descriptor);
    let channel = parse_json(r#"{"senders_name": "S", "colour": "red", "name": "N"}"#).unwrap();
    let wire = rows.encode(&[Value::Null, channel]).unwrap();
    assert_eq!(
        wire,
        [&[0x12, 6, 0x0A, 1][..], b"N", &[0x12, 1], b"S"].concat()
    );
}

#[test]
fn lengths_are_written_right_at_each_of_their_borders() {
    let descriptor = everything::message(CHAT, "chat.Message");
    let rows = Rows::new(&descriptor);
    for len in (100..140).chain(16_360..16_400).chain(2_097_148..2_097_154) {
        let mut channel = tailwater_proto::Document::new();
        channel.set("name", Value::from("x".repeat(len)));
        let wire = rows
            .encode(&[Value::Null, Value::document(channel)])
            .unwrap();
        let twin = DynamicMessage::decode(descriptor.clone(), wire.as_slice()).unwrap();
        assert_eq!(prost::Message::encode_to_vec(&twin), wire, "{len}");
    }
}
