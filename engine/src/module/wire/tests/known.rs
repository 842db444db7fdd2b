//! Google's well-known types: what they are as values, what is refused, and back.

use std::sync::Arc;

use prost_reflect::{MessageDescriptor, Value as Dynamic};
use tailwater_proto::{Interval, Value, parse_json};

use super::super::RowEncoder;
use super::Rows;
use super::rules::{decoded, message, written};

fn well_known(kind: &str) -> MessageDescriptor {
    let imports = [
        "timestamp",
        "duration",
        "struct",
        "wrappers",
        "field_mask",
        "any",
    ];
    let imports: String = imports
        .iter()
        .map(|name| format!("import \"google/protobuf/{name}.proto\";\n"))
        .collect();
    message(&format!("{imports} message M {{ {kind} it = 1; }}"))
}

/// Seconds and nanoseconds as the value of field 1.
fn moment(seconds: i64, nanos: i32) -> Vec<u8> {
    let mut inner = vec![0x08];
    prost::encoding::encode_varint(seconds as u64, &mut inner);
    inner.push(0x10);
    prost::encoding::encode_varint(i64::from(nanos) as u64, &mut inner);
    [vec![0x0A, inner.len() as u8], inner].concat()
}

#[test]
fn points_in_time_are_cut_to_microseconds_towards_the_past() {
    let descriptor = well_known("google.protobuf.Timestamp");
    let rows = Rows::new(&descriptor);
    for (seconds, nanos, micros) in [
        (0, 1_999, 1),
        (-1, 999_999_999, -1),
        (-1, 1, -1_000_000),
        (1, 0, 1_000_000),
    ] {
        assert_eq!(
            decoded(&descriptor, &moment(seconds, nanos)),
            Value::TimestampTz(micros)
        );
    }
    for (seconds, nanos) in [
        (0, -1),
        (0, 1_000_000_000),
        (-62_135_596_801, 0),
        (253_402_300_800, 0),
        (i64::MAX, 0),
    ] {
        let error = rows.decode(&moment(seconds, nanos)).unwrap_err();
        assert_eq!(error.sqlstate(), "22008", "{seconds} {nanos}");
    }
    let sent = written(&descriptor, Value::TimestampTz(-1)).unwrap();
    assert_eq!(sent.to_string(), "it{seconds:-1,nanos:999999000}");
    assert_eq!(
        written(&descriptor, Value::Date(1)).unwrap().to_string(),
        "it{seconds:86400}"
    );
    for value in [
        Value::TimestampTz(i64::MAX),
        Value::Timestamp(i64::MIN),
        Value::Date(i32::MAX),
    ] {
        assert!(written(&descriptor, value).unwrap_err().contains("22008"));
    }
    assert!(
        written(&descriptor, Value::Int(0))
            .unwrap_err()
            .contains("42804")
    );
}

#[test]
fn durations_have_one_sign_and_no_months() {
    let descriptor = well_known("google.protobuf.Duration");
    let rows = Rows::new(&descriptor);
    let interval = |days, micros| {
        Value::Interval(Interval {
            months: 0,
            days,
            micros,
        })
    };
    for (seconds, nanos, micros) in [
        (0, -1_999, -1),
        (-1, -999_999_999, -1_999_999),
        (315_576_000_000, 0, 315_576_000_000_000_000),
    ] {
        assert_eq!(
            decoded(&descriptor, &moment(seconds, nanos)),
            interval(0, micros)
        );
    }
    for (seconds, nanos) in [
        (1, -1),
        (-1, 1),
        (315_576_000_001, 0),
        (0, 1_000_000_000),
        (i64::MIN, 0),
    ] {
        let error = rows.decode(&moment(seconds, nanos)).unwrap_err();
        assert_eq!(error.sqlstate(), "22008", "{seconds} {nanos}");
    }
    let sent = written(&descriptor, interval(-1, -1)).unwrap();
    assert_eq!(sent.to_string(), "it{seconds:-86400,nanos:-1000}");
    let month = Value::Interval(Interval {
        months: 1,
        days: 0,
        micros: 0,
    });
    for value in [month, interval(0, i64::MAX), interval(i32::MIN, i64::MIN)] {
        assert!(written(&descriptor, value).unwrap_err().contains("22008"));
    }
}

#[test]
fn wrappers_tell_nothing_from_zero() {
    let descriptor = well_known("google.protobuf.UInt64Value");
    assert_eq!(decoded(&descriptor, &[]), Value::Null);
    assert_eq!(decoded(&descriptor, &[0x0A, 0]), Value::Int(0));
    assert_eq!(
        written(&descriptor, Value::Int(0)).unwrap().to_string(),
        "it{}"
    );
    assert_eq!(written(&descriptor, Value::Null).unwrap().to_string(), "");
    // Parts that came apart are one value: the last counts.
    assert_eq!(
        decoded(&descriptor, &[0x0A, 2, 0x08, 7, 0x0A, 0]),
        Value::Int(7)
    );
}

#[test]
fn json_is_json_and_its_null_is_not_nothing() {
    let descriptor = well_known("google.protobuf.Value");
    assert_eq!(decoded(&descriptor, &[]).kind_name(), "null");
    let null = decoded(&descriptor, &[0x0A, 2, 0x08, 0]);
    assert!(matches!(&null, Value::Json(inner) if inner.is_null()));
    assert!(
        matches!(decoded(&descriptor, &[0x0A, 0]), Value::Json(inner) if inner.is_null()),
        "no arm"
    );
    assert_eq!(
        written(&descriptor, null).unwrap().to_string(),
        "it{null_value:NULL_VALUE}"
    );
    let text = r#"{"a": [1, null, "x", true, {"b": {}}], "c": -0.5}"#;
    let json = Value::Json(Arc::new(parse_json(text).unwrap()));
    let encoder = RowEncoder::new(&descriptor, &[Some(1)]).unwrap();
    let mut wire = Vec::new();
    encoder
        .encode(std::slice::from_ref(&json), &mut wire)
        .unwrap();
    let back = decoded(&descriptor, &wire);
    assert!(matches!(back, Value::Json(_)));
    assert_eq!(back, json);
    // What JSON has no form for is text there.
    let uuid = written(&descriptor, Value::Uuid([0; 16])).unwrap();
    assert_eq!(
        uuid.to_string(),
        "it{string_value:\"00000000-0000-0000-0000-000000000000\"}"
    );
    let fields = well_known("google.protobuf.Struct");
    assert_eq!(
        written(&fields, parse_json(r#"{"a": null}"#).unwrap())
            .unwrap()
            .to_string(),
        "it{fields:[{key:\"a\",value{null_value:NULL_VALUE}}]}"
    );
    assert!(
        written(&fields, parse_json("[1]").unwrap())
            .unwrap_err()
            .contains("42804")
    );
}

#[test]
fn any_is_a_document_of_its_fields_and_a_mask_is_a_list() {
    let any = well_known("google.protobuf.Any");
    let value = decoded(&any, &[0x0A, 6, 0x0A, 1, b't', 0x12, 1, 0xFF]);
    let document = value.as_document().unwrap();
    assert_eq!(document.get("type_url"), Some(&Value::text("t")));
    assert_eq!(
        document.get("value"),
        Some(&Value::Bytes([0xFF][..].into()))
    );
    let mask = well_known("google.protobuf.FieldMask");
    let paths = Value::array(vec![Value::text("a.b"), Value::text("c")]);
    let sent = written(&mask, paths.clone()).unwrap();
    let inner = sent.get_field_by_name("it").unwrap().into_owned();
    let Dynamic::Message(inner) = inner else {
        unreachable!()
    };
    assert_eq!(
        inner
            .get_field_by_name("paths")
            .unwrap()
            .as_list()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(decoded(&mask, &prost::Message::encode_to_vec(&sent)), paths);
}
